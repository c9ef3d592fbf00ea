/**
 * Ending a process in two steps: what it is sent and when, and what the caller is told.
 *
 * @module
 */

import { assertEquals, assertRejects } from "@std/assert";
import { deadline } from "@std/async";
import { exitInfo } from "../../ffi/capabilities.ts";
import { libc } from "../../ffi/libc.ts";
import { type Child, PidFd, type Signal, spawn, SyscallError } from "../../mod.ts";
import {
  blockUntilEnded,
  blockUntilReaped,
  isZombie,
  startHeld,
  startShell,
  startUnreaped,
} from "../support/children.ts";
import { eventually, PATIENCE, readStat, startStranger } from "../support/processes.ts";
import { isPending, nextTurn } from "../support/promises.ts";
import { shadow } from "../support/shadow.ts";
import { needing } from "../support/skip.ts";
import { childrenOf } from "../support/trees.ts";

const SIGNALS: [Signal | undefined, number][] = [
  [undefined, 15],
  ["SIGINT", 2],
  [10, 10],
  [40, 40],
  ["SIGKILL", 9],
];

for (const [signal, number] of SIGNALS) {
  Deno.test(`PidFd.terminate() with signal ${signal} ends the process by signal ${number}`, async () => {
    const child = spawn("sleep", { args: ["60"] });
    using pidfd = child.pidfd;
    const status = await deadline(pidfd.terminate({ signal }), PATIENCE);
    assertEquals([status.success, status.signalNumber], [false, number]);
    assertEquals(status, await child.status);
  });
}

/** Starts a shell that has this trap for SIGTERM, and exits with 7 when its input ends. */
async function startTrapping(action: string): Promise<Child> {
  const child = spawn("sh", {
    args: ["-c", `trap '${action}' TERM; echo; read _; exit 7`],
    stdin: "piped",
    stdout: "piped",
  });
  await deadline(child.stdout.getReader().read(), PATIENCE);
  return child;
}

/** Resolves once everything has happened that waits for nothing but its turn. */
async function settled(): Promise<void> {
  for (let i = 0; i < 20; i++) await nextTurn();
}

Deno.test("PidFd.terminate() leaves it to the process how to end", async () => {
  await using child = await startTrapping("exit 3");
  const { code } = await deadline(child.pidfd.terminate(), PATIENCE);
  assertEquals(code, 3);
});

Deno.test("PidFd.terminate() kills a process that goes on, once its grace is over", async () => {
  for (const grace of [0, 1, 100]) {
    await using child = await startTrapping("");
    const begin = performance.now();
    const { signal } = await deadline(child.pidfd.terminate({ grace }), PATIENCE);
    assertEquals(signal, "SIGKILL");
    // A timer may fire within the millisecond before.
    assertEquals(performance.now() - begin > grace - 1, true);
  }
});

for (const grace of [60_000, 2 ** 31 - 1, 2 ** 31, 2 ** 53, Infinity]) {
  Deno.test(`PidFd.terminate() kills nothing before a grace of ${grace} is over`, async () => {
    await using child = await startTrapping("");
    const terminated = child.pidfd.terminate({ grace });
    await settled();
    assertEquals([await isPending(terminated), child.pidfd.isAlive()], [true, true]);
    await child.stdin.close();
    assertEquals((await deadline(terminated, PATIENCE)).code, 7);
  });
}

Deno.test("PidFd.terminate() ends a stopped process, which gets to act on the signal", async () => {
  await using child = await startTrapping("exit 3");
  child.kill("SIGSTOP");
  await eventually("the shell stopped", () => readStat(child.pid)?.state === "T");
  assertEquals((await deadline(child.pidfd.terminate(), PATIENCE)).code, 3);
});

Deno.test("PidFd.terminate() resolves for a process that has ended, and sends nothing", async () => {
  using sent = countSignals();
  const child = spawn("sh", { args: ["-c", "exit 7"] });
  await deadline(child.status, PATIENCE);
  using pidfd = child.pidfd;
  assertEquals((await pidfd.terminate()).code, 7);
  using zombie = startUnreaped("exit 7");
  blockUntilEnded(zombie.pid);
  assertEquals((await zombie.pidfd.terminate()).code, 7);
  assertEquals([sent.count, isZombie(zombie.pid)], [0, true]);
});

/** Counts the signals that are sent until the end of the block. */
function countSignals(): Disposable & { readonly count: number } {
  const { syscall_pidfd_send_signal: send } = libc();
  let count = 0;
  const shadowed = shadow(libc(), "syscall_pidfd_send_signal", () => (...args) => {
    count++;
    return send(...args);
  });
  return {
    get count() {
      return count;
    },
    [Symbol.dispose]: () => shadowed[Symbol.dispose](),
  };
}

Deno.test("PidFd.terminate() can be called again, and at the same time", async () => {
  const child = spawn("sleep", { args: ["60"] });
  using pidfd = child.pidfd;
  using clone = pidfd.clone();
  const all = [pidfd.terminate(), pidfd.terminate({ signal: "SIGINT" }), clone.terminate()];
  const [first, ...others] = await deadline(Promise.all(all), PATIENCE);
  assertEquals(others, [first, first]);
  assertEquals(await pidfd.terminate(), first);
  assertEquals(await child.status, first);
});

Deno.test("PidFd.terminate() leaves the status of Deno's child to Deno", async () => {
  await using held = startHeld();
  using pidfd = PidFd.fromChild(held.child);
  assertEquals((await deadline(pidfd.terminate(), PATIENCE)).signal, "SIGTERM");
  assertEquals((await held.child.status).signal, "SIGTERM");
});

Deno.test("PidFd.terminate() takes a status from Deno where the kernel doesn't tell it", async () => {
  using _older = shadow(exitInfo, "available", () => false);
  const child = startShell("exec sleep 60");
  using pidfd = PidFd.fromChild(child);
  assertEquals((await deadline(pidfd.terminate(), PATIENCE)).signal, "SIGTERM");
  await child.status;
});

Deno.test({
  ...needing(
    exitInfo.since,
    exitInfo.available !== false,
    "PidFd.terminate() ends a stranger, and tells how once its parent has reaped it",
  ),
  async fn() {
    await using stranger = await startStranger("exec sleep 60");
    using pidfd = PidFd.fromPid(stranger.pid);
    const terminated = pidfd.terminate();
    await deadline(pidfd.exited(), PATIENCE);
    await settled();
    assertEquals(await isPending(terminated), true);
    await stranger.reap();
    assertEquals((await deadline(terminated, PATIENCE)).signal, "SIGTERM");
  },
});

Deno.test("PidFd.terminate() ends a stranger before Linux 6.15, though it can't tell how", async () => {
  using _older = shadow(exitInfo, "available", () => false);
  await using stranger = await startStranger("exec sleep 60", "at once");
  using pidfd = PidFd.fromPid(stranger.pid);
  const terminate = () => deadline(pidfd.terminate(), PATIENCE);
  assertEquals((await assertRejects(terminate, SyscallError)).code, "ECHILD");
  assertEquals(pidfd.isAlive(), false);
});

Deno.test("PidFd.terminate() leaves the process's children alone", async () => {
  const child = spawn("sh", { args: ["-c", "sleep 60 & echo; wait"], stdout: "piped" });
  await deadline(child.stdout.getReader().read(), PATIENCE);
  const [pid] = childrenOf(child.pid);
  using grandchild = PidFd.fromPid(pid);
  using pidfd = child.pidfd;
  await deadline(Promise.all([pidfd.terminate(), child.status]), PATIENCE);
  assertEquals(grandchild.isAlive(), true);
  grandchild.kill();
  await deadline(grandchild.exited(), PATIENCE);
});

/** What comes between the look at a process and the signal to it. */
async function terminateAfter(pidfd: PidFd, before: () => void): Promise<unknown> {
  const { syscall_pidfd_send_signal: send } = libc();
  let isFirst = true;
  using _late = shadow(libc(), "syscall_pidfd_send_signal", () => (...args) => {
    if (isFirst) {
      isFirst = false;
      before();
    }
    return send(...args);
  });
  return await deadline(pidfd.terminate(), PATIENCE);
}

Deno.test("PidFd.terminate() resolves for a process that ends before the signal comes", async () => {
  const child = spawn("sleep", { args: ["60"] });
  using pidfd = child.pidfd;
  const kill = () => {
    pidfd.kill();
    blockUntilEnded(child.pid);
  };
  assertEquals(await terminateAfter(pidfd, kill), await child.status);
});

Deno.test({
  ...needing(
    exitInfo.since,
    exitInfo.available !== false,
    "PidFd.terminate() resolves for a stranger that is reaped before the signal comes",
  ),
  async fn() {
    await using stranger = await startStranger("exec sleep 60", "at once");
    using pidfd = PidFd.fromPid(stranger.pid);
    const reap = () => {
      pidfd.kill();
      blockUntilReaped(stranger.pid);
    };
    await terminateAfter(pidfd, reap);
    assertEquals(pidfd.tryWait()?.signal, "SIGKILL");
  },
});
