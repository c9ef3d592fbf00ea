/**
 * The processes of a tree that were found so far: stopping them, asking them, waiting for their ends,
 * and telling what became of each. How they are found is in descendants.ts.
 *
 * Each is held by a pidfd until it has ended. What has ended is let go of, for a tree can have seen
 * more processes than there are fds.
 *
 * @module
 */

import { getpid } from "../ffi/syscalls.ts";
import type { KeepAlive } from "../ffi/waiter.ts";
import type { PidFd } from "../pidfd/pidfd.ts";
import { signalNumber } from "../pidfd/signals.ts";
import { within } from "../pidfd/terminate.ts";
import {
  commandOf,
  endOf,
  idOf,
  isRefused,
  isStuck,
  type KilledTree,
  type Member,
} from "./member.ts";
import { Turns } from "./turns.ts";

/**
 * How long to wait for what may never come, in milliseconds, before a tree is taken as it is:
 * for a process to stop, for one that we may not stop to start no others, or for one that was killed
 * to get out of the kernel.
 */
export const STOP_LIMIT = 2000;

export const SIGKILL = signalNumber("signal", "SIGKILL");
export const SIGSTOP = signalNumber("signal", "SIGSTOP");
export const SIGCONT = signalNumber("signal", "SIGCONT");

/** The processes of a tree. To go through it is to go through those that are held. */
export class HeldProcesses implements Disposable {
  /** The PID of this program, which is never signalled. */
  readonly self = getpid();
  readonly #found: Member[] = [];
  /** The PIDs of those, each with the id of the last one that had it. */
  readonly #introduced = new Map<number, bigint | null>();
  readonly #held = new Set<Member>();
  readonly #abort: AbortSignal | undefined;
  readonly #keepAlive: KeepAlive | undefined;
  readonly #turns = new Turns();

  /**
   * @param abort Rejects what waits for them.
   * @param keepAlive Whether that keeps the program alive. Without this, it does.
   */
  constructor(abort?: AbortSignal, keepAlive?: KeepAlive) {
    this.#abort = abort;
    this.#keepAlive = keepAlive;
  }

  /** Those that are held. One that is taken hold of meanwhile comes, too. */
  [Symbol.iterator](): Iterator<Member> {
    return this.#held.values();
  }

  /** Those that run, stopped or not, and that may be signalled. */
  get running(): Member[] {
    return [...this.#held].filter((member) => !this.isSpared(member) && member.pidfd.isAlive());
  }

  /** Whether some have refused a signal, those that have ended since as well. */
  get haveRefused(): boolean {
    return this.#found.some(({ refused }) => refused);
  }

  /** Whether a process is never signalled, or no more. */
  isSpared(member: Member): boolean {
    return member.refused || this.#isSelf(member);
  }

  /**
   * Takes hold of a process. One that is to be stopped is stopped at once: until then it can start
   * others and be gone.
   */
  hold(pidfd: PidFd, pid: number, signal?: number): Member {
    const process = { pid, id: null, command: "" };
    const member: Member = { pidfd, process, refused: false, wasStopped: false };
    // First of all: if something fails from here on, it is not left stopped.
    this.#held.add(member);
    if (signal === SIGSTOP) this.#signal(member, signal);
    return member;
  }

  /**
   * Finds out who a member is. Any signal but SIGSTOP comes after that, because with it a process
   * can be gone.
   */
  introduce(member: Member, signal?: number): void {
    if (!this.#held.has(member)) return;
    const { pidfd, process: { pid } } = member;
    const command = commandOf(pidfd);
    // One that /proc hides can be there nevertheless, and is stopped by now.
    if (command === undefined && !pidfd.isAlive()) return this.letGo(member);
    if (signal !== undefined && signal !== SIGSTOP) this.#signal(member, signal);
    const id = idOf(pidfd);
    member.process = { pid, id, command: command ?? "" };
    this.#found.push(member);
    this.#introduced.set(pid, id);
  }

  /** Whether the process is among those that were found, and was perhaps let go of since. */
  isIntroduced({ pidfd, process: { pid } }: Member): boolean {
    return this.#introduced.has(pid) && this.#introduced.get(pid) === idOf(pidfd);
  }

  letGo(member: Member): void {
    this.#held.delete(member);
    member.pidfd.close();
  }

  /** Lets go of those that have ended, reaped or not: they start no others. */
  prune(): void {
    for (const member of this.#held) if (!member.pidfd.isAlive()) this.letGo(member);
  }

  /** Sends a signal to all of them, but for those that have got it already. */
  async send(signal: number, hasGot?: (process: PidFd) => boolean): Promise<void> {
    this.#turns.begin();
    for (const member of this.#held) {
      if (this.#isSelf(member) || !member.pidfd.isAlive()) continue;
      if (member.refused) this.#letGoOn(member, signal);
      else if (!hasGot?.(member.pidfd)) this.#signal(member, signal);
      if (this.#turns.isOver) await this.#turns.next();
    }
  }

  #signal(member: Member, signal: number): void {
    member.refused = isRefused(member.pidfd, signal);
    if (signal === SIGSTOP && !member.refused) member.wasStopped = true;
  }

  /**
   * One can become another user's in the moment in which we stop it. SIGCONT is allowed all the same
   * within a session (kill(2)): so it need not stay stopped.
   */
  #letGoOn({ pidfd, wasStopped }: Member, signal: number): void {
    if (wasStopped && signal === SIGCONT) isRefused(pidfd, signal);
  }

  /** Waits for the ends of all, and returns whether they came in time. */
  async endWithin(time: number): Promise<boolean> {
    const ends: Promise<void>[] = [];
    this.#turns.begin();
    for (const member of this.running) {
      ends.push(endOf(member, this.#keepAlive));
      if (this.#turns.isOver) await this.#turns.next();
    }
    const all = Promise.all(ends);
    return await within(time, (late) => abortable(all, late), this.#abort, this.#keepAlive);
  }

  /** Waits until all have ended that were killed, but for those that are stuck. */
  async ended(): Promise<void> {
    while (this.running.length > 0) {
      if (await this.endWithin(STOP_LIMIT) || this.running.every(isStuck)) return;
    }
  }

  /** What has become of them. */
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

  #isSelf({ process }: Member): boolean {
    return process.pid === this.self;
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
