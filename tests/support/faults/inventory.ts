/**
 * What a program holds, apart from how it is talked to.
 *
 * @module
 */

import { openOn } from "../fds.ts";
import { openFds } from "../processes.ts";

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

/** The PIDs of the program's children, by a list that each thread has (proc(5)). */
function children(): string[] {
  return [...Deno.readDirSync("/proc/self/task")].flatMap(({ name: tid }) =>
    listOf(tid).split(" ").filter(Boolean)
  );
}

function listOf(tid: string): string {
  try {
    return Deno.readTextFileSync(`/proc/self/task/${tid}/children`);
  } catch (error) {
    // The main thread's is there, unless the kernel has no such lists.
    if (error instanceof Deno.errors.NotFound && Number(tid) !== Deno.pid) return "";
    throw error;
  }
}
