/**
 * Exceptions for a process that can't be started: a step of the child failed, or a check before the
 * birth. Each names the call and its subject.
 *
 * @module
 */

import { failure } from "./call.ts";
import { Errno } from "./errno.ts";
import { UnsupportedError } from "./errors.ts";

/** The exception for a call that failed. */
export function launchFailure(call: string, errno: number, about?: string): Error {
  if (about === undefined) return failure(call, errno);
  const error = failure(call, errno, { [errno]: about });
  if (error instanceof UnsupportedError) error.message += `; nothing was started (${about})`;
  return error;
}

/** For a program that is in no folder of the PATH. */
export function notFound(name: string): Error {
  return launchFailure("execve", Errno.ENOENT, `${name} is not in the PATH`);
}

/** For a file in the PATH that this program may not execute. */
export function notExecutable(path: string): Error {
  return launchFailure("execve", Errno.EACCES, path);
}

/** For an fd that isn't open. */
export function notOpen(fd: string): Error {
  return launchFailure("dup3", Errno.EBADF, `${fd} is not open`);
}
