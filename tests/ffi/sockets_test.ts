/**
 * The calls on UNIX sockets: that none of them blocks, and what each says of what it found.
 *
 * @module
 */

import { assert, assertEquals, assertThrows } from "@std/assert";
import { attempt, check } from "../../ffi/call.ts";
import { Errno } from "../../ffi/errno.ts";
import { close, pipe } from "../../ffi/files.ts";
import { socketLibc } from "../../ffi/socket_symbols.ts";
import {
  bind,
  listen,
  LONGEST_PATH,
  MessageBuffer,
  peerCredentials,
  SCM_MAX_FD,
  shutdownSending,
  socket,
  socketAddress,
  socketpair,
  socketType,
  tryAccept,
  tryConnect,
  tryPeekLength,
  trySend,
} from "../../ffi/sockets.ts";
import { SyscallError } from "../../mod.ts";
import {
  controlSpace,
  decodeControl,
  encodeControl,
  SCM_RIGHTS,
  SOL_SOCKET,
} from "../../structs/socket.ts";
import { isCloseOnExec, openFile, openOn } from "../support/fds.ts";
import { openFds, runForValue } from "../support/processes.ts";

const AF_UNIX = 1;
const AF_INET = 2;
const SOCK_STREAM = 1;
const SOCK_DGRAM = 2;

const NOTHING = new Uint8Array(0);
const TYPES = ["stream", "seqpacket"] as const;

/** Descriptors for one test, closed at its end. */
class Fds implements Disposable {
  readonly #open: number[] = [];

  add(...fds: number[]): number[] {
    this.#open.push(...fds);
    return fds;
  }

  [Symbol.dispose](): void {
    this.#open.forEach(close);
  }
}

function encode(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(text);
}

/** The control message for descriptors. */
function rights(...fds: number[]): Uint8Array<ArrayBuffer> {
  const data = new Uint8Array(new Int32Array(fds).buffer);
  return encodeControl([{ level: SOL_SOCKET, type: SCM_RIGHTS, data }]);
}

for (const type of TYPES) {
  Deno.test(`socketpair() makes two connected ${type} sockets, close-on-exec`, () => {
    using fds = new Fds();
    const [one, other] = fds.add(...socketpair(type));
    assertEquals([one, other].map(socketType), [type, type]);
    assertEquals([one, other].map(isCloseOnExec), [true, true]);
    assertEquals(trySend(one, encode("there"), NOTHING), 5);
    assertEquals(trySend(other, encode("back"), NOTHING), 4);
    const buffer = new MessageBuffer(10, 0);
    assertEquals(buffer.tryReceive(other), 5);
    assertEquals(buffer.takeData(5), encode("there"));
    assertEquals(buffer.tryReceive(one), 4);
    assertEquals(buffer.takeData(4), encode("back"));
  });
}

Deno.test("socketAddress() counts a path with its NUL, and an abstract name without any", () => {
  const path = socketAddress(encode("/a"), "/a");
  assertEquals([path.length, path.bytes.length], [2 + 3, 110]);
  assertEquals([...path.bytes.subarray(0, 6)], [AF_UNIX, 0, 47, 97, 0, 0]);
  const abstract = socketAddress(encode("\0a\0"), "@a");
  assertEquals([abstract.length, abstract.name], [2 + 3, "@a"]);
  assertEquals([...abstract.bytes.subarray(0, 6)], [AF_UNIX, 0, 0, 97, 0, 0]);
});

Deno.test("LONGEST_PATH and SCM_MAX_FD are the kernel's own limits", () => {
  using fds = new Fds();
  // One name of the greatest length, and two that differ in what would be its next byte.
  const name = encode("\0" + "x".repeat(LONGEST_PATH - 4) + crypto.randomUUID().slice(0, 4));
  const [first, second] = fds.add(socket("stream"), socket("stream"));
  bind(first, socketAddress(name, "@x"));
  listen(first, 1);
  const error = assertThrows(
    () => bind(second, socketAddress(name, "@x")),
    SyscallError,
    "@x exists already",
  );
  assertEquals(error.code, "EADDRINUSE");
  const tooLong = { ...socketAddress(name, "@x"), length: 2 + LONGEST_PATH + 2 };
  assertThrows(() => bind(second, tooLong), SyscallError, "EINVAL");

  const [one, other] = fds.add(...socketpair("seqpacket"));
  const send = (count: number) => trySend(one, encode("x"), rights(...Array(count).fill(one)));
  assertEquals(send(SCM_MAX_FD + 1), -Errno.EINVAL);
  assertEquals(send(SCM_MAX_FD), 1);
  assertEquals(tryPeekLength(other), 1);
});

Deno.test("socketType() is null for whatever is no stream or seqpacket socket of AF_UNIX", () => {
  using fds = new Fds();
  const make = (domain: number, type: number) =>
    check("socket", attempt(() => socketLibc().socket(domain, type, 0)));
  const { read, write } = pipe();
  const others = fds.add(
    ...[read, write, openFile("/dev/null"), make(AF_UNIX, SOCK_DGRAM)],
    ...[make(AF_INET, SOCK_STREAM), make(AF_INET, SOCK_DGRAM)],
  );
  assertEquals(others.map(socketType), Array(others.length).fill(null));
});

Deno.test("trySend() and MessageBuffer.tryReceive() don't wait, not even on a socket that would", () => {
  using fds = new Fds();
  const ends = new Int32Array(2);
  const call = () => socketLibc().socketpair(AF_UNIX, SOCK_STREAM, 0, new Uint8Array(ends.buffer));
  check("socketpair", attempt(call));
  const [one, other] = fds.add(...ends);
  const buffer = new MessageBuffer(4096, 0);
  assertEquals(buffer.tryReceive(other), -Errno.EAGAIN);
  assertEquals(tryPeekLength(other), -Errno.EAGAIN);
  let sent = 0;
  let result: number;
  while ((result = trySend(one, new Uint8Array(4096))) > 0) sent += result;
  assertEquals(result, -Errno.EAGAIN);
  assertEquals(trySend(one, encode("x"), rights(one)), -Errno.EAGAIN);
  for (let received = 0; received < sent; received += result) {
    result = buffer.tryReceive(other);
  }
  assertEquals(buffer.tryReceive(other), -Errno.EAGAIN);
});

Deno.test("tryConnect() and tryAccept() don't wait", () => {
  using fds = new Fds();
  const address = socketAddress(encode(`\0${crypto.randomUUID()}`), "@");
  const [listener, ...clients] = fds.add(...Array.from({ length: 3 }, () => socket("stream")));
  assertEquals(tryConnect(clients[0], address), -Errno.ECONNREFUSED);
  // So short a queue takes one.
  bind(listener, address);
  listen(listener, 0);
  assertEquals(tryAccept(listener), -Errno.EAGAIN);
  assertEquals(clients.map((fd) => tryConnect(fd, address)), [0, -Errno.EAGAIN]);
  const [server] = fds.add(tryAccept(listener));
  assert(isCloseOnExec(server));
  assertEquals(socketType(server), "stream");
  assertEquals(tryConnect(clients[1], address), 0);
  assertEquals(peerCredentials(server), { pid: Deno.pid, uid: Deno.uid()!, gid: Deno.gid()! });
});

Deno.test("tryPeekLength() gives the next message's length, and takes nothing of it", () => {
  using fds = new Fds();
  const [one, other] = fds.add(...socketpair("seqpacket"));
  const before = openFds();
  assertEquals(trySend(one, new Uint8Array(100_000), rights(one)), 100_000);
  assertEquals(trySend(one, encode("next"), NOTHING), 4);
  assertEquals([tryPeekLength(other), tryPeekLength(other)], [100_000, 100_000]);
  assertEquals(openFds(), before);
  const buffer = new MessageBuffer(100_000, controlSpace(4));
  assertEquals([buffer.tryReceive(other), buffer.controlTruncated], [100_000, false]);
  const [{ data }] = decodeControl(buffer.control);
  const [fd] = fds.add(...new Int32Array(data.buffer));
  assertEquals(openOn(fd), openOn(one));
  assertEquals(tryPeekLength(other), 4);
});

Deno.test("MessageBuffer makes descriptors close-on-exec, and says so if there was no room", () => {
  using fds = new Fds();
  const [one, other] = fds.add(...socketpair("stream"));
  const before = openFds();
  trySend(one, encode("a"), rights(one, one, one));
  const buffer = new MessageBuffer(9, controlSpace(2 * 4));
  assertEquals([buffer.tryReceive(other), buffer.controlTruncated], [1, true]);
  // The third got lost on the way, and isn't open without a number.
  const [{ data }] = decodeControl(buffer.control);
  const arrived = fds.add(...new Int32Array(data.slice().buffer));
  assertEquals(openFds().length, before.length + 2);
  assertEquals(arrived.map(isCloseOnExec), [true, true]);
  assertEquals(arrived.map(openOn), [openOn(one), openOn(one)]);

  // The next message has as much room again, and nothing of the last one's.
  trySend(one, encode("b"), rights(one));
  assertEquals([buffer.tryReceive(other), buffer.controlTruncated], [1, false]);
  const [next] = decodeControl(buffer.control);
  fds.add(...new Int32Array(next.data.slice().buffer));
  trySend(one, encode("c"));
  assertEquals([buffer.tryReceive(other), buffer.controlTruncated], [1, false]);
  assertEquals(buffer.control.length, 0);

  trySend(one, encode("d"), rights(one));
  const without = new MessageBuffer(9, 0);
  assertEquals([without.tryReceive(other), without.controlTruncated], [1, true]);
  assertEquals([without.control.length, openFds().length], [0, before.length + 3]);
});

Deno.test("MessageBuffer.takeData() gives bytes that no later message changes", () => {
  using fds = new Fds();
  const [one, other] = fds.add(...socketpair("seqpacket"));
  const buffer = new MessageBuffer(1000, 0);
  const taken: Uint8Array[] = [];
  const lengths = [1, 249, 250, 251, 999, 1000, 0, 700, 3];
  for (const [i, length] of lengths.entries()) {
    trySend(one, new Uint8Array(length).fill(i));
    assertEquals([buffer.tryReceive(other), buffer.truncated], [length, false]);
    taken.push(buffer.takeData(length));
  }
  assertEquals(taken, lengths.map((length, i) => new Uint8Array(length).fill(i)));
  // A copy of few bytes holds no more than these.
  assertEquals(taken[1].buffer.byteLength, 249);
});

Deno.test("MessageBuffer says so if a message was longer than there was room", () => {
  using fds = new Fds();
  const [one, other] = fds.add(...socketpair("seqpacket"));
  const buffer = new MessageBuffer(4, 0);
  trySend(one, encode("longer"));
  trySend(one, encode("next"));
  assertEquals([buffer.tryReceive(other), buffer.truncated], [4, true]);
  assertEquals(buffer.takeData(4), encode("long"));
  assertEquals([buffer.tryReceive(other), buffer.truncated], [4, false]);
});

Deno.test("tryPeekLength() tells a message without data from the end, and takes none", () => {
  using fds = new Fds();
  const [one, other] = socketpair("seqpacket");
  const [file] = fds.add(openFile("/dev/null"), other);
  const before = openFds();
  const buffer = new MessageBuffer(9, controlSpace(4));
  trySend(one, NOTHING);
  trySend(one, NOTHING, rights(file));
  trySend(one, encode("x"));
  assertEquals([tryPeekLength(other), tryPeekLength(other)], [0, 0]);
  close(one);
  for (const length of [0, 0, 1]) {
    assertEquals([tryPeekLength(other), tryPeekLength(other)], [length, length]);
    assertEquals(buffer.tryReceive(other), length);
    // Whatever it asked the socket for: not for its peer's credentials.
    const messages = decodeControl(buffer.control);
    assert(messages.every(({ type }) => type === SCM_RIGHTS));
    for (const { data } of messages) fds.add(...new Int32Array(data.slice().buffer));
  }
  assertEquals([tryPeekLength(other), tryPeekLength(other)], [null, null]);
  // One end is closed, one file was received.
  assertEquals(openFds().length, before.length);
});

Deno.test("shutdownSending() can be repeated, with a peer or without", () => {
  using fds = new Fds();
  const [one, other] = socketpair("stream");
  fds.add(other);
  shutdownSending(one);
  shutdownSending(one);
  assertEquals(new MessageBuffer(1, 0).tryReceive(other), 0);
  assertEquals(trySend(one, encode("x"), NOTHING), -Errno.EPIPE);
  close(one);
  shutdownSending(other);
  const [lonely] = fds.add(socket("stream"));
  shutdownSending(lonely);
  assertThrows(() => shutdownSending(1_000_000), SyscallError, "EBADF");
});

declare const gc: () => void;

Deno.test("trySend() finds small arrays wherever the collector moves them", () => {
  using fds = new Fds();
  const [one, other] = fds.add(...socketpair("seqpacket"));
  const buffer = new MessageBuffer(100, controlSpace(4));
  for (let i = 0; i < 20_000; i++) {
    // Small arrays begin their lives in memory that is emptied again and again.
    const sent = Uint8Array.of(i & 0xff, i >> 8, 3, 4, 5);
    const control = i % 2 === 0 ? NOTHING : rights(one);
    assertEquals(trySend(one, sent, control), 5);
    assertEquals([buffer.tryReceive(other), buffer.controlTruncated], [5, false]);
    for (const { data } of decodeControl(buffer.control)) {
      close(new Int32Array(data.slice().buffer)[0]);
    }
    const received = buffer.takeData(5);
    if (`${received}` !== `${sent}`) assertEquals(received, sent, `message ${i}`);
    if (i % 2_000 === 0) gc();
  }
});

Deno.test("trySend() to a peer that is gone is EPIPE, and no SIGPIPE", async () => {
  // Deno ignores SIGPIPE, so the program stops ignoring it.
  const results = await runForValue(
    `const SIGPIPE = 13;
    const { symbols } = Deno.dlopen("libc.so.6", {
      signal: { parameters: ["i32", "pointer"], result: "pointer" },
    });
    symbols.signal(SIGPIPE, null);
    const { FdSocket } = await import("@pidfd/util");
    const codes = [];
    for (const type of ["stream", "seqpacket"]) {
      const [one, other] = FdSocket.pair({ type });
      other.close();
      codes.push(await one.send("x").catch(({ code }) => code));
      one.close();
    }
    console.log(JSON.stringify(codes));`,
  );
  assertEquals(results, ["EPIPE", "EPIPE"]);
});
