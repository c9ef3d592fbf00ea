/**
 * The calls about processes, where the floors above don't show what they do.
 *
 * @module
 */

import { assert, assertEquals, assertGreaterOrEqual, assertThrows } from "@std/assert";
import { idHandles, pidfsIds, threadPidfds } from "../../ffi/capabilities.ts";
import { Errno } from "../../ffi/errno.ts";
import { AT_FDCWD, close, inode, O_RDONLY, openat, pipe, write } from "../../ffi/files.ts";
import {
  getpid,
  hasExited,
  openById,
  PIDFD_THREAD,
  pidfdGetfd,
  pidfdOpen,
  poll,
  setns,
  tryGetfd,
  trySendSignal,
  waitidPidfd,
} from "../../ffi/syscalls.ts";
import { SyscallError } from "../../mod.ts";
import { EPOLLHUP, EPOLLIN, EPOLLOUT } from "../../structs/epoll_event.ts";
import { blockUntilEnded, startUnreaped } from "../support/children.ts";
import { PATIENCE } from "../support/processes.ts";
import { needing } from "../support/skip.ts";

/** No process has this PID, and no fd this number. */
const NONE = 2 ** 31 - 1;

/** An fd that is closed at the end of the block. */
function owned(fd: number): Disposable & { fd: number } {
  return { fd, [Symbol.dispose]: () => close(fd) };
}

/** A pipe whose ends are closed at the end of the block. */
function ownedPipe(): Disposable & { read: number; write: number } {
  const ends = pipe();
  return {
    ...ends,
    [Symbol.dispose]() {
      close(ends.read);
      close(ends.write);
    },
  };
}

function soon(): number {
  return performance.now() + PATIENCE;
}

Deno.test("getpid() is this process's PID", () => {
  assertEquals(getpid(), Deno.pid);
});

Deno.test("pidfdOpen() says which process isn't there", () => {
  assertThrows(
    () => pidfdOpen(NONE, 0),
    SyscallError,
    `pidfd_open: ESRCH: No such process (there is no process ${NONE})`,
  );
});

/** The ID of a thread of this process that is not its first. */
function otherThread(): number {
  const ids = [...Deno.readDirSync("/proc/self/task")].map(({ name }) => Number(name));
  return ids.find((id) => id !== Deno.pid)!;
}

Deno.test("pidfdOpen() says that a thread's ID isn't a process's", () => {
  const thread = otherThread();
  assertThrows(
    () => pidfdOpen(thread, 0),
    SyscallError,
    `${thread} is a thread's ID, not a process's`,
  );
});

Deno.test(
  needing("Linux 6.9", threadPidfds.available, "pidfdOpen() opens a thread if it is asked to"),
  () => {
    using thread = owned(pidfdOpen(otherThread(), PIDFD_THREAD));
    assertEquals(trySendSignal(thread.fd, 0, 0), 0);
    assert(!hasExited(thread.fd));
  },
);

Deno.test("tryGetfd() and pidfdGetfd() say that the process has no such fd", () => {
  using self = owned(pidfdOpen(Deno.pid, 0));
  assertEquals(tryGetfd(self.fd, NONE), -Errno.EBADF);
  assertThrows(
    () => pidfdGetfd(self.fd, NONE),
    SyscallError,
    `pidfd_getfd: EBADF: Bad file descriptor (the process has no file descriptor ${NONE})`,
  );
});

Deno.test("pidfdGetfd() duplicates an fd, so that both are the same open file", () => {
  using self = owned(pidfdOpen(Deno.pid, 0));
  using one = ownedPipe();
  using duplicate = owned(pidfdGetfd(self.fd, one.write));
  assert(duplicate.fd !== one.write);
  write(duplicate.fd, new Uint8Array([1]));
  assertEquals(poll(one.read, EPOLLIN, 0), EPOLLIN);
});

Deno.test("trySendSignal() returns −errno", () => {
  using file = owned(openat(AT_FDCWD, "/dev/null", O_RDONLY));
  assertEquals(trySendSignal(file.fd, 0, 0), -Errno.EBADF);
  assertEquals(trySendSignal(NONE, 0, 0), -Errno.EBADF);
  using self = owned(pidfdOpen(Deno.pid, 0));
  assertEquals(trySendSignal(self.fd, 65, 0), -Errno.EINVAL);
  assertEquals(trySendSignal(self.fd, 0, 0), 0);
});

Deno.test(
  needing(
    "Linux 6.14",
    idHandles.available,
    "openById() finds a process by its id, or says ESTALE",
  ),
  () => {
    using self = owned(pidfdOpen(Deno.pid, 0));
    const id = inode(self.fd);
    using found = owned(openById(self.fd, id));
    assertEquals(inode(found.fd), id);
    assertEquals(openById(self.fd, 2n ** 64n - 1n), -Errno.ESTALE);
  },
);

Deno.test(
  needing("Linux 6.9", pidfsIds.available, "inode() is the same for all pidfds of a process alone"),
  () => {
    using one = owned(pidfdOpen(Deno.pid, 0));
    using other = owned(pidfdOpen(Deno.pid, 0));
    using parent = owned(pidfdOpen(Deno.ppid, 0));
    assertEquals(inode(one.fd), inode(other.fd));
    assert(inode(one.fd) !== inode(parent.fd));
  },
);

Deno.test("waitidPidfd() tells of a child that runs, that ended, and that was reaped", () => {
  using child = startUnreaped("exec sleep 60");
  const { fd } = child.pidfd;
  for (const reap of [false, true]) assertEquals(waitidPidfd(fd, reap), { state: "running" });
  child.pidfd.kill();
  blockUntilEnded(child.pid);
  for (const reap of [false, true]) {
    const look = waitidPidfd(fd, reap);
    assert(look.state === "exited");
    assertEquals([look.exit.code, look.exit.status], [2, 9]);
    assert(look.exit.usage.ru_maxrss > 0);
  }
  assertEquals(waitidPidfd(fd, false), { state: "no child" });
});

Deno.test("waitidPidfd() tells that a process is no child", () => {
  using self = owned(pidfdOpen(Deno.pid, 0));
  assertEquals(waitidPidfd(self.fd, false), { state: "no child" });
});

Deno.test("waitidPidfd() throws if the fd is no pidfd", () => {
  using file = owned(openat(AT_FDCWD, "/dev/null", O_RDONLY));
  assertThrows(() => waitidPidfd(file.fd, false), SyscallError, "waitid: EBADF");
});

Deno.test("setns() returns −errno for what is no namespace", () => {
  using file = owned(openat(AT_FDCWD, "/dev/null", O_RDONLY));
  assertEquals(setns(file.fd, 0), -Errno.EINVAL);
});

Deno.test("poll() returns the events that the fd has, of those that are asked for", () => {
  using one = ownedPipe();
  assertEquals(poll(one.read, EPOLLIN, 0), 0);
  assertEquals(poll(one.write, EPOLLIN | EPOLLOUT, 0), EPOLLOUT);
  write(one.write, new Uint8Array([1]));
  assertEquals(poll(one.read, EPOLLIN, 0), EPOLLIN);
  assertEquals(poll(one.read, EPOLLOUT, 0), 0);
});

Deno.test("poll() returns at a hangup that nobody asked for", () => {
  const { read, write: end } = pipe();
  using _read = owned(read);
  close(end);
  assertEquals(poll(read, 0, soon()), EPOLLHUP);
});

Deno.test("poll() returns 0 at its deadline and not before", () => {
  using one = ownedPipe();
  for (const timeout of [-1000, 0, 0.4, 1, 20.5]) {
    const deadline = performance.now() + timeout;
    assertEquals(poll(one.read, EPOLLIN, deadline), 0);
    assertGreaterOrEqual(performance.now(), deadline);
  }
  assertEquals(poll(one.read, EPOLLIN, -Infinity), 0);
});

Deno.test("poll() looks once even if its deadline is over", () => {
  using one = ownedPipe();
  write(one.write, new Uint8Array([1]));
  assertEquals(poll(one.read, EPOLLIN, -Infinity), EPOLLIN);
});

Deno.test("poll() waits for the event, however far the deadline is", () => {
  for (const timeout of [PATIENCE, 2 ** 31, 2 ** 32 + 1, Number.MAX_VALUE, Infinity]) {
    using child = startUnreaped("sleep 0.02");
    assertEquals(poll(child.pidfd.fd, EPOLLIN, performance.now() + timeout), EPOLLIN);
  }
});

Deno.test("poll() doesn't wait for a number that isn't open", () => {
  const POLLNVAL = 0x20;
  assertEquals(poll(NONE, EPOLLIN, soon()), POLLNVAL);
});

Deno.test("hasExited() is true for a zombie, and once it was reaped", () => {
  using child = startUnreaped("exec sleep 60");
  const { fd } = child.pidfd;
  assertEquals(hasExited(fd), false);
  child.pidfd.kill();
  blockUntilEnded(child.pid);
  assertEquals(hasExited(fd), true);
  waitidPidfd(fd, true);
  assertEquals(hasExited(fd), true);
});
