/**
 * What a cgroup tells of its processes (`Documentation/admin-guide/cgroup-v2.rst`).
 *
 * @module
 */

import { type CgroupFolder, removed } from "./cgroup_folder.ts";

/**
 * What all processes of a cgroup and below it have used, those that have ended as well. Where the
 * cgroup lacks a controller, its facts are null: see {@linkcode Cgroup.create}.
 */
export interface CgroupStats {
  /** Memory in use now, in bytes; the controller `memory`. */
  memory: number | null;
  /** The most that was in use at a time, in bytes; `memory`, Linux 5.19. */
  memoryPeak: number | null;
  /** Swap space in use now, in bytes; `memory`. */
  swap: number | null;
  /** How many processes the kernel's OOM killer has ended; `memory`. */
  oomKills: number | null;
  /** How many processes and threads there are now; the controller `pids`. */
  processes: number | null;
  /** How often the limit of processes made a fork fail; `pids`. */
  refusedForks: number | null;
  /** Processor time in milliseconds, with fractions. */
  cpuTime: {
    /** In the programs. */
    user: number;
    /** In the kernel for them. */
    system: number;
    /** How long they had to stand still for their limit; null without the controller `cpu`. */
    throttled: number | null;
  };
}

/**
 * Reads all of it.
 *
 * @throws {SyscallError} `ENODEV` once the cgroup was removed.
 */
export function readStats(folder: CgroupFolder): CgroupStats {
  const cpu = entries(folder.read("cpu.stat"));
  if (cpu === undefined) throw removed("read");
  const milliseconds = (name: string) => cpu.get(name) === undefined ? null : cpu.get(name)! / 1000;
  return {
    memory: number(folder, "memory.current"),
    memoryPeak: number(folder, "memory.peak"),
    swap: number(folder, "memory.swap.current"),
    oomKills: entries(folder.read("memory.events"))?.get("oom_kill") ?? null,
    processes: number(folder, "pids.current"),
    refusedForks: entries(folder.read("pids.events"))?.get("max") ?? null,
    cpuTime: {
      user: milliseconds("user_usec") ?? 0,
      system: milliseconds("system_usec") ?? 0,
      throttled: milliseconds("throttled_usec"),
    },
  };
}

function number(folder: CgroupFolder, file: string): number | null {
  const text = folder.read(file);
  return text === undefined ? null : Number(text);
}

/** The lines "name number" of a file. */
function entries(text: string | undefined): Map<string, number> | undefined {
  if (text === undefined) return undefined;
  return new Map(
    text.split("\n").filter(Boolean).map((line) => {
      const [name, value] = line.split(" ");
      return [name, Number(value)];
    }),
  );
}
