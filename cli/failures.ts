/**
 * How the command ends when something went wrong: an exit code, as timeout(1) and shells have
 * them, and one line that says what and why.
 *
 * @module
 */

import { SyscallError } from "../ffi/errors.ts";
import { UsageError } from "./command.ts";

/** The time was up. */
export const TIMED_OUT = 124;
/** `pidfd` itself failed, or was asked for what there isn't. */
export const FAILED = 125;
/** A file that is there can't be executed, or a process that is there can't be signalled. */
export const REFUSED = 126;
/** There is no such command, or no such process. */
export const NOT_FOUND = 127;
/** Nobody reads the output: as after SIGPIPE, of which other commands die then. */
export const BROKEN_PIPE = 128 + 13;

/** What went wrong with something that the command line names. */
export class Failure extends Error {
  readonly exitCode: number;

  constructor(message: string, exitCode: number) {
    super(message);
    this.exitCode = exitCode;
  }
}

/** Errors about a process, by what the kernel said: the exit code, and the words for it. */
const ABOUT_PROCESSES: Readonly<Record<string, readonly [exitCode: number, words: string]>> = {
  ESRCH: [NOT_FOUND, "no such process"],
  // A reference to a process that was there before.
  EREMCHG: [NOT_FOUND, "no such process any more: its PID is another one's now"],
  ESTALE: [NOT_FOUND, "no such process any more"],
  EPERM: [REFUSED, "no permission"],
  EACCES: [REFUSED, "no permission"],
};

/** What went wrong with a process that has a name on the command line. */
export function processFailure(name: string, error: SyscallError): Failure {
  const [exitCode, words] = ABOUT_PROCESSES[error.code] ?? [FAILED, oneLine(error)];
  return new Failure(`${name}: ${words}`, exitCode);
}

/** The exit code for an error. */
export function exitCodeFor(error: unknown): number {
  if (error instanceof Failure) return error.exitCode;
  return error instanceof SyscallError ? ABOUT_PROCESSES[error.code]?.[0] ?? FAILED : FAILED;
}

/** What is said of an error, in one line. */
export function describe(error: unknown, command?: string): string {
  if (error instanceof UsageError) {
    const help = ["pidfd", command, "--help"].filter(Boolean).join(" ");
    return `${error.message} (${help} tells more)`;
  }
  return error instanceof Error ? oneLine(error) : String(error);
}

function oneLine({ message }: Error): string {
  return message.replaceAll(/\s*\n\s*/g, " ");
}
