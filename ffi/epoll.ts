/**
 * epoll(7): waiting for many fds with one call.
 *
 * Every fd is registered edge-triggered (EPOLLET): it is reported when it is added, when its
 * registration is modified, and then at each change. A level-triggered fd would be reported for
 * as long as it is ready. That spins where nobody can do anything about it: for a zombie under a
 * tracer, or for an fd whose number was closed by other code while a duplicate lives.
 *
 * - Linux 5.3: a pidfd has EPOLLIN once its process ended.
 * - Linux 6.9: and EPOLLHUP once it was reaped.
 * - There is a new edge without EPOLLHUP when a tracer lets go of a zombie, and when a zombie gets
 *   another parent.
 *
 * errno of a nonblocking call is another thread's. So a parked call that fails says no more than
 * that: repeat it by `look`, which is synchronous.
 *
 * @module
 */

import { EPOLLET, epollEventOn, EPOLLIN, EPOLLOUT } from "../structs/epoll_event.ts";
import { attempt, check, outcome } from "./call.ts";
import { closeOnError, discard, tryWrite } from "./files.ts";
import { arch, libc } from "./libc.ts";
import { poll, remaining } from "./syscalls.ts";

const EPOLL_CLOEXEC = 0o2000000;
const EPOLL_CTL_ADD = 1;
const EPOLL_CTL_DEL = 2;
const EPOLL_CTL_MOD = 3;
const EFD_CLOEXEC = 0o2000000;
const EFD_NONBLOCK = 0o4000;

/** How many events one return of epoll_wait can bring. The rest comes with the next. */
const BATCH = 256;

/** The generation of the eventfd that wakes a parked call. No registration has it. */
const WAKE_UP = 0;

/** What an eventfd is written: the number to add, 64 bits wide. */
const ONE = new Uint8Array(new BigUint64Array([1n]).buffer);

/** Gets one event: the fd and the generation that it was added with, and what it is ready for. */
export type TakeEvent = (fd: number, generation: number, events: number) => void;

/** Events in a row, as epoll_wait fills them in and epoll_ctl reads one. */
class Batch {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly #ints: Int32Array;
  readonly #places = layout().ints;

  constructor(length: number) {
    this.bytes = new Uint8Array(new ArrayBuffer(length * layout().size));
    this.#ints = new Int32Array(this.bytes.buffer);
  }

  /** Writes the first event. */
  write(fd: number, generation: number, events: number): void {
    const { data_fd, data_generation, events: data_events } = this.#places;
    this.#ints[data_events] = events;
    this.#ints[data_fd] = fd;
    this.#ints[data_generation] = generation;
  }

  /** Hands out the first `count` events. */
  hand(count: number, take: TakeEvent): void {
    const ints = this.#ints;
    const { length, data_fd, data_generation, events } = this.#places;
    for (let i = 0; i < count; i++) {
      const at = i * length;
      const generation = ints[at + data_generation];
      if (generation !== WAKE_UP) take(ints[at + data_fd], generation, ints[at + events]);
    }
  }
}

/**
 * What the parked call fills. It lives as long as the program, so that it outlives the call. It
 * is never shared: the next call begins after the last one has returned.
 */
let parked: Batch | undefined;

/** What a synchronous call fills, which can come while another call is parked. */
let looked: Batch | undefined;

/** What epoll_ctl reads. Synchronous calls can't overlap, so one serves them all. */
let change: Batch | undefined;

function layout() {
  return epollEventOn[arch()];
}

/** An epoll set, and an eventfd in it that makes a parked call return. */
export class EpollSet {
  readonly #epoll: number;
  readonly #wakeUp: number;

  /** @throws {SyscallError} `EMFILE` if there are no two descriptors left. */
  constructor() {
    this.#epoll = create();
    this.#wakeUp = closeOnError(this.#epoll, (epoll) => {
      const flags = EFD_CLOEXEC | EFD_NONBLOCK;
      const wakeUp = check("eventfd", attempt(() => libc().eventfd(0, flags)));
      // As it is edge-triggered, each writing wakes once, and nobody needs to read it.
      return closeOnError(wakeUp, (fd) => {
        check("epoll_ctl", control(epoll, EPOLL_CTL_ADD, fd, EPOLLIN, WAKE_UP));
        return fd;
      });
    });
  }

  /**
   * Registers an fd; EPOLLHUP and EPOLLERR are always reported. Returns 0 or −errno.
   *
   * @param generation Comes with each event: an event can be late, and its fd have another
   *   meaning by then. Never 0.
   */
  add(fd: number, events: number, generation: number): number {
    return control(this.#epoll, EPOLL_CTL_ADD, fd, events, generation);
  }

  /** Changes a registration, and has it reported anew if it is ready. Returns 0 or −errno. */
  modify(fd: number, events: number, generation: number): number {
    return control(this.#epoll, EPOLL_CTL_MOD, fd, events, generation);
  }

  /**
   * Takes an fd out. If that fails, the fd has left the set, or some other code has closed it:
   * then its events find nobody.
   */
  remove(fd: number): void {
    control(this.#epoll, EPOLL_CTL_DEL, fd, 0, 0);
  }

  /** Waits on another thread. Resolves with the number of events for `handParked`, or −1. */
  park(): Promise<number> {
    parked ??= new Batch(BATCH);
    return libc().epoll_wait_parked(this.#epoll, parked.bytes, BATCH, -1);
  }

  /** Hands out the events of a parked call that has returned. */
  handParked(count: number, take: TakeEvent): void {
    parked!.hand(count, take);
  }

  /** Hands out the events that are there now. */
  look(take: TakeEvent): void {
    looked ??= new Batch(BATCH);
    const { bytes } = looked;
    const wait = () => libc().epoll_wait(this.#epoll, bytes, BATCH, 0);
    looked.hand(check("epoll_wait", attempt(wait)), take);
  }

  /** Whether there are events, which stay there for others. */
  hasEvents(): boolean {
    return poll(this.#epoll, EPOLLIN, 0) !== 0;
  }

  /** Makes the parked call return, also one that begins only now. */
  wake(): void {
    // Nothing but a sandbox can refuse the one; the other makes the eventfd ready as it is.
    if (tryWrite(this.#wakeUp, ONE) > 0) return;
    control(this.#epoll, EPOLL_CTL_MOD, this.#wakeUp, EPOLLOUT, WAKE_UP);
  }

  close(): void {
    discard(this.#wakeUp);
    discard(this.#epoll);
  }
}

/** One fd's changes, for a thread that blocks. */
export class Edges implements Disposable {
  readonly #epoll: number;
  readonly #batch = new Batch(1);

  /** @throws {SyscallError} `EMFILE` if there is no descriptor left. */
  constructor(fd: number, events: number) {
    this.#epoll = create();
    closeOnError(this.#epoll, (epoll) => {
      check("epoll_ctl", control(epoll, EPOLL_CTL_ADD, fd, events, WAKE_UP));
    });
  }

  /**
   * Blocks until the fd has changed; the first time, until it is ready. Returns false if the
   * deadline came first.
   *
   * @param deadline In `performance.now()` time; Infinity for none.
   */
  next(deadline: number): boolean {
    const { bytes } = this.#batch;
    do {
      const wait = () => libc().epoll_wait(this.#epoll, bytes, 1, remaining(deadline));
      if (check("epoll_wait", attempt(wait)) > 0) return true;
    } while (performance.now() < deadline);
    return false;
  }

  [Symbol.dispose](): void {
    discard(this.#epoll);
  }
}

function create(): number {
  return check("epoll_create1", attempt(() => libc().epoll_create1(EPOLL_CLOEXEC)));
}

function control(epoll: number, op: number, fd: number, events: number, generation: number) {
  change ??= new Batch(1);
  change.write(fd, generation, events | EPOLLET);
  return outcome(libc().epoll_ctl(epoll, op, fd, change.bytes));
}
