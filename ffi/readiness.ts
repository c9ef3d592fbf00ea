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
 * One failure fails one: a look that throws, or an fd that can't be waited for any more, fails
 * its own waiters, and all others go on.
 *
 * @module
 */

import { EPOLLERR, EPOLLHUP } from "../structs/epoll_event.ts";
import { check, failure } from "./call.ts";
import { EpollSet } from "./epoll.ts";
import { Errno } from "./errno.ts";
import { Visits } from "./visits.ts";

// Tests replace these, to have a clock of their own. Waits go on by the real one.
const { clearTimeout, queueMicrotask, setTimeout } = globalThis;

/** When a parked call is doubted first, and how far apart later doubts are at most, in ms. */
const FIRST_DOUBT = 200;
const LONGEST_DOUBT = 800;

/** How long a call that has found something may take to return, in ms. */
const SECOND_LOOK = 50;

/** How long an end of waits is held back at most for the thread to return, in ms. */
const RETURNED_BY = 200;

/**
 * How many reactions of promises may follow one another before we tidy up: each `await` and `then`
 * between a wait and the code that it was for is one. Code behind more of them runs after that.
 */
const REACTIONS = 16;

/** Waits for one fd. */
export interface Waiter {
  /** Stays open until the wait is over; `forget` comes before its closing. */
  readonly fd: number;
  /** What it is called for. EPOLLHUP and EPOLLERR count always. */
  readonly events: number;
  /** Whether it keeps the program alive. Without this, it does. */
  readonly keepAlive?: KeepAlive;
  /**
   * Looks at what happened, and returns whether the wait is over. It is called when the fd is
   * ready, and then at each change. What it throws goes to `fail`.
   */
  look(events: number): boolean;
  /** Ends the wait by an error. */
  fail(reason: unknown): void;
  /** Tidies up after a look that ended the wait. User code has run by then. Never throws. */
  tidy?(): void;
}

/** Whether the waits of one owner keep the program alive. They do, until `unref`. */
export class KeepAlive {
  #isOn = true;
  /** How many waits are pending. Only Readiness changes it. */
  pending = 0;

  get isOn(): boolean {
    return this.#isOn;
  }

  ref(): void {
    this.#set(true);
  }

  unref(): void {
    this.#set(false);
  }

  #set(on: boolean): void {
    if (on === this.#isOn) return;
    this.#isOn = on;
    readiness.addKeeping(on ? this.pending : -this.pending);
  }
}

/** One fd's place in the epoll set. */
interface Registration {
  readonly fd: number;
  /** Tells a late event of a closed fd from one of a new fd with the same number. */
  readonly generation: number;
  /** Mostly one: an array takes a third of the memory of a Set. */
  waiters: Waiter[];
  /** What epoll was last told to report. */
  events: number;
}

class Readiness {
  readonly #registrations = new Map<number, Registration>();
  #generations = 0;
  /** How many waiters there are, and how many of them keep the program alive. */
  #waiting = 0;
  #keeping = 0;

  #set: EpollSet | undefined;
  /** Pending while a call is parked. */
  #call: Promise<void> | undefined;
  #isWoken = false;
  /** The timer of the next look although a call is parked. */
  #doubt: ReturnType<typeof setTimeout> | undefined;
  /** The parked call, if there is something that it should have found. */
  #suspect: Promise<void> | undefined;
  /** Whether there still was, a moment later. */
  #isDoubted = false;
  #visits: Visits | undefined;

  /** Registrations that lost a waiter, and waiters whose wait is over: work for `#tidy`. */
  #changed: Registration[] = [];
  #over: Waiter[] = [];
  #isTidyDue = false;
  #isArrangeDue = false;

  /** Makes what the first wait needs, so that the wait itself can't fail for want of it. */
  prepare(): EpollSet {
    this.#arrangeSoon();
    return this.#set ??= new EpollSet();
  }

  join(waiter: Waiter): void {
    const set = this.prepare();
    const registration = this.#registrations.get(waiter.fd);
    if (!registration || !this.#rejoin(set, registration, waiter)) this.#add(set, waiter);
    this.#waiting++;
    if (waiter.keepAlive) waiter.keepAlive.pending++;
    if (waiter.keepAlive?.isOn !== false) this.#keeping++;
    this.#visits?.hurry();
  }

  #add(set: EpollSet, waiter: Waiter): void {
    // 0 is no registration's.
    const generation = this.#generations = (this.#generations + 1) | 0 || 1;
    const { fd, events } = waiter;
    let result = set.add(fd, events, generation);
    // Other code closed the fd without our knowing, and gave a duplicate the same number.
    if (result === -Errno.EEXIST && set.modify(fd, events, generation) === 0) result = 0;
    check("epoll_ctl", result);
    this.#registrations.set(fd, { fd, generation, waiters: [waiter], events });
  }

  /** Joins others that wait for the fd. Returns false if the number is another file's by now. */
  #rejoin(set: EpollSet, registration: Registration, waiter: Waiter): boolean {
    const { fd } = waiter;
    const events = eventsOf(registration) | waiter.events;
    // Even if the events stay the same: so the newcomer is told what is ready already.
    const result = set.modify(fd, events, registration.generation);
    if (isLost(result)) this.#failAll(registration, closedByOthers(fd));
    if (result === -Errno.ENOENT) return false;
    check("epoll_ctl", result);
    registration.events = events;
    registration.waiters.push(waiter);
    return true;
  }

  /** Ends a wait early. */
  leave(waiter: Waiter): boolean {
    const registration = this.#registrations.get(waiter.fd);
    if (!registration?.waiters.includes(waiter)) return false;
    registration.waiters = registration.waiters.filter((other) => other !== waiter);
    this.#uncount(waiter);
    this.#update(registration);
    this.#arrangeSoon();
    return true;
  }

  forget(fd: number, reason: () => unknown): void {
    const registration = this.#registrations.get(fd);
    if (registration === undefined) return;
    const { waiters } = registration;
    registration.waiters = [];
    this.#update(registration);
    for (const waiter of waiters) {
      this.#uncount(waiter);
      const error = reason();
      this.settled().then(() => waiter.fail(error));
    }
    this.#arrangeSoon();
  }

  /** More waiters keep the program alive than before, or fewer. */
  addKeeping(difference: number): void {
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

  #uncount({ keepAlive }: Waiter): void {
    this.#waiting--;
    if (keepAlive) keepAlive.pending--;
    if (keepAlive?.isOn !== false) this.#keeping--;
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
    if (this.#call && this.#keeping === 0) {
      this.#stopVisits();
      this.#wake(set);
    } else if (this.#call) {
      if (this.#isDoubted) this.#visits ??= new Visits(() => this.#visit(set));
    } else if (this.#keeping > 0) {
      this.#stopVisits();
      this.#park(set);
    } else if (this.#waiting > 0) {
      this.#visits ??= new Visits(() => this.#visit(set));
    } else {
      this.#stopVisits();
      this.#stopDoubt();
      this.#set = undefined;
      set.close();
    }
  }

  #park(set: EpollSet): void {
    this.#call = set.park().then((count) => {
      this.#call = undefined;
      this.#isWoken = false;
      this.#isDoubted = false;
      this.#serve(set, count);
    });
    if (this.#doubt === undefined) this.#doubtLater(set, FIRST_DOUBT);
  }

  /**
   * Asks after a while whether there is something that the parked call should have found. If so
   * twice in a row, it has not begun: all threads of Deno's pool are taken. To ask takes nothing
   * away from it.
   *
   * One timer serves many calls, one after another: to make one takes longer than to park.
   */
  #doubtLater(set: EpollSet, delay: number): void {
    const doubt = this.#doubt = setTimeout(() => {
      this.#doubt = undefined;
      const call = this.#call;
      if (call === undefined) return;
      if (!set.hasEvents()) {
        this.#doubtLater(set, Math.min(2 * delay, LONGEST_DOUBT));
      } else if (this.#suspect !== call) {
        this.#suspect = call;
        this.#doubtLater(set, SECOND_LOOK);
      } else {
        this.#isDoubted = true;
        this.#arrange();
      }
    }, delay);
    Deno.unrefTimer(doubt);
  }

  #stopDoubt(): void {
    clearTimeout(this.#doubt);
    this.#doubt = undefined;
  }

  #wake(set: EpollSet): void {
    if (this.#isWoken) return;
    this.#isWoken = true;
    set.wake();
  }

  #visit(set: EpollSet): void {
    const before = this.#waiting;
    this.#serve(set);
    if (this.#waiting !== before) this.#visits?.hurry();
  }

  #stopVisits(): void {
    this.#visits?.stop();
    this.#visits = undefined;
  }

  /**
   * Looks first, tidies up later. If there is nothing to wait by, nobody can wait.
   *
   * @param count What a parked call has returned; −1 if there was none, or it has failed.
   */
  #serve(set: EpollSet, count: number = -1): void {
    try {
      if (count < 0) set.look(this.#dispatch);
      else set.handParked(count, this.#dispatch);
    } catch (error) {
      for (const registration of [...this.#registrations.values()]) {
        this.#failAll(registration, error);
      }
    }
    if (this.#isTidyDue) return;
    this.#isTidyDue = true;
    this.#tidyLater();
  }

  /** Once user code has run. */
  async #tidyLater(): Promise<void> {
    for (let i = 0; i < REACTIONS; i++) await undefined;
    this.#tidy();
  }

  /** Has an event's waiters look. */
  readonly #dispatch = (fd: number, generation: number, events: number): void => {
    const registration = this.#registrations.get(fd);
    // An event can be late: its fd was closed, and perhaps its number given to another.
    if (registration?.generation !== generation) return;
    const left: Waiter[] = [];
    for (const waiter of registration.waiters) {
      if (!this.#isOver(waiter, events)) left.push(waiter);
    }
    if (left.length === registration.waiters.length) return;
    registration.waiters = left;
    this.#changed.push(registration);
  };

  #isOver(waiter: Waiter, events: number): boolean {
    if ((events & (waiter.events | EPOLLHUP | EPOLLERR)) === 0) return false;
    try {
      if (!waiter.look(events)) return false;
    } catch (error) {
      waiter.fail(error);
    }
    this.#uncount(waiter);
    this.#over.push(waiter);
    return true;
  }

  #tidy(): void {
    const over = this.#over;
    const changed = this.#changed;
    this.#over = [];
    this.#changed = [];
    for (const waiter of over) waiter.tidy?.();
    for (const registration of changed) this.#update(registration);
    this.#isTidyDue = false;
    this.#arrange();
  }

  /** Tells epoll what an fd's waiters want now. */
  #update(registration: Registration): void {
    const { fd } = registration;
    const set = this.#set;
    // The number can be another registration's by now.
    if (set === undefined || this.#registrations.get(fd) !== registration) return;
    if (registration.waiters.length === 0) {
      this.#registrations.delete(fd);
      set.remove(fd);
      return;
    }
    const events = eventsOf(registration);
    if (events === registration.events) return;
    const result = set.modify(fd, events, registration.generation);
    if (result === 0) registration.events = events;
    // Otherwise more is reported than anybody waits for, and finds nobody.
    else if (isLost(result)) this.#failAll(registration, closedByOthers(fd));
  }

  #failAll(registration: Registration, error: unknown): void {
    const { waiters } = registration;
    registration.waiters = [];
    this.#update(registration);
    for (const waiter of waiters) {
      this.#uncount(waiter);
      waiter.fail(error);
    }
  }
}

function eventsOf({ waiters }: Registration): number {
  let events = 0;
  for (const waiter of waiters) events |= waiter.events;
  return events;
}

/** Whether an error of epoll_ctl says that the number is no file's any more, or another one's. */
function isLost(result: number): boolean {
  return result === -Errno.EBADF || result === -Errno.ENOENT;
}

function closedByOthers(fd: number): Error {
  return failure("epoll_ctl", Errno.EBADF, { [Errno.EBADF]: `something else closed fd ${fd}` });
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
