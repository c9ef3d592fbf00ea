/**
 * What a socket carries, what it refuses, and what it becomes when it is closed.
 *
 * @module
 */

import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { deadline } from "@std/async";
import { trySend } from "../../ffi/sockets.ts";
import { socketLibc } from "../../ffi/socket_symbols.ts";
import { FdSocket, SyscallError } from "../../mod.ts";
import { isCloseOnExec, openOn } from "../support/fds.ts";
import { eventually, idle, openFds, PATIENCE } from "../support/processes.ts";
import { shadow } from "../support/shadow.ts";
import { BUFFER, closeAll, Pair, pattern, someFd, textOf, TYPES } from "../support/sockets.ts";

const NOTHING = new Uint8Array(0);

for (const type of TYPES) {
  Deno.test(`FdSocket.pair() makes two connected ${type} sockets`, async () => {
    const before = openFds();
    {
      using pair = new Pair(type);
      const { near, far } = pair;
      assertEquals(openFds().length, before.length + 2);
      assertEquals([near, far].map(({ fd }) => isCloseOnExec(fd)), [true, true]);
      await near.send("there");
      await far.send("and back");
      assertEquals(textOf(await deadline(far.receive(), PATIENCE)), "there");
      assertEquals(textOf(await deadline(near.receive(), PATIENCE)), "and back");
    }
    await idle();
    assertEquals(openFds(), before);
  });

  Deno.test(`FdSocket.send() takes text and bytes on a ${type} socket`, async () => {
    using pair = new Pair(type);
    await pair.near.send("dä");
    assertEquals((await pair.far.receive())?.data, new Uint8Array([100, 0xc3, 0xa4]));
    // A part of a larger buffer.
    await pair.near.send(pattern(100).subarray(10, 13));
    assertEquals((await pair.far.receive())?.data, pattern(100).slice(10, 13));
  });

  Deno.test(`FdSocket.receive() is null at the end of a ${type} socket, again and again`, async () => {
    using pair = new Pair(type);
    await pair.near.send("last");
    pair.near.close();
    assertEquals(textOf(await pair.far.receive()), "last");
    assertEquals(await pair.far.receive(), null);
    assertEquals(await pair.far.receive(), null);
  });

  Deno.test(`FdSocket.closeWrite() ends one direction of a ${type} socket`, async () => {
    using pair = new Pair(type);
    await pair.near.send("question");
    await pair.near.closeWrite();
    await pair.near.closeWrite();
    assertEquals(textOf(await pair.far.receive()), "question");
    assertEquals(await pair.far.receive(), null);
    const error = await assertRejects(() => pair.near.send("more"), SyscallError);
    assertEquals(error.code, "EPIPE");
    await pair.far.send("answer");
    assertEquals(textOf(await pair.near.receive()), "answer");
  });

  Deno.test(`FdSocket.closeWrite() is nothing to a ${type} peer that is gone`, async () => {
    using pair = new Pair(type);
    pair.far.close();
    await pair.near.closeWrite();
    assertEquals(await pair.near.receive(), null);
  });

  Deno.test(`FdSocket.send() rejects with EPIPE once the ${type} peer is gone`, async () => {
    using pair = new Pair(type);
    pair.far.close();
    using own = someFd();
    const before = openFds();
    for (const [fds, syscall] of [[[], "send"], [[own], "sendmsg"]] as const) {
      const error = await assertRejects(() => pair.near.send("x", fds), SyscallError);
      assertEquals([error.code, error.syscall], ["EPIPE", syscall]);
    }
    await idle();
    assertEquals(openFds(), before);
    assert(!pair.near.closed);
  });

  Deno.test(`FdSocket.receive() rejects with ECONNRESET if the ${type} peer left data unread`, async () => {
    using pair = new Pair(type);
    await pair.near.send("never read");
    pair.far.close();
    const error = await assertRejects(() => pair.near.receive(), SyscallError);
    assertEquals([error.code, error.syscall], ["ECONNRESET", "recvmsg"]);
    assertEquals(await pair.near.receive(), null);
  });
}

Deno.test("FdSocket.receive() keeps seqpacket messages apart and whole, of any length", async () => {
  using pair = new Pair("seqpacket");
  const lengths = [1, 100_000, 2, 65_536];
  for (const length of lengths) await pair.near.send(pattern(length));
  for (const length of lengths) {
    assertEquals((await pair.far.receive())?.data, pattern(length));
  }
});

Deno.test("FdSocket.receive() tells a message without data from the end", async () => {
  using pair = new Pair("seqpacket");
  const empty = { data: NOTHING, fds: [], sender: null };
  // Another program may send what this library doesn't.
  const sendNothing = () => assertEquals(trySend(pair.near.fd, NOTHING), 0);
  sendNothing();
  await pair.near.send("next");
  assertEquals(await pair.far.receive(), empty);
  assertEquals(textOf(await pair.far.receive()), "next");
  sendNothing();
  sendNothing();
  await pair.near.send("last");
  sendNothing();
  // Now the end may be what receives nothing.
  pair.near.close();
  assertEquals([await pair.far.receive(), await pair.far.receive()], [empty, empty]);
  assertEquals(textOf(await pair.far.receive()), "last");
  assertEquals(await pair.far.receive(), empty);
  assertEquals([await pair.far.receive(), await pair.far.receive()], [null, null]);
});

Deno.test("FdSocket.receive() copies short data, and keeps long ones apart", async () => {
  using pair = new Pair("seqpacket");
  const lengths = [10, 60_000, 20, 65_536, 30, 100_000, 32_768];
  const received: Uint8Array<ArrayBuffer>[] = [];
  for (const [seed, length] of lengths.entries()) {
    await pair.near.send(pattern(length, seed));
    received.push((await pair.far.receive())!.data);
  }
  assertEquals(received, lengths.map((length, seed) => pattern(length, seed)));
  // Whoever keeps a short message keeps no more memory than that.
  assertEquals(received[0].buffer.byteLength, 10);
  // Data can be given to another thread, with their memory.
  for (const { buffer } of received) structuredClone(buffer, { transfer: [buffer] });
  await pair.near.send(pattern(60_000));
  assertEquals((await pair.far.receive())?.data, pattern(60_000));
});

Deno.test("FdSocket.receive() fails if another program took the message that it looked at", async () => {
  using pair = new Pair("seqpacket");
  await pair.near.send(pattern(100_000));
  const { recvmsg } = socketLibc();
  {
    using _look = shadow(socketLibc(), "recvmsg", () => (fd, message, flags) => {
      const result = recvmsg(fd, message, flags);
      return result > 65_536 ? 10 : result;
    });
    const error = await assertRejects(() => pair.far.receive(), SyscallError, "its rest is lost");
    assertEquals([error.code, error.syscall], ["EMSGSIZE", "recvmsg"]);
  }
  await pair.near.send("next");
  assertEquals(textOf(await pair.far.receive()), "next");
});

Deno.test("FdSocket.send() refuses an empty message, except with descriptors on seqpacket", async () => {
  using own = someFd();
  for (const [type, fds] of [["stream", []], ["stream", [own]], ["seqpacket", []]] as const) {
    using pair = new Pair(type);
    for (const data of ["", NOTHING]) {
      await assertRejects(() => pair.near.send(data, fds), RangeError, "data must not be empty");
    }
  }
  using pair = new Pair("seqpacket");
  await pair.near.send("", [own]);
  const message = await pair.far.receive();
  assertEquals([message?.data.length, message?.fds.length], [0, 1]);
  assertEquals(openOn(message!.fds[0].fd), openOn(own.fd));
  closeAll(message);
});

Deno.test("FdSocket.send() rejects with EMSGSIZE if a message can't fit, and goes on", async () => {
  using pair = new Pair("seqpacket");
  const error = await assertRejects(() => pair.near.send(new Uint8Array(BUFFER)), SyscallError);
  assertEquals([error.code, error.syscall], ["EMSGSIZE", "send"]);
  await pair.near.send("smaller");
  assertEquals(textOf(await pair.far.receive()), "smaller");
});

Deno.test("FdSocket refuses bad input before it does anything", async () => {
  using pair = new Pair();
  const { near, far } = pair;
  const before = openFds();
  const bad = <T>(value: T) => value as never;
  assertThrows(() => FdSocket.pair({ type: bad("dgram") }), RangeError, "options.type");
  assertThrows(() => FdSocket.pair({ type: bad(1) }), TypeError, "options.type");
  const send = (...args: unknown[]) => near.send(...args as [string]);
  await assertRejects(() => send(5), TypeError, "data must be bytes: 5");
  await assertRejects(() => send(new ArrayBuffer(1)), TypeError, "data must be bytes");
  await assertRejects(() => send("x", 5), TypeError, "fds must be an array: 5");
  await assertRejects(() => send("x", [undefined]), TypeError, "fds[0] must be a number");
  await assertRejects(() => send("x", Array(254).fill(near.fd)), RangeError, "at most 253");
  await assertRejects(() => send("x", [1_000_000]), SyscallError, "EBADF");
  await assertRejects(() => send("x", [], { signal: 5 }), TypeError, "options.signal");
  await assertRejects(() => near.receive({ signal: bad({}) }), TypeError, "options.signal");
  await assertRejects(() => near.receive({ sender: bad(1) }), TypeError, "options.sender");
  assertThrows(() => near.setCloseOnExec(bad(1)), TypeError, "on must be a boolean: 1");
  await idle();
  assertEquals(openFds(), before);
  // Nothing was sent.
  await near.send("after");
  assertEquals(textOf(await far.receive()), "after");
});

Deno.test("FdSocket rejects with the reason of a signal that was aborted before", async () => {
  using pair = new Pair();
  const reason = new Error("no need");
  const signal = AbortSignal.abort(reason);
  await pair.far.send("there");
  const before = openFds();
  assertEquals(await assertRejects(() => pair.near.send("x", [pair.far.fd], { signal })), reason);
  assertEquals(await assertRejects(() => pair.near.receive({ signal })), reason);
  assertEquals(await assertRejects(() => FdSocket.connect("@none", { signal })), reason);
  await idle();
  assertEquals(openFds(), before);
  assertEquals(textOf(await pair.near.receive()), "there");
});

/** Every method of a socket, with arguments that an open one would take. */
const METHODS: Record<string, (socket: FdSocket) => unknown> = {
  intoFd: (socket) => socket.intoFd(),
  setCloseOnExec: (socket) => socket.setCloseOnExec(true),
  send: (socket) => socket.send("x"),
  receive: (socket) => socket.receive(),
  closeWrite: (socket) => socket.closeWrite(),
  peer: (socket) => socket.peer(),
  peerCredentials: (socket) => socket.peerCredentials(),
};

for (const way of ["close", "intoFd"] as const) {
  Deno.test(`FdSocket.${way}() makes all methods but close fail with BadResource`, async () => {
    using pair = new Pair();
    const { near } = pair;
    const released = near[way]();
    if (released !== undefined) FdSocket.fromFd(released).close();
    const all = Reflect.ownKeys(FdSocket.prototype).filter((key) => typeof key === "string");
    const others = ["constructor", "fd", "closed", "close"];
    assertEquals(all.sort(), [...others, ...Object.keys(METHODS)].sort());
    for (const use of Object.values(METHODS)) {
      await assertRejects(
        async () => await use(near),
        Deno.errors.BadResource,
        "FdSocket is closed",
      );
    }
    near.close();
    near[Symbol.dispose]();
    await near[Symbol.asyncDispose]();
    assertEquals([near.closed, near.fd], [true, -1]);
  });
}

Deno.test("FdSocket is closed at the end of a using block", async () => {
  const before = openFds();
  {
    const [one, other] = FdSocket.pair();
    using _one = one;
    await using _other = other;
    assertEquals([one.closed, other.closed], [false, false]);
  }
  await idle();
  assertEquals(openFds(), before);
});

Deno.test("FdSocket.intoFd() gives the descriptor away as it is", async () => {
  using pair = new Pair();
  const { fd } = pair.near;
  const link = openOn(fd);
  assertEquals(pair.near.intoFd(), fd);
  assertEquals(openOn(fd), link);
  using again = FdSocket.fromFd(fd);
  await again.send("still there");
  assertEquals(textOf(await pair.far.receive()), "still there");
});

declare const gc: () => void;

Deno.test("FdSocket is closed by the garbage collector, but not while it receives", async () => {
  const before = openFds();
  const message = (function drop() {
    const [near, far] = FdSocket.pair();
    assert(!near.closed);
    return far.receive();
  })();
  let received = false;
  const end = message.finally(() => received = true);
  await eventually("the one that nobody uses is collected", () => {
    gc();
    return received;
  });
  assertEquals(await end, null);
  await eventually("the other one is collected, too", () => {
    gc();
    return `${openFds()}` === `${before}`;
  });
});
