/**
 * The library's own two errors: a kernel call failed, or the system lacks the call. All other
 * errors that it throws are JavaScript's or Deno's.
 *
 * @module
 */

import { type ErrnoName, errnoName } from "./errno.ts";

/**
 * The class that Deno throws for an errno, where it has one. It follows Rust's `io::ErrorKind`; for
 * ESRCH it is the class that `Deno.kill` throws. EINVAL is left out: Deno throws a TypeError for
 * it, but here a TypeError always means a refused argument.
 */
const DENO_CLASSES: { readonly [name in ErrnoName]?: keyof typeof Deno.errors } = {
  EPERM: "PermissionDenied",
  ENOENT: "NotFound",
  ESRCH: "NotFound",
  EINTR: "Interrupted",
  EAGAIN: "WouldBlock",
  EACCES: "PermissionDenied",
  EEXIST: "AlreadyExists",
  ENOTDIR: "NotADirectory",
  EISDIR: "IsADirectory",
  EPIPE: "BrokenPipe",
  ELOOP: "FilesystemLoop",
  EADDRINUSE: "AddrInUse",
  EADDRNOTAVAIL: "AddrNotAvailable",
  ENETUNREACH: "NetworkUnreachable",
  ECONNABORTED: "ConnectionAborted",
  ECONNRESET: "ConnectionReset",
  ENOTCONN: "NotConnected",
  ETIMEDOUT: "TimedOut",
  ECONNREFUSED: "ConnectionRefused",
};

/**
 * A kernel call failed. All such errors have this class; `code` tells which error it is.
 *
 * If Deno has a class for the error, it is an instance of that, too. So code that handles
 * `Deno.errors.NotFound` (`ENOENT`, `ESRCH`) or `Deno.errors.PermissionDenied` (`EACCES`, `EPERM`)
 * handles errors of Deno and of this library alike.
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
  readonly #mark = true;
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
   * @param explanation The error's meaning here, and what to do about it.
   */
  constructor(syscall: string, errno: number, explanation: string) {
    const code = errnoName(errno);
    super(`${syscall}: ${code}: ${explanation}`);
    this.code = code;
    this.errno = errno;
    this.syscall = syscall;
    if (new.target === SyscallError) Object.setPrototypeOf(this, prototypeOf(code as ErrnoName));
  }

  /** Whether a value is a SyscallError, for `instanceof`. */
  static override [Symbol.hasInstance](value: unknown): value is SyscallError {
    if (this !== SyscallError) return super[Symbol.hasInstance](value);
    return typeof value === "object" && value !== null && #mark in value;
  }
}

const prototypes = new Map<ErrorClass, SyscallError>();

/** Another class that an error can be an instance of. */
type ErrorClass = { readonly prototype: Error };

/** The prototype of an error: from Deno's class for it, if there is one, otherwise from ours. */
function prototypeOf(code: ErrnoName): SyscallError {
  const className = DENO_CLASSES[code];
  return className === undefined ? SyscallError.prototype : prototypeIn(Deno.errors[className]);
}

function prototypeIn(errorClass: ErrorClass): SyscallError {
  // An object has only one chain of prototypes. Deno's class is in it; a mark tells ours.
  let prototype = prototypes.get(errorClass);
  if (prototype === undefined) {
    prototype = Object.create(errorClass.prototype, {
      constructor: { value: SyscallError, writable: true, configurable: true },
    }) as SyscallError;
    prototypes.set(errorClass, prototype);
  }
  return prototype;
}

/**
 * Changes the class that an error is an instance of, where Deno throws another class than the one
 * for the errno.
 *
 * @param words The beginning of the message.
 */
export function denosOwn(error: SyscallError, errorClass: ErrorClass, words: string): SyscallError {
  error.message = `${words}: ${error.message}`;
  return Object.setPrototypeOf(error, prototypeIn(errorClass));
}

/**
 * The running system lacks a feature that an operation needs: the kernel or libc is too old, or a
 * sandbox refuses the call. {@linkcode features} tells beforehand.
 */
export class UnsupportedError extends Error {
  /** `"UnsupportedError"` */
  override readonly name = "UnsupportedError";
  /** Always `"ENOTSUP"`: so a switch on `code` covers both errors of the library. */
  readonly code = "ENOTSUP";
  /** The missing feature, by the kernel's name: `"PIDFD_GET_INFO"`. */
  readonly feature: string;
  /** The first version that has it: `"Linux 6.13"`. */
  readonly since: string;

  /**
   * Made by the library if an operation has no other way.
   *
   * @param feature The missing feature.
   * @param since The first version that has it.
   * @param advice What to do instead, if there is an alternative.
   */
  constructor(feature: string, since: string, advice?: string) {
    super(
      `${feature} is not available here: it needs ${since}` + (advice ? `; ${advice}` : ""),
    );
    this.feature = feature;
    this.since = since;
  }
}
