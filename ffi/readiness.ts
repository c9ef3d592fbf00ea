/**
 * All waits of a program on one parked thread.
 *
 * A nonblocking FFI call occupies a thread of Deno's blocking pool until it returns, and the pool
 * has 32 of them, which file operations share. So no wait gets a call of its own: a single
 * `epoll_wait` is parked for all.
 *
 * A waiter is a callback. After each wake-up this order holds:
 *
 * 1. **Looks.** Each waiter looks at what happened, at once, and says whether its wait is over.
 * 2. **User code.** Every promise that was resolved runs its reactions.
 * 3. **Tidying up**: leaving the epoll set, closing, parking again.
 *
 * The reason: the waiting code comes first. Costly work comes after.
 *
 * What serves the waits depends on whether any of them keeps the program alive, as a pending FFI
 * call always does:
 *
 * | state   | there are               | served by                                  | descriptors |
 * | ------- | ----------------------- | ------------------------------------------ | ----------- |
 * | idle    | no waiters              | nothing                                    | none        |
 * | parked  | some that keep it alive | one parked call                            | two         |
 * | doubted | the same                | that call, once it begins; SIGCHLD, timers | two         |
 * | visited | only others             | SIGCHLD and timers that let a program end  | two         |
 *
 * `#arrange` is the one place that goes from state to state. It runs as a microtask, behind the code
 * that made the change. So the set stays open if one wait follows another.
 *
 * @module
 */

import { Doubt } from "./doubt.ts";
import { Visits } from "./visits.ts";
import { WaitSet } from "./wait_set.ts";
import type { Count, KeepAlive, Waiter } from "./waiter.ts";

// Tests replace these, to have a clock of their own. Waits go on by the real one.
const { clearTimeout, queueMicrotask, setTimeout } = globalThis;

/** How long an end of waits is held back at most for the thread to return, in ms. */
const RETURNED_BY = 200;

/**
 * How many reactions of promises may follow one another before we tidy up: each `await` and `then`
 * between a wait and the code that it was for is one. Code behind more of them runs after that.
 */
const REACTIONS = 16;

/** See above. */
type State = "idle" | "parked" | "doubted" | "visited";

class Readiness implements Count {
  #set: WaitSet | undefined;
  /** How many waiters keep the program alive. */
  #keeping = 0;
  /** Pending while a call is parked. */
  #call: Promise<void> | undefined;
  #isWoken = false;
  readonly #doubt = new Doubt(() => this.#set?.hasEvents() === true, () => this.#arrange());
  #visits: Visits | undefined;
  #isTidyDue = false;
  #isArrangeDue = false;

  /** Makes what the first wait needs, so that the wait itself can't fail for want of it. */
  prepare(): WaitSet {
    this.#arrangeSoon();
    return this.#set ??= new WaitSet(this);
  }

  join(waiter: Waiter): void {
    this.prepare().join(waiter);
    this.#visits?.hurry();
  }

  /** Ends a wait early. Returns false if it is over already. */
  leave(waiter: Waiter): boolean {
    const hasLeft = this.#set?.leave(waiter) === true;
    if (hasLeft) this.#arrangeSoon();
    return hasLeft;
  }

  forget(fd: number, reason: () => unknown): void {
    const waiters = this.#set?.empty(fd) ?? [];
    if (waiters.length === 0) return;
    for (const waiter of waiters) {
      const error = reason();
      this.settled().then(() => waiter.fail(error));
    }
    this.#arrangeSoon();
  }

  /** More waiters keep the program alive than before, or fewer. */
  add(difference: number): void {
    this.#keeping += difference;
    this.#arrangeSoon();
  }

  async settled(): Promise<void> {
    // One abort can end many waits, and the first of them is told when the last one has left.
    await undefined;
    const call = this.#call;
    if (call === undefined || this.#keeping > 0) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, RETURNED_BY);
      call.then(() => {
        clearTimeout(timer);
        resolve();
      });
    });
  }

  /** Once the code that runs now has run to its end. */
  #arrangeSoon(): void {
    if (this.#isArrangeDue || this.#isTidyDue) return;
    this.#isArrangeDue = true;
    queueMicrotask(() => {
      this.#isArrangeDue = false;
      if (!this.#isTidyDue) this.#arrange();
    });
  }

  /** Goes to the state that the waits need now. */
  #arrange(): void {
    const set = this.#set;
    if (set === undefined) return;
    const state = this.#needed(set);
    const isServed = this.#call !== undefined && !this.#doubt.isConfirmed;
    if (state === "doubted" || state === "visited" && !isServed) {
      this.#visits ??= new Visits(() => this.#visit(set));
    } else {
      this.#visits?.stop();
      this.#visits = undefined;
    }
    if (state === "parked") this.#park(set);
    // What follows comes once the call has returned.
    else if (state !== "doubted" && this.#call) this.#wake(set);
    else if (state === "idle") this.#close(set);
  }

  #needed({ size }: WaitSet): State {
    if (this.#keeping > 0) return this.#doubt.isConfirmed ? "doubted" : "parked";
    return size > 0 ? "visited" : "idle";
  }

  #park(set: WaitSet): void {
    if (this.#call) return;
    this.#doubt.parked();
    this.#call = set.park().then((result) => {
      this.#call = undefined;
      this.#isWoken = false;
      this.#doubt.returned();
      this.#tidySoon(set);
      set.lookAfter(result);
    });
  }

  #wake(set: WaitSet): void {
    if (this.#isWoken) return;
    this.#isWoken = true;
    set.wake();
  }

  #visit(set: WaitSet): void {
    this.#tidySoon(set);
    set.look();
    if (set.isUntidy) this.#visits?.hurry();
  }

  #close(set: WaitSet): void {
    this.#doubt.stop();
    this.#set = undefined;
    set.close();
  }

  /** Tidies up once the looks are done, which come in this turn, and user code has run. */
  async #tidySoon(set: WaitSet): Promise<void> {
    if (this.#isTidyDue) return;
    this.#isTidyDue = true;
    for (let i = 0; i < REACTIONS; i++) await undefined;
    set.tidy();
    this.#isTidyDue = false;
    this.#arrange();
  }
}

const readiness = new Readiness();

/**
 * Waits until the waiter says that the wait is over.
 *
 * @param signal Ends the wait early: `fail` gets the signal's reason.
 * @throws {SyscallError} If the fd can't be waited for.
 */
export function watch(waiter: Waiter, signal?: AbortSignal): void {
  if (signal === undefined) return readiness.join(waiter);
  const abort = () => {
    if (readiness.leave(heedful)) settled().then(() => waiter.fail(signal.reason));
  };
  const stop = () => signal.removeEventListener("abort", abort);
  const heedful: Waiter = {
    fd: waiter.fd,
    events: waiter.events,
    keepAlive: waiter.keepAlive,
    look(events) {
      const isOver = waiter.look(events);
      if (isOver) stop();
      return isOver;
    },
    fail(reason) {
      stop();
      waiter.fail(reason);
    },
    tidy: () => waiter.tidy?.(),
  };
  readiness.join(heedful);
  signal.addEventListener("abort", abort, { once: true });
}

/**
 * Resolves with the events once `fd` has one of them; EPOLLHUP and EPOLLERR count always.
 * The caller keeps the fd open until then, and calls `forget` before closing it.
 *
 * @param signal Ends the wait early: the promise rejects with the signal's reason.
 * @param keepAlive Whether the wait keeps the program alive. Without this, it does.
 * @throws {SyscallError} At once, if the fd can't be waited for.
 */
export function ready(
  fd: number,
  events: number,
  signal?: AbortSignal,
  keepAlive?: KeepAlive,
): Promise<number> {
  signal?.throwIfAborted();
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const look = (events: number) => {
    resolve(events);
    return true;
  };
  watch({ fd, events, keepAlive, look, fail: reject }, signal);
  return promise;
}

/**
 * Makes what the first wait needs. If no wait follows in the same turn, it is closed again.
 *
 * @throws {SyscallError} `EMFILE` if there is no fd left for it.
 */
export function prepare(): void {
  readiness.prepare();
}

/**
 * Fails every wait for an fd that is about to be closed.
 *
 * @param reason Makes the error, which is costly and mostly needed by nobody.
 */
export function forget(fd: number, reason: () => unknown): void {
  readiness.forget(fd, reason);
}

/**
 * Resolves once nothing of a wait that has ended is pending any more: the parked call, if nobody
 * needs it, has returned. Functions that end waits and return a promise await this. So a test
 * runner's sanitizers find nothing.
 *
 * After 200 ms it resolves anyway: then all of Deno's threads are taken, and the call returns when
 * it can.
 */
export function settled(): Promise<void> {
  return readiness.settled();
}
