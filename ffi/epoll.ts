/**
 * epoll(7): waiting for many fds with one call.
 *
 * Every fd is registered edge-triggered (EPOLLET). epoll reports it when it is added, when its
 * registration is modified, and then at each change. The reason: epoll would report a
 * level-triggered fd again and again as long as it is ready. That would use all CPU time where we
 * can't make the fd unready: for a zombie under a tracer, and for an fd that other code closed
 * while a duplicate is open.
 *
 * - Linux 5.3: a pidfd has EPOLLIN once its process ended.
 * - Linux 6.9: a pidfd also has EPOLLHUP once its process was reaped.
 * - A zombie's pidfd has a new edge, without EPOLLHUP, when its tracer detaches and when it gets
 *   another parent.
 *
 * A nonblocking call sets errno on another thread, where we can't read it. So if the parked call
 * fails, repeat it by `look`, which is synchronous and throws the error.
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

/** How many events one epoll_wait call can return. The next call returns the rest. */
const BATCH = 256;

/** The generation of the eventfd that wakes a parked call. No registration has it. */
const WAKE_UP = 0;

/** The 64-bit number that is added to an eventfd. eventfd(2) */
const ONE = new Uint8Array(new BigUint64Array([1n]).buffer);

/** Receives one event: the fd, the generation that it was added with, and its events. */
export type TakeEvent = (fd: number, generation: number, events: number) => void;

/** A `struct epoll_event[]`: epoll_wait fills it, epoll_ctl reads its first element. */
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

  /** Passes the first `count` events to `take`. */
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
 * The memory that the parked call fills. It is never freed, so it outlives the call. One is enough:
 * the next call begins only after the last one has returned.
 */
let parked: Batch | undefined;

/** The memory that a synchronous call fills, also while another call is parked. */
let looked: Batch | undefined;

/** The memory that epoll_ctl reads. Synchronous calls can't overlap, so one serves them all. */
let change: Batch | undefined;

function layout() {
  return epollEventOn[arch()];
}

/** An epoll set, with an eventfd in it that makes the parked call return. */
export class EpollSet {
  readonly #epoll: number;
  readonly #wakeUp: number;

  /** @throws {SyscallError} `EMFILE` if the program has fewer than two descriptors left. */
  constructor() {
    this.#epoll = create();
    this.#wakeUp = closeOnError(this.#epoll, (epoll) => {
      const flags = EFD_CLOEXEC | EFD_NONBLOCK;
      const wakeUp = check("eventfd", attempt(() => libc().eventfd(0, flags)));
      // It is edge-triggered: each write wakes the call once, and no read is needed.
      return closeOnError(wakeUp, (fd) => {
        check("epoll_ctl", control(epoll, EPOLL_CTL_ADD, fd, EPOLLIN, WAKE_UP));
        return fd;
      });
    });
  }

  /**
   * Registers an fd; EPOLLHUP and EPOLLERR are always reported. Returns 0 or −errno.
   *
   * @param generation Returned with each event. It tells a late event of a closed fd from an event
   *   of a new fd with the same number. Never 0.
   */
  add(fd: number, events: number, generation: number): number {
    return control(this.#epoll, EPOLL_CTL_ADD, fd, events, generation);
  }

  /** Changes a registration. epoll reports the fd again if it is ready. Returns 0 or −errno. */
  modify(fd: number, events: number, generation: number): number {
    return control(this.#epoll, EPOLL_CTL_MOD, fd, events, generation);
  }

  /**
   * Removes an fd. An error is ignored: then other code has closed the fd, and its events have no
   * registration any more.
   */
  remove(fd: number): void {
    control(this.#epoll, EPOLL_CTL_DEL, fd, 0, 0);
  }

  /** Waits on another thread. Resolves with the number of events for `handParked`, or −1. */
  park(): Promise<number> {
    parked ??= new Batch(BATCH);
    return libc().epoll_wait_parked(this.#epoll, parked.bytes, BATCH, -1);
  }

  /** Passes the events of a parked call that has returned to `take`. */
  handParked(count: number, take: TakeEvent): void {
    parked!.hand(count, take);
  }

  /** Passes the events of this moment to `take`. */
  look(take: TakeEvent): void {
    looked ??= new Batch(BATCH);
    const { bytes } = looked;
    const wait = () => libc().epoll_wait(this.#epoll, bytes, BATCH, 0);
    looked.hand(check("epoll_wait", attempt(wait)), take);
  }

  /** Whether there are events. It does not consume them. */
  hasEvents(): boolean {
    return poll(this.#epoll, EPOLLIN, 0) !== 0;
  }

  /** Makes the parked call return, even if it has not begun yet. */
  wake(): void {
    // Only a sandbox can refuse the write. Then wait for EPOLLOUT, which the eventfd always has.
    if (tryWrite(this.#wakeUp, ONE) > 0) return;
    control(this.#epoll, EPOLL_CTL_MOD, this.#wakeUp, EPOLLOUT, WAKE_UP);
  }

  close(): void {
    discard(this.#wakeUp);
    discard(this.#epoll);
  }
}

/** The changes of one fd, for a thread that blocks. */
export class Edges implements Disposable {
  readonly #epoll: number;
  readonly #batch = new Batch(1);

  /** @throws {SyscallError} `EMFILE` if the program has no descriptor left. */
  constructor(fd: number, events: number) {
    this.#epoll = create();
    closeOnError(this.#epoll, (epoll) => {
      check("epoll_ctl", control(epoll, EPOLL_CTL_ADD, fd, events, WAKE_UP));
    });
  }

  /**
   * Blocks until the fd changes; the first call blocks until the fd is ready. Returns false if the
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
