/**
 * All waits of a program on one parked thread.
 *
 * A nonblocking FFI call occupies a thread of Deno's blocking pool until it returns,
 * and the pool has 32 of them, which file operations share. So no wait gets a call
 * of its own: a single `epoll_wait` is parked for all, and an eventfd in the same
 * epoll set makes it return when nobody waits any more.
 *
 * States: **idle**, with no fd and no thread, as long as nobody waits; **parked**
 * from the first wait to the end of the last; then **lingering** for a turn of the event
 * loop, with fds and no thread. A pending FFI call keeps the event loop alive, which is
 * what a pending wait should do; one that was aborted must not, and so the last to leave
 * sends the wake-up, and is not told that its wait has ended before the thread is back: then
 * nothing is pending any more, as a test runner's sanitizers expect. fds may join and leave
 * while the thread is parked: epoll_ctl(2) takes effect at once.
 *
 * errno of a nonblocking call is another thread's. On −1 the call is therefore
 * repeated, synchronously and without waiting, and that one is believed.
 *
 * @module
 */

import {
  EPOLLERR,
  EPOLLET,
  epollEventOn,
  EPOLLHUP,
  EPOLLIN,
  EPOLLOUT,
} from "../structs/epoll_event.ts";
import { attempt, check } from "./call.ts";
import { discard, tryWrite } from "./files.ts";
import { arch, libc } from "./libc.ts";

const EPOLL_CLOEXEC = 0o2000000;
const EPOLL_CTL_ADD = 1;
const EPOLL_CTL_DEL = 2;
const EPOLL_CTL_MOD = 3;
const EFD_CLOEXEC = 0o2000000;
const EFD_NONBLOCK = 0o4000;

/** How many events one return of epoll_wait can bring; the rest comes with the next. */
const BATCH = 256;

/**
 * How long the last to leave waits for the thread, in milliseconds. It is back at once, unless
 * all threads of Deno's pool are taken: then the call has not begun, and returns when it can.
 */
const LAST_CALL = 200;

/** Somebody who waits for one fd. */
interface Waiter {
  readonly events: number;
  readonly settle: (ready: number) => void;
  readonly reject: (reason: unknown) => void;
}

/** One fd's place in the epoll set. */
interface Registration {
  readonly generation: number;
  /** Mostly one: an array takes a third of the memory of a Set. */
  waiters: Waiter[];
  /** What epoll was last told to report. */
  events: number;
}

/** The epoll set while it exists, and the eventfd in it. */
interface Park {
  readonly epoll: number;
  readonly wakeUp: number;
  /** The call that is parked now. */
  call?: Promise<number>;
}

const registrations = new Map<number, Registration>();
let generations = 0;
let park: Park | undefined;

/**
 * What the parked call fills. It lives as long as the program, so that it outlives the
 * call, and is never shared: the next call begins after the last one has returned.
 */
let batch: ReturnType<ReturnType<typeof layout>["allocateArray"]> | undefined;

/** What epoll_ctl reads. Synchronous calls can't overlap, so that one serves them all. */
let change: ReturnType<ReturnType<typeof layout>["allocate"]> | undefined;

/** What an eventfd is written: the number to add, 64 bits wide. */
const ONE = new Uint8Array(new BigUint64Array([1n]).buffer);

/**
 * Resolves with the events once `fd` has one of them; EPOLLHUP and EPOLLERR count always.
 * The caller keeps the fd open until then, and calls `forget` before closing it.
 *
 * @param signal Ends the wait early: the promise rejects with the signal's reason.
 * @throws {SyscallError} At once, if the fd can't be waited for.
 */
export function ready(fd: number, events: number, signal?: AbortSignal): Promise<number> {
  signal?.throwIfAborted();
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  if (!signal) {
    join(fd, { events, settle: resolve, reject });
    return promise;
  }
  const abort = () => {
    leave(fd, waiter);
    unparked().then(() => reject(signal.reason));
  };
  const waiter: Waiter = {
    events,
    settle(ready) {
      signal.removeEventListener("abort", abort);
      resolve(ready);
    },
    reject(reason) {
      signal.removeEventListener("abort", abort);
      reject(reason);
    },
  };
  join(fd, waiter);
  signal.addEventListener("abort", abort, { once: true });
  return promise;
}

/**
 * Makes what the first wait needs. If no wait follows in the same turn, it is closed again.
 *
 * @throws {SyscallError} `EMFILE` if there is no fd left for it.
 */
export function prepare(): void {
  park ??= start();
}

/**
 * Resolves once no call is parked that nobody needs: at once if there is none, or others wait.
 * Whatever ends waits and is awaited itself awaits this, too.
 */
export async function unparked(): Promise<void> {
  // One abort can end many waits, and the first of them is told when the last one has left.
  await undefined;
  const call = park?.call;
  if (call === undefined || registrations.size > 0) return;
  await new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, LAST_CALL);
    call.finally(() => {
      clearTimeout(timer);
      resolve();
    });
  });
}

/**
 * Rejects every wait for an fd that is about to be closed.
 *
 * @param reason Makes the error, which is costly and mostly needed by nobody.
 */
export function forget(fd: number, reason: () => unknown): void {
  const registration = registrations.get(fd);
  if (registration === undefined) return;
  for (const waiter of [...registration.waiters]) {
    leave(fd, waiter);
    const error = reason();
    unparked().then(() => waiter.reject(error));
  }
}

function join(fd: number, waiter: Waiter): void {
  const { epoll } = park ??= start();
  const registration = registrations.get(fd);
  if (registration === undefined) {
    const events = waiter.events;
    const generation = generations = (generations + 1) >>> 0;
    control(epoll, EPOLL_CTL_ADD, fd, events, generation);
    registrations.set(fd, { generation, waiters: [waiter], events });
    return;
  }
  registration.waiters.push(waiter);
  try {
    update(epoll, fd, registration);
  } catch (error) {
    registration.waiters.pop();
    throw error;
  }
}

function leave(fd: number, waiter: Waiter): void {
  const registration = registrations.get(fd);
  if (!park || !registration?.waiters.includes(waiter)) return;
  registration.waiters = registration.waiters.filter((other) => other !== waiter);
  update(park.epoll, fd, registration);
  stopIfIdle();
}

/** Tells epoll what an fd's waiters want now. */
function update(epoll: number, fd: number, registration: Registration): void {
  if (registration.waiters.length === 0) {
    registrations.delete(fd);
    // If this fails, the fd has left the set already: somebody closed it behind our back. An
    // event that comes all the same finds nobody.
    tryControl(epoll, EPOLL_CTL_DEL, fd, 0, 0);
    return;
  }
  let events = 0;
  for (const waiter of registration.waiters) events |= waiter.events;
  if (events === registration.events) return;
  control(epoll, EPOLL_CTL_MOD, fd, events, registration.generation);
  registration.events = events;
}

function control(
  epoll: number,
  op: number,
  fd: number,
  events: number,
  generation: number,
): void {
  check("epoll_ctl", tryControl(epoll, op, fd, events, generation));
}

function tryControl(
  epoll: number,
  op: number,
  fd: number,
  events: number,
  generation: number,
): number {
  const { bytes, fields } = change ??= layout().allocate();
  fields.events = events;
  fields.data_fd = fd;
  fields.data_generation = generation;
  return attempt(() => libc().epoll_ctl(epoll, op, fd, bytes));
}

function start(): Park {
  const epoll = check("epoll_create1", attempt(() => libc().epoll_create1(EPOLL_CLOEXEC)));
  let wakeUp = -1;
  try {
    wakeUp = check("eventfd", attempt(() => libc().eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)));
    // Edge-triggered: a wake-up counts once, without being read.
    control(epoll, EPOLL_CTL_ADD, wakeUp, (EPOLLIN | EPOLLET) >>> 0, 0);
  } catch (error) {
    if (wakeUp >= 0) discard(wakeUp);
    discard(epoll);
    throw error;
  }
  const started = { epoll, wakeUp };
  run(started);
  return started;
}

/** Parks until nobody waits any more, and hands out what each return brings. */
async function run(current: Park): Promise<void> {
  const { epoll, wakeUp } = current;
  const { bytes, blocks } = batch ??= layout().allocateArray(BATCH);
  try {
    // Whoever started this is about to join.
    await undefined;
    do {
      while (registrations.size > 0) {
        current.call = libc().epoll_wait_parked(epoll, bytes, BATCH, -1);
        let count = await current.call;
        current.call = undefined;
        if (count < 0) {
          count = check("epoll_wait", attempt(() => libc().epoll_wait(epoll, bytes, BATCH, 0)));
        }
        for (let i = 0; i < count; i++) {
          const { data_fd, data_generation, events } = blocks[i].fields;
          dispatch(epoll, data_fd, data_generation, events);
        }
      }
      // Whoever is served goes on first, and may well wait again: to close all this and make it
      // anew takes as long as all else that a wait does.
      await new Promise((resolve) => setImmediate(resolve));
    } while (registrations.size > 0);
  } catch (error) {
    for (const fd of [...registrations.keys()]) forget(fd, () => error);
  } finally {
    park = undefined;
    discard(wakeUp);
    discard(epoll);
  }
}

/** Settles the waits for an event. */
function dispatch(epoll: number, fd: number, generation: number, events: number): void {
  const registration = registrations.get(fd);
  // An event can be late: its fd was closed, and perhaps its number given to another.
  if (registration?.generation !== generation) return;
  const isServed = (waiter: Waiter) => (events & (waiter.events | EPOLLHUP | EPOLLERR)) !== 0;
  const served = registration.waiters.filter(isServed);
  registration.waiters = registration.waiters.filter((waiter) => !isServed(waiter));
  for (const waiter of served) waiter.settle(events);
  update(epoll, fd, registration);
}

/** Wakes the parked thread if nobody needs it any more. It closes what it used on its way out. */
function stopIfIdle(): void {
  if (!park || registrations.size > 0) return;
  // Nothing but a sandbox can refuse the one; the other makes the eventfd ready as it is.
  if (tryWrite(park.wakeUp, ONE.slice()) > 0) return;
  tryControl(park.epoll, EPOLL_CTL_MOD, park.wakeUp, (EPOLLOUT | EPOLLET) >>> 0, 0);
}

function layout() {
  return epollEventOn[arch()];
}
