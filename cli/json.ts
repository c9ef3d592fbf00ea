/**
 * What `--json` prints: one shape for all commands, an object a line.
 *
 * @module
 */

import type { ExitStatus } from "../pidfd/exit_status.ts";
import type { Credentials } from "../pidfd/info.ts";

/**
 * What `--json` has a command print of a process, on a line of its own. Who the process is is always
 * there; what else is there depends on the command.
 *
 * Numbers of 64 bits are strings in decimal, as JSON's numbers are read with 53 bits.
 *
 * @example
 * ```ts
 * import type { ProcessJson } from "@pidfd/util/cli";
 *
 * const line = '{"ref":"4711:81234","pid":4711,"id":"81234","command":"sleep 60"}';
 * const process: ProcessJson = JSON.parse(line);
 * console.log(process.ref);
 * ```
 */
export interface ProcessJson {
  /** `PID:ID`, which names it until the next boot; the PID alone before Linux 6.9. */
  ref: string;
  /** Its PID. */
  pid: number;
  /** Its id; null before Linux 6.9. */
  id: string | null;
  /** Its command line, or its name in brackets; null if that can't be seen. */
  command: string | null;
  /** `pidfd ref`: the id of the boot that it belongs to. */
  bootId?: string | null;
  /** `info`, `find`, `tree`: its parent's PID; 0 for one that can't be seen from here. */
  ppid?: number;
  /** `info`: whether it runs; false if it has ended and was not reaped yet. */
  alive?: boolean;
  /** `info`: its users and groups; `find`, `tree`: the same. */
  creds?: Credentials;
  /** `info`: its cgroup's path below where cgroups (version 2) are mounted; null if that can't be seen. */
  cgroup?: string | null;
  /** `info`: its cgroup's id; null if that can't be seen. */
  cgroupId?: string | null;
  /** `info`: the number of each of its namespaces; null for those that can't be seen. */
  namespaces?: Record<string, string | null>;
  /** `info`: its resource limits by prlimit(1)'s names; null if they can't be seen. */
  limits?: Record<string, LimitJson> | null;
  /** `wait`, `kill`, `run`: it has ended. */
  ended?: true;
  /** `wait`, `kill --wait`, `run`: how it ended; null where the kernel tells that to its parent alone. */
  status?: ExitStatus | null;
  /** `run`: how long it took and what ended it. */
  run?: RunJson;
}

/** A resource limit; null for none. */
export interface LimitJson {
  /** The limit itself, which the process may raise up to the hard one. */
  soft: number | null;
  /** The highest that it may be raised to. */
  hard: number | null;
}

/** What `pidfd run --report=json` tells of a run. */
export interface RunJson {
  /** From its start to its end, in milliseconds. */
  wallTime: number;
  /** CPU time of the command and the children that it waited for, in milliseconds; null if not known. */
  userTime: number | null;
  /** CPU time that the kernel has spent for those, in milliseconds. */
  systemTime: number | null;
  /**
   * The most memory that one of those had at a time, in bytes; null if that was no more than `pidfd`
   * itself had, as the kernel tells the larger number of the two.
   */
  maxRss: number | null;
  /** Why `pidfd` ended it: `"timeout"`, a signal's name, `"parent"`; null if it ended by itself. */
  cause: string | null;
  /** Whether SIGKILL had to follow. */
  killed: boolean;
}
