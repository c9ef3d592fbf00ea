/**
 * The ways to a handle, and that none of them leads to another process than the one meant.
 *
 * @module
 */

import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { deadline } from "@std/async";
import { idHandles, infoIoctl, pidfsIds, threadPidfds } from "../../ffi/capabilities.ts";
import { close, O_PATH, pipe, setCloseOnExec } from "../../ffi/files.ts";
import { libc } from "../../ffi/libc.ts";
import { socketpair } from "../../ffi/sockets.ts";
import { PidFd, SyscallError, UnsupportedError } from "../../mod.ts";
import { statfs } from "../../structs/stat.ts";
import { blockUntilEnded, startHeld, startShell, startUnreaped } from "../support/children.ts";
import { isCloseOnExec, openFile, openOn } from "../support/fds.ts";
import { openFds, PATIENCE, readStat, runForValue } from "../support/processes.ts";
import { shadow, without } from "../support/shadow.ts";
import { needing } from "../support/skip.ts";

/** No process can have this PID: the kernel gives none above 2^22. */
const NOBODY = 2 ** 31 - 1;

/** A thread of this process beside the main one: the engine's first, which stays to the end. */
const THREAD = Math.min(
  ...[...Deno.readDirSync("/proc/self/task")]
    .map(({ name }) => Number(name))
    .filter((tid) => tid !== Deno.pid),
);

/** Checks that something is refused with a SyscallError, and that it leaves no fd. */
function assertRefuses(act: () => unknown, code: string, message: string): void {
  const before = openFds();
  assertEquals(assertThrows(act, SyscallError, message).code, code);
  assertEquals(openFds(), before);
}

Deno.test("PidFd.fromSelf() is a handle on this program", () => {
  using self = PidFd.fromSelf();
  assertEquals([self.getPid(), self.isAlive()], [Deno.pid, true]);
});

Deno.test("PidFd.fromPid() is a handle on the process with the PID", () => {
  using child = startUnreaped("exec sleep 60");
  using pidfd = PidFd.fromPid(child.pid);
  assertEquals([pidfd.getPid(), pidfd.isAlive()], [child.pid, true]);
});

Deno.test("PidFd.fromPid() takes a zombie, too", () => {
  using child = startUnreaped("exit 0");
  blockUntilEnded(child.pid);
  using pidfd = PidFd.fromPid(child.pid);
  assertEquals([pidfd.getPid(), pidfd.isAlive()], [child.pid, false]);
});

Deno.test("PidFd.fromPid() says that there is no such process", () => {
  assertRefuses(() => PidFd.fromPid(NOBODY), "ESRCH", `there is no process ${NOBODY}`);
});

Deno.test(
  needing(
    "Linux 6.9",
    pidfsIds.available,
    "PidFd.fromPid() takes an id, and nobody with another one",
  ),
  () => {
    using self = PidFd.fromSelf();
    const id = self.getId();
    using again = PidFd.fromPid(Deno.pid, { id });
    assert(again.equals(self));
    const gone = id + 1n;
    const message = `the process with id ${gone} is gone; PID ${Deno.pid} now belongs to id ${id}`;
    assertRefuses(() => PidFd.fromPid(Deno.pid, { id: gone }), "ESRCH", message);
  },
);

Deno.test("PidFd.fromPid() says that ids and threads need Linux 6.9", () => {
  using _ids = without(pidfsIds);
  using _threads = without(threadPidfds);
  const before = openFds();
  for (
    const [options, feature] of [
      [{ id: 1n }, "a process's id (pidfs)"],
      [{ thread: true }, "PIDFD_THREAD"],
    ] as const
  ) {
    const error = assertThrows(() => PidFd.fromPid(Deno.pid, options), UnsupportedError);
    assertEquals([error.feature, error.since], [feature, "Linux 6.9"]);
  }
  assertEquals(openFds(), before);
});

Deno.test("PidFd.fromPid() says what to do with a thread's ID", () => {
  const error = assertThrows(() => PidFd.fromPid(THREAD), SyscallError, "is a thread's ID");
  // ENOENT from Linux 6.15 on.
  assert(error.code === "ENOENT" || error.code === "EINVAL", error.code);
  assertStringIncludes(error.message, `${THREAD} is a thread's ID, not a process's`);
});

Deno.test(
  needing("Linux 6.9", threadPidfds.available, "PidFd.fromPid() gives a handle on one thread"),
  () => {
    for (const tid of [THREAD, Deno.pid]) {
      using thread = PidFd.fromPid(tid, { thread: true });
      const { pid, tgid, ppid } = thread.getInfo();
      assertEquals([thread.getPid(), pid, tgid, ppid], [tid, tid, Deno.pid, Deno.ppid]);
      using _ = without(infoIoctl);
      assertEquals([thread.getPid(), thread.getInfo().tgid], [tid, Deno.pid]);
    }
    using self = PidFd.fromSelf();
    using thread = PidFd.fromPid(THREAD, { thread: true });
    assertEquals([thread.isAlive(), thread.equals(self)], [true, false]);
  },
);

Deno.test("PidFd.fromChild() is a handle on a child of Deno's", async () => {
  await using held = startHeld();
  using pidfd = PidFd.fromChild(held.child);
  assertEquals([pidfd.getPid(), pidfd.getPpid()], [held.child.pid, Deno.pid]);
});

Deno.test("PidFd.fromChild() takes a child that has ended, before Deno has reaped it", async () => {
  const child = startShell("exit 7");
  blockUntilEnded(child.pid);
  using pidfd = PidFd.fromChild(child);
  assertEquals([pidfd.isAlive(), pidfd.waitSync().code], [false, 7]);
  await child.status;
});

Deno.test("PidFd.fromChild() says that Deno has reaped the child, and what to do", async () => {
  const child = startShell("exit 7");
  await deadline(child.status, PATIENCE);
  assertEquals(readStat(child.pid), null);
  const message = `Deno reaped its child ${child.pid}: take the handle right after spawn()`;
  assertRefuses(() => PidFd.fromChild(child), "ESRCH", message);
});

Deno.test(
  needing(
    "Linux 6.14",
    idHandles.available,
    "PidFd.fromId() is a handle on the process with the id",
  ),
  () => {
    using child = startUnreaped("exec sleep 60");
    const id = child.pidfd.getId();
    const before = openFds();
    {
      using pidfd = PidFd.fromId(id);
      assertEquals([pidfd.getPid(), pidfd.getId()], [child.pid, id]);
      assertEquals(openFds().length, before.length + 1);
    }
    child.pidfd.kill();
    child.pidfd.waitSync({ reap: true });
    assertRefuses(() => PidFd.fromId(id), "ESTALE", `the process with id ${id} was reaped`);
  },
);

Deno.test("PidFd.fromId() says what works before Linux 6.14", () => {
  using _ = without(idHandles);
  const error = assertThrows(() => PidFd.fromId(1n), UnsupportedError, "fromPid(pid, { id })");
  assertEquals(error.since, "Linux 6.14");
});

Deno.test("PidFd.fromFd() takes over a pidfd, and makes it close-on-exec", () => {
  using self = PidFd.fromSelf();
  const fd = self.clone().intoFd();
  setCloseOnExec(fd, false);
  using pidfd = PidFd.fromFd(fd);
  assertEquals([pidfd.fd, pidfd.getPid(), isCloseOnExec(fd)], [fd, Deno.pid, true]);
});

Deno.test("PidFd.fromFd() takes over what was a pidfd before Linux 6.9", () => {
  using self = PidFd.fromSelf();
  const fd = self.clone().intoFd();
  using _ids = without(pidfsIds);
  using _magic = shadow(libc(), "fstatfs", () => (_fd, buffer) => {
    // On the file system of all anonymous files (ANON_INODE_FS_MAGIC).
    (buffer as Uint8Array).set(statfs.encode({ f_type: 0x09041934n }));
    return 0;
  });
  using pidfd = PidFd.fromFd(fd);
  assertEquals([pidfd.fd, pidfd.getPid()], [fd, Deno.pid]);
  const file = openFile("/dev/null");
  assertThrows(
    () => PidFd.fromFd(file),
    TypeError,
    `fd must be a pidfd: ${file} is something else`,
  );
  close(file);
});

/** What is no pidfd. */
const OTHERS: Record<string, () => number[]> = {
  "a file": () => [openFile("/etc/passwd")],
  "a folder": () => [openFile("/")],
  "a place in the file tree": () => [openFile("/", O_PATH)],
  "a device": () => [openFile("/dev/null")],
  "a file of /proc": () => [openFile("/proc/self/status")],
  "a pipe": () => Object.values(pipe()),
  "a socket": () => socketpair("stream"),
  "an anonymous file": () => [libc().eventfd(0, 0o2000000)],
  "a namespace": () => {
    using self = PidFd.fromSelf();
    return [self.getNamespace("net").intoFd()];
  },
};

for (const [what, open] of Object.entries(OTHERS)) {
  Deno.test(`PidFd.fromFd() refuses ${what}, and leaves it as it was`, () => {
    const fds = open();
    for (const fd of fds) {
      const before = openOn(fd);
      for (const closeOnExec of [true, false]) {
        setCloseOnExec(fd, closeOnExec);
        for (const hidden of [[], [pidfsIds]]) {
          using stack = new DisposableStack();
          hidden.forEach((capability) => stack.use(without(capability)));
          const message = `fd must be a pidfd: ${fd} is something else`;
          assertThrows(() => PidFd.fromFd(fd), TypeError, message);
        }
        assertEquals([openOn(fd), isCloseOnExec(fd)], [before, closeOnExec]);
      }
    }
    fds.forEach(close);
  });
}

Deno.test("PidFd.fromFd() says that there is no such descriptor", () => {
  using self = PidFd.fromSelf();
  const fd = self.clone().intoFd();
  close(fd);
  assertRefuses(() => PidFd.fromFd(fd), "EBADF", "fcntl: EBADF");
  assertRefuses(() => PidFd.fromFd(NOBODY), "EBADF", "fcntl: EBADF");
});

Deno.test("PidFd that isn't close-on-exec is inherited, and works in the program that gets it", async () => {
  using child = startUnreaped("exec sleep 60");
  child.pidfd.setCloseOnExec(false);
  const program = `
    import { PidFd } from "@pidfd/util";
    using pidfd = PidFd.fromFd(${child.pidfd.fd});
    const before = [pidfd.getPid(), pidfd.isAlive()];
    pidfd.kill();
    await pidfd.exited();
    console.log(JSON.stringify([...before, pidfd.isAlive()]));
  `;
  assertEquals(await runForValue(program), [child.pid, true, false]);
  assertEquals(child.pidfd.waitSync({ reap: true }).signal, "SIGKILL");
});

Deno.test("PidFd that is close-on-exec isn't inherited", async () => {
  using self = PidFd.fromSelf();
  self.setCloseOnExec(false);
  self.setCloseOnExec(true);
  const program = `
    import { PidFd } from "@pidfd/util";
    let found = "nothing";
    try {
      using pidfd = PidFd.fromFd(${self.fd});
      found = pidfd.getPid();
    } catch {
      // Not there, or a file of the program's own.
    }
    console.log(JSON.stringify(found));
  `;
  assertEquals(await runForValue(program), "nothing");
});
