/**
 * What is sent and received beside the data of one message.
 *
 * @module
 */

import { assert, assertEquals, assertThrows } from "@std/assert";
import { attempt, check } from "../../ffi/call.ts";
import { socketLibc } from "../../ffi/socket_symbols.ts";
import { tryPassPidfd, trySend } from "../../ffi/sockets.ts";
import { peerPidfds } from "../../ffi/capabilities.ts";
import { type FdMessage, holdFds, receiveNext, unpack } from "../../ipc/message.ts";
import { OwnedFd, PidFd, SyscallError } from "../../mod.ts";
import { decodeControl, intValue, SCM_RIGHTS, SOL_SOCKET } from "../../structs/socket.ts";
import { isCloseOnExec, openOn } from "../support/fds.ts";
import { openFds } from "../support/processes.ts";
import { needing } from "../support/skip.ts";
import { closeAll, encode, Pair, someFd, textOf, TYPES } from "../support/sockets.ts";

const SO_PASSCRED = 16;

/** The descriptors that a control message passes. */
function fdsIn(control: Uint8Array<ArrayBuffer>): number[] {
  const [{ level, type, data }] = decodeControl(control);
  assertEquals([level, type], [SOL_SOCKET, SCM_RIGHTS]);
  return [...new Int32Array(data.buffer)];
}

/** Has a socket receive what its sender's credentials are, which the library doesn't ask for. */
function passCredentials(fd: number): void {
  const on = intValue.encode({ value: 1 });
  check(
    "setsockopt",
    attempt(() => socketLibc().setsockopt(fd, SOL_SOCKET, SO_PASSCRED, on, on.length)),
  );
}

/** Receives the message that the far socket has got. */
function receive({ far }: Pair): FdMessage {
  return unpack(receiveNext(far.fd, "stream")!);
}

Deno.test("holdFds() holds duplicates, which stay when the caller closes its own", () => {
  const before = openFds();
  {
    const own = someFd();
    using self = PidFd.fromSelf();
    using other = someFd();
    const link = openOn(own.fd);
    using held = holdFds([own, self, other.fd, own]);
    own.close();
    const fds = fdsIn(held.control);
    const expected = [link, openOn(self.fd), openOn(other.fd), link];
    assertEquals(fds.map(openOn), expected);
    assertEquals(fds.map(isCloseOnExec), [true, true, true, true]);
    assertEquals(new Set([...fds, self.fd, other.fd]).size, 6);
  }
  assertEquals(openFds(), before);
});

Deno.test("holdFds() closes its duplicates once, however often it is told to", () => {
  using own = someFd();
  const held = holdFds([own]);
  const [fd] = fdsIn(held.control);
  held[Symbol.dispose]();
  // It gets the number that was freed.
  using next = own.clone();
  assertEquals(next.fd, fd);
  held[Symbol.dispose]();
  assert(openOn(next.fd) !== null);
});

Deno.test("holdFds() holds nothing if there is nothing to hold", () => {
  const before = openFds();
  using held = holdFds([]);
  assertEquals(held.control.length, 0);
  assertEquals(openFds(), before);
});

Deno.test("holdFds() refuses more than 253 descriptors before it holds one", () => {
  using own = someFd();
  const before = openFds();
  {
    using held = holdFds(Array(253).fill(own));
    assertEquals(fdsIn(held.control).length, 253);
    assertEquals(openFds().length, before.length + 253);
  }
  const message = "fds must be at most 253 descriptors: 254";
  assertThrows(() => holdFds(Array(254).fill(own)), RangeError, message);
  // Not even what they are matters then.
  assertThrows(() => holdFds(Array(254).fill("x")), RangeError, message);
  assertEquals(openFds(), before);
});

Deno.test("holdFds() refuses what is no descriptor, and holds none of the others", () => {
  using own = someFd();
  const closed = someFd();
  closed.close();
  const closedPidfd = PidFd.fromSelf();
  closedPidfd.close();
  const before = openFds();
  assertThrows(() => holdFds([own, closed]), Deno.errors.BadResource, "fds[1] is closed");
  assertThrows(() => holdFds([closedPidfd]), Deno.errors.BadResource, "fds[0] is closed");
  assertThrows(() => holdFds([own, "3" as never]), TypeError, 'fds[1] must be a number: "3"');
  assertThrows(() => holdFds([own, own, -1]), RangeError, "fds[2] must be an integer");
  assertThrows(() => holdFds("3" as never), TypeError, 'fds must be an array: "3"');
  assertThrows(() => holdFds(own as never), TypeError, "fds must be an array");
  const error = assertThrows(() => holdFds([own, own, 1_000_000]), SyscallError);
  assertEquals([error.code, error.syscall], ["EBADF", "fcntl"]);
  assertEquals(openFds(), before);
});

for (const type of TYPES) {
  Deno.test(`receiveNext() is undefined if no ${type} message is there, and null at the end`, () => {
    using pair = new Pair(type);
    assertEquals(receiveNext(pair.far.fd, type), undefined);
    pair.near.close();
    assertEquals(receiveNext(pair.far.fd, type), null);
  });

  Deno.test(`receiveNext() reports what the kernel does with a ${type} socket`, () => {
    const error = assertThrows(() => receiveNext(1_000_000, type), SyscallError);
    assertEquals([error.code, error.syscall], ["EBADF", "recvmsg"]);
  });
}

Deno.test("unpack() gives the data that came, and no more", () => {
  using pair = new Pair();
  trySend(pair.near.fd, encode("abc"));
  const message = receive(pair);
  assertEquals(message, { data: encode("abc"), fds: [], sender: null });
});

Deno.test("unpack() owns the descriptors that came, in their order", () => {
  using pair = new Pair();
  using one = someFd();
  using other = someFd();
  const before = openFds();
  {
    using held = holdFds([one, other, one]);
    trySend(pair.near.fd, encode("x"), held.control);
  }
  const message = receive(pair);
  const fds = message.fds;
  assert(fds.every((fd) => fd instanceof OwnedFd));
  assertEquals(fds.map(({ fd }) => openOn(fd)), [one, other, one].map(({ fd }) => openOn(fd)));
  assertEquals(fds.map(({ fd }) => isCloseOnExec(fd)), [true, true, true]);
  closeAll(message);
  assertEquals(openFds(), before);
});

Deno.test("unpack() passes over control messages that it didn't ask for", () => {
  using pair = new Pair();
  using own = someFd();
  passCredentials(pair.far.fd);
  using held = holdFds([own]);
  trySend(pair.near.fd, encode("x"), held.control);
  const message = receive(pair);
  assertEquals([message.fds.length, message.sender], [1, null]);
  assertEquals(openOn(message.fds[0].fd), openOn(own.fd));
  closeAll(message);
});

Deno.test(
  needing("Linux 6.5", peerPidfds.available, "unpack() has room for all that can come"),
  () => {
    using pair = new Pair("seqpacket");
    using own = someFd();
    using self = PidFd.fromSelf();
    const before = openFds();
    check("setsockopt", tryPassPidfd(pair.far.fd, true));
    passCredentials(pair.far.fd);
    {
      using held = holdFds(Array(253).fill(own));
      trySend(pair.near.fd, encode("all"), held.control);
    }
    const message = receive(pair);
    assertEquals(textOf(message), "all");
    assertEquals(message.fds.length, 253);
    assert(message.sender?.equals(self));
    closeAll(message);
    assertEquals(openFds(), before);
  },
);
