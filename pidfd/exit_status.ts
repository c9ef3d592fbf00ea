/**
 * How a process ended. The kernel has two forms of it, the fields of a SIGCHLD siginfo and the
 * status word of wait(2). Both become one `ExitStatus`.
 *
 * @module
 */

import type { ChildExit } from "../ffi/syscalls.ts";
import { CLD_DUMPED, CLD_EXITED } from "../structs/siginfo.ts";
import { signalName } from "./signals.ts";

/**
 * How a process ended. It can be used wherever a `Deno.CommandStatus` is expected.
 *
 * `signal` is null for a process that no signal killed, and for one that a real-time signal killed:
 * these have no name in `Deno.Signal`. `signalNumber` tells the two cases apart.
 *
 * See {@link https://man7.org/linux/man-pages/man2/wait.2.html | wait(2)}.
 */
export interface ExitStatus {
  /** Whether the process exited by itself with code 0. */
  success: boolean;
  /** The exit code, or 128 + n if signal n killed the process, as in shells. */
  code: number;
  /** The name of the signal that killed the process; null if there was none or it has no name. */
  signal: Deno.Signal | null;
  /** The number of the signal that killed the process; null if there was none. */
  signalNumber: number | null;
  /** Whether the kernel dumped core (core(5)). */
  coreDumped: boolean;
  /** The resources that a child has used; null if the status didn't come from waitid(2). */
  usage: ResourceUsage | null;
}

/**
 * The resources that a child has used from its start to its end. Descendants that the child has
 * waited for are included.
 *
 * See {@link https://man7.org/linux/man-pages/man2/getrusage.2.html | getrusage(2)}.
 */
export interface ResourceUsage {
  /** CPU time of its own code, in milliseconds with fractions. */
  userTime: number;
  /** CPU time of the kernel on its behalf, in milliseconds with fractions. */
  systemTime: number;
  /**
   * The peak memory (resident set) of the largest of these processes, in bytes. A child starts with
   * this program's own peak, so the value is never lower than that and tells nothing about a small
   * child. A cgroup's `memory.peak` is exact.
   */
  maxRss: number;
  /** Page faults that needed no I/O. */
  minorFaults: number;
  /** Page faults that needed I/O. */
  majorFaults: number;
  /** How often the file system had to read. */
  blockReads: number;
  /** How often the file system had to write. */
  blockWrites: number;
  /** How often it gave up the CPU to wait for something. */
  voluntarySwitches: number;
  /** How often the scheduler took the CPU away from it. */
  involuntarySwitches: number;
}

/** Shells add this to a signal's number. */
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

/** From the result of waitid(2) for a child. */
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
 * From the status word of wait(2), as PIDFD_GET_INFO returns it.
 *
 * @param coreDumped Whether PIDFD_GET_INFO reports a core dump beside the word.
 */
export function fromStatusWord(word: number, coreDumped = false): ExitStatus {
  const signal = word & 0x7f;
  if (signal === 0) return exited((word >> 8) & 0xff, null);
  return killed(signal, coreDumped || (word & 0x80) !== 0, null);
}

/** From Deno's status of its own child. Deno does not tell of core dumps. */
export function fromCommandStatus({ code, signal }: Deno.CommandStatus): ExitStatus {
  return signal === null ? exited(code, null) : killed(code - KILLED, false, null);
}
