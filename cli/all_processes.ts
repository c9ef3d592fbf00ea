/**
 * All processes that /proc shows, each looked at through a handle, so that what is told of one is not
 * another's.
 *
 * @module
 */

import { SyscallError } from "../ffi/errors.ts";
import type { Credentials } from "../pidfd/info.ts";
import { PidFd } from "../pidfd/pidfd.ts";
import { allProcesses } from "../process/relatives.ts";
import { type Subject, subjectOf } from "./subject.ts";

/** A process among others. */
export interface Process extends Subject {
  readonly ppid: number;
  readonly creds: Credentials;
  /** Its name, of which the kernel keeps 15 bytes. */
  readonly comm: string;
}

/** Every process that runs, by its PID. */
export function findAll(): Process[] {
  const found: Process[] = [];
  for (const { pid, isZombie } of allProcesses()) {
    const process = isZombie ? undefined : lookAt(pid);
    if (process) found.push(process);
  }
  return found.sort((a, b) => a.pid - b.pid);
}

/** Who has a PID; undefined if it is gone by now, or may not be looked at. */
function lookAt(pid: number): Process | undefined {
  try {
    using pidfd = PidFd.fromPid(pid);
    const { ppid, creds } = pidfd.getInfo();
    const comm = pidfd.accessProc((proc) => proc.readTextFile("comm").replace(/\n$/, ""));
    return { ...subjectOf(pidfd), ppid, creds, comm };
  } catch (error) {
    if (error instanceof SyscallError) return undefined;
    throw error;
  }
}
