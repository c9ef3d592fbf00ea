/**
 * Processes as they are related to each other.
 *
 * @module
 */

import { readStat } from "./processes.ts";

/** The PIDs of all processes that there are, zombies as well. */
export function allPids(): number[] {
  return [...Deno.readDirSync("/proc")]
    .filter(({ name }) => /^\d+$/.test(name))
    .map(({ name }) => Number(name));
}

/** The PIDs of a process's children, zombies as well. */
export function childrenOf(parent: number): number[] {
  return allPids().filter((pid) => readStat(pid)?.ppid === parent);
}
