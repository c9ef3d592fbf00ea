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
}

/** What shells add to a signal's number. */
const KILLED = 128;

function exited(code: number): ExitStatus {
  return { success: code === 0, code, signal: null, signalNumber: null, coreDumped: false };
}

function killed(signal: number, coreDumped: boolean): ExitStatus {
  return {
    success: false,
    code: KILLED + signal,
    signal: signalName(signal),
    signalNumber: signal,
    coreDumped,
  };
}

/** From what waitid(2) says of a child. */
export function fromChildExit({ code, status }: ChildExit): ExitStatus {
  return code === CLD_EXITED ? exited(status) : killed(status, code === CLD_DUMPED);
}

/** From the status word of wait(2), as PIDFD_GET_INFO has it. */
export function fromStatusWord(word: number): ExitStatus {
  const signal = word & 0x7f;
  return signal === 0 ? exited((word >> 8) & 0xff) : killed(signal, (word & 0x80) !== 0);
}

/** From what Deno says of its own child. It knows no core dumps. */
export function fromCommandStatus({ code, signal }: Deno.CommandStatus): ExitStatus {
  return signal === null ? exited(code) : killed(code - KILLED, false);
}
