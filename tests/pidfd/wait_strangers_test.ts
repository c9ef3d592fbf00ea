/**
 * Processes that are not children of this one: what can be known of their end, and when.
 *
 * @module
 */

import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { deadline } from "@std/async";
import { exitInfo, pidfsIds } from "../../ffi/capabilities.ts";
import { libc } from "../../ffi/libc.ts";
import { PidFd, SyscallError } from "../../mod.ts";
import { PIDFD_INFO_EXIT, pidfdInfoVer1 } from "../../structs/pidfd_info.ts";
import { isZombie, startShell } from "../support/children.ts";
import { eventually, idle, PATIENCE, startStranger } from "../support/processes.ts";
import { shadow, without } from "../support/shadow.ts";
import { needing } from "../support/skip.ts";

const canTell = exitInfo.available !== false;

Deno.test("PidFd.exited() resolves at a stranger's death, long before it is reaped", async () => {
  await using stranger = await startStranger("exec sleep 60");
  using pidfd = PidFd.fromPid(stranger.pid);
  const exited = pidfd.exited();
  assert(pidfd.isAlive());
  pidfd.kill();
  await deadline(exited, PATIENCE);
  assert(isZombie(stranger.pid));
  assert(!pidfd.isAlive());
  await stranger.reap();
  await deadline(pidfd.exited(), PATIENCE);
});

Deno.test(
  needing("Linux 6.15", canTell, "PidFd.wait() gives a stranger's status once it was reaped"),
  async () => {
    await using stranger = await startStranger("exit 7");
    using pidfd = PidFd.fromPid(stranger.pid);
    let told = false;
    const wait = pidfd.wait().finally(() => told = true);
    await deadline(pidfd.exited(), PATIENCE);
    // By the time that another process's end was reported, its own would have been, too.
    await endAnother();
    assert(isZombie(stranger.pid));
    assert(!told);
    await stranger.reap();
    assertEquals((await deadline(wait, PATIENCE)).code, 7);
    assertEquals((await pidfd.wait()).code, 7);
  },
);

Deno.test(
  needing("Linux 6.15", canTell, "PidFd.wait() gives several waiters a stranger's status"),
  async () => {
    await using stranger = await startStranger("exec sleep 60");
    using pidfd = PidFd.fromPid(stranger.pid);
    using clone = pidfd.clone();
    using another = PidFd.fromPid(stranger.pid);
    const waits = Promise.all([pidfd, pidfd, clone, another].map((handle) => handle.wait()));
    pidfd.kill();
    await deadline(another.exited(), PATIENCE);
    const late = pidfd.wait();
    await stranger.reap();
    const statuses = await deadline(Promise.all([waits, late]), PATIENCE);
    assertEquals(statuses.flat().map(({ signal }) => signal), Array(5).fill("SIGKILL"));
  },
);

Deno.test(
  needing("Linux 6.15", canTell, "PidFd.wait() can be aborted while a stranger is a zombie"),
  async () => {
    await using stranger = await startStranger("exit 7");
    using pidfd = PidFd.fromPid(stranger.pid);
    await deadline(pidfd.exited(), PATIENCE);
    const controller = new AbortController();
    const wait = assertRejects(() => pidfd.wait({ signal: controller.signal }), DOMException);
    controller.abort();
    await deadline(wait, PATIENCE);
    await idle();
  },
);

Deno.test(
  needing("Linux 6.15", canTell, "PidFd.tryWait() is null for a stranger until it was reaped"),
  async () => {
    await using stranger = await startStranger("exit 7");
    using pidfd = PidFd.fromPid(stranger.pid);
    await eventually("the stranger ended", () => isZombie(stranger.pid));
    assertEquals(pidfd.tryWait(), null);
    await stranger.reap();
    assertEquals(pidfd.tryWait()?.code, 7);
    assertEquals(pidfd.tryWait()?.code, 7);
  },
);

Deno.test(
  needing("Linux 6.15", canTell, "PidFd.waitSync() blocks until a stranger was reaped"),
  async () => {
    await using stranger = await startStranger("exec sleep 60", "at once");
    using pidfd = PidFd.fromPid(stranger.pid);
    pidfd.kill();
    assertEquals(pidfd.waitSync({ timeout: PATIENCE }).signal, "SIGKILL");
  },
);

Deno.test(
  needing("Linux 6.15", canTell, "PidFd.waitSync() says what it has waited for in vain"),
  async () => {
    await using stranger = await startStranger("exec sleep 60");
    using pidfd = PidFd.fromPid(stranger.pid);
    const wait = () => pidfd.waitSync({ timeout: 0 });
    assertThrows(wait, Deno.errors.TimedOut, "the process still runs");
    pidfd.kill();
    await deadline(pidfd.exited(), PATIENCE);
    assertThrows(wait, Deno.errors.TimedOut, "its parent has not reaped it yet");
    await stranger.reap();
    assertEquals(wait().signal, "SIGKILL");
  },
);

Deno.test("PidFd.wait() with reap leaves a stranger to its parent", async () => {
  await using stranger = await startStranger("exit 7");
  using pidfd = PidFd.fromPid(stranger.pid);
  await eventually("the stranger ended", () => isZombie(stranger.pid));
  using _ = without(exitInfo);
  assertThrows(() => pidfd.tryWait({ reap: true }), SyscallError, "ECHILD");
  assert(isZombie(stranger.pid));
});

/** What the message has to say where the kernel can't tell: what is wrong, and what to do. */
const ADVICE =
  "the process is not a child of this program, or other code has reaped it: exited() " +
  "resolves when it ends, and from Linux 6.15 on wait() tells its status";

Deno.test("PidFd.wait() rejects with advice at a stranger's death if the kernel can't tell how", async () => {
  using _ = without(exitInfo);
  await using stranger = await startStranger("exec sleep 60");
  using pidfd = PidFd.fromPid(stranger.pid);
  assertEquals(pidfd.tryWait(), null);
  assertThrows(() => pidfd.waitSync({ timeout: 0 }), Deno.errors.TimedOut, "still runs");
  const exited = pidfd.exited();
  const wait = assertRejects(() => pidfd.wait(), SyscallError, ADVICE);
  pidfd.kill();
  await deadline(exited, PATIENCE);
  assertEquals((await deadline(wait, PATIENCE)).code, "ECHILD");
  assertEquals(assertThrows(() => pidfd.tryWait(), SyscallError, ADVICE).code, "ECHILD");
  assertEquals(assertThrows(() => pidfd.waitSync(), SyscallError, ADVICE).code, "ECHILD");
  await stranger.reap();
  assertEquals((await assertRejects(() => pidfd.wait(), SyscallError, ADVICE)).code, "ECHILD");
});

Deno.test(
  needing(
    "Linux 6.15",
    canTell,
    "PidFd.wait() learns that a kernel can tell from the first reaped process",
  ),
  async () => {
    using _ = kernelThatLeavesItOpen();
    await using stranger = await startStranger("exit 7");
    using pidfd = PidFd.fromPid(stranger.pid);
    await deadline(pidfd.exited(), PATIENCE);
    assertEquals(pidfd.tryWait(), null);
    const wait = pidfd.wait();
    await stranger.reap();
    assertEquals((await deadline(wait, PATIENCE)).code, 7);
    assertEquals(exitInfo.available, true);
  },
);

Deno.test(
  needing(
    "Linux 6.9",
    pidfsIds.available,
    "PidFd.wait() learns that a kernel can't tell from the first reaped process",
  ),
  async () => {
    using _ = kernelThatLeavesItOpen();
    using _older = shadow(libc(), "ioctl", () => ioctlBefore615);
    {
      await using first = await startStranger("exit 7");
      using pidfd = PidFd.fromPid(first.pid);
      await deadline(pidfd.exited(), PATIENCE);
      const wait = assertRejects(() => pidfd.wait(), SyscallError, ADVICE);
      await first.reap();
      await deadline(wait, PATIENCE);
      assertEquals(exitInfo.available, false);
    }
    await using second = await startStranger("exit 7");
    using pidfd = PidFd.fromPid(second.pid);
    await deadline(assertRejects(() => pidfd.wait(), SyscallError, ADVICE), PATIENCE);
  },
);

/** As from Linux 6.13 to 6.15, where no process can find out by asking about itself. */
function kernelThatLeavesItOpen(): Disposable {
  const { learned } = exitInfo;
  exitInfo.learned = undefined;
  const shadowed = shadow(exitInfo, "available", () => exitInfo.learned);
  return {
    [Symbol.dispose]() {
      shadowed[Symbol.dispose]();
      exitInfo.learned = learned;
    },
  };
}

const { ioctl } = libc();
const PIDFD_OPEN = 434;

/** ioctl(2) as it was before PIDFD_INFO_EXIT: nobody answers for a process that was reaped. */
function ioctlBefore615(...args: Parameters<typeof ioctl>): number {
  const result = ioctl(...args);
  const { mask } = pidfdInfoVer1.decode(args[2] as Uint8Array);
  // No process has this PID: a failure with ESRCH that is real, so that errno is, too.
  return (mask & PIDFD_INFO_EXIT) === 0n
    ? result
    : libc().syscall_pidfd_open(PIDFD_OPEN, 2 ** 31 - 1, 0);
}

async function endAnother(): Promise<void> {
  const child = startShell("true");
  using pidfd = PidFd.fromChild(child);
  await deadline(Promise.all([pidfd.wait(), child.status]), PATIENCE);
}
