/**
 * Making and removing folders of cgroups, below a folder given by an fd.
 *
 * The two calls have the same shape, so they share one function. It has its own table, so that
 * programs that make no folders don't pay for it.
 *
 * @module
 */

import { cString } from "../structs/cstring.ts";
import { attempt, check } from "./call.ts";
import { arch, libcWith } from "./libc.ts";

/** The numbers of the calls. */
const NUMBERS = {
  x86_64: { mkdirat: 258, unlinkat: 263 },
  aarch64: { mkdirat: 34, unlinkat: 35 },
};

const AT_REMOVEDIR = 0x200;

/** All permissions, before umask(2), as in mkdir(1). */
const ALL_MAY = 0o777;

/** libc with the function that makes and removes folders, opened at first use. */
export const folderLibc = libcWith({
  // long syscall(long number, ...):
  // mkdirat(int dirfd, const char *path, mode_t mode)
  // unlinkat(int dirfd, const char *path, int flags)
  syscall_path: {
    name: "syscall",
    parameters: [
      "i32", // long number
      "i32", // int dirfd
      "buffer", // const char *path
      "u32", // mode_t mode, or int flags
    ],
    result: "i32",
  },
});

/**
 * Makes a folder. mkdirat(2)
 *
 * @param shown What an error calls it.
 */
export function mkdirat(dirFd: number, path: string, shown = path): void {
  const result = call(NUMBERS[arch()].mkdirat, dirFd, path, ALL_MAY);
  check("mkdirat", result, { [-result]: shown });
}

/** Removes an empty folder. unlinkat(2), AT_REMOVEDIR */
export function removeFolder(dirFd: number, path: string): void {
  const result = call(NUMBERS[arch()].unlinkat, dirFd, path, AT_REMOVEDIR);
  check("unlinkat", result, { [-result]: path });
}

function call(number: number, dirFd: number, path: string, last: number): number {
  const name = cString(path, "path");
  return attempt(() => folderLibc().syscall_path(number, dirFd, name, last));
}
