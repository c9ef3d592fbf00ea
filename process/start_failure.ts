/**
 * Why a child could not be started, in words that name the command.
 *
 * @module
 */

import { denosOwn, SyscallError } from "../ffi/errors.ts";

/** What chdir(2) says of `cwd`. Deno calls both `NotFound`, the command's own errors aside. */
const NO_CWD: Readonly<Record<string, string>> = {
  ENOENT: "No such cwd",
  ENOTDIR: "cwd is not a directory",
};

/** Has an error of the kernel's name the command that could not be started. */
export function startFailure(command: string | URL, error: unknown): unknown {
  if (!(error instanceof SyscallError)) return error;
  const words = `Failed to spawn '${command}'`;
  if (error.syscall === "chdir" && error.code in NO_CWD) {
    return denosOwn(error, Deno.errors.NotFound, `${words}: ${NO_CWD[error.code]}`);
  }
  error.message = `${words}: ${error.message}`;
  return error;
}
