/**
 * A process and all its descendants: finding them. How they are held, signalled and waited for is in
 * held.ts.
 *
 * Linux keeps no list of descendants, only each process's parent, and a tree can grow while
 * it is being looked at. So the walk stops what it finds, at once and on its way down, which is
 * faster than processes can start others; a stopped process can't fork, and a look at all
 * processes that finds no new child of the stopped ones has found them all. A fork in progress
 * starts anew if the signal comes in early, or ends before its process stops. The gap: one that waits
 * in the kernel late in a fork is in state D, as one is that waits for its vfork(2)ed child, and is
 * taken for stopped. SIGKILL has the kernel give such a fork up; a child that is there before that
 * escapes.
 *
 * Nothing is done by PID. A process belongs to the tree if, *held by a pidfd*, it names a
 * member as its parent, and that member is seen unreaped *afterwards*: as long as it is,
 * nobody else can have its PID.
 *
 * Where the tree has a mark (mark.ts), those that have it belong to it, too, whoever their parents
 * are: see marked.ts.
 *
 * @module
 */

import type { KeepAlive } from "../ffi/waiter.ts";
import { isThreadPidfd } from "../ffi/syscalls.ts";
import { partsOf, type PidFd } from "../pidfd/pidfd.ts";
import { HeldProcesses, SIGSTOP, STOP_LIMIT } from "./held.ts";
import { isStopped, type Member, openChildOf, openMarked } from "./member.ts";
import type { Mark } from "./mark.ts";
import { type Catch, CHASE, findMarked } from "./marked.ts";
import {
  allProcesses,
  ancestors,
  type Glimpse,
  hidesProcesses,
  lastPid,
  latestChildren,
  unlessGone,
} from "./relatives.ts";
import { Turns } from "./turns.ts";

/** How often members are asked for children while they have their grace, in milliseconds. */
const LOOK_AGAIN = 50;

/** What part of the time those looks may take: in a large tree they are further apart. */
const LOOKS_SHARE = 1 / 50;

/** How far at most, in milliseconds, whatever they take. */
const LONGEST_PAUSE = 1000;

/** What a search has found. */
interface Found {
  /**
   * Whether those are all: nobody was new, or was gone before we had hold of it. Such a one may
   * have left another.
   */
  readonly isComplete: boolean;
  /** Whether it has seen all members unable to fork. Of those that are new it hasn't. */
  readonly areStopped: boolean;
}

/** One look for newcomers. */
interface Look {
  readonly signal: number;
  /** The PIDs of those that are held, or known to have ended. */
  readonly known: Set<number>;
  /** The PIDs of those that were gone. */
  readonly missed: Set<number>;
  /** Those that are new, and not introduced yet. */
  readonly fresh: Member[];
}

/** A process and all its descendants, as far as they were found. */
export class Tree implements Disposable {
  readonly members: HeldProcesses;
  readonly #abort: AbortSignal | undefined;
  readonly #mark: Mark | undefined;
  readonly #turns = new Turns();
  /** The PIDs that the last search saw and could not get hold of. */
  #missed = new Set<number>();

  /**
   * @param abort Rejects what waits for the tree.
   * @param mark A mark that its members have.
   * @param keepAlive Whether that keeps the program alive. Without this, it does.
   */
  constructor(root: PidFd, abort?: AbortSignal, keepAlive?: KeepAlive, mark?: Mark) {
    this.#abort = abort;
    this.#mark = mark;
    this.members = new HeldProcesses(abort, keepAlive);
    if (!root.isAlive()) return;
    // Nobody else can dispose of one that isn't made.
    using failed = new DisposableStack();
    failed.use(this);
    unlessGone(() => {
      if (isThreadPidfd(partsOf(root).handle.use())) {
        throw new RangeError("root must be a process, not a thread");
      }
      const pid = root.getPid();
      if (ancestors(this.members.self).includes(pid)) {
        throw new RangeError(`root must not be an ancestor of this program: PID ${pid}`);
      }
      this.members.introduce(this.members.hold(root.clone(), pid));
    });
    failed.move();
  }

  /**
   * Stops all members, and all that are found to belong to them, until there is nothing new.
   *
   * Two searches prove that the tree is complete: the first has seen each member stopped, the
   * second has found nobody new. In this order, as a stopped process can't fork behind our back.
   */
  async stop(): Promise<void> {
    let limit: number | undefined;
    let wereStopped = false;
    await this.members.send(SIGSTOP);
    for (;;) {
      this.#abort?.throwIfAborted();
      const { isComplete, areStopped } = await this.#search(SIGSTOP);
      if (wereStopped && isComplete) return;
      wereStopped = areStopped;
      // Somebody may have let one go on: its user, or another call that ends the same tree.
      if (!areStopped) await this.members.send(SIGSTOP);
      if (isComplete || this.members.haveRefused) {
        limit ??= performance.now() + STOP_LIMIT;
        if (performance.now() > limit) return;
      } else {
        limit = undefined;
      }
      // Others get their turn, and who was told to stop the time to do so.
      if (!areStopped) await new Promise((resolve) => setTimeout(resolve, isComplete ? 1 : 0));
    }
  }

  /**
   * Waits until all have ended, or for so long. Those who join meanwhile get the signal, too, if a
   * member is their parent when it is asked for its children.
   */
  async givenTime(grace: number, signal: number): Promise<void> {
    const end = performance.now() + grace;
    let pause = LOOK_AGAIN;
    for (;;) {
      const left = Math.min(end - performance.now(), pause);
      if (left <= 0 || this.members.running.length === 0) return;
      await this.members.endWithin(left);
      const began = performance.now();
      await this.#askForChildren(signal);
      const fair = (performance.now() - began) / LOOKS_SHARE;
      pause = Math.min(Math.max(LOOK_AGAIN, fair), LONGEST_PAUSE);
    }
  }

  [Symbol.dispose](): void {
    this.members[Symbol.dispose]();
  }

  /** Takes in every descendant that can be seen, with a signal at once. */
  async #search(signal: number): Promise<Found> {
    const look = this.#begin(signal);
    const members = [...this.members].filter((member) => !this.members.isSpared(member));
    const newest = this.#mark === undefined ? 0 : lastPid();
    const glimpses = new Map<number, Glimpse>();
    for (const glimpse of allProcesses()) {
      glimpses.set(glimpse.pid, glimpse);
      if (this.#turns.isOver) await this.#turns.next();
    }
    const stopped = new Set(members.filter((member) => {
      const { isStopped: seen = true } = glimpses.get(member.process.pid) ?? {};
      return seen === "ask its threads" ? isStopped(member) : seen;
    }));
    const areSomeHidden = hidesProcesses();
    const families = Map.groupBy(glimpses.values(), ({ ppid }) => ppid);
    // The set grows while it is gone through: those that are new are asked for children, too.
    for (const parent of this.members) {
      const children = families.get(parent.process.pid) ?? [];
      for (const { pid, isZombie } of children) if (isZombie) look.known.add(pid);
      // One that was stopped by then has no others, but for those that are hidden.
      if (areSomeHidden || !stopped.has(parent)) await this.#takeLatest(look, parent);
      for (const { pid } of children) {
        this.#take(look, parent, pid);
        if (this.#turns.isOver) await this.#turns.next();
      }
      if (this.#turns.isOver) await this.#turns.next();
    }
    const haveAllMarked = await this.#takeMarked(look, glimpses, newest);
    await this.#introduceAll(look);
    // One that is there each time, and never ours, is a PID of another namespace's /proc.
    const isComplete = look.fresh.length === 0 && look.missed.isSubsetOf(this.#missed) &&
      haveAllMarked;
    this.#missed = look.missed;
    const areStopped = look.fresh.length === 0 && stopped.size === members.length;
    return { isComplete, areStopped };
  }

  /** Takes in the children that members' first threads have started: most trees grow there. */
  async #askForChildren(signal: number): Promise<void> {
    const look = this.#begin(signal);
    for (const parent of this.members) {
      await this.#takeLatest(look, parent);
      if (this.#turns.isOver) await this.#turns.next();
    }
    await this.#introduceAll(look);
    this.#missed = this.#missed.union(look.missed);
  }

  #begin(signal: number): Look {
    this.#turns.begin();
    this.members.prune();
    const known = new Set([...this.members].map(({ process }) => process.pid));
    return { signal, known, missed: new Set(), fresh: [] };
  }

  /**
   * Takes in the children of a member's first thread, the youngest first: while we get hold of it,
   * it can hand over to the next and exit. Then that one is looked for: a look at all the others
   * first never catches up with such a line.
   */
  async #takeLatest(look: Look, parent: Member): Promise<void> {
    // One that we may not stop never ceases to start others.
    const most = parent.refused ? 1 : CHASE;
    let last: number | undefined;
    for (let looks = 1;; looks++) {
      const children = latestChildren(parent.process.pid);
      const { value: youngest } = children.next();
      const isNew = youngest !== undefined && youngest !== last;
      const isGone = isNew && this.#take(look, parent, youngest) === "gone";
      last = youngest;
      if (isGone && looks < most) continue;
      for (const child of children) {
        this.#take(look, parent, child);
        if (this.#turns.isOver) await this.#turns.next();
      }
      return;
    }
  }

  /** Takes hold of a process that a member names as its child. */
  #take(look: Look, parent: Member, child: number): Catch {
    if (look.known.has(child)) return "known";
    return this.#takeOpened(look, child, openChildOf(parent, child));
  }

  #takeOpened(look: Look, pid: number, pidfd: PidFd | undefined): Catch {
    if (pidfd === undefined) {
      look.missed.add(pid);
      return "gone";
    }
    look.known.add(pid);
    const member = this.members.hold(pidfd, pid, look.signal);
    if (pidfd.isAlive()) {
      look.fresh.push(member);
      return "held";
    }
    // As a zombie it can be found each time; a line of those can be longer than there are fds.
    look.missed.add(pid);
    if (!this.members.isIntroduced(member)) this.members.introduce(member);
    this.members.letGo(member);
    return "gone";
  }

  /** Takes in all that have the tree's mark. Returns whether those are all. */
  async #takeMarked(
    look: Look,
    glimpses: ReadonlyMap<number, Glimpse>,
    newest: number,
  ): Promise<boolean> {
    const mark = this.#mark;
    if (mark === undefined) return true;
    for (const { pid, isZombie } of glimpses.values()) if (isZombie) look.known.add(pid);
    return await findMarked(mark, {
      seen: glimpses.keys(),
      newest,
      known: look.known,
      take: (pid) => this.#takeIfMarked(look, mark, pid),
      turns: this.#turns,
    });
  }

  #takeIfMarked(look: Look, mark: Mark, pid: number): Catch {
    const pidfd = openMarked(mark, pid);
    return pidfd === "a thread" ? "known" : this.#takeOpened(look, pid, pidfd);
  }

  /** Last of all: on the way down there is no time to lose. */
  async #introduceAll({ fresh, signal }: Look): Promise<void> {
    for (const member of fresh) {
      this.members.introduce(member, signal);
      if (this.#turns.isOver) await this.#turns.next();
    }
  }
}
