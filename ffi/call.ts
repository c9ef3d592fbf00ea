/**
 * Results and errors of kernel calls. The kernel returns a result or −errno; libc turns that into
 * −1 and a variable. `outcome` joins the two again, `attempt` also retries after EINTR, and `check`
 * throws an exception for an error.
 *
 * @module
 */

import { Errno } from "./errno.ts";
import { SyscallError, UnsupportedError } from "./errors.ts";
import { describeErrno, lastErrno } from "./libc.ts";

/**
 * The result of a call that no signal interrupts, or −errno. Make the call in the argument itself:
 * errno is valid only directly after it.
 */
export function outcome(result: number): number {
  return result === -1 ? -lastErrno() : result;
}

/**
 * Repeats a call while signals interrupt it (EINTR), and returns the result or −errno. Compute a
 * timeout inside `call`, so that an interruption doesn't prolong it.
 */
export function attempt(call: () => number): number {
  for (;;) {
    const result = outcome(call());
    if (result !== -Errno.EINTR) return result;
  }
}

/** Returns a result, or throws the exception for −errno. */
export function check(syscall: string, result: number, hints: Hints = {}): number {
  if (result >= 0) return result;
  throw failure(syscall, -result, hints);
}

/** The meaning of a call's errors, or what to do about them, by the error's number. */
export type Hints = Readonly<Record<number, string>>;

/** The exception for an error of a call. */
export function failure(syscall: string, errno: number, hints: Hints = {}): Error {
  if (errno === Errno.ENOSYS) {
    const since = SINCE[syscall] ?? "a kernel or a sandbox that allows it";
    return new UnsupportedError(syscall, since);
  }
  const hint = hints[errno] ?? ALWAYS[errno];
  return new SyscallError(syscall, errno, describeErrno(errno) + (hint ? ` (${hint})` : ""));
}

/** Hints that hold for every call. */
const ALWAYS: Hints = {
  // Newer kernels return it from more and more pidfd ioctls.
  [Errno.EREMOTE]: "the process is not visible in this PID namespace",
};

/** Calls that a supported kernel or a sandbox may lack, with the version that brought them. */
const SINCE: Readonly<Record<string, string>> = {
  pidfd_send_signal: "Linux 5.1",
  pidfd_open: "Linux 5.3",
  pidfd_getfd: "Linux 5.6",
  statx: "Linux 4.11",
};
