/**
 * Waits that block, waits that don't wait at all, and who takes the zombie away.
 *
 * @module
 */

import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { deadline } from "@std/async";
import { exitInfo } from "../../ffi/capabilities.ts";
import { type ExitStatus, PidFd, spawn, SyscallError } from "../../mod.ts";
import {
  blockUntilEnded,
  isZombie,
  startHeld,
  startShell,
  startUnreaped,
} from "../support/children.ts";
import { eventually, PATIENCE, readStat } from "../support/processes.ts";
import { without } from "../support/shadow.ts";

Deno.test("PidFd.waitSync() blocks until the process ends", async () => {
  const child = startShell("kill -STOP $$; sleep 0.1; exit 7");
  using pidfd = PidFd.fromChild(child);
  await eventually("it stopped", () => readStat(child.pid)?.state === "T");
  assertEquals(pidfd.tryWait(), null);
  pidfd.sendSignal("SIGCONT");
  assertEquals(pidfd.waitSync().code, 7);
  assertEquals(pidfd.tryWait()?.code, 7);
  assertEquals((await child.status).code, 7);
});

Deno.test("PidFd.waitSync() throws TimedOut if the process runs longer", async () => {
  await using held = startHeld();
  using pidfd = PidFd.fromChild(held.child);
  for (const timeout of [0, 0.5, 20]) {
    const start = performance.now();
    assertThrows(
      () => pidfd.waitSync({ timeout }),
      Deno.errors.TimedOut,
      "the process still runs",
    );
    assert(performance.now() - start >= timeout);
  }
});

Deno.test("PidFd.waitSync() with a timeout of 0 gives the status of a process that ended", () => {
  using child = startUnreaped("exit 7");
  blockUntilEnded(child.pid);
  assertEquals(child.pidfd.waitSync({ timeout: 0 }).code, 7);
});

Deno.test("PidFd.waitSync() takes any timeout, however long", () => {
  for (const timeout of [PATIENCE, 2 ** 31, 2 ** 53, Infinity]) {
    using child = startUnreaped("exit 7");
    assertEquals(child.pidfd.waitSync({ timeout }).code, 7);
  }
});

Deno.test("PidFd.waitSync() refuses a timeout that is none", () => {
  using pidfd = PidFd.fromSelf();
  for (const timeout of [-1, -0.5, -Infinity, NaN]) {
    assertThrows(
      () => pidfd.waitSync({ timeout }),
      RangeError,
      `options.timeout must be 0 or more: ${timeout}`,
    );
  }
  assertThrows(
    () => pidfd.waitSync({ timeout: "1" as unknown as number }),
    TypeError,
    'options.timeout must be a number: "1"',
  );
});

/** Each way to ask, with or without reaping. */
const QUESTIONS: Record<string, (pidfd: PidFd, reap: boolean) => Promise<ExitStatus | null>> = {
  wait: (pidfd, reap) => deadline(pidfd.wait({ reap }), PATIENCE),
  waitSync: (pidfd, reap) => Promise.resolve(pidfd.waitSync({ timeout: PATIENCE, reap })),
  tryWait: (pidfd, reap) => Promise.resolve(pidfd.tryWait({ reap })),
};

for (const [name, ask] of Object.entries(QUESTIONS)) {
  Deno.test(`PidFd.${name}() leaves the zombie to its owner`, async () => {
    using child = startUnreaped("exit 7");
    blockUntilEnded(child.pid);
    assertEquals((await ask(child.pidfd, false))?.code, 7);
    assertEquals((await ask(child.pidfd, false))?.code, 7);
    assert(isZombie(child.pid));
  });

  Deno.test(`PidFd.${name}() with reap takes the zombie away, once`, async () => {
    using child = startUnreaped("exit 7");
    blockUntilEnded(child.pid);
    assertEquals((await ask(child.pidfd, true))?.code, 7);
    assertEquals(readStat(child.pid), null);
    assertEquals((await ask(child.pidfd, true))?.code, 7);
  });

  Deno.test(`PidFd.${name}() with reap takes the zombie away after a wait that left it`, async () => {
    using child = startUnreaped("exit 7");
    assertEquals((await deadline(child.pidfd.wait(), PATIENCE)).code, 7);
    assert(isZombie(child.pid));
    assertEquals((await ask(child.pidfd, true))?.code, 7);
    assertEquals(readStat(child.pid), null);
  });

  Deno.test(`PidFd.${name}() knows what a clone has reaped on kernels that don't tell`, async () => {
    using _ = without(exitInfo);
    using child = startUnreaped("exit 7");
    using clone = child.pidfd.clone();
    blockUntilEnded(child.pid);
    assertEquals((await ask(clone, true))?.code, 7);
    assertEquals(readStat(child.pid), null);
    assertEquals((await ask(child.pidfd, false))?.code, 7);
    assertEquals((await ask(child.pidfd, true))?.code, 7);
  });
}

Deno.test("PidFd.tryWait() with reap is null while the child runs", () => {
  using child = startUnreaped("exec sleep 60");
  assertEquals(child.pidfd.tryWait({ reap: true }), null);
  child.pidfd.kill();
  assertEquals(child.pidfd.waitSync({ reap: true }).signal, "SIGKILL");
  assertEquals(readStat(child.pid), null);
});

Deno.test("PidFd.wait() of handles that don't know of each other: one reaps, one learns", async () => {
  // It runs until both have asked: one that ends before gives its status to all.
  using child = startUnreaped("exec sleep 60");
  using other = PidFd.fromPid(child.pid);
  const learns = other.wait();
  child.pidfd.kill();
  assertEquals(child.pidfd.waitSync({ reap: true }).signal, "SIGKILL");
  if (exitInfo.available === false) {
    await deadline(assertRejects(() => learns, SyscallError, "ECHILD"), PATIENCE);
  } else {
    assertEquals((await deadline(learns, PATIENCE)).signal, "SIGKILL");
  }
});

Deno.test("PidFd.wait() with reap by two waiters at once gives both the status", async () => {
  using child = startUnreaped("exit 7");
  const { pidfd } = child;
  const waits = Promise.all([pidfd.wait({ reap: true }), pidfd.wait({ reap: true })]);
  const codes = (await deadline(waits, PATIENCE)).map(({ code }) => code);
  assertEquals(codes, [7, 7]);
  assertEquals(readStat(child.pid), null);
});

Deno.test("PidFd.wait() leaves a child of spawn to the one handle that reaps it", async () => {
  const child = spawn("sleep", { args: ["60"] });
  using pidfd = child.pidfd;
  pidfd.kill();
  blockUntilEnded(child.pid);
  assertEquals(pidfd.tryWait()?.signal, "SIGKILL");
  assert(isZombie(child.pid));
  assertEquals((await deadline(child.status, PATIENCE)).signal, "SIGKILL");
  assertEquals(readStat(child.pid), null);
});

Deno.test("PidFd.tryWait() knows the status of a child of spawn that is long gone", async () => {
  const child = spawn("sh", { args: ["-c", "exit 7"] });
  await deadline(child.status, PATIENCE);
  using pidfd = child.pidfd;
  assertEquals(pidfd.tryWait()?.code, 7);
  assertEquals(pidfd.tryWait({ reap: true })?.code, 7);
});
