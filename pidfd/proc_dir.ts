/**
 * The /proc/PID directory of one process, and of no other.
 *
 * Open the directory first, then confirm by the pidfd that the process was not reaped. The path
 * `/proc/PID` leads to any process that has the PID now. An open directory stays with the process
 * that had the PID at that moment: once it is reaped, calls below the directory fail with ESRCH. A
 * PID is not reused before its process was reaped. So if a pidfd still reaches the process *after*
 * the opening, the process had the PID *during* the opening.
 *
 * @module
 */

import { check, failure } from "../ffi/call.ts";
import { Errno } from "../ffi/errno.ts";
import {
  AT_FDCWD,
  discard,
  O_PATH,
  O_RDONLY,
  openat,
  readDirectory,
  readFile,
  readlinkat,
  readTextFile,
} from "../ffi/files.ts";
import { trySendSignal } from "../ffi/syscalls.ts";
import { decodeText } from "../structs/cstring.ts";
import { checkString, show } from "./arguments.ts";
import { FdHandle } from "./fd_handle.ts";
import { parseFdinfoPid, parseNsPids } from "./proc_text.ts";

/** Makes a ProcDir. The constructor is private, so that users can't. */
let create: (pid: number, dir: FdHandle) => ProcDir;

/**
 * The `/proc/PID` directory of one process. {@linkcode PidFd.accessProc} passes it to a callback,
 * and closes it when the callback ends.
 *
 * Every name is relative to the directory: `"status"`, `"ns/net"`, `"task/1/comm"`. Each
 * method throws a {@linkcode SyscallError} with code `ESRCH` once the process was reaped,
 * and `Deno.errors.BadResource` once the directory is closed.
 *
 * See {@link https://man7.org/linux/man-pages/man5/proc_pid.5.html | proc_pid(5)}.
 */
export class ProcDir {
  /** The PID in the directory's path. */
  readonly pid: number;
  /** The directory's path, for messages only: it may lead to another process by now. */
  readonly path: string;
  readonly #dir: FdHandle;

  private constructor(pid: number, dir: FdHandle) {
    this.pid = pid;
    this.path = procPath(pid);
    this.#dir = dir;
  }

  static {
    create = (pid, dir) => new ProcDir(pid, dir);
  }

  /**
   * Reads a file as text. Invalid UTF-8 becomes U+FFFD.
   *
   * @throws {SyscallError} `ESRCH` once the process was reaped, `ENOENT`, `EACCES`.
   */
  readTextFile(name: string): string {
    return decodeText(this.readFile(name));
  }

  /**
   * Reads a file as bytes.
   *
   * @throws {SyscallError} `ESRCH` once the process was reaped, `ENOENT`, `EACCES`.
   */
  readFile(name: string): Uint8Array<ArrayBuffer> {
    return readFile(this.#dir.use(), inside(name));
  }

  /**
   * Reads the target of a link: `"exe"`, `"cwd"`, `"fd/0"`.
   *
   * @throws {SyscallError} `ESRCH` once the process was reaped, `ENOENT`, `EACCES`.
   */
  readLink(name: string): string {
    return readlinkat(this.#dir.use(), inside(name));
  }

  /**
   * Lists the names in the directory, or in a directory below it.
   *
   * @throws {SyscallError} `ESRCH` once the process was reaped, `ENOENT`, `EACCES`.
   */
  list(name = "."): string[] {
    const fd = openat(this.#dir.use(), inside(name), O_RDONLY);
    try {
      return readDirectory(fd);
    } finally {
      discard(fd);
    }
  }
}

/** The PID in the PID namespace of /proc; throws ESRCH once the process was reaped. */
export function pidOf(pidfd: number): number {
  return checkPid(pidfd, fdinfoOf(pidfd));
}

/**
 * The PIDs from the PID namespace of /proc down to the process's own; throws ESRCH once the process
 * was reaped.
 */
export function pidsOf(handle: FdHandle): number[] {
  const fdinfo = fdinfoOf(handle.use());
  const pid = checkPid(handle.use(), fdinfo);
  return parseNsPids(fdinfo) ??
    withProcDir(handle, (proc) => parseNsPids(proc.readTextFile("status"))) ??
    // There is no NSpid line: the kernel has no PID namespaces.
    [pid];
}

function fdinfoOf(pidfd: number): string {
  return readTextFile(AT_FDCWD, `/proc/self/fdinfo/${pidfd}`);
}

function checkPid(pidfd: number, fdinfo: string): number {
  const pid = parseFdinfoPid(fdinfo);
  if (pid === null) throw new TypeError(`fd ${pidfd} is not a pidfd`);
  if (pid > 0) return pid;
  throw failure("pidfd_open", Errno.ESRCH, {
    [Errno.ESRCH]: pid < 0
      ? "the process was reaped"
      : "the process is not visible in this PID namespace",
  });
}

/** Throws ESRCH if the process was reaped. A zombie passes. */
export function confirm(pidfd: number): void {
  const result = trySendSignal(pidfd, 0, 0);
  if (result !== -Errno.EPERM) {
    check("pidfd_send_signal", result, {
      [Errno.ESRCH]: "the process was reaped",
      [Errno.EINVAL]: "the process is not visible in this PID namespace",
    });
    return;
  }
  // EPERM: the process exists, but has another user. A sandbox may also answer any call with EPERM,
  // so fdinfo decides.
  pidOf(pidfd);
}

/**
 * Runs `use` on the directory of the process. Returns its result only if the process was not reaped
 * before the end. If `use` is asynchronous, the directory stays open until its promise settles.
 */
export function withProcDir<T>(handle: FdHandle, use: (proc: ProcDir) => T): T {
  if (typeof use !== "function") throw new TypeError(`use must be a function: ${show(use)}`);
  const pid = pidOf(handle.use());
  const dir = new FdHandle(openProc(handle.use(), pid), "ProcDir");
  let pending = false;
  try {
    confirm(handle.use());
    const result = use(create(pid, dir));
    if (!isPromise(result)) {
      confirm(handle.use());
      return result;
    }
    pending = true;
    const guarded = Promise.resolve(result).then((value) => {
      confirm(handle.use());
      return value;
    });
    return guarded.finally(() => dir.close()) as T;
  } finally {
    if (!pending) dir.close();
  }
}

function openProc(pidfd: number, pid: number): number {
  try {
    return openat(AT_FDCWD, procPath(pid), O_PATH);
  } catch (error) {
    // If the process was reaped a moment ago, ESRCH is the right error.
    confirm(pidfd);
    throw error;
  }
}

function isPromise(value: unknown): value is PromiseLike<unknown> {
  return typeof (value as PromiseLike<unknown> | null)?.then === "function";
}

function procPath(pid: number): string {
  return `/proc/${pid}`;
}

/** Refuses names that lead out of the directory. Links inside it may still lead out. */
function inside(name: string): string {
  checkString("name", name);
  if (name === "" || name.startsWith("/") || name.split("/").includes("..")) {
    throw new RangeError(`name must be a path below /proc/PID: ${JSON.stringify(name)}`);
  }
  return name;
}
