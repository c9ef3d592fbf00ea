/**
 * An epoll set, and who waits for each of its fds.
 *
 * One failure fails one: a look that throws, or an fd that can't be waited for any more, fails its
 * own waiters, and all others go on.
 *
 * A wait that a look has ended is out at once. To tell epoll so can wait: that is for `tidy`.
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
  /** Mostly one: an array takes a third of the memory of a Set. */
  waiters: Waiter[];
  /** What epoll was last told to report. */
  events: number;
}

export class WaitSet {
  readonly #epoll = new EpollSet();
  readonly #count: Count;
  readonly #registrations = new Map<number, Registration>();
  #generations = 0;
  #size = 0;
  /** Registrations that lost a waiter, and waiters whose wait is over: work for `tidy`. */
  #changed: Registration[] = [];
  #over: Waiter[] = [];

  /**
   * @param count Counts the waits that keep the program alive.
   * @throws {SyscallError} `EMFILE` if there are no two descriptors left.
   */
  constructor(count: Count) {
    this.#count = count;
  }

  /** Whether looks have ended waits since the last tidying. */
  get isUntidy(): boolean {
    return this.#over.length > 0;
  }

  /** How many waiters there are, with those whose wait is over until `tidy`. */
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
    // 0 is no registration's.
    const generation = this.#generations = (this.#generations + 1) | 0 || 1;
    const { fd, events } = waiter;
    let result = this.#epoll.add(fd, events, generation);
    // Other code closed the fd without our knowing, and gave a duplicate the same number.
    if (result === -Errno.EEXIST && this.#epoll.modify(fd, events, generation) === 0) result = 0;
    check("epoll_ctl", result);
    this.#registrations.set(fd, { fd, generation, waiters: [waiter], events });
  }

  /** Joins others that wait for the fd. Returns false if the number is another file's by now. */
  #rejoin(registration: Registration, waiter: Waiter): boolean {
    const { fd } = waiter;
    const events = eventsOf(registration) | waiter.events;
    // Even if the events stay the same: so the newcomer is told what is ready already.
    const result = this.#epoll.modify(fd, events, registration.generation);
    if (isLost(result)) this.#failAll(registration, closedByOthers(fd));
    if (result === -Errno.ENOENT) return false;
    check("epoll_ctl", result);
    registration.events = events;
    registration.waiters.push(waiter);
    return true;
  }

  /** Takes a waiter out whose wait ends early. Returns false if it is over already. */
  leave(waiter: Waiter): boolean {
    const registration = this.#registrations.get(waiter.fd);
    const index = registration?.waiters.indexOf(waiter) ?? -1;
    if (registration === undefined || index < 0) return false;
    registration.waiters.splice(index, 1);
    this.#uncount(waiter);
    this.#update(registration);
    return true;
  }

  /** Takes all waiters of an fd out. */
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

  /** Waits on another thread. Resolves with what `lookAfter` needs to know. */
  park(): Promise<number> {
    return this.#epoll.park();
  }

  /** Makes the parked call return, also one that begins only now. */
  wake(): void {
    this.#epoll.wake();
  }

  /** Whether there are events, which stay there for others. */
  hasEvents(): boolean {
    return this.#epoll.hasEvents();
  }

  /** Has the waiters look at what a parked call has returned with. */
  lookAfter(parked: number): void {
    if (parked < 0) this.look();
    else this.#epoll.handParked(parked, this.#dispatch);
  }

  /** Has the waiters look at what there is now. Without a way to find that, nobody can wait. */
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
   * Has an event's waiters look. All else can wait: user code comes next, and each function that is
   * called before it is one that the processor's caches have forgotten.
   */
  readonly #dispatch = (fd: number, generation: number, events: number): void => {
    const registration = this.#registrations.get(fd);
    // An event can be late: its fd was closed, and perhaps its number given to another.
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

  /** Does what the looks have left to do. */
  tidy(): void {
    const over = this.#over;
    const changed = this.#changed;
    this.#over = [];
    this.#changed = [];
    for (const waiter of over) this.#uncount(waiter);
    for (const waiter of over) waiter.tidy?.();
    for (const registration of changed) this.#update(registration);
  }

  /** Tells epoll what an fd's waiters want now. */
  #update(registration: Registration): void {
    const { fd } = registration;
    // The number can be another registration's by now.
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
    // Otherwise more is reported than anybody waits for, and finds nobody.
    else if (isLost(result)) this.#failAll(registration, closedByOthers(fd));
  }

  /** Gives back its descriptors. Nobody waits any more. */
  close(): void {
    this.#epoll.close();
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
