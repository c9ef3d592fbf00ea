/**
 * What a program holds, apart from how it is talked to.
 *
 * @module
 */

import { openOn } from "../fds.ts";
import { openFds } from "../processes.ts";
import { childrenOf } from "../trees.ts";

/** What the program is talked to by. Deno makes duplicates of it at times. */
const STDIO: readonly (string | null)[] = [0, 1, 2].map(openOn);

/** The fds with what they are open on, and the children. */
export function inventory(): string[] {
  const fds = openFds()
    .map((fd) => ({ fd, on: openOn(Number(fd)) }))
    .filter(({ on }) => on !== null && !STDIO.includes(on))
    .map(({ fd, on }) => `fd ${fd}: ${on}`);
  return [...fds, ...children().map((pid) => `child ${pid}`)];
}

/** The PIDs of the program's children; from the threads' lists of them, it takes a look or two. */
function children(): number[] {
  const lists = [...Deno.readDirSync("/proc/self/task")].map(({ name: tid }) => listOf(tid));
  // Not every kernel was built with such lists.
  if (lists.every((list) => list === null)) return childrenOf(Deno.pid);
  return lists.flatMap((list) => list?.split(" ").filter(Boolean).map(Number) ?? []);
}

/** The list of a thread; null if there is none, or the thread has ended. */
function listOf(tid: string): string | null {
  try {
    return Deno.readTextFileSync(`/proc/self/task/${tid}/children`);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}
