/**
 * The two errors that come from below the class: the kernel said no, and there is
 * nobody who could say anything. Everything else that the library throws is one of
 * JavaScript's or Deno's own errors.
 *
 * @module
 */

import { type ErrnoName, errnoName } from "./errno.ts";

/**
 * The class that Deno throws for an errno, where it has one of its own: that of Rust's
 * `io::ErrorKind`, or in case of ESRCH that of `Deno.kill`. For EINVAL Deno throws a TypeError;
 * here that always means a refused argument.
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
 * A kernel call failed. One class for all of them, told apart by `code`.
 *
 * Where Deno has a class for the error, it is an instance of that, too: what handles
 * `Deno.errors.NotFound` (`ENOENT`, `ESRCH`) or `Deno.errors.PermissionDenied` (`EACCES`,
 * `EPERM`) of Deno's own calls handles that of this library's.
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
   * @param explanation What it means here and what to do about it.
   */
  constructor(syscall: string, errno: number, explanation: string) {
    const code = errnoName(errno);
    super(`${syscall}: ${code}: ${explanation}`);
    this.code = code;
    this.errno = errno;
    this.syscall = syscall;
    if (new.target === SyscallError) Object.setPrototypeOf(this, prototypeOf(code as ErrnoName));
  }

  /** Whether a value is one: `instanceof` asks. */
  static override [Symbol.hasInstance](value: unknown): value is SyscallError {
    if (this !== SyscallError) return super[Symbol.hasInstance](value);
    return typeof value === "object" && value !== null && #mark in value;
  }
}

const prototypes = new Map<ErrorClass, SyscallError>();

/** A class that an error can be an instance of, beside ours. */
type ErrorClass = { readonly prototype: Error };

/** What an error inherits from: Deno's class for it, as far as there is one, and ours. */
function prototypeOf(code: ErrnoName): SyscallError {
  const className = DENO_CLASSES[code];
  return className === undefined ? SyscallError.prototype : prototypeIn(Deno.errors[className]);
}

function prototypeIn(errorClass: ErrorClass): SyscallError {
  // An object has one line of ancestors. So Deno's class is in it, and ours is told by a mark.
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
 * Makes an error an instance of another class than that of its errno: where Deno throws that class
 * in the same place.
 *
 * @param words What the message begins with.
 */
export function denosOwn(error: SyscallError, errorClass: ErrorClass, words: string): SyscallError {
  error.message = `${words}: ${error.message}`;
  return Object.setPrototypeOf(error, prototypeIn(errorClass));
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
