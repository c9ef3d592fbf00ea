/**
 * Gives the PID of a dead process to another one. For programs that have a PID namespace of
 * their own, in which nobody else starts anything.
 *
 * @module
 */

import { startUnreaped, type UnreapedChild } from "./children.ts";

/** Where to say which PID was the last one; the next process gets the one after it. */
export const LAST_PID = "/proc/sys/kernel/ns_last_pid";

/** Starts a child that gets a PID which is free. */
export function startAs(pid: number): UnreapedChild {
  Deno.writeTextFileSync(LAST_PID, String(pid - 1));
  const newcomer = startUnreaped("exec sleep 60");
  if (newcomer.pid !== pid) throw new Error(`the newcomer got PID ${newcomer.pid}, not ${pid}`);
  return newcomer;
}

/** Ends a child for good, and starts another one, which gets its PID. */
export function replace(child: UnreapedChild): UnreapedChild {
  child.pidfd.kill();
  child.pidfd.waitSync({ reap: true });
  return startAs(child.pid);
}
