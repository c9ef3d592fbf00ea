/**
 * What a program holds, apart from how it is talked to.
 *
 * @module
 */

import { openOn } from "../fds.ts";
import { children, openFds } from "../proc.ts";

/** What the program is talked to by. Deno makes duplicates of it at times. */
const STDIO: readonly (string | null)[] = [0, 1, 2].map(openOn);

/** What Deno keeps of its own for the next time, and opens whenever it gets round to that. */
const CACHE = /_cache_v\d+(-\w+)?$/;

/** The fds with what they are open on, and the children. */
export function inventory(): string[] {
  const fds = openFds()
    .map((fd) => ({ fd, on: openOn(Number(fd)) }))
    .filter(({ on }) => on !== null && !STDIO.includes(on) && !CACHE.test(on))
    .map(({ fd, on }) => `fd ${fd}: ${on}`);
  return [...fds, ...children().map(({ pid }) => `child ${pid}`)];
}
