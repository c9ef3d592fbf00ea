/**
 * Sends and receives that are given up, or lose their socket.
 *
 * @module
 */

import { assert, assertEquals, assertRejects } from "@std/assert";
import { deadline } from "@std/async";
import { FdSocket, SyscallError } from "../../mod.ts";
import { eventually, idle, openFds, PATIENCE, runForValue } from "../support/processes.ts";
import { isPending, nextTurn } from "../support/promises.ts";
import {
  encode,
  fill,
  isFull,
  LARGE,
  Pair,
  pattern,
  receiveBytes,
  someFd,
  textOf,
  TYPES,
} from "../support/sockets.ts";

/** Ends what the near socket sends, and gives what the far one receives behind so many bytes. */
async function receiveRest({ near, far }: Pair, skipped: number): Promise<string> {
  const [all] = await deadline(Promise.all([receiveBytes(far), near.closeWrite()]), PATIENCE);
  return new TextDecoder().decode(all.subarray(skipped));
}

for (const type of TYPES) {
  Deno.test(`FdSocket.receive() can be aborted on a ${type} socket, which stays usable`, async () => {
    using pair = new Pair(type);
    for (let i = 0; i < 3; i++) {
      const controller = new AbortController();
      const aborted = pair.far.receive({ signal: controller.signal });
      const next = pair.far.receive();
      await nextTurn();
      const reason = new Error("no need");
      controller.abort(reason);
      assertEquals(await deadline(assertRejects(() => aborted), PATIENCE), reason);
      await pair.near.send("next");
      assertEquals(textOf(await deadline(next, PATIENCE)), "next");
    }
  });

  Deno.test(`FdSocket.receive() in the line can be aborted on a ${type} socket`, async () => {
    using pair = new Pair(type);
    const controller = new AbortController();
    const first = pair.far.receive();
    const aborted = pair.far.receive({ signal: controller.signal });
    const last = pair.far.receive();
    assert(await isPending(Promise.race([first, aborted, last])));
    const reason = new Error("no need");
    controller.abort(reason);
    assertEquals(await deadline(assertRejects(() => aborted), PATIENCE), reason);
    assert(await isPending(Promise.race([first, last])));
    await pair.near.send("one");
    assertEquals(textOf(await deadline(first, PATIENCE)), "one");
    assert(await isPending(last));
    await pair.near.send("two");
    assertEquals(textOf(await deadline(last, PATIENCE)), "two");
  });

  Deno.test(`FdSocket.send() that has not begun can be aborted on a ${type} socket`, async () => {
    using pair = new Pair(type);
    using own = someFd();
    const filled = fill(pair.near);
    const before = openFds();
    const controller = new AbortController();
    const aborted = pair.near.send("never sent", [own], { signal: controller.signal });
    await nextTurn();
    assert(await isPending(aborted));
    const reason = new Error("no need");
    controller.abort(reason);
    assertEquals(await deadline(assertRejects(() => aborted), PATIENCE), reason);
    assert(!pair.near.closed);
    await idle();
    assertEquals(openFds(), before);
    const next = pair.near.send("next");
    assertEquals(await receiveRest(pair, filled), "next");
    await next;
  });

  Deno.test(`FdSocket.send() in the line can be aborted on a ${type} socket`, async () => {
    using pair = new Pair(type);
    using own = someFd();
    const before = openFds();
    const filled = fill(pair.near);
    const controller = new AbortController();
    const first = pair.near.send("first");
    const aborted = pair.near.send("never sent", [own], { signal: controller.signal });
    const last = pair.near.send("last");
    assert(await isPending(Promise.race([first, aborted, last])));
    const reason = new Error("no need");
    controller.abort(reason);
    assertEquals(await deadline(assertRejects(() => aborted), PATIENCE), reason);
    assert(await isPending(Promise.race([first, last])));
    assertEquals(await receiveRest(pair, filled), "firstlast");
    await deadline(Promise.all([first, last]), PATIENCE);
    await idle();
    assertEquals(openFds(), before);
  });

  for (const way of ["close", "intoFd"] as const) {
    Deno.test(`FdSocket.${way}() rejects all that is pending on a ${type} socket`, async () => {
      using pair = new Pair(type);
      const { near } = pair;
      fill(near);
      const before = openFds();
      const pending = [
        ...[near.receive(), near.receive(), near.receive({ signal: new AbortController().signal })],
        ...[near.send("x"), near.send("y", [near.fd]), near.closeWrite()],
      ];
      await nextTurn();
      assert(await isPending(Promise.race(pending)));
      const fd = near[way]();
      for (const promise of pending) {
        const rejected = assertRejects(
          () => promise,
          Deno.errors.BadResource,
          "FdSocket is closed",
        );
        await deadline(rejected, PATIENCE);
      }
      if (fd !== undefined) FdSocket.fromFd(fd).close();
      await idle();
      assertEquals(openFds().length, before.length - 1);
    });
  }

  Deno.test(`FdSocket.send() rejects if the ${type} peer goes while it waits`, async () => {
    using pair = new Pair(type);
    fill(pair.near);
    const send = pair.near.send("never sent");
    await nextTurn();
    assert(await isPending(send));
    pair.far.close();
    const error = await deadline(assertRejects(() => send, SyscallError), PATIENCE);
    // It went without having read everything.
    assert(["EPIPE", "ECONNRESET"].includes(error.code), error.code);
  });
}

Deno.test("FdSocket is closed by an abort in the middle of a message on a stream", async () => {
  using pair = new Pair();
  using own = someFd();
  const before = openFds();
  const controller = new AbortController();
  const aborted = pair.near.send(pattern(LARGE), [own], { signal: controller.signal });
  const others = [pair.near.send("never sent"), pair.near.receive(), pair.near.closeWrite()];
  await eventually("the socket's buffer is full", () => isFull(pair.near));
  const reason = new Error("no need");
  const closed = others.map((promise) => assertRejects(() => promise, Deno.errors.BadResource));
  controller.abort(reason);
  assertEquals(await deadline(assertRejects(() => aborted), PATIENCE), reason);
  assert(pair.near.closed);
  await deadline(Promise.all(closed), PATIENCE);
  await idle();
  assertEquals(openFds().length, before.length - 1);
  // The peer gets the part, and then the end: nothing that could be taken for the rest.
  const message = await pair.far.receive();
  message?.fds.forEach((fd) => fd.close());
  const part = new Uint8Array([...message!.data, ...await receiveBytes(pair.far)]);
  assert(part.length < LARGE);
  assertEquals(part, pattern(LARGE).subarray(0, part.length));
});

Deno.test("FdSocket.send() that is done is not undone by an abort", async () => {
  using pair = new Pair();
  const controller = new AbortController();
  await pair.near.send("sent", [], { signal: controller.signal });
  controller.abort();
  assert(!pair.near.closed);
  await pair.near.send(", and more");
  assertEquals(await receiveBytes(pair.far, 14), encode("sent, and more"));
});

Deno.test("FdSocket lets a program end that has only aborted calls left", async () => {
  const results = await runForValue(`
    import { FdSocket } from "@pidfd/util";
    const [near, far] = FdSocket.pair();
    const listener = FdSocket.listen(${JSON.stringify(`@${crypto.randomUUID()}`)});
    const controller = new AbortController();
    const { signal } = controller;
    const calls = [
      near.receive({ signal }),
      near.receive({ signal }),
      near.send(new Uint8Array(${LARGE}), [], { signal }),
      listener.accept({ signal }),
    ];
    const results = Promise.allSettled(calls);
    setTimeout(() => controller.abort());
    console.log(JSON.stringify((await results).map(({ reason }) => reason.name)));
  `);
  assertEquals(results, Array(4).fill("AbortError"));
});
