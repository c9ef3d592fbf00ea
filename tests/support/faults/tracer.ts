/**
 * strace(1), attached to threads of a program that runs already: it sees and changes what these
 * threads call from then on, and nothing of how the program came to be.
 *
 * @module
 */

import { deadline } from "@std/async";
import type { ErrnoName } from "../../../ffi/errno.ts";
import { eventually, PATIENCE } from "../processes.ts";
import { canRun } from "../skip.ts";
import { CHILD_CALLS } from "./errors.ts";

/** Whether strace is here, and may trace. */
export const canTrace: boolean = canRun("strace", ["-o", "/dev/null", "true"]);

/** What a call is made to fail with, and when. */
export interface Fault {
  readonly call: string;
  readonly errno: ErrnoName;
  /** Which one of a thread's calls of this name: strace's `when`, "2" or "1+". */
  readonly when: string;
}

/** A call that was seen. */
export interface TracedCall {
  /** Who made it; empty if only one thread is traced. */
  readonly thread: string;
  readonly name: string;
  /** Its first argument, which for most calls is an fd. */
  readonly first: string;
  /** All of its arguments, as far as strace tells. */
  readonly text: string;
  /** Whether it was made to fail. */
  readonly injected: boolean;
}

/** One strace at work. */
export interface Tracer {
  /** What strace has written so far. */
  text(): string;
  /** Lets the threads go, and tells what they have called. */
  detach(): Promise<TracedCall[]>;
}

/** What strace says of a thread that it came upon in the middle of a call, and gets over. */
const MIDWAY = /: pid \d+: entering, ptrace_syscall_info\.op == \d+$/;

/**
 * Attaches to threads; resolves once nothing that they call goes unseen.
 *
 * @param children Whether it's the calls of their children that count: those that no thread of the
 * program itself makes, as strace follows all of them then.
 */
export async function attach(
  threads: readonly number[],
  fault?: Fault,
  children = false,
): Promise<Tracer> {
  const log = await Deno.makeTempFile();
  // Not every machine has every call.
  const all = children ? [...CHILD_CALLS].map((name) => `?${name}`).join() : "all";
  const inject = fault
    ? ["-e", `inject=${fault.call}:error=${fault.errno}:when=${fault.when}`]
    : [];
  const strace = new Deno.Command("strace", {
    args: [
      ...["-qq", "-o", log, "-e", "verbose=clone3", "-e", "signal=none"],
      ...["-e", `trace=${fault?.call ?? all}`, ...inject],
      ...(children ? ["-f"] : []),
      ...["-p", threads.join()],
    ],
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).spawn();
  const ended = strace.output();
  let failed = false;
  ended.then(() => failed = true);
  await eventually("strace is attached", () => failed || threads.every(isTraced));
  return {
    text: () => Deno.readTextFileSync(log),
    async detach() {
      if (!failed) strace.kill("SIGTERM");
      const { stderr } = await deadline(ended, PATIENCE);
      const text = await Deno.readTextFile(log);
      await Deno.remove(log);
      const complaints = new TextDecoder().decode(stderr).split("\n")
        .filter((line) => line !== "" && !MIDWAY.test(line));
      if (complaints.length > 0) throw new Error(complaints.join("\n"));
      return text.split("\n").flatMap(parse);
    },
  };
}

function isTraced(thread: number): boolean {
  return !/^TracerPid:\t0$/m.test(Deno.readTextFileSync(`/proc/${thread}/status`));
}

/** A line of strace's log; those that tell of other things than calls are left out. */
function parse(line: string): TracedCall[] {
  const match = /^(?:(\d+) +)?(\w+)\(([^,)]*)/.exec(line);
  if (match === null) return [];
  const [, thread = "", name, first] = match;
  return [{ thread, name, first, text: line, injected: line.endsWith("(INJECTED)") }];
}
