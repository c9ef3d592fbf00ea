/**
 * Resource limits of a process, as /proc tells them. proc_pid_limits(5)
 *
 * @module
 */

import { SyscallError } from "../ffi/errors.ts";
import type { PidFd } from "../pidfd/pidfd.ts";
import type { LimitName } from "../process/limits.ts";

/** A limit; null for none. */
export interface LimitValues {
  readonly soft: number | null;
  readonly hard: number | null;
}

/** The limits of a process by prlimit(1)'s names. */
export type LimitTable = Readonly<Partial<Record<LimitName, LimitValues>>>;

/** What the kernel calls them there. */
const TITLES: Readonly<Record<string, LimitName>> = {
  "Max cpu time": "cpu",
  "Max file size": "fsize",
  "Max data size": "data",
  "Max stack size": "stack",
  "Max core file size": "core",
  "Max resident set": "rss",
  "Max processes": "nproc",
  "Max open files": "nofile",
  "Max locked memory": "memlock",
  "Max address space": "as",
  "Max file locks": "locks",
  "Max pending signals": "sigpending",
  "Max msgqueue size": "msgqueue",
  "Max nice priority": "nice",
  "Max realtime priority": "rtprio",
  "Max realtime timeout": "rttime",
};

/** A process's limits; null if they can't be seen. */
export function limitsOf(pidfd: PidFd): LimitTable | null {
  try {
    return parseLimits(pidfd.accessProc((proc) => proc.readTextFile("limits")));
  } catch (error) {
    if (error instanceof SyscallError) return null;
    throw error;
  }
}

/** Reads /proc/PID/limits. */
export function parseLimits(text: string): LimitTable {
  const table: Partial<Record<LimitName, LimitValues>> = {};
  for (const line of text.split("\n")) {
    const match = /^(Max .*?) {2,}(\d+|unlimited) +(\d+|unlimited)/.exec(line);
    if (match === null || !Object.hasOwn(TITLES, match[1])) continue;
    table[TITLES[match[1]]] = { soft: valueOf(match[2]), hard: valueOf(match[3]) };
  }
  return table;
}

function valueOf(text: string): number | null {
  return text === "unlimited" ? null : Number(text);
}

/** The limits that there are, in words: prlimit(1)'s names with the soft one, and the hard one if it differs. */
export function describeLimits(table: LimitTable | null): string {
  if (table === null) return "not to be seen from here";
  const limited = Object.entries(table).filter(([, { soft }]) => soft !== null);
  return limited.map(([name, limit]) => `${name} ${pairOf(limit)}`).join(", ") || "none";
}

function pairOf(limit: LimitValues): string {
  const [soft, hard] = [limit.soft, limit.hard].map((value) => value ?? "unlimited");
  return soft === hard ? `${soft}` : `${soft}:${hard}`;
}
