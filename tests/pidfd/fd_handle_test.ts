/**
 * The duty to close an fd once: who has it in each state of a handle, and what becomes of those
 * who wait.
 *
 * @module
 */

import { assert, assertEquals, assertNotEquals, assertRejects, assertThrows } from "@std/assert";
import { deadline } from "@std/async";
import { close, inode, pipe } from "../../ffi/files.ts";
import { libc } from "../../ffi/libc.ts";
import { ready } from "../../ffi/readiness.ts";
import { SyscallError } from "../../mod.ts";
import { FdHandle } from "../../pidfd/fd_handle.ts";
import { EPOLLIN } from "../../structs/epoll_event.ts";
import { watchCalls } from "../support/calls.ts";
import { isCloseOnExec, openAs, openFile, openOn } from "../support/fds.ts";
import { collected } from "../support/garbage.ts";
import { idle, openFds, PATIENCE } from "../support/processes.ts";
import { shadow } from "../support/shadow.ts";

function open(): FdHandle {
  return new FdHandle(openFile("/dev/null"), "Thing");
}

type Uses = Readonly<Record<string, (handle: FdHandle) => unknown>>;

/** What is done with the fd itself. */
const DESCRIPTOR_USES: Uses = {
  release: (handle) => handle.release(),
  setCloseOnExec: (handle) => handle.setCloseOnExec(true),
};

/** What needs a handle that isn't closed. */
const ALL_USES: Uses = {
  ...DESCRIPTOR_USES,
  use: (handle) => handle.use(),
  check: (handle) => handle.check(),
  clone: (handle) => handle.clone(),
  inode: (handle) => handle.inode(),
  retire: (handle) => handle.retire(),
};

/** Checks that a handle refuses all uses, as one that is closed. */
function assertClosed(handle: FdHandle): void {
  for (const [name, use] of Object.entries(ALL_USES)) {
    const { message } = assertThrows(() => use(handle), Deno.errors.BadResource);
    assertEquals(message, "this Thing is closed", name);
  }
  assertEquals([handle.fd, handle.closed], [-1, true]);
}

/** Checks that a handle refuses all uses, as one whose process was reaped. */
function assertRetired(handle: FdHandle): void {
  const { code, message } = assertThrows(() => handle.use(), SyscallError);
  const expected = "pidfd: ESRCH: No such process (the process was reaped)";
  assertEquals([code, message], ["ESRCH", expected]);
  for (const [name, use] of Object.entries(DESCRIPTOR_USES)) {
    const { message } = assertThrows(() => use(handle), Deno.errors.BadResource);
    assertEquals(message, "this Thing is closed, as the process was reaped", name);
  }
  assertEquals([handle.fd, handle.closed], [-1, false]);
}

Deno.test("FdHandle.close() closes the fd, once", () => {
  const handle = open();
  const { fd } = handle;
  assertEquals([handle.use(), handle.closed], [fd, false]);
  using calls = watchCalls();
  handle.close();
  assertClosed(handle);
  handle.close();
  assertEquals(calls.names, ["close"]);
  assertEquals(openOn(fd), null);
});

Deno.test("FdHandle.release() leaves the closing to others", () => {
  const handle = open();
  const { fd } = handle;
  using calls = watchCalls();
  assertEquals(handle.release(), fd);
  assertClosed(handle);
  handle.close();
  assertEquals(calls.names, []);
  assertEquals(openOn(fd), "/dev/null");
  close(fd);
});

Deno.test("FdHandle.retire() closes the fd, once, and the handle is not closed yet", () => {
  const handle = open();
  const { fd } = handle;
  using calls = watchCalls();
  handle.retire();
  handle.check();
  assertRetired(handle);
  handle.retire();
  const clone = handle.clone();
  assertRetired(clone);
  handle.close();
  assertClosed(handle);
  assertRetired(clone);
  clone.close();
  assertClosed(clone);
  assertEquals(calls.names.filter((name) => name === "close"), ["close"]);
  assertEquals(openOn(fd), null);
});

Deno.test("FdHandle.clone() has an fd of its own, which is close-on-exec", () => {
  const handle = open();
  handle.setCloseOnExec(false);
  const clone = handle.clone();
  assertNotEquals(clone.fd, handle.fd);
  assertEquals([isCloseOnExec(handle.fd), isCloseOnExec(clone.fd)], [false, true]);
  const { fd } = clone;
  handle.close();
  assertEquals([clone.use(), openOn(fd)], [fd, "/dev/null"]);
  clone.close();
  assertEquals(openOn(fd), null);
  assertClosed(clone);
});

Deno.test("FdHandle.inode() is that of the open file, and of no closed handle", () => {
  const handle = open();
  assertEquals(handle.inode(), BigInt(Deno.statSync("/dev/null").ino!));
  assertEquals(handle.inode(), inode(handle.use()));
  handle.close();
  // Not even if it was asked before.
  assertClosed(handle);
});

Deno.test("FdHandle.setCloseOnExec() refuses what is no boolean", () => {
  const handle = open();
  using calls = watchCalls();
  const wrong = 1 as unknown as boolean;
  assertThrows(() => handle.setCloseOnExec(wrong), TypeError, "on must be a boolean: 1");
  assertEquals(calls.names, []);
  handle.close();
});

/** How a handle ends, and what its waiters are told. */
type End = [
  end: (handle: FdHandle) => void,
  errorClass: typeof SyscallError | typeof Deno.errors.BadResource,
  message: string,
];

const ENDS: Record<string, End> = {
  "close()": [(handle) => handle.close(), Deno.errors.BadResource, "this Thing is closed"],
  "retire()": [(handle) => handle.retire(), SyscallError, "the process was reaped"],
  "release()": [
    (handle) => close(handle.release()),
    Deno.errors.BadResource,
    "this Thing is closed",
  ],
};

for (const [name, [end, errorClass, message]] of Object.entries(ENDS)) {
  Deno.test(`FdHandle.${name} rejects who waits, but not who waits by a clone`, async () => {
    const { read, write } = pipe();
    const handle = new FdHandle(read, "Thing");
    const clone = handle.clone();
    const waits = [1, 2].map(() => ready(handle.use(), EPOLLIN));
    const other = ready(clone.use(), EPOLLIN);
    end(handle);
    for (const wait of waits) {
      await deadline(assertRejects(() => wait, errorClass, message), PATIENCE);
    }
    close(write);
    assert(await deadline(other, PATIENCE) !== 0);
    clone.close();
    handle.close();
    await idle();
  });

  Deno.test(`FdHandle that was dropped after ${name} leaves alone who got the number next`, async () => {
    const before = openFds();
    const fd = (function drop() {
      const handle = open();
      const { fd } = handle;
      end(handle);
      return fd;
    })();
    openAs(fd);
    await collected();
    assertEquals(openOn(fd), "/dev/null");
    close(fd);
    await idle();
    assertEquals(openFds(), before);
  });
}

Deno.test("FdHandle that is dropped is closed by the garbage collector, and a retired one isn't", async () => {
  const { close } = libc();
  const closed: unknown[] = [];
  using _ = shadow(libc(), "close", () => (fd) => {
    closed.push(fd);
    return close(fd);
  });
  const fd = (function drop() {
    const retired = open();
    retired.retire();
    // It has no fd from the beginning.
    assertRetired(retired.clone());
    return open().use();
  })();
  await collected();
  assertEquals(openOn(fd), null);
  assertEquals(closed.includes(-1), false);
});
