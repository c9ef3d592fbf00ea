/**
 * Runs commands by the library and by Deno, so that what comes of them can be compared.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { deadline } from "@std/async";
import { spawn, type SpawnOptions } from "../../mod.ts";
import { collected } from "./garbage.ts";
import { textOf } from "./output_text.ts";
import { eventually, idle, openFds, PATIENCE, readStat } from "./processes.ts";
import { childrenOf } from "./trees.ts";

/** What came of a command. */
export interface Outcome {
  readonly code: number;
  readonly signal: Deno.Signal | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** The options that the library and Deno both have. */
export type SharedOptions =
  & Pick<SpawnOptions, "clearEnv" | "cwd" | "detached" | "env">
  & Pick<Deno.CommandOptions, "args">;

const STDIO = { stdin: "null", stdout: "piped", stderr: "piped" } as const;

/** Runs a command to its end. Unless told otherwise, it has no input. */
export async function run(command: string | URL, options: SpawnOptions = {}): Promise<Outcome> {
  const child = spawn(command, { ...STDIO, ...options });
  return outcome(await deadline(child.output(), PATIENCE));
}

/** Runs a command both ways, checks that the same came of it, and returns that. */
export async function runBoth(
  command: string | URL,
  options: SharedOptions = {},
): Promise<Outcome> {
  const theirs = outcome(
    await new Deno.Command(command, { ...STDIO, ...options }).spawn().output(),
  );
  assertEquals(await run(command, options), theirs);
  return theirs;
}

/** What each fd of a child that was started with these options is open on, by its number. */
export async function fdsOf(options: SpawnOptions): Promise<Record<string, string>> {
  await using child = spawn("sh", { ...options, args: ["-c", "kill -STOP $$"] });
  // By then the shell itself has been loaded, which takes fds, too.
  await eventually("the shell stopped", () => readStat(child.pid)?.state === "T");
  const folder = `/proc/${child.pid}/fd`;
  return Object.fromEntries(
    [...Deno.readDirSync(folder)].map(({ name }) => [name, Deno.readLinkSync(`${folder}/${name}`)]),
  );
}

/** Calls something, and checks that it leaves neither an fd nor a child behind. */
export async function leavesNothing(call: () => void): Promise<void> {
  await idle();
  // Handles that nobody holds any more are closed when the engine likes to.
  await collected();
  const before = { fds: openFds(), children: childrenOf(Deno.pid) };
  call();
  await idle();
  assertEquals({ fds: openFds(), children: childrenOf(Deno.pid) }, before);
}

/** Writes a shell script that can be executed. */
export function writeScript(path: string, text: string): void {
  Deno.writeTextFileSync(path, text, { mode: 0o755 });
}

function outcome(output: Deno.CommandOutput): Outcome {
  const { code, signal } = output;
  return { code, signal, stdout: textOf(() => output.stdout), stderr: textOf(() => output.stderr) };
}
