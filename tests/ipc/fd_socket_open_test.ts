/**
 * Ways to a socket that are not a pair: connecting to a listener, and taking over a descriptor.
 *
 * @module
 */

import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { deadline } from "@std/async";
import { attempt, check } from "../../ffi/call.ts";
import { close, pipe, setCloseOnExec } from "../../ffi/files.ts";
import { socketLibc } from "../../ffi/socket_symbols.ts";
import { bind, listen, socket, tryAccept, tryConnect } from "../../ffi/sockets.ts";
import { parseAddress } from "../../ipc/address.ts";
import { FdSocket, PidFd, SyscallError } from "../../mod.ts";
import { isCloseOnExec, openFile, openOn } from "../support/fds.ts";
import { withoutCapability, works } from "../support/privileges.ts";
import { eventually, idle, openFds, PATIENCE, runForValue } from "../support/processes.ts";
import { isPending } from "../support/promises.ts";
import { shadow } from "../support/shadow.ts";
import { needing } from "../support/skip.ts";
import { abstractName, fill, Folder, Pair, textOf, TYPES } from "../support/sockets.ts";

const AF_UNIX = 1;
const AF_INET = 2;
const SOCK_STREAM = 1;
const SOCK_DGRAM = 2;

for (const type of TYPES) {
  Deno.test(`FdSocket.connect() reaches a ${type} listener at a path or a name`, async () => {
    using folder = new Folder();
    for (const path of [folder.at("socket"), abstractName(), abstractName().replace("@", "\0")]) {
      using listener = FdSocket.listen(path, { type });
      using client = await deadline(FdSocket.connect(path, { type }), PATIENCE);
      using server = await deadline(listener.accept(), PATIENCE);
      assertEquals([client, server].map(({ fd }) => isCloseOnExec(fd)), [true, true]);
      await client.send("there");
      await client.send("twice");
      const received = textOf(await server.receive());
      assertEquals(received, type === "stream" ? "theretwice" : "there");
      await server.send("back");
      assertEquals(textOf(await client.receive()), "back");
    }
  });
}

Deno.test("FdSocket.connect() takes an @ and a NUL for the same", async () => {
  const name = abstractName();
  using listener = FdSocket.listen(name);
  using client = await FdSocket.connect(name.replace("@", "\0"));
  using server = await listener.accept();
  await server.send("found");
  assertEquals(textOf(await client.receive()), "found");
});

Deno.test("FdSocket.connect() says why nobody answers", async () => {
  using folder = new Folder();
  const [file, stale, other] = ["file", "stale", "other"].map((name) => folder.at(name));
  Deno.writeTextFileSync(file, "");
  // The file outlives whoever bound it.
  const fd = socket("stream");
  bind(fd, parseAddress(stale));
  listen(fd, 1);
  close(fd);
  using _listener = FdSocket.listen(other, { type: "seqpacket" });
  const before = openFds();
  const name = abstractName();
  for (
    const [path, code, hint] of [
      [folder.at("none"), "ENOENT", folder.at("none")],
      [folder.at("none/none"), "ENOENT", folder.at("none/none")],
      [file, "ECONNREFUSED", `no process listens at ${file}`],
      [folder.path, "ECONNREFUSED", `no process listens at ${folder.path}`],
      [stale, "ECONNREFUSED", `no process listens at ${stale}`],
      [name, "ECONNREFUSED", `no process listens at ${name}`],
      [name.replace("@", "\0"), "ECONNREFUSED", `no process listens at ${name}`],
      [other, "EPROTOTYPE", `${other} is not a stream socket`],
      [`${file}/x`, "ENOTDIR", "connect"],
    ]
  ) {
    const error = await assertRejects(() => FdSocket.connect(path), SyscallError, hint);
    assertEquals([error.code, error.syscall], [code, "connect"], path);
  }
  await idle();
  assertEquals(openFds(), before);
});

const asOrdinaryUser = withoutCapability("dac_override");
Deno.test({
  ...needing(
    "setpriv",
    works(asOrdinaryUser),
    "FdSocket.connect() needs the right to write to the socket's file",
  ),
  async fn() {
    using folder = new Folder();
    const path = folder.at("socket");
    using _listener = FdSocket.listen(path);
    Deno.chmodSync(path, 0o444);
    const code = `
      import { FdSocket } from "@pidfd/util";
      const error = await FdSocket.connect(${JSON.stringify(path)}).catch((error) => error);
      console.log(JSON.stringify([error.code, error.message.includes(${JSON.stringify(path)})]));
    `;
    assertEquals(await runForValue(code, undefined, asOrdinaryUser), ["EACCES", true]);
  },
});

Deno.test("FdSocket.connect() refuses bad input before it does anything", async () => {
  const before = openFds();
  const connect = (...args: unknown[]) => FdSocket.connect(...args as [string]);
  await assertRejects(() => connect("x".repeat(108)), RangeError, "path must have 1…107 bytes");
  await assertRejects(() => connect(""), RangeError, "path must have 1…107 bytes");
  await assertRejects(() => connect("@"), RangeError, "path must have 1…107 bytes");
  await assertRejects(() => connect("a\0b"), TypeError, "path must not have a NUL byte");
  await assertRejects(() => connect(5), TypeError, "path must be a string: 5");
  await assertRejects(() => connect("@a", { type: "dgram" }), RangeError, "options.type");
  await assertRejects(() => connect("@a", { signal: "no" }), TypeError, "options.signal");
  await idle();
  assertEquals(openFds(), before);
});

/** A listener that has as many connections in its queue as it takes: one. */
class FullListener implements Disposable {
  readonly path = abstractName();
  readonly #listener = socket("stream");
  readonly #connections: number[] = [];
  #closed = false;

  constructor() {
    const address = parseAddress(this.path);
    bind(this.#listener, address);
    listen(this.#listener, 0);
    const first = socket("stream");
    this.#connections.push(first);
    check("connect", tryConnect(first, address));
  }

  /** Makes room for one more. */
  accept(): void {
    this.#connections.push(check("accept4", tryAccept(this.#listener)));
  }

  close(): void {
    if (!this.#closed) close(this.#listener);
    this.#closed = true;
  }

  [Symbol.dispose](): void {
    this.close();
    this.#connections.forEach(close);
  }
}

Deno.test("FdSocket.connect() tries again and again while the listener's queue is full", async () => {
  using listener = new FullListener();
  const { connect } = socketLibc();
  let attempts = 0;
  using _count = shadow(socketLibc(), "connect", () => (...args) => {
    attempts++;
    return connect(...args);
  });
  const connection = FdSocket.connect(listener.path);
  await eventually("it has tried again", () => attempts >= 3);
  assert(await isPending(connection));
  listener.accept();
  using client = await deadline(connection, PATIENCE);
  assert(!client.closed);
});

Deno.test("FdSocket.connect() can be aborted while the listener's queue is full", async () => {
  using listener = new FullListener();
  const before = openFds();
  const controller = new AbortController();
  const connection = FdSocket.connect(listener.path, { signal: controller.signal });
  assert(await isPending(connection));
  const reason = new Error("no need");
  controller.abort(reason);
  assertEquals(await deadline(assertRejects(() => connection), PATIENCE), reason);
  await idle();
  assertEquals(openFds(), before);
});

Deno.test("FdSocket.connect() is refused when a listener with a full queue is closed", async () => {
  using listener = new FullListener();
  const connection = FdSocket.connect(listener.path);
  assert(await isPending(connection));
  listener.close();
  const error = await deadline(assertRejects(() => connection, SyscallError), PATIENCE);
  assertEquals(error.code, "ECONNREFUSED");
});

/** A socket as other programs have it: its calls wait, and it survives an exec. */
function foreignPair(type: number): number[] {
  const ends = new Int32Array(2);
  const bytes = new Uint8Array(ends.buffer);
  check("socketpair", attempt(() => socketLibc().socketpair(AF_UNIX, type, 0, bytes)));
  return [...ends];
}

Deno.test("FdSocket.fromFd() takes over a socket that would wait in each call", async () => {
  const before = openFds();
  {
    const [one, other] = foreignPair(SOCK_STREAM);
    assertEquals([one, other].map(isCloseOnExec), [false, false]);
    using near = FdSocket.fromFd(one);
    using far = FdSocket.fromFd(other);
    assertEquals([near.fd, far.fd], [one, other]);
    assertEquals([one, other].map(isCloseOnExec), [true, true]);
    const message = far.receive();
    assert(await isPending(message));
    await near.send("there");
    assertEquals(textOf(await deadline(message, PATIENCE)), "there");
    fill(near);
  }
  await idle();
  assertEquals(openFds(), before);
});

Deno.test("FdSocket.fromFd() sees which type the socket has", async () => {
  using pair = new Pair("seqpacket");
  using near = FdSocket.fromFd(pair.near.intoFd());
  using far = FdSocket.fromFd(pair.far.intoFd());
  await near.send("one");
  await near.send("two");
  assertEquals(textOf(await far.receive()), "one");
  using self = PidFd.fromSelf();
  await near.send("", [self]);
  assertEquals(textOf(await far.receive()), "two");
  const [fd] = (await far.receive())!.fds;
  using received = PidFd.fromFd(fd.intoFd());
  assert(received.equals(self));
});

Deno.test("FdSocket.fromFd() leaves alone what is no UNIX socket of the two types", () => {
  const make = (domain: number, type: number) =>
    check("socket", attempt(() => socketLibc().socket(domain, type, 0)));
  const { read, write } = pipe();
  const fds = [
    ...[read, write, openFile("/dev/null"), openFile("/tmp"), PidFd.fromSelf().intoFd()],
    ...[make(AF_INET, SOCK_STREAM), make(AF_INET, SOCK_DGRAM), ...foreignPair(SOCK_DGRAM)],
  ];
  try {
    for (const fd of fds) setCloseOnExec(fd, false);
    const links = fds.map(openOn);
    for (const fd of fds) {
      const message = `fd must be a UNIX socket: ${fd} is something else`;
      assertThrows(() => FdSocket.fromFd(fd), TypeError, message);
    }
    assertEquals(fds.map(openOn), links);
    assertEquals(fds.map(isCloseOnExec), fds.map(() => false));
  } finally {
    fds.forEach(close);
  }
});

Deno.test("FdSocket.fromFd() refuses what is no open descriptor", () => {
  const error = assertThrows(() => FdSocket.fromFd(1_000_000), SyscallError);
  assertEquals(error.code, "EBADF");
  const closed = someClosedFd();
  assertThrows(() => FdSocket.fromFd(closed), SyscallError, "EBADF");
  assertThrows(() => FdSocket.fromFd(-1), RangeError, "fd must be an integer");
  assertThrows(() => FdSocket.fromFd(1.5), RangeError, "fd must be an integer");
  assertThrows(() => FdSocket.fromFd("3" as never), TypeError, 'fd must be a number: "3"');
});

/** A number that was a socket's a moment ago. */
function someClosedFd(): number {
  using pair = new Pair();
  return pair.near.fd;
}
