/**
 * The terminal that controls this program, as /proc tells of it. proc_pid_stat(5)
 *
 * @module
 */

import { SyscallError } from "../ffi/errors.ts";
import { AT_FDCWD, readTextFile } from "../ffi/files.ts";

/** A process among others, and the terminal that it shares with them. */
export interface Place {
  readonly state: string;
  readonly group: number;
  /** Whether a terminal controls its session. */
  readonly hasTerminal: boolean;
  /** Whether its group is the one that the terminal's keys signal, and that may read from it. */
  readonly isInForeground: boolean;
}

/** The place of this program; null if /proc isn't mounted. */
export function ownPlace(): Place | null {
  try {
    return parsePlace(readTextFile(AT_FDCWD, "/proc/self/stat"));
  } catch (error) {
    if (error instanceof SyscallError) return null;
    throw error;
  }
}

/** Reads /proc/PID/stat. */
export function parsePlace(stat: string): Place {
  const [state, , group, , terminal, foreground] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return {
    state,
    group: Number(group),
    hasTerminal: terminal !== "0",
    isInForeground: terminal !== "0" && group === foreground,
  };
}
