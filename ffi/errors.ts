/**
 * The two errors that come from below the class: the kernel said no, and there is
 * nobody who could say anything. Everything else that the library throws is one of
 * JavaScript's or Deno's own errors.
 *
 * @module
 */

import { errnoName } from "./errno.ts";

/**
 * A kernel call failed. One class for all of them, told apart by `code`.
 *
 * @example
 * ```ts
 * import { PidFd, SyscallError } from "@pidfd/util";
 *
 * try {
 *   PidFd.fromPid(2 ** 30).close();
 * } catch (error) {
 *   if (!(error instanceof SyscallError) || error.code !== "ESRCH") throw error;
 *   console.log("no such process");
 * }
 * ```
 *
 * See {@link https://man7.org/linux/man-pages/man3/errno.3.html | errno(3)}.
 */
export class SyscallError extends Error {
  /** `"SyscallError"` */
  override readonly name = "SyscallError";
  /** The error's name, such as `"ESRCH"`. */
  readonly code: string;
  /** The error's number on Linux, such as 3. */
  readonly errno: number;
  /** The kernel call that failed, such as `"pidfd_open"`. */
  readonly syscall: string;

  /**
   * Made by the library for each call that fails.
   *
   * @param syscall The kernel call that failed.
   * @param errno The error's number.
   * @param explanation What it means here and what to do about it.
   */
  constructor(syscall: string, errno: number, explanation: string) {
    const code = errnoName(errno);
    super(`${syscall}: ${code}: ${explanation}`);
    this.code = code;
    this.errno = errno;
    this.syscall = syscall;
  }
}

/**
 * The running system lacks what an operation needs: the kernel or libc is too old,
 * or a sandbox hides the call. {@linkcode features} tells beforehand.
 */
export class UnsupportedError extends Error {
  /** `"UnsupportedError"` */
  override readonly name = "UnsupportedError";
  /** Always `"ENOTSUP"`, so that code that switches on `code` needs no second check. */
  readonly code = "ENOTSUP";
  /** What is missing, in the kernel's words: `"PIDFD_GET_INFO"`. */
  readonly feature: string;
  /** The first version that has it: `"Linux 6.13"`. */
  readonly since: string;

  /**
   * Made by the library where there is no other way.
   *
   * @param feature What is missing.
   * @param since The first version that has it.
   * @param advice What to do instead, where there is something.
   */
  constructor(feature: string, since: string, advice?: string) {
    super(
      `${feature} is not available here: it needs ${since}` + (advice ? `; ${advice}` : ""),
    );
    this.feature = feature;
    this.since = since;
  }
}
