/**
 * Ending a process together with all its descendants.
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
 * @module
 */

import { getpid, isThreadPidfd } from "../ffi/syscalls.ts";
import { checkDuration, checkInstance } from "../pidfd/arguments.ts";
import { partsOf, PidFd } from "../pidfd/pidfd.ts";
import { type Signal, signalNumber } from "../pidfd/signals.ts";
import { DEFAULT_GRACE, within } from "../pidfd/terminate.ts";
import { Cgroup } from "./cgroup.ts";
import {
  commandOf,
  idOf,
  isRefused,
  isStopped,
  type KilledProcess,
  type Member,
  openChildOf,
} from "./member.ts";
import { allProcesses, ancestors, latestChildren, unlessGone } from "./relatives.ts";

/** Options for {@linkcode killTree}. */
export interface KillTreeOptions {
  /** What asks the processes to end: SIGTERM unless told otherwise. */
  signal?: Signal;
  /** How long that may take before SIGKILL follows, in milliseconds: 5000 unless told otherwise. */
  grace?: number;
  /**
   * The folder of a cgroup (version 2) that ends with the tree; Linux 5.14. With all who are in it
   * or below it: with this program as well, if that is there.
   */
  cgroup?: string;
}

/** What became of a tree. */
export interface KilledTree {
  /** The processes that ended. */
  ended: KilledProcess[];
  /** The processes that this program has no permission to signal. */
  refused: KilledProcess[];
}

/** How often in a row we look for a process's youngest child, if it is another one each time. */
const CHASE = 100;

/** How often the tree is searched for newcomers while it has its grace, in milliseconds. */
const LOOK_AGAIN = 50;

/**
 * How long to wait for what may never come, in milliseconds, before a tree is taken as it is:
 * for a process to stop, or for one that we may not stop to start no others.
 */
const STOP_LIMIT = 2000;

const SIGKILL = signalNumber("signal", "SIGKILL");
const SIGSTOP = signalNumber("signal", "SIGSTOP");
const SIGCONT = signalNumber("signal", "SIGCONT");

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

/** As killTree, and also for a cgroup that is held already. */
export async function endTree(
  root: PidFd,
  options: Omit<KillTreeOptions, "cgroup"> & { cgroup?: string | Cgroup },
): Promise<KilledTree> {
  const { signal = "SIGTERM", grace = DEFAULT_GRACE, cgroup } = options;
  const number = signalNumber("options.signal", signal);
  checkDuration("options.grace", grace);
  checkInstance("root", root, "a PidFd", PidFd);
  const isHeld = cgroup === undefined || cgroup instanceof Cgroup;
  using opened = isHeld ? undefined : new Cgroup(cgroup);
  const group = isHeld ? cgroup : opened;
  group?.requireKill();
  using tree = new Tree(root);
  try {
    await tree.stop();
    if (number !== SIGKILL && grace > 0) {
      tree.send(number);
      tree.send(SIGCONT);
      await tree.givenTime(grace, number);
      await tree.stop();
    }
  } catch (error) {
    // No descriptors left for so large a tree, say: nobody stays stopped.
    tree.send(SIGCONT);
    throw error;
  }
  tree.send(SIGKILL);
  try {
    await Promise.all(tree.members.map(({ pidfd }) => pidfd.exited()));
  } finally {
    // Last: it is often empty by now.
    await group?.kill();
  }
  return tree.result();
}

/** The processes found so far, each held by a handle of the tree's own until it has ended. */
class Tree implements Disposable {
  readonly #found: Member[] = [];
  readonly #held = new Set<Member>();
  readonly #self = getpid();
  /** The PIDs that the last search saw and could not get hold of. */
  #missed = new Set<number>();

  constructor(root: PidFd) {
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

  /** Stops all members, and all that are found to belong to them, until there is nothing new. */
  async stop(): Promise<void> {
    let limit: number | undefined;
    this.send(SIGSTOP);
    for (;;) {
      // In this order: what was stopped before the search can't have forked behind its back.
      const stopped = this.members.every(isStopped);
      const isComplete = this.#search(SIGSTOP);
      if (stopped && isComplete) return;
      // Somebody may have let one go on: its user, or another call that ends the same tree.
      if (!stopped) this.send(SIGSTOP);
      if (isComplete || this.#found.some(({ refused }) => refused)) {
        limit ??= performance.now() + STOP_LIMIT;
        if (performance.now() > limit) return;
      } else {
        limit = undefined;
      }
      // Others get their turn, and who was told to stop the time to do so.
      await new Promise((resolve) => setTimeout(resolve, isComplete ? 1 : 0));
    }
  }

  /** Waits until all have ended, or for so long. Whoever joins meanwhile gets the signal, too. */
  async givenTime(grace: number, signal: number): Promise<void> {
    const end = performance.now() + grace;
    for (;;) {
      const left = Math.min(end - performance.now(), LOOK_AGAIN);
      if (left <= 0 || this.members.length === 0) return;
      const exits = (signal: AbortSignal) =>
        Promise.all(this.members.map(({ pidfd }) => pidfd.exited({ signal })));
      await within(left, exits);
      this.#search(signal);
    }
  }

  /** Sends a signal to all members. */
  send(signal: number): void {
    for (const member of this.members) member.refused = isRefused(member.pidfd, signal);
  }

  result(): KilledTree {
    const named = (wanted: (member: Member) => boolean) =>
      this.#found.filter((member) => !this.#isSelf(member) && wanted(member))
        .map(({ process }) => process);
    return {
      ended: named(({ refused }) => !refused),
      refused: named(({ refused }) => refused),
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
    member.process = { pid, id: idOf(pidfd), command: command ?? "" };
    this.#found.push(member);
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

  /**
   * Takes in every descendant that can be seen, with a signal at once. Returns whether those are
   * all: nobody was new, or was gone before we had hold of it. Such a one may have left another.
   */
  #search(signal: number): boolean {
    const fresh: Member[] = [];
    const missed = new Set<number>();
    this.#prune();
    const known = new Set([...this.#held].map(({ process }) => process.pid));
    const everyone = Map.groupBy(allProcesses(), ({ ppid }) => ppid);
    const take = (parent: Member, child: number) => {
      if (known.has(child)) return false;
      const pidfd = openChildOf(parent, child);
      if (pidfd === undefined) {
        missed.add(child);
        return true;
      }
      known.add(child);
      const member = this.#hold(pidfd, child, signal);
      if (pidfd.isAlive()) {
        fresh.push(member);
        return false;
      }
      // As a zombie it can be found each time; a line of those can be longer than there are fds.
      missed.add(child);
      if (!this.#missed.has(child)) this.#introduce(member);
      this.#letGo(member);
      return true;
    };
    // The set grows while it is gone through: whoever is new is asked for children, too.
    for (const parent of this.#held) {
      const children = everyone.get(parent.process.pid) ?? [];
      for (const { pid, isZombie } of children) if (isZombie) known.add(pid);
      takeLatest(parent, (child) => take(parent, child));
      for (const { pid } of children) take(parent, pid);
    }
    // Last of all: on the way down there is no time to lose.
    for (const member of fresh) if (this.#held.has(member)) this.#introduce(member, signal);
    // One that is there each time, and never ours, is a PID of another namespace's /proc.
    const isComplete = fresh.length === 0 && missed.isSubsetOf(this.#missed);
    this.#missed = missed;
    return isComplete;
  }
}

/**
 * Takes in a process's children, the youngest first: while we get hold of it, it can hand over to the
 * next and exit. Then that one is looked for, as whoever looks at all the others first never catches
 * up with such a line.
 *
 * @param take Returns whether the child was new, and is gone by now.
 */
function takeLatest({ process, refused }: Member, take: (child: number) => boolean): void {
  // Whoever we may not stop never ceases to start others.
  const most = refused ? 1 : CHASE;
  let last: number | undefined;
  for (let looks = 1;; looks++) {
    const children = latestChildren(process.pid);
    const { value: youngest } = children.next();
    const isGone = youngest !== undefined && youngest !== last && take(youngest);
    last = youngest;
    if (isGone && looks < most) continue;
    for (const child of children) take(child);
    return;
  }
}
