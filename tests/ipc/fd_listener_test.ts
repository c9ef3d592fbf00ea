/**
 * Listening: who gets in, in which order, and until when.
 *
 * @module
 */

import { assert, assertEquals, assertRejects } from "@std/assert";
import { deadline } from "@std/async";
import { type FdListener, FdSocket, SyscallError } from "../../mod.ts";
import { isCloseOnExec } from "../support/fds.ts";
import { idle, openFds, PATIENCE, ROOT, runForValue } from "../support/processes.ts";
import { isPending, nextTurn } from "../support/promises.ts";
import { abstractName, Folder, textOf, TYPES } from "../support/sockets.ts";

for (const type of TYPES) {
  Deno.test(`FdListener gives its ${type} connections one after another, until it is closed`, async () => {
    const path = abstractName();
    const before = openFds();
    const listener = FdSocket.listen(path, { type });
    assertEquals(listener.path, path);
    assert(isCloseOnExec(listener.fd));
    const iteration = (async () => {
      const texts: (string | null)[] = [];
      for await (const connection of listener) {
        using server = connection;
        texts.push(textOf(await server.receive()));
        await server.send("received");
      }
      return texts;
    })();
    const texts = Array.from({ length: 5 }, (_, i) => `client ${i}`);
    for (const text of texts) {
      using client = await FdSocket.connect(path, { type });
      await client.send(text);
      assertEquals(textOf(await deadline(client.receive(), PATIENCE)), "received");
    }
    assert(await isPending(iteration));
    listener.close();
    assertEquals(await deadline(iteration, PATIENCE), texts);
    await idle();
    assertEquals(openFds(), before);
  });
}

Deno.test("FdListener ends an iteration whose own body closes it", async () => {
  const path = abstractName();
  using listener = FdSocket.listen(path);
  using _one = await FdSocket.connect(path);
  using _other = await FdSocket.connect(path);
  let count = 0;
  for await (const connection of listener) {
    connection.close();
    listener.close();
    count++;
  }
  assertEquals(count, 1);
  for await (const _ of listener) count++;
  assertEquals(count, 1);
});

Deno.test("FdListener stays open when an iteration is left", async () => {
  const path = abstractName();
  using listener = FdSocket.listen(path);
  for (let i = 0; i < 2; i++) {
    using client = await FdSocket.connect(path);
    await client.send(`${i}`);
    for await (const connection of listener) {
      using server = connection;
      assertEquals(textOf(await server.receive()), `${i}`);
      break;
    }
  }
  assert(!listener.closed);
});

Deno.test("FdListener.accept() serves those who wait in the order of their calls", async () => {
  const path = abstractName();
  using listener = FdSocket.listen(path);
  const accepts = [listener.accept(), listener.accept(), listener.accept()];
  await nextTurn();
  assert(await isPending(Promise.race(accepts)));
  for (const [i, accept] of accepts.entries()) {
    using client = await FdSocket.connect(path);
    await client.send(`${i}`);
    using server = await deadline(accept, PATIENCE);
    assertEquals(textOf(await deadline(server.receive(), PATIENCE)), `${i}`);
  }
});

Deno.test("FdListener.accept() takes connections that were made, and even ended, before", async () => {
  const path = abstractName();
  using listener = FdSocket.listen(path);
  {
    using client = await FdSocket.connect(path);
    await client.send("over");
  }
  using _gone = await FdSocket.connect(path);
  _gone.close();
  using first = await deadline(listener.accept(), PATIENCE);
  assertEquals(textOf(await first.receive()), "over");
  assertEquals(await first.receive(), null);
  using second = await deadline(listener.accept(), PATIENCE);
  assertEquals(await second.receive(), null);
});

Deno.test("FdListener.accept() can be aborted, and the next one gets the connection", async () => {
  const path = abstractName();
  using listener = FdSocket.listen(path);
  const controller = new AbortController();
  const aborted = listener.accept({ signal: controller.signal });
  const next = listener.accept();
  await nextTurn();
  const reason = new Error("no need");
  controller.abort(reason);
  assertEquals(await deadline(assertRejects(() => aborted), PATIENCE), reason);
  assert(await isPending(next));
  const { signal } = controller;
  assertEquals(await assertRejects(() => listener.accept({ signal })), reason);
  using client = await FdSocket.connect(path);
  using server = await deadline(next, PATIENCE);
  await server.send("welcome");
  assertEquals(textOf(await client.receive()), "welcome");
});

Deno.test("FdListener.close() rejects who waits for a connection, and lets connections go on", async () => {
  using folder = new Folder();
  const path = folder.at("socket");
  const before = openFds();
  {
    const listener = FdSocket.listen(path);
    using client = await FdSocket.connect(path);
    using server = await listener.accept();
    const accepts = [listener.accept(), listener.accept()];
    await nextTurn();
    listener.close();
    for (const accept of accepts) {
      const rejected = assertRejects(() => accept, Deno.errors.BadResource, "FdListener is closed");
      await deadline(rejected, PATIENCE);
    }
    await server.send("still there");
    assertEquals(textOf(await client.receive()), "still there");
    await assertRejects(() => FdSocket.connect(path), SyscallError, "ENOENT");
  }
  await idle();
  assertEquals(openFds(), before);
});

Deno.test("FdListener.close() makes all methods but close fail or end", async () => {
  const listener = FdSocket.listen(abstractName());
  listener.close();
  listener.close();
  listener[Symbol.dispose]();
  await listener[Symbol.asyncDispose]();
  assertEquals([listener.closed, listener.fd], [true, -1]);
  const others = ["constructor", "fd", "closed", "close"];
  const methods = Reflect.ownKeys(Object.getPrototypeOf(listener) as FdListener)
    .filter((key) => typeof key === "string" && !others.includes(key));
  assertEquals(methods, ["accept"]);
  await assertRejects(() => listener.accept(), Deno.errors.BadResource, "FdListener is closed");
  assertEquals(await listener[Symbol.asyncIterator]().next(), { done: true, value: undefined });
});

Deno.test("FdListener.accept() refuses bad input", async () => {
  using listener = FdSocket.listen(abstractName());
  const accept = () => listener.accept({ signal: 5 as never });
  await assertRejects(accept, TypeError, "options.signal must be an AbortSignal: 5");
});

Deno.test("FdListener.accept() rejects with EMFILE, and keeps the connection for later", async () => {
  const results = await runForValue(`
    import { FdSocket } from "@pidfd/util";
    import { giveBack, takeAll } from ${JSON.stringify(`${ROOT}tests/support/scarce_fds.ts`)};
    const listener = FdSocket.listen(${JSON.stringify(abstractName())});
    const client = await FdSocket.connect(listener.path);
    await client.send("waited");
    takeAll();
    const codes = [];
    await listener.accept().catch(({ code, syscall }) => codes.push(code, syscall));
    try {
      for await (const _ of listener) codes.push("impossible");
    } catch ({ code }) {
      codes.push(code);
    }
    giveBack(10);
    const server = await listener.accept();
    const { data } = await server.receive();
    console.log(JSON.stringify([...codes, new TextDecoder().decode(data)]));
  `);
  assertEquals(results, ["EMFILE", "accept4", "EMFILE", "waited"]);
});
