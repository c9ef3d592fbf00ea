/**
 * Ending a process together with all its descendants: stop all, ask them, give them time, kill those
 * that are left. How they are found is in descendants.ts.
 *
 * @module
 */

import type { KeepAlive } from "../ffi/waiter.ts";
import { checkAbortSignal, checkDuration, checkInstance } from "../pidfd/arguments.ts";
import { PidFd } from "../pidfd/pidfd.ts";
import { type Signal, signalNumber } from "../pidfd/signals.ts";
import { DEFAULT_GRACE } from "../pidfd/terminate.ts";
import { Cgroup } from "./cgroup.ts";
import { SIGCONT, SIGKILL, Tree } from "./descendants.ts";
import type { KilledTree } from "./member.ts";

/** Options for {@linkcode killTree}. */
export interface KillTreeOptions {
  /** What asks the processes to end: SIGTERM unless told otherwise. 0 asks nothing, and is refused. */
  signal?: Signal;
  /** How long that may take before SIGKILL follows, in milliseconds: 5000 unless told otherwise. */
  grace?: number;
  /**
   * The folder of a cgroup (version 2) that ends with the tree; Linux 5.14. With all who are in it
   * or below it: with this program as well, if that is there.
   */
  cgroup?: string;
  /**
   * Ends the attempt early: it rejects with the signal's reason. Processes that run by then go on,
   * and none stays stopped.
   */
  abort?: AbortSignal;
}

/**
 * Ends a process and all its descendants: asks them to by a signal, and kills those that still
 * run after a while. Resolves once all have ended. If the root is this program itself, all its
 * descendants end, and it goes on.
 *
 * What is certain: every process that is a descendant when the call is made ends, however fast
 * the tree forks, as long as its parents don't end by themselves before it is found; and nothing
 * else is signalled, whatever PIDs are used again meanwhile. With `grace: 0` that includes all that
 * they start until they end.
 *
 * What can escape: a process that has lost its parent (a daemon) before it was found, as nothing
 * tells whose descendant it was; and one that is started during the grace by a process which ends
 * at once. A `cgroup`, or {@linkcode setSubreaper} with this program as the root, leaves no way
 * out. Processes of other users are left alone without the right to signal them, and reported.
 * Where /proc hides processes (`hidepid`, proc(5)), those that this program may not look into are
 * found from Linux 6.13 on; a /proc of another PID namespace shows no descendant at all.
 *
 * @throws {RangeError} If the root is an ancestor of this program, which would stop itself, or a
 *   thread's handle.
 * @throws {UnsupportedError} For `cgroup` before Linux 5.14.
 *
 * @example
 * ```ts
 * import { killTree, spawn } from "@pidfd/util";
 *
 * const child = spawn("sh", { args: ["-c", "sleep 60 & sleep 60"] });
 * using root = child.pidfd;
 * const { ended } = await killTree(root, { grace: 1000 });
 * console.log(ended.map(({ command }) => command));
 * ```
 */
export function killTree(root: PidFd, options: KillTreeOptions = {}): Promise<KilledTree> {
  return endTree(root, options);
}

/** Options for {@linkcode endTree}. */
export interface EndTreeOptions extends Omit<KillTreeOptions, "cgroup"> {
  readonly cgroup?: string | Cgroup;
  /** Whether a process of the tree has got the signal already, in another way: it is sent it no more. */
  readonly hasGot?: (process: PidFd) => boolean;
}

/**
 * As killTree, and also for a cgroup that is held already, and for a tree of which some have got
 * the signal.
 *
 * @param keepAlive Whether this keeps the program alive. Without this, it does.
 */
export async function endTree(
  root: PidFd,
  options: EndTreeOptions,
  keepAlive?: KeepAlive,
): Promise<KilledTree> {
  const { signal = "SIGTERM", grace = DEFAULT_GRACE, cgroup, abort, hasGot } = options;
  const number = signalNumber("options.signal", signal);
  if (number === 0) throw new RangeError("options.signal must be a signal: 0");
  checkDuration("options.grace", grace);
  checkAbortSignal("options.abort", abort);
  checkInstance("root", root, "a PidFd", PidFd);
  abort?.throwIfAborted();
  const isHeld = cgroup === undefined || cgroup instanceof Cgroup;
  using opened = isHeld ? undefined : new Cgroup(cgroup);
  const group = isHeld ? cgroup : opened;
  group?.requireKill();
  using tree = new Tree(root, abort, keepAlive);
  try {
    await tree.stop();
    if (number !== SIGKILL && grace > 0) {
      await tree.send(number, hasGot);
      await tree.send(SIGCONT);
      await tree.givenTime(grace, number);
      await tree.stop();
    }
  } catch (error) {
    // No descriptors left for so large a tree, or an abort: nobody stays stopped.
    await tree.send(SIGCONT);
    throw error;
  }
  await tree.send(SIGKILL);
  try {
    await tree.ended();
  } finally {
    // Last: it is often empty by now.
    await group?.kill();
  }
  return tree.result();
}
