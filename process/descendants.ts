/**
 * A process and all its descendants: finding them, and holding them until they have ended.
 *
 * Linux keeps no list of descendants, only each process's parent, and a tree can grow while
 * it is being looked at. So the walk stops what it finds, at once and on its way down, which is
 * faster than processes can start others; a stopped process can't fork, and a look at all
 * processes that finds no new child of the stopped ones has found them all. SIGSTOP takes
 * effect on a fork in progress, too: fork(2) starts anew if a signal comes in.
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
import { getpid, isThreadPidfd } from "../ffi/syscalls.ts";
import { partsOf, type PidFd } from "../pidfd/pidfd.ts";
import { signalNumber } from "../pidfd/signals.ts";
import { within } from "../pidfd/terminate.ts";
import {
  commandOf,
  endOf,
  idOf,
  isRefused,
  isStopped,
  isStuck,
  type KilledTree,
  type Member,
  openChildOf,
  openMarked,
} from "./member.ts";
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

/**
 * How long to wait for what may never come, in milliseconds, before a tree is taken as it is:
 * for a process to stop, for one that we may not stop to start no others, or for one that was killed
 * to get out of the kernel.
 */
export const STOP_LIMIT = 2000;

export const SIGKILL = signalNumber("signal", "SIGKILL");
const SIGSTOP = signalNumber("signal", "SIGSTOP");
export const SIGCONT = signalNumber("signal", "SIGCONT");

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

/** The processes found so far, each held by a handle of the tree's own until it has ended. */
export class Tree implements Disposable {
  readonly #found: Member[] = [];
  /** The PIDs of those, each with the id of the last one that had it. */
  readonly #introduced = new Map<number, bigint | null>();
  readonly #held = new Set<Member>();
  readonly #self = getpid();
  readonly #abort: AbortSignal | undefined;
  readonly #mark: Mark | undefined;
  readonly #keepAlive: KeepAlive | undefined;
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
    this.#keepAlive = keepAlive;
    if (!root.isAlive()) return;
    // Nobody else can dispose of one that isn't made.
    using failed = new DisposableStack();
    failed.use(this);
    unlessGone(() => {
      if (isThreadPidfd(partsOf(root).handle.use())) {
        throw new RangeError("root must be a process, not a thread");
      }
      const pid = root.getPid();
      if (ancestors(this.#self).includes(pid)) {
        throw new RangeError(`root must not be an ancestor of this program: PID ${pid}`);
      }
      this.#introduce(this.#hold(root.clone(), pid));
    });
    failed.move();
  }

  /** Those that run, stopped or not, and that may be signalled. */
  get members(): Member[] {
    return [...this.#held].filter((member) => !this.#isSpared(member) && member.pidfd.isAlive());
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
    await this.send(SIGSTOP);
    for (;;) {
      this.#abort?.throwIfAborted();
      const { isComplete, areStopped } = await this.#search(SIGSTOP);
      if (wereStopped && isComplete) return;
      wereStopped = areStopped;
      // Somebody may have let one go on: its user, or another call that ends the same tree.
      if (!areStopped) await this.send(SIGSTOP);
      if (isComplete || this.#found.some(({ refused }) => refused)) {
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
      if (left <= 0 || this.members.length === 0) return;
      await this.#endWithin(left);
      const began = performance.now();
      await this.#askForChildren(signal);
      const fair = (performance.now() - began) / LOOKS_SHARE;
      pause = Math.min(Math.max(LOOK_AGAIN, fair), LONGEST_PAUSE);
    }
  }

  /** Waits until all have ended that were killed, but for those that are stuck. */
  async ended(): Promise<void> {
    while (this.members.length > 0) {
      if (await this.#endWithin(STOP_LIMIT) || this.members.every(isStuck)) return;
    }
  }

  /** Waits for all members' ends, and returns whether they came in time. */
  async #endWithin(time: number): Promise<boolean> {
    const ends: Promise<void>[] = [];
    this.#turns.begin();
    for (const member of this.members) {
      ends.push(endOf(member, this.#keepAlive));
      if (this.#turns.isOver) await this.#turns.next();
    }
    const all = Promise.all(ends);
    return await within(time, (late) => abortable(all, late), this.#abort, this.#keepAlive);
  }

  /** Sends a signal to all members, but for those that have got it already. */
  async send(signal: number, hasGot?: (process: PidFd) => boolean): Promise<void> {
    this.#turns.begin();
    for (const member of this.#held) {
      if (this.#isSpared(member) || !member.pidfd.isAlive()) continue;
      if (hasGot?.(member.pidfd)) continue;
      member.refused = isRefused(member.pidfd, signal);
      if (this.#turns.isOver) await this.#turns.next();
    }
  }

  result(): KilledTree {
    const named = (wanted: (member: Member) => boolean) =>
      this.#found.filter((member) => !this.#isSelf(member) && wanted(member))
        .map(({ process }) => process);
    const isThere = (member: Member) => this.#held.has(member) && member.pidfd.isAlive();
    const left = new Set(this.#found.filter(isThere));
    return {
      ended: named((member) => !left.has(member)),
      refused: named((member) => left.has(member) && member.refused),
      stuck: named((member) => left.has(member) && !member.refused),
    };
  }

  [Symbol.dispose](): void {
    for (const { pidfd } of this.#held) pidfd.close();
  }

  /**
   * Takes hold of a process. One that is to be stopped is stopped at once: until then it can start
   * others and be gone.
   */
  #hold(pidfd: PidFd, pid: number, signal?: number): Member {
    const member: Member = { pidfd, process: { pid, id: null, command: "" }, refused: false };
    // First of all: if something fails from here on, it is not left stopped.
    this.#held.add(member);
    if (signal === SIGSTOP) member.refused = isRefused(pidfd, signal);
    return member;
  }

  /**
   * Finds out who a member is. Any signal but SIGSTOP comes after that, because with it a process
   * can be gone.
   */
  #introduce(member: Member, signal?: number): void {
    const { pidfd, process: { pid } } = member;
    const command = commandOf(pidfd);
    // One that /proc hides can be there nevertheless, and is stopped by now.
    if (command === undefined && !pidfd.isAlive()) return this.#letGo(member);
    if (signal !== undefined && signal !== SIGSTOP) {
      member.refused = isRefused(pidfd, signal);
    }
    const id = idOf(pidfd);
    member.process = { pid, id, command: command ?? "" };
    this.#found.push(member);
    this.#introduced.set(pid, id);
  }

  /** Whether the process is among those that were found, and was perhaps let go of since. */
  #isIntroduced({ pidfd, process: { pid } }: Member): boolean {
    return this.#introduced.has(pid) && this.#introduced.get(pid) === idOf(pidfd);
  }

  #letGo(member: Member): void {
    this.#held.delete(member);
    member.pidfd.close();
  }

  /**
   * Lets go of those that have ended, reaped or not: they start no others, and a tree can have
   * seen more of them than there are fds.
   */
  #prune(): void {
    for (const member of this.#held) if (!member.pidfd.isAlive()) this.#letGo(member);
  }

  #isSelf({ process }: Member): boolean {
    return process.pid === this.#self;
  }

  #isSpared(member: Member): boolean {
    return member.refused || this.#isSelf(member);
  }

  /** Takes in every descendant that can be seen, with a signal at once. */
  async #search(signal: number): Promise<Found> {
    const look = this.#begin(signal);
    const members = [...this.#held].filter((member) => !this.#isSpared(member));
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
    for (const parent of this.#held) {
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
    for (const parent of this.#held) {
      await this.#takeLatest(look, parent);
      if (this.#turns.isOver) await this.#turns.next();
    }
    await this.#introduceAll(look);
    this.#missed = this.#missed.union(look.missed);
  }

  #begin(signal: number): Look {
    this.#turns.begin();
    this.#prune();
    const known = new Set([...this.#held].map(({ process }) => process.pid));
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
    const member = this.#hold(pidfd, pid, look.signal);
    if (pidfd.isAlive()) {
      look.fresh.push(member);
      return "held";
    }
    // As a zombie it can be found each time; a line of those can be longer than there are fds.
    look.missed.add(pid);
    if (!this.#isIntroduced(member)) this.#introduce(member);
    this.#letGo(member);
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
      if (this.#held.has(member)) this.#introduce(member, signal);
      if (this.#turns.isOver) await this.#turns.next();
    }
  }
}

/** Waits for a promise, and no longer once a signal aborts. */
function abortable(promise: Promise<unknown>, signal: AbortSignal): Promise<unknown> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) reject(signal.reason);
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
    promise.then(resolve, reject);
  });
}
