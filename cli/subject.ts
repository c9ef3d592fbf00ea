/**
 * What every output says of a process: who it is.
 *
 * @module
 */

import { SyscallError } from "../ffi/errors.ts";
import { pidfsIds } from "../ffi/capabilities.ts";
import type { PidFd } from "../pidfd/pidfd.ts";

/** Who a process is. */
export interface Subject {
  /** `PID:ID`; the PID alone before Linux 6.9. */
  readonly ref: string;
  readonly pid: number;
  readonly id: bigint | null;
  /** Its command line as it was found; null if that can't be seen. */
  readonly command: string | null;
}

/** Finds out who a process is that has a handle. */
export function subjectOf(pidfd: PidFd): Subject {
  return { ...identityOf(pidfd), command: commandOf(pidfd) };
}

/** What names a process. */
export function identityOf(
  pidfd: PidFd,
  pid: number = pidfd.getPid(),
): Omit<Subject, "command"> {
  const id = pidfsIds.available ? pidfd.getId() : null;
  return { ref: refOf(pid, id), pid, id };
}

/** A reference in writing. */
export function refOf(pid: number, id: bigint | null): string {
  return id === null ? `${pid}` : `${pid}:${id}`;
}

/** A process's command line; its name in brackets if it has none, null if that can't be seen. */
function commandOf(pidfd: PidFd): string | null {
  try {
    return pidfd.accessProc((proc) => {
      const line = proc.readTextFile("cmdline").replaceAll("\0", " ").trim();
      return line || `[${proc.readTextFile("comm").trim()}]`;
    });
  } catch (error) {
    if (error instanceof SyscallError) return null;
    throw error;
  }
}
