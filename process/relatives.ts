/**
 * Who is whose child, as /proc tells it at a glance: by PIDs, which say nothing for sure until
 * their processes are held.
 *
 * @module
 */

import { SyscallError } from "../ffi/errors.ts";
import { AT_FDCWD, discard, O_RDONLY, openat, readDirectory, readTextFile } from "../ffi/files.ts";
import { parseStat } from "../pidfd/proc_text.ts";

/** A process at a glance. */
export interface Glimpse {
  readonly pid: number;
  readonly ppid: number;
  /** Whether it has ended, all threads of it, and only waits to be reaped. */
  readonly isZombie: boolean;
  /** Whether its first thread, if that is its only one, can't fork. */
  readonly isStopped: boolean | "ask its threads";
}

/** The states in which a thread can't fork: stopped, held up in the kernel, or gone. */
export const STOPPED = "TtDZX";

/** Every process that /proc shows, with its parent, one by one. */
export function* allProcesses(): Generator<Glimpse, undefined> {
  const proc = openat(AT_FDCWD, "/proc", O_RDONLY);
  try {
    for (const name of readDirectory(proc)) {
      if (!/^\d+$/.test(name)) continue;
      const stat = unlessHidden(() => readTextFile(proc, `${name}/stat`));
      if (stat === undefined) continue;
      const { state, ppid, threads } = parseStat(stat);
      const isAlone = threads === 1;
      const isStopped = isAlone ? STOPPED.includes(state) : "ask its threads";
      yield { pid: Number(name), ppid, isZombie: state === "Z" && isAlone, isStopped };
    }
  } finally {
    discard(proc);
  }
}

/** Whether /proc hides processes from those who may not look into them (hidepid, proc(5)). */
export function hidesProcesses(): boolean {
  const mounts = readTextFile(AT_FDCWD, "/proc/self/mountinfo");
  return /^\S+ \S+ \S+ \S+ \/proc .* - proc .*\bhidepid=/m.test(mounts);
}

/** The PID of a process's parent; undefined if there is no such process to be seen. */
export function parentOf(pid: number): number | undefined {
  const stat = unlessHidden(() => readTextFile(AT_FDCWD, `/proc/${pid}/stat`));
  return stat === undefined ? undefined : parseStat(stat).ppid;
}

/** The PIDs of a process's parent, of that one's parent, and so on. */
export function ancestors(pid: number): number[] {
  const line: number[] = [];
  for (let next = parentOf(pid); next; next = parentOf(next)) line.push(next);
  return line;
}

/**
 * The children that the first thread of whoever has this PID has started, the youngest first: of
 * those that hand over to one another only that one still runs. A short cut, where the kernel
 * was built with it: most trees grow here, and a look at all processes takes longer than some
 * need to start another one.
 */
export function* latestChildren(pid: number): Generator<number, undefined> {
  const path = `/proc/${pid}/task/${pid}/children`;
  const text = unlessHidden(() => readTextFile(AT_FDCWD, path)) ?? "";
  // One by one: in the time that it takes to read thousands, the youngest can be gone.
  for (let end = text.trimEnd().length; end > 0;) {
    const start = text.lastIndexOf(" ", end - 1);
    yield Number(text.slice(start + 1, end));
    end = start;
  }
}

/** The PID that was given away last, in our own PID namespace. proc_loadavg(5) */
export function lastPid(): number {
  return Number(readTextFile(AT_FDCWD, "/proc/loadavg").split(" ")[4]);
}

/** What a look returns, or undefined if the process is gone before or during it. */
export function unlessGone<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch (error) {
    // A file under /proc/PID that is opened too late is not found; one that was open says ESRCH.
    if (error instanceof SyscallError && ["ESRCH", "ENOENT"].includes(error.code)) return undefined;
    throw error;
  }
}

/** As unlessGone, also where /proc hides what this program may not look into (hidepid, proc(5)). */
export function unlessHidden<T>(look: () => T): T | undefined {
  try {
    return unlessGone(look);
  } catch (error) {
    if (error instanceof SyscallError && error.code === "EPERM") return undefined;
    throw error;
  }
}
