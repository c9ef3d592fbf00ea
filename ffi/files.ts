/**
 * The system calls on files. Even reading is done here: Deno's own file API refuses `/proc` to
 * programs without `--allow-all`.
 *
 * fds are plain numbers here. A caller that receives one owns it and must close it.
 *
 * @module
 */

import { cString, decodeText, fromCString } from "../structs/cstring.ts";
import { direntNames } from "../structs/dirent.ts";
import { pipeEnds } from "../structs/pipe.ts";
import { S_IFMT, S_IFREG, statfs, statx, STATX_INO, STATX_TYPE } from "../structs/stat.ts";
import { attempt, check, failure } from "./call.ts";
import { Errno } from "./errno.ts";
import { arch, lastErrno, libc } from "./libc.ts";

/** The numbers of calls for which some supported libc has no function. */
const NUMBERS = {
  x86_64: { statx: 332, getdents64: 217 },
  aarch64: { statx: 291, getdents64: 61 },
};

/** For relative paths that start at the working directory. */
export const AT_FDCWD = -100;
const AT_EMPTY_PATH = 0x1000;
const NO_PATH = cString("", "path");

export const O_RDONLY = 0;
export const O_WRONLY = 1;
export const O_RDWR = 2;
/** An opened terminal doesn't become this program's controlling terminal. */
export const O_NOCTTY = 0o400;
/** Creates the file if it doesn't exist. */
export const O_CREAT = 0o100;
/** With O_CREAT: fails if the file exists. */
export const O_EXCL = 0o200;
export const O_TRUNC = 0o1000;
export const O_APPEND = 0o2000;
/** A reference to a place in the file tree, without the right to read or write. */
export const O_PATH = 0o10000000;
/** Close-on-exec, for calls that don't set it by themselves. */
export const O_CLOEXEC = 0o2000000;
const O_NONBLOCK = 0o4000;

const F_GETFD = 1;
const F_SETFD = 2;
const F_GETFL = 3;
const F_SETFL = 4;
const F_DUPFD_CLOEXEC = 1030;
const F_SETPIPE_SZ = 1031;
const FD_CLOEXEC = 1;
const O_ACCMODE = 3;
/** Duplicates never become standard input, output or error, even if those are closed. */
const LOWEST_DUPLICATE = 3;

const F_OK = 0;
const X_OK = 1;

/** Errors that mean: the path doesn't lead to an accessible file. */
const NOT_HERE: ReadonlySet<number> = new Set([
  ...[Errno.EACCES, Errno.ELOOP, Errno.ENAMETOOLONG, Errno.ENOENT, Errno.ENOTDIR],
]);

const CHUNK = 4096;
const PATH_MAX = 4096;

// Synchronous calls can't overlap, so one buffer of each kind serves them all.
const fileInfo = statx.allocate();
const fileSystemInfo = statfs.allocate();
const scratch = new Uint8Array(new ArrayBuffer(CHUNK));

/** Opens a file, always close-on-exec. openat(2) */
export function openat(dirFd: number, path: string, flags: number): number {
  return check("openat", tryOpenat(dirFd, path, flags, 0), {
    [Errno.ESRCH]: "the process was reaped",
    [Errno.ENOENT]: path,
    [Errno.EACCES]: path,
  });
}

/**
 * Opens a file that a user names, always close-on-exec. Every error names the path. openat(2)
 *
 * @param mode The permissions of a new file, before umask(2).
 */
export function openPath(path: string, flags: number, mode: number): number {
  const result = tryOpenat(AT_FDCWD, path, flags, mode);
  return check("openat", result, { [-result]: path || "the path is empty" });
}

/** As openat, with the permissions of a new file; returns the fd or −errno. */
export function tryOpenat(dirFd: number, path: string, flags: number, mode: number): number {
  const name = cString(path, "path");
  return attempt(() => libc().openat(dirFd, name, flags | O_CLOEXEC, mode));
}

/**
 * Closes an fd that users hold. close(2)
 *
 * @throws {SyscallError} `EBADF` if it was not open any more: other code closes fds that it does
 *   not own.
 */
export function close(fd: number): void {
  const errno = tryClose(fd);
  if (errno === Errno.EBADF) {
    throw failure("close", errno, { [errno]: `something else closed fd ${fd}` });
  }
}

/** Closes an fd and ignores errors: for fds that only we know, and where nothing may throw. */
export function discard(fd: number): void {
  tryClose(fd);
}

/** The only place that closes fds. */
function tryClose(fd: number): number {
  // Never retry close, not even after EINTR: Linux always frees the number. A second call could
  // close another file that has got the number meanwhile.
  return libc().close(fd) === -1 ? lastErrno() : 0;
}

/** Calls `use` with an fd, and closes the fd if `use` throws. */
export function closeOnError<T>(fd: number, use: (fd: number) => T): T {
  try {
    return use(fd);
  } catch (error) {
    discard(fd);
    throw error;
  }
}

/** Another fd of the same open file, close-on-exec. fcntl(2), F_DUPFD_CLOEXEC */
export function duplicate(fd: number): number {
  return check("fcntl", attempt(() => libc().fcntl(fd, F_DUPFD_CLOEXEC, LOWEST_DUPLICATE)));
}

/** A pipe, close-on-exec: an fd to read from and one to write to. pipe2(2) */
export function pipe(): { read: number; write: number } {
  const { bytes, fields } = pipeEnds.allocate();
  check("pipe2", attempt(() => libc().pipe2(bytes, O_CLOEXEC)));
  return { read: fields.read, write: fields.write };
}

/**
 * Whether this program may execute a file. access(2), X_OK
 *
 * faccessat(3) is no alternative: glibc uses faccessat2(2) for it, and old sandboxes return EPERM.
 */
export function isExecutable(path: string): boolean {
  return isReachable(path, X_OK) && isRegularFileAt(path);
}

/** Whether this program can reach a path, and has this access to it. access(2) */
function isReachable(path: string, mode: number): boolean {
  const name = cString(path, "path");
  const result = attempt(() => libc().access(name, mode));
  if (NOT_HERE.has(-result)) return false;
  check("access", result, { [-result]: path });
  return true;
}

/** Whether a path leads to a regular file that this program can reach. access(2), F_OK */
export function isFile(path: string): boolean {
  return isReachable(path, F_OK) && isRegularFileAt(path);
}

function isRegularFileAt(path: string): boolean {
  const fd = openat(AT_FDCWD, path, O_PATH);
  try {
    // access(2) reports a folder as executable, too.
    return isRegularFile(fd);
  } finally {
    discard(fd);
  }
}

/** Whether an fd is open. fcntl(2), F_GETFD */
export function isOpen(fd: number): boolean {
  return attempt(() => libc().fcntl(fd, F_GETFD, 0)) >= 0;
}

/** Whether an fd is open and not close-on-exec. fcntl(2), F_GETFD */
export function isInherited(fd: number): boolean {
  return attempt(() => libc().fcntl(fd, F_GETFD, 0)) === 0;
}

/** Sets or clears close-on-exec. fcntl(2), F_SETFD */
export function setCloseOnExec(fd: number, on: boolean): void {
  check("fcntl", attempt(() => libc().fcntl(fd, F_SETFD, on ? FD_CLOEXEC : 0)), {
    [Errno.EBADF]: `fd ${fd} is not open`,
  });
}

/** The access mode and the status flags of an fd's open file. fcntl(2), F_GETFL */
export function statusFlags(fd: number): number {
  return check("fcntl", attempt(() => libc().fcntl(fd, F_GETFL, 0)));
}

/** Whether the fd was opened for reading, writing or both: O_RDONLY, O_WRONLY or O_RDWR. */
export function accessMode(fd: number): number {
  return statusFlags(fd) & O_ACCMODE;
}

/**
 * Makes a pipe larger than its 64 KiB, if the user's limit for pipes allows it. It only makes
 * things faster, so errors are ignored, also for an fd that is not a pipe. fcntl(2), F_SETPIPE_SZ
 */
export function tryEnlargePipe(fd: number, size: number): void {
  attempt(() => libc().fcntl(fd, F_SETPIPE_SZ, size));
}

/** Makes calls on the open file fail with EAGAIN instead of blocking. fcntl(2), O_NONBLOCK */
export function setNonblocking(fd: number): void {
  check("fcntl", attempt(() => libc().fcntl(fd, F_SETFL, statusFlags(fd) | O_NONBLOCK)));
}

/** Reads up to the buffer's length, and returns the length read; 0 at the end. read(2) */
export function read(fd: number, buffer: Uint8Array<ArrayBuffer>): number {
  return check("read", tryRead(fd, buffer), { [Errno.ESRCH]: "the process was reaped" });
}

/** As read, but returns the length or −errno. */
export function tryRead(fd: number, buffer: Uint8Array<ArrayBuffer>): number {
  const size = BigInt(buffer.length);
  return attempt(() => libc().read(fd, buffer, size));
}

/** Writes as much as the call takes, and returns that length. write(2) */
export function write(fd: number, buffer: Uint8Array<ArrayBuffer>): number {
  return check("write", tryWrite(fd, buffer));
}

/** As write, but returns the length or −errno. */
export function tryWrite(fd: number, buffer: Uint8Array<ArrayBuffer>): number {
  const size = BigInt(buffer.length);
  return attempt(() => libc().write(fd, buffer, size));
}

/** Reads to the end. */
export function readAll(fd: number): Uint8Array<ArrayBuffer> {
  let bytes = scratch;
  let length = 0;
  for (;;) {
    const count = read(fd, bytes.subarray(length));
    if (count === 0) return bytes.slice(0, length);
    length += count;
    if (length === bytes.length) {
      const larger = new Uint8Array(new ArrayBuffer(2 * bytes.length));
      larger.set(bytes);
      bytes = larger;
    }
  }
}

/** Opens a file, reads it to the end and closes it. */
export function readFile(dirFd: number, path: string): Uint8Array<ArrayBuffer> {
  const fd = openat(dirFd, path, O_RDONLY);
  try {
    return readAll(fd);
  } finally {
    discard(fd);
  }
}

/** As readFile, for a text. */
export function readTextFile(dirFd: number, path: string): string {
  return decodeText(readFile(dirFd, path));
}

/** Removes a name from a directory. unlink(2) */
export function unlink(path: string): void {
  const name = cString(path, "path");
  check("unlink", attempt(() => libc().unlink(name)), { [Errno.ENOENT]: path });
}

/** The target of a symbolic link. readlinkat(2) */
export function readlinkat(dirFd: number, path: string): string {
  const name = cString(path, "path");
  const target = new Uint8Array(new ArrayBuffer(PATH_MAX));
  const size = BigInt(target.length);
  const length = check(
    "readlinkat",
    attempt(() => libc().readlinkat(dirFd, name, target, size)),
    { [Errno.ESRCH]: "the process was reaped", [Errno.EINVAL]: `${path} is not a link` },
  );
  return fromCString(target.subarray(0, length));
}

/** The names in a directory, without `.` and `..`, in the kernel's order. getdents64(2) */
export function readDirectory(fd: number): string[] {
  const number = NUMBERS[arch()].getdents64;
  const records = new Uint8Array(new ArrayBuffer(8 * CHUNK));
  const names: string[] = [];
  for (;;) {
    const length = check(
      "getdents64",
      attempt(() => libc().syscall_getdents64(number, fd, records, records.length)),
    );
    if (length === 0) return names.filter((name) => name !== "." && name !== "..");
    names.push(...direntNames(records.subarray(0, length)));
  }
}

/** The inode number of an fd's file. statx(2) */
export function inode(fd: number): bigint {
  return fileStatus(fd).stx_ino;
}

/** As inode, but undefined on an error. */
export function tryInode(fd: number): bigint | undefined {
  return tryFileStatus(fd) < 0 ? undefined : fileInfo.fields.stx_ino;
}

/** Whether an fd is a regular file. Reading one never waits. statx(2) */
export function isRegularFile(fd: number): boolean {
  return (fileStatus(fd).stx_mode & S_IFMT) === S_IFREG;
}

function fileStatus(fd: number): typeof fileInfo.fields {
  check("statx", tryFileStatus(fd));
  return fileInfo.fields;
}

function tryFileStatus(fd: number): number {
  const number = NUMBERS[arch()].statx;
  const mask = STATX_TYPE | STATX_INO;
  return attempt(() =>
    libc().syscall_statx(number, fd, NO_PATH, AT_EMPTY_PATH, mask, fileInfo.bytes)
  );
}

/** The type of the file system of an fd: the magic number in `f_type`. fstatfs(2) */
export function fileSystemType(fd: number): bigint {
  check("fstatfs", attempt(() => libc().fstatfs(fd, fileSystemInfo.bytes)));
  return fileSystemInfo.fields.f_type;
}
