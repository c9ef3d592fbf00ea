/**
 * How a child is ended before it ends by itself: by an abort, after its time, when it has written
 * too much, or because its `Child` is disposed of.
 *
 * States: **left alone**, then **ending** from the first cause on, for good: a second cause changes
 * nothing, except that a disposal ends the tree, too. Where the child can't be ended it goes on,
 * and `error` says why.
 *
 * Nothing here keeps the program alive: while the child does, its status is waited for.
 *
 * @module
 */

import { failure } from "../ffi/call.ts";
import { Errno } from "../ffi/errno.ts";
import type { KeepAlive } from "../ffi/waiter.ts";
import { checkAbortSignal, checkBoolean, checkDuration, checkOptions } from "../pidfd/arguments.ts";
import type { ExitStatus } from "../pidfd/exit_status.ts";
import { partsOf, type PidFd } from "../pidfd/pidfd.ts";
import { type Signal, signalNumber } from "../pidfd/signals.ts";
import { DEFAULT_GRACE, LONGEST_TIMER, terminate } from "../pidfd/terminate.ts";
import type { CgroupFolder } from "./cgroup_folder.ts";
import type { Containment } from "./containment.ts";
import { SIGKILL } from "./held.ts";
import { isRefused, type KilledTree } from "./member.ts";
import type { SpawnOptions } from "./options.ts";
import { endContained, endTree, type TreeEnd } from "./tree.ts";

/** How a child is ended. */
export interface EndOptions {
  /**
   * What asks it to end: SIGTERM unless told otherwise, or SIGHUP if it has a terminal: that is
   * what a terminal's hanging up sends, and an interactive shell ignores SIGTERM.
   */
  signal?: Signal;
  /** How long that may take before SIGKILL follows, in milliseconds: 5000 unless told otherwise. */
  grace?: number;
  /**
   * Whether its descendants end, too, as {@linkcode killTree} ends them: not unless told so. A
   * disposal ends them in any case, and so does every end of a contained child.
   */
  tree?: boolean;
}

/** What ends a child, and how. */
export interface EndPlan {
  readonly signal?: AbortSignal;
  readonly timeout?: number;
  readonly how: Required<EndOptions>;
}

/** Checks the options that tell when and how a child is ended. */
export function endPlanOf({ signal, timeout, end = {}, terminal }: SpawnOptions): EndPlan {
  checkAbortSignal("options.signal", signal);
  if (timeout !== undefined) checkDuration("options.timeout", timeout);
  checkOptions("options.end", end, ["signal", "grace", "tree"]);
  const usual = terminal ? "SIGHUP" : "SIGTERM";
  const { signal: asking = usual, grace = DEFAULT_GRACE, tree = false } = end;
  signalNumber("options.end.signal", asking);
  checkDuration("options.end.grace", grace);
  checkBoolean("options.end.tree", tree);
  return { signal, timeout, how: { signal: asking, grace, tree } };
}

/** What ends with a child, beside its tree. */
export interface Bounds {
  /** The cgroup that it was born into, if that ends with it. */
  readonly folder?: CgroupFolder;
  /** What holds it, if it is contained. */
  readonly containment?: Containment;
}

/** Lets go of what was to end with a child. */
export function closeBounds({ folder, containment }: Bounds): void {
  folder?.[Symbol.dispose]();
  containment?.[Symbol.dispose]();
}

/** Ends a tree, and a cgroup with it. */
async function endWithFolder(
  root: PidFd,
  how: TreeEnd,
  folder?: CgroupFolder,
  keepAlive?: KeepAlive,
): Promise<KilledTree> {
  try {
    return await endTree(root, how, { folder, keepAlive });
  } catch (error) {
    // Where the cgroup can't be ended, as before Linux 5.14, the tree can.
    if (folder) await endTree(root, how, { keepAlive });
    throw error;
  }
}

/** Throws if some were left alone, as this program has no right to signal them. */
function requireNoneRefused({ refused }: KilledTree): void {
  if (refused.length === 0) return;
  const names = refused.map(({ pid, command }) => `${pid} ${command}`.trimEnd()).join(", ");
  throw failure("pidfd_send_signal", Errno.EPERM, {
    [Errno.EPERM]: `left running, as another user's: ${names}`,
  });
}

/** The ending of one child. */
export class Ending {
  readonly #owner: PidFd;
  readonly #how: Required<EndOptions>;
  readonly #keepAlive: KeepAlive;
  #bounds: Bounds;
  #hasBegun = false;
  #settled: Promise<void> = Promise.resolve();
  #isContainmentOver = false;
  #timedOut = false;
  #error: Error | null = null;

  constructor(owner: PidFd, how: Required<EndOptions>, bounds: Bounds, keepAlive: KeepAlive) {
    this.#owner = owner;
    this.#how = how;
    this.#bounds = bounds;
    this.#keepAlive = keepAlive;
    bounds.containment?.hold(owner);
  }

  /** Whether it was the timeout that ended the child, or that was to. */
  get timedOut(): boolean {
    return this.#timedOut;
  }

  /** Why the child could not be ended. */
  get error(): Error | null {
    return this.#error;
  }

  /** Heeds an abort and the time, as long as the child runs. */
  heed({ signal, timeout }: EndPlan, status: Promise<ExitStatus>): void {
    if (signal === undefined && timeout === undefined) return;
    const abort = () => this.begin();
    signal?.addEventListener("abort", abort);
    const timer = timeout === undefined || timeout > LONGEST_TIMER
      ? undefined
      : setTimeout(() => this.#expire(), timeout);
    if (timer) Deno.unrefTimer(timer);
    const stop = () => {
      signal?.removeEventListener("abort", abort);
      clearTimeout(timer);
    };
    status.then(stop, stop);
  }

  /** Ends the child, or its tree. */
  begin(): void {
    if (this.#hasBegun) return;
    this.#hasBegun = true;
    this.#settled = this.#end().catch((error) => void (this.#error = error));
  }

  /** Resolves once nothing of what has begun is pending any more. */
  get settled(): Promise<void> {
    return this.#settled;
  }

  #expire(): void {
    if (this.#hasBegun) return;
    this.#timedOut = true;
    this.begin();
  }

  async #end(): Promise<void> {
    // Its status is about to be told: it has ended by itself.
    if (partsOf(this.#owner).exit.hasEnded()) {
      this.#timedOut = false;
      return;
    }
    const isAll = this.#how.tree || this.#bounds.containment !== undefined;
    if (isAll) return await this.endTree(this.#keepAlive);
    const { signal, grace } = this.#how;
    const { handle, exit } = partsOf(this.#owner);
    await terminate(handle, exit, { signal, grace }, this.#keepAlive);
  }

  /** Ends all that is to be ended, or what can be; throws what was in the way of the rest. */
  async endTree(keepAlive?: KeepAlive): Promise<void> {
    const { signal, grace } = this.#how;
    const how = { signal: signalNumber("options.end.signal", signal), grace };
    const { containment, folder } = this.#bounds;
    try {
      using root = this.#owner.clone();
      const killed = containment
        ? await endContained(root, how, containment, keepAlive)
        : await endWithFolder(root, how, folder, keepAlive);
      requireNoneRefused(killed);
      this.#isContainmentOver = killed.stuck.length === 0;
    } catch (error) {
      // Where the others can't be found, for want of descriptors, say, the child ends at least. If
      // it can't be killed either, what was in the way before is told.
      if (this.#owner.isAlive()) isRefused(this.#owner, SIGKILL);
      throw error;
    }
  }

  /** Gives up what ends with the child. What couldn't be ended stays held, for another try. */
  release(): void {
    const { folder, containment } = this.#bounds;
    const isOver = this.#isContainmentOver;
    closeBounds({ folder, containment: isOver ? containment : undefined });
    this.#bounds = isOver ? {} : { containment };
  }
}
