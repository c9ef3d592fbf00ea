/**
 * All waits of a program share one parked thread.
 *
 * A nonblocking FFI call occupies a thread of Deno's blocking pool until it returns. The pool has
 * 32 threads, and file operations need them, too. One call for each wait would deadlock at 32. So a
 * single `epoll_wait` call is parked for all waits.
 *
 * A waiter is a callback. After each wake-up this order holds:
 *
 * 1. **Look.** Each waiter looks at its event at once, and returns whether its wait is over.
 * 2. **User code.** The reactions of all resolved promises run.
 * 3. **Tidy up.** Finished waits leave the epoll set, descriptors are closed, the call is parked
 *    again.
 *
 * The reason: user code that waited must not be delayed by the costly work of step 3.
 *
 * A pending FFI call keeps the program alive. So the state depends on whether a waiter wants that:
 *
 * | state   | waiters                     | served by                                 | descriptors |
 * | ------- | --------------------------- | ----------------------------------------- | ----------- |
 * | idle    | none                        | nothing                                   | none        |
 * | parked  | some keep the program alive | the parked call                           | two         |
 * | doubted | the same                    | SIGCHLD and timers, until the call begins | two         |
 * | visited | none keeps it alive         | SIGCHLD and unref'd timers                | two         |
 *
 * Only `#arrange` changes the state. It runs as a microtask, after the code that made the change.
 * So if one wait directly follows another, the epoll set stays open in between.
 *
 * @module
 */

import { timers } from "./clock.ts";
import { Doubt } from "./doubt.ts";
import { Visits } from "./visits.ts";
import { WaitSet } from "./wait_set.ts";
import type { Count, KeepAlive, Waiter } from "./waiter.ts";

/** How long `settled` waits at most for the parked call to return, in milliseconds. */
const RETURNED_BY = 200;

/**
 * How many microtask turns pass before we tidy up. Each `await` or `then` between a wait and the
 * user code takes one. User code behind a longer chain runs after the tidying up.
 */
const REACTIONS = 16;

/** The states of the table above. */
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

  /** Opens the epoll set now, so that a later wait can't fail for lack of descriptors. */
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
    // One abort can end many waits. Let all of them leave before checking whether any is left.
    await undefined;
    const call = this.#call;
    if (call === undefined || this.#keeping > 0) return;
    await new Promise<void>((resolve) => {
      const timer = timers().setTimeout(resolve, RETURNED_BY);
      call.then(() => {
        timers().clearTimeout(timer);
        resolve();
      });
    });
  }

  /** Arranges after the code that runs now. */
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
    // The set is closed only after the call has returned.
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

  /** Tidies up after the looks of this turn and after user code. */
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
 * Starts a wait. It ends when the waiter's `look` returns true.
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
 * Resolves with the events once `fd` has one of them; EPOLLHUP and EPOLLERR always count.
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
 * Opens the epoll set for the next wait. If no wait follows in the same turn, it is closed again.
 *
 * @throws {SyscallError} `EMFILE` if the program has no descriptor left.
 */
export function prepare(): void {
  readiness.prepare();
}

/**
 * Fails every wait for an fd. Call it before closing the fd.
 *
 * @param reason Makes the error. It is called only if there is a wait: an error is costly to make.
 */
export function forget(fd: number, reason: () => unknown): void {
  readiness.forget(fd, reason);
}

/**
 * Resolves once the parked call has returned, or at once if other waits still need that call.
 * Functions that end waits and return a promise await this, so that a test runner's sanitizers find
 * no pending call.
 *
 * It resolves after 200 ms at the latest. If the call hasn't returned by then, all threads of
 * Deno's pool are busy; the call returns later.
 */
export function settled(): Promise<void> {
  return readiness.settled();
}
