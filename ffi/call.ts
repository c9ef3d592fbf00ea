/**
 * How a kernel call's result becomes ours. The kernel itself answers with a result
 * or with −errno; libc splits that into −1 and a variable. `outcome` puts the two
 * together again, `attempt` also repeats what a signal interrupts, and `check` makes an
 * exception of what is left.
 *
 * @module
 */

import { Errno } from "./errno.ts";
import { SyscallError, UnsupportedError } from "./errors.ts";
import { describeErrno, lastErrno } from "./libc.ts";

/**
 * The result of a call that no signal interrupts, or −errno. The call stands as the argument, as errno
 * is right only directly behind it.
 */
export function outcome(result: number): number {
  return result === -1 ? -lastErrno() : result;
}

/**
 * Calls until no signal interrupts any more, and returns the result or −errno.
 * A call with a timeout computes it inside `call`, so that an interruption doesn't prolong it.
 */
export function attempt(call: () => number): number {
  for (;;) {
    const result = outcome(call());
    if (result !== -Errno.EINTR) return result;
  }
}

/** Returns the result of `attempt`, or throws what went wrong. */
export function check(syscall: string, result: number, hints: Hints = {}): number {
  if (result >= 0) return result;
  throw failure(syscall, -result, hints);
}

/** What an error of one call means and what to do about it, by the error's number. */
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

/** What an error means whatever call it comes from. */
const ALWAYS: Hints = {
  // Of the newest kernels' pidfd ioctls, one after another.
  [Errno.EREMOTE]: "the process is not visible in this PID namespace",
};

/** The calls that a kernel of the supported range, or a sandbox on it, may not know. */
const SINCE: Readonly<Record<string, string>> = {
  pidfd_send_signal: "Linux 5.1",
  pidfd_open: "Linux 5.3",
  pidfd_getfd: "Linux 5.6",
  statx: "Linux 4.11",
};
