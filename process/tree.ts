/**
 * Ending a process together with all its descendants: stop all, ask them, give them time, kill those
 * that are left. How they are found is in descendants.ts.
 *
 * @module
 */

import type { KeepAlive } from "../ffi/waiter.ts";
import { checkAbortSignal, checkDuration, checkInstance } from "../pidfd/arguments.ts";
import { partsOf, PidFd } from "../pidfd/pidfd.ts";
import { type Signal, signalNumber } from "../pidfd/signals.ts";
import { DEFAULT_GRACE, within } from "../pidfd/terminate.ts";
import { type Cgroup, checkCgroup, openFolder } from "./cgroup.ts";
import type { CgroupFolder } from "./cgroup_folder.ts";
import { endCgroup } from "./contained.ts";
import { type Containment, containmentOf } from "./containment.ts";
import { Tree } from "./descendants.ts";
import { SIGCONT, SIGKILL, STOP_LIMIT } from "./held.ts";
import type { Mark } from "./mark.ts";
import type { KilledProcess, KilledTree } from "./member.ts";

/** Options for {@linkcode killTree}. */
export interface KillTreeOptions {
  /** What asks the processes to end: SIGTERM unless told otherwise. 0 asks nothing, and is refused. */
  signal?: Signal;
  /** How long that may take before SIGKILL follows, in milliseconds: 5000 unless told otherwise. */
  grace?: number;
  /**
   * A cgroup (version 2), or the path of its folder, that ends with the tree; Linux 5.14. With all
   * who are in it or below it: with this program as well, if that is there.
   */
  cgroup?: string | Cgroup;
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
 * at once. If the root is a contained child (see {@linkcode SpawnOptions.contain}), by its `pidfd` or
 * a clone of that, all that the child has started ends, daemons as well; so it does with a `cgroup`
 * that they are all in. {@linkcode setSubreaper} with this program as the root leaves no way out
 * either. Processes of other users are left alone without the right to signal them, and reported.
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
  return endAllOf(root, options);
}

/**
 * As killTree, also where some have got the signal in another way.
 *
 * @param hasGot Whether a process is one of those.
 */
export async function endAllOf(
  root: PidFd,
  options: KillTreeOptions,
  hasGot?: (process: PidFd) => boolean,
): Promise<KilledTree> {
  const how = { ...checkKillTree(root, options), hasGot };
  const containment = containmentOf(root);
  const { cgroup } = options;
  using folder = cgroup === undefined ? undefined : openFolder("options.cgroup", cgroup);
  folder?.requireKill();
  if (containment === undefined) return await endTree(root, how, { folder });
  // The child's disposal closes the handle that it has given.
  using held = root.clone();
  const result = await endContained(held, how, containment);
  await folder?.kill();
  return result;
}

/** How a tree is ended. */
export interface TreeEnd {
  /** The number of the signal that asks its processes to end. */
  readonly signal: number;
  readonly grace: number;
  readonly abort?: AbortSignal;
  /** Whether a process has got the signal already, in another way: it is sent it no more. */
  readonly hasGot?: (process: PidFd) => boolean;
}

function checkKillTree(root: PidFd, options: KillTreeOptions): TreeEnd {
  const { signal = "SIGTERM", grace = DEFAULT_GRACE, cgroup, abort } = options;
  const number = signalNumber("options.signal", signal);
  if (number === 0) throw new RangeError("options.signal must be a signal: 0");
  checkDuration("options.grace", grace);
  checkAbortSignal("options.abort", abort);
  checkInstance("root", root, "a PidFd", PidFd);
  partsOf(root).handle.check();
  if (cgroup !== undefined) checkCgroup("options.cgroup", cgroup);
  abort?.throwIfAborted();
  return { signal: number, grace, abort };
}

/**
 * Ends all that a contained child has started, and the child.
 *
 * @param keepAlive Whether this keeps the program alive. Without this, it does.
 */
export async function endContained(
  root: PidFd,
  how: TreeEnd,
  containment: Containment,
  keepAlive?: KeepAlive,
): Promise<KilledTree> {
  const { mark } = containment;
  if (mark !== undefined) return await endTree(root, how, { mark, keepAlive });
  const killed = await endCgroupOf(containment, how, keepAlive);
  if (killed.stuck.length > 0 || !root.isAlive()) return killed;
  const pid = root.getPid();
  const isChild = (process: KilledProcess) => process.pid === pid;
  // One that was moved out of its cgroup ends at least as one that isn't contained.
  if (!killed.ended.some(isChild)) {
    const { ended, refused, stuck } = await endTree(root, how, { keepAlive });
    return { ended: [...killed.ended, ...ended], refused, stuck };
  }
  // It is out of there a moment before it has ended, and the first process of a PID namespace can
  // be held up in between.
  const end = (signal: AbortSignal) => partsOf(root).exit.exited({ signal }, keepAlive);
  if (await within(STOP_LIMIT, end, how.abort, keepAlive)) return killed;
  const ended = killed.ended.filter((process) => !isChild(process));
  return { ...killed, ended, stuck: killed.ended.filter(isChild) };
}

async function endCgroupOf(
  containment: Containment,
  how: TreeEnd,
  keepAlive?: KeepAlive,
): Promise<KilledTree> {
  if (containment.isOver) return { ended: [], refused: [], stuck: [] };
  // Whoever disposes of the child meanwhile lets go of its folder.
  using held = containment.folder!.clone();
  const killed = await endCgroup(held, how, keepAlive);
  containment.childEnded();
  return killed;
}

/** What belongs to the end of a tree. */
export interface TreeParts {
  /** A cgroup that ends with it. */
  readonly folder?: CgroupFolder;
  /** A mark: those who have it belong to the tree. */
  readonly mark?: Mark;
  /** Whether this keeps the program alive. Without this, it does. */
  readonly keepAlive?: KeepAlive;
}

/** Ends a tree. */
export async function endTree(
  root: PidFd,
  { signal, grace, abort, hasGot }: TreeEnd,
  { folder, mark, keepAlive }: TreeParts,
): Promise<KilledTree> {
  folder?.requireKill();
  using tree = new Tree(root, abort, keepAlive, mark);
  const { members } = tree;
  try {
    await tree.stop();
    if (signal !== SIGKILL && grace > 0) {
      await members.send(signal, hasGot);
      await members.send(SIGCONT);
      await tree.givenTime(grace, signal);
      await tree.stop();
    }
  } catch (error) {
    // No descriptors left for so large a tree, or an abort: nobody stays stopped.
    await members.send(SIGCONT);
    throw error;
  }
  await members.send(SIGKILL);
  try {
    await members.ended();
  } finally {
    // Last: it is often empty by now.
    await folder?.kill();
  }
  return members.result();
}
