/**
 * Many cycles of everything that opens an fd, starts a process or takes a thread, and handles
 * that nobody closes: after all that, the program is as it was.
 *
 * @module
 */

import { assert, assertEquals, assertThrows } from "@std/assert";
import { deadline } from "@std/async";
import { OwnedFd, PidFd, spawn, SyscallError } from "../mod.ts";
import { startHeld, startShell } from "./support/children.ts";
import { collected, collectedUntil } from "./support/garbage.ts";
import { eventually, idle, openFds, PATIENCE, threads, zombies } from "./support/processes.ts";

/** Runs something, and checks that it left no fd, no zombie and no thread behind. */
async function leavesNothing(run: () => Promise<void> | void): Promise<void> {
  // What a wait needed can still be there in the turn that it ended in.
  await idle();
  const before = { fds: openFds(), zombies: zombies(), threads: threads() };
  await run();
  await eventually("the fds are closed", () => `${openFds()}` === `${before.fds}`);
  assertEquals(zombies(), before.zombies);
  // A thread of Deno's pool that has nothing to do any more ends after a while.
  await eventually("the threads are given back", () => threads() <= before.threads);
}

Deno.test("PidFd leaves nothing behind after 20,000 cycles of opening and closing", async () => {
  await leavesNothing(() => {
    for (let i = 0; i < 5_000; i++) {
      using self = PidFd.fromSelf();
      using _clone = self.clone();
      using _namespace = self.getNamespace("net");
      using taken = PidFd.fromFd(PidFd.fromPid(Deno.pid).intoFd());
      assert(!taken.closed);
    }
  });
});

Deno.test("PidFd leaves nothing behind after 20,000 calls that fail", async () => {
  const file = Deno.openSync("/dev/null");
  try {
    using self = PidFd.fromSelf();
    await leavesNothing(() => {
      for (let i = 0; i < 5_000; i++) {
        assertThrows(() => PidFd.fromPid(2 ** 31 - 1), SyscallError, "ESRCH");
        assertThrows(() => PidFd.fromPid(Deno.pid, { id: 1n }), Error);
        assertThrows(() => self.getRemoteFd(2 ** 31 - 1), SyscallError, "EBADF");
        assertThrows(() => self.accessProc((proc) => proc.readTextFile("none")), SyscallError);
      }
    });
  } finally {
    file.close();
  }
});

/** Starts and awaits a child of Deno's. */
async function commandCycle(): Promise<void> {
  const child = startShell("exit 7");
  using pidfd = PidFd.fromChild(child);
  const [ours, { code }] = await deadline(Promise.all([pidfd.wait(), child.status]), PATIENCE);
  assertEquals([ours.code, code], [7, 7]);
}

/** Starts and awaits a child of the library's. */
async function spawnCycle(): Promise<void> {
  const child = spawn("sh", { args: ["-c", "exit 7"] });
  using pidfd = child.pidfd;
  const [ours, { code }] = await deadline(Promise.all([pidfd.wait(), child.status]), PATIENCE);
  assertEquals([ours.code, code], [7, 7]);
}

for (const [name, cycle] of Object.entries({ "Deno.Command": commandCycle, spawn: spawnCycle })) {
  Deno.test(`PidFd.wait() leaves nothing behind after 2,000 children of ${name}`, async () => {
    // Some of them take the threads that all others use, one after the other.
    for (let i = 0; i < 50; i++) await cycle();
    await leavesNothing(async () => {
      for (let i = 0; i < 2_000; i++) await cycle();
    });
  });
}

Deno.test("PidFd.wait() leaves nothing behind after 2,000 aborted waits", async () => {
  await using held = startHeld();
  using pidfd = PidFd.fromChild(held.child);
  for (let i = 0; i < 50; i++) await assertAborts(pidfd);
  await leavesNothing(async () => {
    for (let i = 0; i < 2_000; i++) await assertAborts(pidfd);
  });
});

Deno.test("PidFd and OwnedFd are closed by the garbage collector when they are dropped", async () => {
  const before = openFds();
  (function drop() {
    for (let i = 0; i < 100; i++) {
      const self = PidFd.fromSelf();
      assert(!self.clone().closed);
      assert(!self.getNamespace("net").closed);
    }
  })();
  assertEquals(openFds().length, before.length + 300);
  await collectedUntil(() => `${openFds()}` === `${before}`);
});

Deno.test("PidFd that was closed or given away isn't closed again by the garbage collector", async () => {
  const before = openFds();
  const numbers = (function drop() {
    return Array.from({ length: 100 }, () => {
      PidFd.fromSelf().close();
      // It gets the number that the one before had.
      return PidFd.fromSelf().intoFd();
    });
  })();
  await collected();
  const taken = numbers.map((fd) => new OwnedFd(fd));
  assertEquals(openFds().length, before.length + 100);
  taken.forEach((fd) => fd.close());
  assertEquals(openFds(), before);
});

Deno.test("PidFd isn't collected while somebody waits for its process", async () => {
  await using held = startHeld(7);
  const wait = PidFd.fromChild(held.child).wait();
  await collected();
  held.exit();
  assertEquals((await deadline(wait, PATIENCE)).code, 7);
  await held.child.status;
});

async function assertAborts(pidfd: PidFd): Promise<void> {
  const controller = new AbortController();
  const wait = pidfd.wait({ signal: controller.signal });
  controller.abort();
  const [{ status }] = await deadline(Promise.allSettled([wait]), PATIENCE);
  assertEquals(status, "rejected");
}
