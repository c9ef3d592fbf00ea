/**
 * Waiting for fds of any kind: who gets which event, and that nothing stays behind.
 *
 * @module
 */

import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { deadline } from "@std/async";
import { AT_FDCWD, close, O_RDONLY, openat, pipe, write } from "../../ffi/files.ts";
import { libc } from "../../ffi/libc.ts";
import { forget, prepare, ready } from "../../ffi/readiness.ts";
import { socketpair } from "../../ffi/sockets.ts";
import { SyscallError } from "../../mod.ts";
import { EPOLLHUP, EPOLLIN, EPOLLOUT } from "../../structs/epoll_event.ts";
import { watchCalls } from "../support/calls.ts";
import { eventually, idle, openFds, PATIENCE, threads } from "../support/processes.ts";

const BYTE = new Uint8Array([1]);

/** A pipe for one test. */
class Pipe implements Disposable {
  readonly #ends = pipe();
  readonly #open = new Set(Object.values(this.#ends));

  get read(): number {
    return this.#ends.read;
  }

  fill(): void {
    write(this.#ends.write, BYTE);
  }

  close(end: "read" | "write"): void {
    const fd = this.#ends[end];
    this.#open.delete(fd);
    close(fd);
  }

  [Symbol.dispose](): void {
    this.#open.forEach(close);
  }
}

/** Resolves once all events that were there before have been handed out. */
async function nextRound(): Promise<void> {
  using another = new Pipe();
  const wait = ready(another.read, EPOLLIN);
  another.fill();
  await deadline(wait, PATIENCE);
}

/** Whether a promise isn't settled by now. */
async function isPending(promise: Promise<unknown>): Promise<boolean> {
  const pending = Symbol();
  return await Promise.race([promise, Promise.resolve(pending)]) === pending;
}

Deno.test("ready() resolves with the events that the fd has", async () => {
  using one = new Pipe();
  const wait = ready(one.read, EPOLLIN);
  await nextRound();
  assert(await isPending(wait));
  one.fill();
  assertEquals(await deadline(wait, PATIENCE), EPOLLIN);
  // It still has them.
  assertEquals(await deadline(ready(one.read, EPOLLIN), PATIENCE), EPOLLIN);
  one.close("write");
  assertEquals(await deadline(ready(one.read, EPOLLIN), PATIENCE), EPOLLIN | EPOLLHUP);
});

Deno.test("ready() resolves at a hangup that nobody asked for", async () => {
  using one = new Pipe();
  const wait = ready(one.read, 0);
  one.fill();
  await nextRound();
  assert(await isPending(wait));
  one.close("write");
  assertEquals(await deadline(wait, PATIENCE), EPOLLHUP);
});

Deno.test("ready() opens two fds for all waits, and closes them after the last", async () => {
  using one = new Pipe();
  using other = new Pipe();
  const before = openFds();
  const waits = [ready(one.read, EPOLLIN), ready(other.read, EPOLLIN), ready(one.read, EPOLLIN)];
  assertEquals(openFds().length, before.length + 2);
  one.fill();
  await deadline(Promise.all([waits[0], waits[2]]), PATIENCE);
  assertEquals(openFds().length, before.length + 2);
  other.fill();
  await deadline(waits[1], PATIENCE);
  await eventually("the fds are closed", () => `${openFds()}` === `${before}`);
});

Deno.test("ready() gives its thread back after the last wait", async () => {
  using one = new Pipe();
  one.fill();
  const cycles = async () => {
    for (let i = 0; i < 50; i++) await deadline(ready(one.read, EPOLLIN), PATIENCE);
  };
  await cycles();
  const before = threads();
  await cycles();
  // A thread of Deno's pool that has nothing to do any more ends after a while.
  await eventually("the threads are given back", () => threads() <= before);
});

Deno.test("ready() closes its fds after the last wait was aborted", async () => {
  using one = new Pipe();
  const before = openFds();
  for (const isParked of [false, true]) {
    const controller = new AbortController();
    const waits = Array.from({ length: 10 }, () => ready(one.read, EPOLLIN, controller.signal));
    if (isParked) await new Promise((resolve) => setTimeout(resolve));
    const reason = new Error("no need");
    controller.abort(reason);
    const results = await deadline(Promise.allSettled(waits), PATIENCE);
    assertEquals(results, Array(10).fill({ status: "rejected", reason }));
    await eventually("the fds are closed", () => `${openFds()}` === `${before}`);
  }
});

Deno.test("ready() does nothing if its signal was aborted before", () => {
  using one = new Pipe();
  one.fill();
  const before = openFds();
  const reason = new Error("no need");
  const wait = () => ready(one.read, EPOLLIN, AbortSignal.abort(reason));
  assertEquals(assertThrows(wait), reason);
  assertEquals(openFds(), before);
});

Deno.test("prepare() makes what a wait needs, and closes it if there is none", async () => {
  using one = new Pipe();
  const before = openFds();
  prepare();
  assertEquals(openFds().length, before.length + 2);
  await eventually("the fds are closed", () => `${openFds()}` === `${before}`);
  prepare();
  one.fill();
  assertEquals(await deadline(ready(one.read, EPOLLIN), PATIENCE), EPOLLIN);
  await eventually("the fds are closed", () => `${openFds()}` === `${before}`);
});

Deno.test("ready() has what it takes for one wait right after the other", async () => {
  using one = new Pipe();
  one.fill();
  using calls = watchCalls();
  for (let i = 0; i < 10; i++) await deadline(ready(one.read, EPOLLIN), PATIENCE);
  assertEquals(calls.names.filter((name) => name === "epoll_create1").length, 1);
});

Deno.test("ready() lets fds join and leave while it is parked", async () => {
  using first = new Pipe();
  using second = new Pipe();
  using third = new Pipe();
  const controller = new AbortController();
  const leaves = ready(first.read, EPOLLIN, controller.signal);
  await new Promise((resolve) => setTimeout(resolve));
  const joins = ready(second.read, EPOLLIN);
  await new Promise((resolve) => setTimeout(resolve));
  controller.abort();
  await deadline(assertRejects(() => leaves, DOMException), PATIENCE);
  first.fill();
  const last = ready(third.read, EPOLLIN);
  third.fill();
  assertEquals(await deadline(last, PATIENCE), EPOLLIN);
  assert(await isPending(joins));
  second.fill();
  assertEquals(await deadline(joins, PATIENCE), EPOLLIN);
});

Deno.test("ready() tells the waiters of one fd apart by their events", async () => {
  const [near, far] = socketpair("stream");
  try {
    const reads = [ready(near, EPOLLIN), ready(near, EPOLLIN)];
    await nextRound();
    // There is room to write at once, and nothing to read.
    assertEquals(await deadline(ready(near, EPOLLOUT), PATIENCE), EPOLLOUT);
    await nextRound();
    assert(await isPending(Promise.race(reads)));
    write(far, BYTE);
    assertEquals(await deadline(Promise.all(reads), PATIENCE), [EPOLLIN, EPOLLIN]);
    const both = ready(near, EPOLLIN | EPOLLOUT);
    assertEquals(await deadline(both, PATIENCE), EPOLLIN | EPOLLOUT);
  } finally {
    close(near);
    close(far);
  }
});

Deno.test("ready() goes on for one waiter of an fd when another with other events leaves", async () => {
  const [near, far] = socketpair("stream");
  try {
    const controller = new AbortController();
    const stays = ready(near, 0);
    const leaves = ready(near, EPOLLIN, controller.signal);
    controller.abort();
    write(far, BYTE);
    await deadline(assertRejects(() => leaves, DOMException), PATIENCE);
    await nextRound();
    assert(await isPending(stays));
    const another = ready(near, EPOLLIN);
    assertEquals(await deadline(another, PATIENCE), EPOLLIN);
    assert(await isPending(stays));
    forget(near, () => new Error("closed"));
    await deadline(assertRejects(() => stays, Error, "closed"), PATIENCE);
    await idle();
  } finally {
    close(near);
    close(far);
  }
});

Deno.test("ready() hands out any number of events at once", async () => {
  const EFD_CLOEXEC = 0o2000000;
  const fds = Array.from({ length: 700 }, () => libc().eventfd(0, EFD_CLOEXEC));
  try {
    const waits = fds.map((fd) => ready(fd, EPOLLIN));
    await new Promise((resolve) => setTimeout(resolve));
    for (const fd of fds) write(fd, new Uint8Array(new BigUint64Array([1n]).buffer));
    const events = await deadline(Promise.all(waits), PATIENCE);
    assertEquals(events, Array(fds.length).fill(EPOLLIN));
  } finally {
    fds.forEach(close);
  }
});

Deno.test("ready() throws for an fd that can't be waited for, and for no other", async () => {
  using one = new Pipe();
  const before = openFds();
  const file = openat(AT_FDCWD, Deno.execPath(), O_RDONLY);
  const refused = () => assertThrows(() => ready(file, EPOLLIN), SyscallError);
  try {
    // Alone, among others that are parked, and twice.
    assertEquals(refused().code, "EPERM");
    const wait = ready(one.read, EPOLLIN);
    assertEquals(refused().code, "EPERM");
    await new Promise((resolve) => setTimeout(resolve));
    assertEquals(refused().code, "EPERM");
    assert(await isPending(wait));
    one.fill();
    assertEquals(await deadline(wait, PATIENCE), EPOLLIN);
  } finally {
    close(file);
  }
  await eventually("the fds are closed", () => `${openFds()}` === `${before}`);
});

Deno.test("forget() rejects the waits for one fd, and only those", async () => {
  using one = new Pipe();
  using other = new Pipe();
  const reason = new Error("closed");
  const waits = [ready(one.read, EPOLLIN), ready(one.read, 0)];
  const stays = ready(other.read, EPOLLIN);
  forget(one.read, () => reason);
  const results = await deadline(Promise.allSettled(waits), PATIENCE);
  assertEquals(results, Array(2).fill({ status: "rejected", reason }));
  forget(one.read, () => reason);
  assert(await isPending(stays));
  other.fill();
  assertEquals(await deadline(stays, PATIENCE), EPOLLIN);
  forget(other.read, () => reason);
});

Deno.test("ready() can be given up after its fd was closed behind its back", async () => {
  const one = new Pipe();
  const before = openFds();
  const controller = new AbortController();
  const wait = ready(one.read, EPOLLIN, controller.signal);
  one.close("read");
  controller.abort();
  await deadline(assertRejects(() => wait, DOMException), PATIENCE);
  one.close("write");
  await eventually("the fds are closed", () => openFds().length === before.length - 2);
});

Deno.test("ready() for an fd that has a closed one's number waits for the new one", async () => {
  using old = new Pipe();
  const wait = assertRejects(() => ready(old.read, EPOLLIN), Error, "closed");
  old.fill();
  forget(old.read, () => new Error("closed"));
  old.close("read");
  using fresh = new Pipe();
  assertEquals(fresh.read, old.read);
  const again = ready(fresh.read, EPOLLIN);
  await nextRound();
  assert(await isPending(again));
  fresh.fill();
  assertEquals(await deadline(again, PATIENCE), EPOLLIN);
  await deadline(wait, PATIENCE);
});
