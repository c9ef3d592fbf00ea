/**
 * strace(1), attached to threads of a program that runs already: it sees and changes what these
 * threads call from then on, and nothing of how the program came to be.
 *
 * @module
 */

import { deadline } from "@std/async";
import type { ErrnoName } from "../../../ffi/errno.ts";
import { readProc } from "../proc.ts";
import { eventually, PATIENCE } from "../processes.ts";
import { canRun } from "../skip.ts";
import { CHILD_CALLS } from "./errors.ts";

/** Calls that begin with a number which is no fd: a count, or a PID. */
const WITHOUT_FD: ReadonlySet<string> = new Set(["eventfd2", "pidfd_open", "prlimit64"]);

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
  /** The fd that it's on: its first argument, unless that is something else. */
  readonly fd: string | null;
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
  const stop = new AbortController();
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
    signal: stop.signal,
  }).spawn();
  const ended = strace.output();
  let hasEnded = false;
  ended.then(() => hasEnded = true);
  await eventually("strace is attached", () => hasEnded || threads.every(isTraced));
  return {
    text: () => Deno.readTextFileSync(log),
    async detach() {
      stop.abort();
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

/** Whether a thread is traced; or gone, as it is at once if the fault hits a call of Deno's own. */
function isTraced(thread: number): boolean {
  const status = readProc(`${thread}/status`);
  return status === null || !/^TracerPid:\t0$/m.test(status);
}

/** A line of strace's log; those that tell of other things than calls are left out. */
function parse(line: string): TracedCall[] {
  const match = /^(?:(\d+) +)?(\w+)\(([^,)]*)/.exec(line);
  if (match === null) return [];
  const [, thread = "", name, first] = match;
  const fd = /^\d+$/.test(first) && !WITHOUT_FD.has(name) ? first : null;
  return [{ thread, name, fd, text: line, injected: line.endsWith("(INJECTED)") }];
}
