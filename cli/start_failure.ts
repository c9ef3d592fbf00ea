/**
 * Why a command could not be started, in the words and by the exit codes of shells.
 *
 * @module
 */

import { SyscallError } from "../ffi/errors.ts";
import { isFile } from "../ffi/files.ts";
import { UsageError } from "./command.ts";
import { FAILED, Failure, NOT_FOUND, REFUSED } from "./failures.ts";

/** What execve(2) says of a file that is there, but can't be executed. */
const WORDS: Readonly<Record<string, string>> = {
  EACCES: "permission denied",
  EPERM: "permission denied",
  E2BIG: "too many arguments, or too large an environment",
  ELIBBAD: "not a program that this system can execute",
  ELOOP: "too many symbolic links",
  ENAMETOOLONG: "the name is too long",
  ENOEXEC: "not a program that this system can execute",
  ENOTDIR: "part of the path is no folder",
  ETXTBSY: "it is open for writing",
};

/** The option that a call is made for, before the command is executed. */
const OPTIONS: Readonly<Record<string, string>> = {
  setgroups: "--user",
  setresuid: "--user",
  setresgid: "--group",
  setpriority: "--nice",
  prlimit64: "--limit",
};

/** What is said of a failed start, with the exit code that it has. */
export function startFailure(name: string, error: unknown): unknown {
  if (!(error instanceof SyscallError)) return error instanceof TypeError ? usage(error) : error;
  if (error.syscall in OPTIONS) {
    const reason = error.message.slice(error.message.indexOf(error.syscall));
    return new Failure(`${OPTIONS[error.syscall]}: ${reason}`, FAILED);
  }
  if (error.syscall !== "execve") return new Failure(error.message, FAILED);
  if (error.code !== "ENOENT") {
    return new Failure(`${name}: ${WORDS[error.code] ?? error.message}`, REFUSED);
  }
  if (!name.includes("/")) return new Failure(`${name}: not found in the PATH`, NOT_FOUND);
  const isThere = isFile(name);
  return new Failure(
    `${name}: ${isThere ? "the interpreter that it names isn't there" : "not found"}`,
    NOT_FOUND,
  );
}

/** What the library calls options, users have as arguments. */
function usage({ message }: TypeError): UsageError {
  return new UsageError(message);
}
