/**
 * How a process ended, in one form for the kernel's two: the fields of a SIGCHLD
 * siginfo, and the status word of wait(2).
 *
 * @module
 */

import type { ChildExit } from "../ffi/syscalls.ts";
import { CLD_DUMPED, CLD_EXITED } from "../structs/siginfo.ts";
import { signalName } from "./signals.ts";

/**
 * How a process ended. It can be used wherever a `Deno.CommandStatus` is expected.
 *
 * A real-time signal has no name in `Deno.Signal`: `signal` is null then, as it is for
 * a process that was not killed, and `signalNumber` tells the two apart.
 *
 * See {@link https://man7.org/linux/man-pages/man2/wait.2.html | wait(2)}.
 */
export interface ExitStatus {
  /** Whether the process exited by itself with code 0. */
  success: boolean;
  /** The exit code, or 128 + n for a process that signal n killed, as shells have it. */
  code: number;
  /** The signal that killed the process, if one did that has a name. */
  signal: Deno.Signal | null;
  /** The number of the signal that killed the process, if one did. */
  signalNumber: number | null;
  /** Whether the kernel dumped core (core(5)). */
  coreDumped: boolean;
  /** What a child has used; null for a process whose status didn't come from waitid(2). */
  usage: ResourceUsage | null;
}

/**
 * What a child and those of its descendants that it has waited for have used, from the first
 * instant to the end.
 *
 * See {@link https://man7.org/linux/man-pages/man2/getrusage.2.html | getrusage(2)}.
 */
export interface ResourceUsage {
  /** CPU time of its own code, in milliseconds with fractions. */
  userTime: number;
  /** CPU time of the kernel on its behalf, in milliseconds with fractions. */
  systemTime: number;
  /**
   * The most memory that one of them had at a time, in bytes. It is never below the peak of this
   * program's own memory, which a child is born with: a small child's says nothing. A cgroup's
   * `memory.peak` is exact.
   */
  maxRss: number;
  /** Page faults that took no input or output. */
  minorFaults: number;
  /** Page faults that took some. */
  majorFaults: number;
  /** How often the file system had to read. */
  blockReads: number;
  /** How often the file system had to write. */
  blockWrites: number;
  /** How often it gave up the CPU to wait for something. */
  voluntarySwitches: number;
  /** How often it was made to give up the CPU. */
  involuntarySwitches: number;
}

/** What shells add to a signal's number. */
const KILLED = 128;

const KIB = 1024;

function exited(code: number, usage: ResourceUsage | null): ExitStatus {
  return { success: code === 0, code, signal: null, signalNumber: null, coreDumped: false, usage };
}

function killed(signal: number, coreDumped: boolean, usage: ResourceUsage | null): ExitStatus {
  return {
    success: false,
    code: KILLED + signal,
    signal: signalName(signal),
    signalNumber: signal,
    coreDumped,
    usage,
  };
}

/** From what waitid(2) says of a child. */
export function fromChildExit({ code, status, usage }: ChildExit): ExitStatus {
  const used = usageOf(usage);
  if (code === CLD_EXITED) return exited(status, used);
  return killed(status, code === CLD_DUMPED, used);
}

function usageOf(usage: ChildExit["usage"]): ResourceUsage {
  return {
    userTime: usage.utime_sec * 1e3 + usage.utime_usec / 1e3,
    systemTime: usage.stime_sec * 1e3 + usage.stime_usec / 1e3,
    maxRss: usage.ru_maxrss * KIB,
    minorFaults: usage.ru_minflt,
    majorFaults: usage.ru_majflt,
    blockReads: usage.ru_inblock,
    blockWrites: usage.ru_oublock,
    voluntarySwitches: usage.ru_nvcsw,
    involuntarySwitches: usage.ru_nivcsw,
  };
}

/**
 * From the status word of wait(2), as PIDFD_GET_INFO has it.
 *
 * @param coreDumped Whether it also says so by itself.
 */
export function fromStatusWord(word: number, coreDumped = false): ExitStatus {
  const signal = word & 0x7f;
  if (signal === 0) return exited((word >> 8) & 0xff, null);
  return killed(signal, coreDumped || (word & 0x80) !== 0, null);
}

/** From what Deno says of its own child. It knows no core dumps. */
export function fromCommandStatus({ code, signal }: Deno.CommandStatus): ExitStatus {
  return signal === null ? exited(code, null) : killed(code - KILLED, false, null);
}
