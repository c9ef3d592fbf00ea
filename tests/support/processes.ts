/**
 * What many tests need to know about this process, and the processes that they need to have.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { fromFileUrl } from "@std/path";
import { openOn } from "./fds.ts";
import { eventually, PATIENCE } from "./patience.ts";
import { openFds, readProc, readStat } from "./proc.ts";

export { eventually, PATIENCE } from "./patience.ts";
export { openFds, readStat, threads, zombies } from "./proc.ts";

/** The project's root folder. */
export const ROOT: string = fromFileUrl(new URL("../../", import.meta.url));

export const isRoot: boolean = Deno.uid() === 0;

/**
 * The epoll sets that the library has open. It registers each fd under its own number, which Deno
 * doesn't do in its sets. Each is named by its number and the id of the eventfd in it, which tells it from a
 * later one. proc_pid_fdinfo(5)
 */
function epollSets(): string[] {
  return openFds().flatMap((fd) => {
    if (openOn(Number(fd)) !== "anon_inode:[eventpoll]") return [];
    const entries = [...infoOf(fd).matchAll(/^tfd: +(\d+) .* data: *(\w+)/gm)];
    const isOurs = entries.some(([, fd, data]) =>
      BigInt.asUintN(32, BigInt(`0x${data}`)) === BigInt(fd)
    );
    const ids = entries.map(([, fd]) => /^eventfd-id: *(\d+)/m.exec(infoOf(fd))?.[1] ?? "");
    return isOurs ? [`${fd} ${ids.join("")}`] : [];
  });
}

function infoOf(fd: string): string {
  return readProc(`self/fdinfo/${fd}`) ?? "";
}

/** Those that others have left in this process for good: a worker that was terminated, say. */
const LEFT = epollSets();

/**
 * Resolves once no thread is parked for waits any more. An abort takes effect on it a moment
 * later, which a test that ends with one has to wait for, as the sanitizers do not.
 */
export async function idle(): Promise<void> {
  await eventually("the parked thread returned", () => {
    return epollSets().every((set) => LEFT.includes(set));
  });
}

/** Options for `runProgram`. */
export interface ProgramOptions {
  flags?: string[];
  env?: Record<string, string>;
  /** A command that executes the one behind it: how it runs with other rights, or elsewhere. */
  prefix?: readonly string[];
}

/**
 * Runs a program in a Deno of its own and returns what it printed. `@pidfd/util` and `@std` can
 * be imported in it as everywhere. One that doesn't end is ended, and has the code of a SIGTERM.
 */
export async function runProgram(
  code: string,
  { flags = ["--allow-ffi"], env, prefix = [] }: ProgramOptions = {},
): Promise<{ code: number; stdout: string; stderr: string }> {
  const file = await Deno.makeTempFile({ suffix: ".ts" });
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(), PATIENCE);
  try {
    await Deno.writeTextFile(file, code);
    const [path, ...args] = [...prefix, Deno.execPath(), "run"];
    const command = new Deno.Command(path, {
      args: [...args, "--no-prompt", "--no-check", "--import-map", IMPORT_MAP, ...flags, file],
      // Deno asks for a newer version some time after the start, which takes threads and fds.
      env: { NO_COLOR: "1", DENO_NO_UPDATE_CHECK: "1", ...env },
      stdin: "null",
      signal: late.signal,
    });
    const { code: status, stdout, stderr } = await command.output();
    const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
    return { code: status, stdout: text(stdout), stderr: text(stderr) };
  } finally {
    clearTimeout(timer);
    await Deno.remove(file);
  }
}

/** Runs a program that ends well, and returns the value that it printed as JSON. */
export async function runForValue(
  code: string,
  flags?: string[],
  prefix?: readonly string[],
): Promise<unknown> {
  const { code: status, stdout, stderr } = await runProgram(code, { flags, prefix });
  assertEquals({ status, stderr }, { status: 0, stderr: "" });
  return JSON.parse(stdout);
}

const IMPORT_MAP = `${ROOT}tests/std/import_map.json`;

/** A process that is not our child, and whose parent reaps it when told to. */
export interface Stranger {
  pid: number;
  /** Lets the parent reap it; resolves once it has. */
  reap(): Promise<void>;
  /** Ends both. */
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * Starts a shell command as a stranger to this process.
 *
 * @param reaping Whether its parent needs to be told, or reaps it as soon as it ends: then the
 *   test has to end it.
 */
export async function startStranger(
  command: string,
  reaping: "when told" | "at once" = "when told",
): Promise<Stranger> {
  const parent = new Deno.Command("sh", {
    args: [
      "-c",
      `exec 3<&0; { read _ <&3; exec sh -c "$0" 3<&- <&- >&- 2>&-; } & ` +
      "echo $!; wait $!; echo reaped; read _",
      command,
    ],
    stdin: "piped",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const output = parent.stdout.pipeThrough(new TextDecoderStream()).getReader();
  const input = parent.stdin.getWriter();
  const pid = Number((await output.read()).value);
  const isHeldBack = reaping === "when told";
  if (isHeldBack) {
    // Some shells reap whatever ends, at once. Not while they are stopped.
    parent.kill("SIGSTOP");
    await eventually("the parent stopped", () => readStat(parent.pid)?.state === "T");
  }
  await input.write(new TextEncoder().encode("\n"));
  let reaped: Promise<unknown> | undefined;
  const reap = async () => {
    if (reaped === undefined) {
      if (isHeldBack) parent.kill("SIGCONT");
      reaped = output.read();
    }
    await reaped;
  };
  return {
    pid,
    reap,
    async [Symbol.asyncDispose]() {
      // Held back, it still has its PID; reaped at once, that could be anybody's by now.
      if (isHeldBack && reaped === undefined) Deno.kill(pid, "SIGKILL");
      await reap();
      await input.close();
      await output.cancel();
      await parent.status;
    },
  };
}
