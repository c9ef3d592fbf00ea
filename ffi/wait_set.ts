/**
 * An epoll set, and the waiters of each of its fds.
 *
 * A failure affects only its own wait. If a look throws, its waiter fails. If an fd can't be waited
 * for any more, its waiters fail. All other waits go on.
 *
 * A wait ends when its look returns true. Counting it and telling epoll is left to `tidy`.
 *
 * @module
 */

import { EPOLLERR, EPOLLHUP } from "../structs/epoll_event.ts";
import { check, failure } from "./call.ts";
import { EpollSet } from "./epoll.ts";
import { Errno } from "./errno.ts";
import { ALWAYS, type Count, type Waiter } from "./waiter.ts";

/** One fd's place in the epoll set. */
interface Registration {
  readonly fd: number;
  /** Tells a late event of a closed fd from one of a new fd with the same number. */
  readonly generation: number;
  /** An array, because mostly there is only one, and a Set takes three times the memory. */
  waiters: Waiter[];
  /** The events that epoll reports for the fd. */
  events: number;
}

export class WaitSet {
  readonly #epoll = new EpollSet();
  readonly #count: Count;
  readonly #registrations = new Map<number, Registration>();
  #generations = 0;
  #size = 0;
  /** Work for `tidy`: registrations that lost a waiter, and waiters whose wait is over. */
  #changed: Registration[] = [];
  #over: Waiter[] = [];

  /**
   * @param count Counts the waits that keep the program alive.
   * @throws {SyscallError} `EMFILE` if the program has fewer than two descriptors left.
   */
  constructor(count: Count) {
    this.#count = count;
  }

  /** Whether looks have ended waits since the last `tidy`. */
  get isUntidy(): boolean {
    return this.#over.length > 0;
  }

  /** How many waiters there are. A wait that is over counts until `tidy`. */
  get size(): number {
    return this.#size;
  }

  /** @throws {SyscallError} If the fd can't be waited for. */
  join(waiter: Waiter): void {
    const registration = this.#registrations.get(waiter.fd);
    if (!registration || !this.#rejoin(registration, waiter)) this.#add(waiter);
    this.#size++;
    (waiter.keepAlive ?? ALWAYS).begin(this.#count);
  }

  #add(waiter: Waiter): void {
    // 0 is reserved: no registration has it.
    const generation = this.#generations = (this.#generations + 1) | 0 || 1;
    const { fd, events } = waiter;
    let result = this.#epoll.add(fd, events, generation);
    // EEXIST: other code closed the fd, and then gave a duplicate of it the same number.
    if (result === -Errno.EEXIST && this.#epoll.modify(fd, events, generation) === 0) result = 0;
    check("epoll_ctl", result);
    this.#registrations.set(fd, { fd, generation, waiters: [waiter], events });
  }

  /** Joins the fd's other waiters. Returns false if the number belongs to another file by now. */
  #rejoin(registration: Registration, waiter: Waiter): boolean {
    const { fd } = waiter;
    const events = eventsOf(registration) | waiter.events;
    // Modify even if the events stay the same: then epoll reports again what is ready already.
    const result = this.#epoll.modify(fd, events, registration.generation);
    if (isLost(result)) this.#failAll(registration, closedByOthers(fd));
    if (result === -Errno.ENOENT) return false;
    check("epoll_ctl", result);
    registration.events = events;
    registration.waiters.push(waiter);
    return true;
  }

  /** Removes a waiter whose wait ends early. Returns false if its wait is over already. */
  leave(waiter: Waiter): boolean {
    const registration = this.#registrations.get(waiter.fd);
    const index = registration?.waiters.indexOf(waiter) ?? -1;
    if (registration === undefined || index < 0) return false;
    registration.waiters.splice(index, 1);
    this.#uncount(waiter);
    this.#update(registration);
    return true;
  }

  /** Removes all waiters of an fd, and returns them. */
  empty(fd: number): readonly Waiter[] {
    const registration = this.#registrations.get(fd);
    return registration ? this.#empty(registration) : [];
  }

  #empty(registration: Registration): readonly Waiter[] {
    const { waiters } = registration;
    registration.waiters = [];
    this.#update(registration);
    for (const waiter of waiters) this.#uncount(waiter);
    return waiters;
  }

  #failAll(registration: Registration, error: unknown): void {
    for (const waiter of this.#empty(registration)) waiter.fail(error);
  }

  #uncount({ keepAlive = ALWAYS }: Waiter): void {
    this.#size--;
    keepAlive.end();
  }

  /** Waits on another thread. Resolves with the argument for `lookAfter`. */
  park(): Promise<number> {
    return this.#epoll.park();
  }

  /** Makes the parked call return, even if it has not begun yet. */
  wake(): void {
    this.#epoll.wake();
  }

  /** Whether there are events. It does not consume them. */
  hasEvents(): boolean {
    return this.#epoll.hasEvents();
  }

  /** Lets the waiters look at the events of a parked call that has returned. */
  lookAfter(parked: number): void {
    if (parked < 0) this.look();
    else this.#epoll.handParked(parked, this.#dispatch);
  }

  /** Lets the waiters look at the events of this moment. If epoll itself fails, all waits fail. */
  look(): void {
    try {
      this.#epoll.look(this.#dispatch);
    } catch (error) {
      for (const registration of [...this.#registrations.values()]) {
        this.#failAll(registration, error);
      }
    }
  }

  /**
   * Lets the waiters of an fd look at its event. All other work is left to `tidy`, because user
   * code comes first. The loop calls few functions: their code is often no longer in the
   * processor's cache.
   */
  readonly #dispatch = (fd: number, generation: number, events: number): void => {
    const registration = this.#registrations.get(fd);
    // A late event: its fd was closed, and another file may have the number by now.
    if (registration?.generation !== generation) return;
    let left: Waiter[] | undefined;
    for (const waiter of registration.waiters) {
      let isOver = false;
      if ((events & (waiter.events | EPOLLHUP | EPOLLERR)) !== 0) {
        try {
          isOver = waiter.look(events);
        } catch (error) {
          isOver = true;
          waiter.fail(error);
        }
      }
      if (isOver) {
        left ??= registration.waiters.slice(0, registration.waiters.indexOf(waiter));
        this.#over.push(waiter);
      } else left?.push(waiter);
    }
    if (left === undefined) return;
    registration.waiters = left;
    this.#changed.push(registration);
  };

  /** Does the work that the looks have left. */
  tidy(): void {
    const over = this.#over;
    const changed = this.#changed;
    this.#over = [];
    this.#changed = [];
    for (const waiter of over) this.#uncount(waiter);
    for (const waiter of over) waiter.tidy?.();
    for (const registration of changed) this.#update(registration);
  }

  /** Tells epoll which events the fd's waiters want now. */
  #update(registration: Registration): void {
    const { fd } = registration;
    // Another registration can have the number by now.
    if (this.#registrations.get(fd) !== registration) return;
    if (registration.waiters.length === 0) {
      this.#registrations.delete(fd);
      this.#epoll.remove(fd);
      return;
    }
    const events = eventsOf(registration);
    if (events === registration.events) return;
    const result = this.#epoll.modify(fd, events, registration.generation);
    if (result === 0) registration.events = events;
    // On any other error epoll reports too many events, which `#dispatch` ignores.
    else if (isLost(result)) this.#failAll(registration, closedByOthers(fd));
  }

  /** Closes the descriptors. There must be no waiters any more. */
  close(): void {
    this.#epoll.close();
  }
}

function eventsOf({ waiters }: Registration): number {
  let events = 0;
  for (const waiter of waiters) events |= waiter.events;
  return events;
}

/** Whether an error of epoll_ctl shows that other code closed the fd, or reused its number. */
function isLost(result: number): boolean {
  return result === -Errno.EBADF || result === -Errno.ENOENT;
}

function closedByOthers(fd: number): Error {
  return failure("epoll_ctl", Errno.EBADF, { [Errno.EBADF]: `something else closed fd ${fd}` });
}
