/**
 * Runs an example as a user does, in a process of its own.
 *
 * @module
 */

import { fromFileUrl } from "@std/path";

/** An example that runs, and what it has printed so far. */
export interface RunningExample extends AsyncDisposable {
  readonly child: Deno.ChildProcess;
  /** The lines of its standard output, one a call; undefined at the end. */
  line(): Promise<string | undefined>;
  /** All the lines that are left. */
  rest(): Promise<string[]>;
}

/** Starts an example with exactly these permissions. */
export function startExample(
  name: string,
  permissions: readonly string[],
  args: readonly string[],
): RunningExample {
  const file = fromFileUrl(new URL(`../../examples/${name}`, import.meta.url));
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-prompt", "--no-check", ...permissions, file, ...args],
    env: { NO_COLOR: "1" },
    stdin: "null",
    stdout: "piped",
  }).spawn();
  const lines = linesOf(child.stdout);
  return {
    child,
    line: async () => (await lines.next()).value,
    rest: () => Array.fromAsync(lines),
    async [Symbol.asyncDispose]() {
      try {
        child.kill("SIGKILL");
      } catch (error) {
        if (!(error instanceof TypeError)) throw error;
      }
      await Array.fromAsync(lines);
      await child.status;
    },
  };
}

async function* linesOf(stream: ReadableStream<Uint8Array<ArrayBuffer>>): AsyncGenerator<string> {
  let rest = "";
  for await (const text of stream.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + text).split("\n");
    rest = lines.pop()!;
    yield* lines;
  }
  if (rest !== "") yield rest;
}
