/**
 * How `pidfd run` ends a command: the end comes first. Words about it come later, as perhaps nobody
 * reads them.
 *
 * @module
 */

import { PidFd } from "../pidfd/pidfd.ts";
import type { Child } from "../process/child.ts";
import type { KilledTree } from "../process/member.ts";
import { endAllOf, type KillTreeOptions } from "../process/tree.ts";
import { after } from "./durations.ts";
import { describe } from "./failures.ts";
import { sayStuck } from "./members.ts";
import { hasChildren } from "./orphans.ts";
import { say } from "./output.ts";

/** How a command is ended. */
export interface EndingPlan {
  /** In milliseconds. */
  readonly grace: number;
  readonly cgroup?: string;
  /** Whether daemons of the command go on after it. */
  readonly keep: boolean;
  /** Whether the command has its own cgroup, which also holds everything that it has started. */
  readonly contained: boolean;
}

/** How one of the ends is brought about. */
export interface EndHow {
  /** Resolves once nobody wants to wait any more. */
  readonly impatience: Promise<unknown>;
  /** Whether a process has got the signal already. */
  readonly hasGot?: (process: PidFd) => boolean;
  /** Called when the grace is over without an end. */
  readonly onKill?: () => void;
}

/** What came of it. */
export interface Ended {
  /** What may not be signalled. */
  readonly refused: KilledTree["refused"];
  /** Whether SIGKILL had to follow. */
  readonly killed: boolean;
  readonly ended: KilledTree["ended"];
}

/** The ending of a command with all that it has started. */
export class CommandEnding {
  readonly #child: Child;
  readonly #pidfd: PidFd;
  readonly #plan: EndingPlan;

  constructor(child: Child, plan: EndingPlan) {
    this.#child = child;
    // Its own: that of the child is closed by the child's disposal.
    this.#pidfd = child.pidfd.clone();
    this.#plan = plan;
  }

  /** Asks by a signal, and kills after the grace. */
  async end(signal: Deno.Signal | number, { impatience, hasGot, onKill }: EndHow): Promise<Ended> {
    const { grace, cgroup } = this.#plan;
    let [isOver, killed] = [false, false];
    const timer = [0, Infinity].includes(grace) ? undefined : after(grace, () => {
      killed = true;
      onKill?.();
    });
    let hurried: Promise<KilledTree> | undefined;
    impatience.then(() => {
      if (isOver) return;
      killed = true;
      hurried = this.#end("SIGKILL", { grace: 0, cgroup });
      // It is waited for below.
      hurried.catch(() => {});
    });
    const tree = await this.#end(signal, { grace, cgroup, hasGot });
    isOver = true;
    timer?.cancel();
    await hurried;
    sayStuck(tree.stuck);
    return { refused: tree.refused, killed, ended: tree.ended };
  }

  /** Ends what can be ended, the command in any case. */
  async #end(
    signal: Deno.Signal | number,
    how: Pick<EndingPlan, "grace" | "cgroup"> & Pick<EndHow, "hasGot">,
  ): Promise<KilledTree> {
    const { hasGot, ...rest } = how;
    const { keep, contained } = this.#plan;
    try {
      using root = keep || contained ? this.#pidfd.clone() : PidFd.fromSelf();
      const tree = await endAllOf(root, { ...rest, signal }, hasGot);
      if (contained && hasChildren()) await this.#endStrays(tree, { ...rest, signal });
      if (!this.#wasMissed(tree)) return tree;
      return await this.#endAlone(signal, how.grace, "there is no /proc");
    } catch (error) {
      return await this.#endAlone(signal, how.grace, describe(error));
    }
  }

  /** Ends what somebody has moved out of the command's cgroup. */
  async #endStrays(tree: KilledTree, how: KillTreeOptions): Promise<void> {
    using self = PidFd.fromSelf();
    const strays = await endAllOf(self, how);
    tree.ended.push(...strays.ended);
    tree.refused.push(...strays.refused);
    tree.stuck.push(...strays.stuck);
  }

  /** Whether the command goes on as it was not found: an empty folder in place of /proc is no error. */
  #wasMissed({ refused, stuck }: KilledTree): boolean {
    const isNamed = [...refused, ...stuck].some(({ pid }) => pid === this.#child.pid);
    return !isNamed && this.#pidfd.isAlive();
  }

  /** Ends the command by its handle, which needs nothing else. */
  async #endAlone(
    signal: Deno.Signal | number,
    grace: number,
    reason: string,
  ): Promise<KilledTree> {
    const nobody: KilledTree = { ended: [], refused: [], stuck: [] };
    try {
      const ended = this.#pidfd.terminate({ signal, grace });
      say(`only the command itself ends, as what it has started can't be found: ${reason}`);
      await ended;
      return nobody;
    } catch (error) {
      if (!this.#pidfd.isAlive()) return nobody;
      say(`the command can't be ended: ${describe(error)}`);
      return { ...nobody, refused: [{ pid: this.#child.pid, id: null, command: "the command" }] };
    }
  }
}
