/**
 * How the command ends when something went wrong: an exit code, as timeout(1) and shells have
 * them, and one line that says what and why.
 *
 * @module
 */

import { SyscallError } from "../mod.ts";
import { UsageError } from "./command.ts";
import { printable } from "./output.ts";

/** The time was up. */
export const TIMED_OUT = 124;
/** `pidfd` itself failed, or was asked for what there isn't. */
export const FAILED = 125;
/** What is there can't be used: a file not executed, a process not signalled. */
export const REFUSED = 126;
/** What is named isn't there: no such command, no such process. */
export const NOT_FOUND = 127;

/** Exit codes by what the kernel said. Whatever isn't here is a failure. */
const CODES: Readonly<Record<string, number>> = {
  ENOENT: NOT_FOUND,
  ESRCH: NOT_FOUND,
  // A reference to a process that was there before.
  EREMCHG: NOT_FOUND,
  ESTALE: NOT_FOUND,
  EACCES: REFUSED,
  ENOEXEC: REFUSED,
  ENOTDIR: REFUSED,
  EPERM: REFUSED,
};

/** The exit code for an error. */
export function exitCodeFor(error: unknown): number {
  return error instanceof SyscallError ? CODES[error.code] ?? FAILED : FAILED;
}

/** What is said of an error, in one line. */
export function describe(error: unknown, command?: string): string {
  if (error instanceof UsageError) {
    const help = ["pidfd", command, "--help"].filter(Boolean).join(" ");
    return `${error.message} (${help} tells more)`;
  }
  if (error instanceof Error) return error.message.replaceAll(/\s*\n\s*/g, " ");
  return String(error);
}

/** Says it, where errors are said. */
export function complain(text: string): void {
  console.error("%cpidfd:%c %s", "color: red", "", printable(text));
}
