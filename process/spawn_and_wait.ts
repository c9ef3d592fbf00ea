/**
 * A child from its start to its end, in one call.
 *
 * @module
 */

import type { Child, Start } from "./child.ts";
import { type ChildOutput, outputOf } from "./child_output.ts";
import { SyncCollection } from "./collect_sync.ts";
import { closeBounds } from "./ending.ts";
import { inputOf } from "./input.ts";
import { optionsOf, type SpawnOptions } from "./options.ts";
import { begin, spawn } from "./spawn.ts";
import { closeEnds } from "./stdio.ts";

/**
 * Starts a process, waits for its end, and collects what it writes. As with `Deno.spawnAndWait`,
 * `stdout` and `stderr` are piped unless told otherwise, and stdin is `/dev/null`; what stdin is to
 * read can be given as `input`.
 *
 * An abort of `signal` ends the process, and the promise resolves with what it wrote until then.
 *
 * @throws {SyscallError} At once, if it can't be started, as {@linkcode spawn} does.
 * @throws {TypeError} If stdin is to be piped, or with a terminal: nobody could write to it.
 *
 * @example
 * ```ts
 * import { spawnAndWait } from "@pidfd/util";
 *
 * const { code, stdoutText } = await spawnAndWait("tr", {
 *   args: ["a-z", "A-Z"],
 *   input: "meow",
 * });
 * console.log(code, stdoutText); // 0 MEOW
 * ```
 */
export function spawnAndWait(
  command: string | URL,
  options?: SpawnOptions,
): Promise<ChildOutput>;
/**
 * Starts a process, with its arguments in place of `options.args`, waits for its end, and collects
 * what it writes.
 *
 * @example
 * ```ts
 * import { spawnAndWait } from "@pidfd/util";
 *
 * const { stdoutText } = await spawnAndWait("date", ["+%Y"], { env: { TZ: "UTC" } });
 * console.log(stdoutText);
 * ```
 */
export function spawnAndWait(
  command: string | URL,
  args: readonly string[],
  options?: Omit<SpawnOptions, "args">,
): Promise<ChildOutput>;
export function spawnAndWait(
  command: string | URL,
  argsOrOptions?: readonly string[] | SpawnOptions,
  optionsBehind?: Omit<SpawnOptions, "args">,
): Promise<ChildOutput> {
  const options = waitingOptions(optionsOf(argsOrOptions, optionsBehind));
  const child = spawn(command, options);
  return options.contain ? outputAndEnd(child) : child.output();
}

/** Collects what a contained child writes, and then ends all that it has started. */
async function outputAndEnd(child: Child): Promise<ChildOutput> {
  await using contained = child;
  return await contained.output();
}

/**
 * As {@linkcode spawnAndWait}, but this thread stands still meanwhile: no timer, no promise and no
 * signal listener of it runs. The process can write any amount to both streams.
 *
 * `signal` can't abort while nothing runs: only one that has aborted before counts, and is thrown.
 * After `timeout` the process alone is ended, and what others still hold open is cut off.
 *
 * @throws {SyscallError} If it can't be started, as {@linkcode spawn} does.
 * @throws {TypeError} If stdin is to be piped, or with a terminal: nobody could write to it; with
 *   `end.tree` or `contain`, which take {@linkcode spawnAndWait}.
 *
 * @example
 * ```ts
 * import { spawnAndWaitSync } from "@pidfd/util";
 *
 * const { success, stdoutText } = spawnAndWaitSync("uname", { args: ["-r"] });
 * console.log(success, stdoutText);
 * ```
 */
export function spawnAndWaitSync(command: string | URL, options?: SpawnOptions): ChildOutput;
/**
 * As {@linkcode spawnAndWait} with its arguments in place of `options.args`, but this thread
 * stands still meanwhile.
 *
 * @example
 * ```ts
 * import { spawnAndWaitSync } from "@pidfd/util";
 *
 * console.log(spawnAndWaitSync("sort", ["-n"], { input: "10\n9\n" }).stdoutText);
 * ```
 */
export function spawnAndWaitSync(
  command: string | URL,
  args: readonly string[],
  options?: Omit<SpawnOptions, "args">,
): ChildOutput;
export function spawnAndWaitSync(
  command: string | URL,
  argsOrOptions?: readonly string[] | SpawnOptions,
  optionsBehind?: Omit<SpawnOptions, "args">,
): ChildOutput {
  const options = waitingOptions(optionsOf(argsOrOptions, optionsBehind));
  if (options.timeout !== undefined && options.end?.tree) {
    throw new TypeError("options.end.tree must not be given here: it takes spawnAndWait()");
  }
  if (options.contain) {
    throw new TypeError("options.contain must not be given here: it takes spawnAndWait()");
  }
  return begin(command, options, (start) => {
    try {
      const output = waitSync(start);
      start.owner.close();
      return output;
    } finally {
      closeEnds(start.ends);
      closeBounds(start.bounds);
    }
  });
}

/** Collects until the end, or until the time is up; then ends the child as `end` tells. */
function waitSync(start: Start): ChildOutput {
  const { owner, end: { timeout = Infinity, how } } = start;
  const collection = new SyncCollection(start);
  let deadline = performance.now() + timeout;
  if (!collection.run(deadline)) {
    owner.sendSignal(how.signal);
    deadline += how.grace;
    if (!collection.runToExit(deadline)) {
      owner.kill();
      collection.runToExit(Infinity);
    }
  }
  return outputOf(owner.waitSync(), collection.collected);
}

/** The options with the defaults of a child that is waited for. */
function waitingOptions(options: SpawnOptions): SpawnOptions {
  const { stdin = "null", stdout = "piped", stderr = "piped", terminal } = options;
  if (terminal) {
    throw new TypeError("options.terminal must not be given here: it takes spawn()");
  }
  if (inputOf(options) !== undefined) return { ...options, stdout, stderr };
  if (stdin === "piped") {
    throw new TypeError(
      "Piped stdin is not supported for this function, use 'spawn()' instead, or options.input",
    );
  }
  return { ...options, stdin, stdout, stderr };
}
