/**
 * When sends and receives wait, for what, and in which order they go on.
 *
 * @module
 */

import { assert, assertEquals, assertLessOrEqual } from "@std/assert";
import { deadline } from "@std/async";
import { openOn } from "../support/fds.ts";
import { eventually, idle, openFds, PATIENCE, threads } from "../support/processes.ts";
import { isPending, nextTurn } from "../support/promises.ts";
import {
  closeAll,
  fill,
  isFull,
  LARGE,
  Pair,
  pattern,
  receiveBytes,
  someFd,
  textOf,
} from "../support/sockets.ts";

Deno.test("FdSocket.send() waits for a slow receiver, however much there is to send", async () => {
  using pair = new Pair();
  const data = pattern(LARGE);
  const send = pair.near.send(data);
  await eventually("the socket's buffer is full", () => isFull(pair.near));
  assert(await isPending(send));
  // Half of it still leaves more than the buffer holds.
  const half = await receiveBytes(pair.far, LARGE / 2);
  await eventually("the socket's buffer is full", () => isFull(pair.near));
  assert(await isPending(send));
  const rest = await receiveBytes(pair.far, LARGE - half.length);
  await deadline(send, PATIENCE);
  assertEquals(new Uint8Array([...half, ...rest]), data);
});

Deno.test("FdSocket.send() waits for a slow receiver of messages, too", async () => {
  using pair = new Pair("seqpacket");
  const sizes = Array.from({ length: 30 }, (_, i) => 50_000 + i);
  const sends = sizes.map((size) => pair.near.send(pattern(size)));
  await eventually("the socket's buffer is full", () => isFull(pair.near));
  assert(await isPending(sends[29]));
  for (const size of sizes) {
    assertEquals((await deadline(pair.far.receive(), PATIENCE))?.data, pattern(size));
  }
  await deadline(Promise.all(sends), PATIENCE);
});

Deno.test("FdSocket.send() sends descriptors once, however many pieces the data go in", async () => {
  using pair = new Pair();
  using own = someFd();
  const before = openFds();
  const send = pair.near.send(pattern(LARGE), [own, own]);
  const counts: number[] = [];
  for (let received = 0; received < LARGE;) {
    const message = await deadline(pair.far.receive(), PATIENCE);
    counts.push(message!.fds.length);
    received += message!.data.length;
    assertEquals(message!.fds.map(({ fd }) => openOn(fd)), message!.fds.map(() => openOn(own.fd)));
    closeAll(message);
  }
  await deadline(send, PATIENCE);
  assertEquals(counts, [2, ...Array(counts.length - 1).fill(0)]);
  await idle();
  assertEquals(openFds(), before);
});

Deno.test("FdSocket.send() mixes nothing that is sent at once", async () => {
  using pair = new Pair();
  const parts = Array.from({ length: 20 }, (_, i) => pattern(100_000 + i, i));
  const sends = parts.map((part) => pair.near.send(part));
  const all = await receiveBytes(pair.far, parts.reduce((sum, { length }) => sum + length, 0));
  await deadline(Promise.all(sends), PATIENCE);
  let at = 0;
  for (const part of parts) assertEquals(all.subarray(at, at += part.length), part);
});

Deno.test("FdSocket sends and receives at the same time", async () => {
  using pair = new Pair();
  // Neither end takes it all before it got rid of its own.
  const sends = [pair.near.send(pattern(LARGE, 1)), pair.far.send(pattern(LARGE, 2))];
  const received = [receiveBytes(pair.far, LARGE), receiveBytes(pair.near, LARGE)];
  assertEquals(await deadline(Promise.all(received), PATIENCE), [
    pattern(LARGE, 1),
    pattern(LARGE, 2),
  ]);
  await deadline(Promise.all(sends), PATIENCE);
});

Deno.test("FdSocket.receive() gives messages to those who wait in the order of their calls", async () => {
  using pair = new Pair("seqpacket");
  const messages = Array.from({ length: 10 }, () => pair.far.receive());
  assert(await isPending(Promise.race(messages)));
  const texts = messages.map((_, i) => `message ${i}`);
  await Promise.all(texts.map((text) => pair.near.send(text)));
  const received = await deadline(Promise.all(messages), PATIENCE);
  assertEquals(received.map(textOf), texts);
});

Deno.test("FdSocket.closeWrite() lets everything be sent that was asked for before", async () => {
  using pair = new Pair();
  const send = pair.near.send(pattern(LARGE));
  const end = pair.near.closeWrite();
  await eventually("the socket's buffer is full", () => isFull(pair.near));
  assert(await isPending(end));
  assertEquals(await receiveBytes(pair.far), pattern(LARGE));
  await deadline(Promise.all([send, end]), PATIENCE);
});

Deno.test("FdSocket takes one thread, however many sends and receives wait", async () => {
  using pair = new Pair();
  fill(pair.near);
  const pairs = [pair];
  const pending: Promise<unknown>[] = [pair.near.receive()];
  await nextTurn();
  const before = threads();
  for (let i = 0; i < 200; i++) {
    const another = new Pair();
    pairs.push(another);
    fill(another.near);
    pending.push(another.near.receive(), another.near.send("x"));
  }
  await nextTurn();
  assert(await isPending(Promise.race(pending)));
  assertLessOrEqual(threads(), before);
  for (const each of pairs) each[Symbol.dispose]();
  const results = await deadline(Promise.allSettled(pending), PATIENCE);
  assertEquals(new Set(results.map(({ status }) => status)), new Set(["rejected"]));
});
