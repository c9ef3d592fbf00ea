/**
 * What the kernel knows of this process's fds.
 *
 * @module
 */

import { AT_FDCWD, close, O_RDONLY, openat } from "../../ffi/files.ts";
import { libc } from "../../ffi/libc.ts";

const O_CLOEXEC = 0o2000000;

/**
 * What an fd is open on, such as "pipe:[4711]", or null if it isn't open. No two pipes and no
 * two sockets have the same, so that it tells an fd from a later one with its number.
 */
export function openOn(fd: number): string | null {
  try {
    return Deno.readLinkSync(`/proc/self/fd/${fd}`);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}

/** Whether programs that this one executes don't get an fd. */
export function isCloseOnExec(fd: number): boolean {
  const [, flags] = /^flags:\s+([0-7]+)$/m.exec(Deno.readTextFileSync(`/proc/self/fdinfo/${fd}`))!;
  return (parseInt(flags, 8) & O_CLOEXEC) !== 0;
}

/** A new fd of a file. */
export function openFile(path: string, flags = O_RDONLY): number {
  return openat(AT_FDCWD, path, flags);
}

const F_DUPFD_CLOEXEC = 1030;

/** Opens /dev/null under a number that is free, as could happen to any number that was closed. */
export function openAs(fd: number): void {
  const file = openFile("/dev/null");
  if (file === fd) return;
  const next = libc().fcntl(file, F_DUPFD_CLOEXEC, fd);
  close(file);
  if (next !== fd) throw new Error(`fd ${fd} isn't free`);
}
