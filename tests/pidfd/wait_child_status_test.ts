/**
 * Children of Deno's on a kernel that doesn't tell of reaped processes: Deno nearly always reaps
 * them first there, and its `child.status` is the only one who knows.
 *
 * @module
 */

import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { deadline } from "@std/async";
import { exitInfo } from "../../ffi/capabilities.ts";
import { PidFd, SyscallError } from "../../mod.ts";
import { blockUntilEnded, startHeld, startShell } from "../support/children.ts";
import { PATIENCE, readStat } from "../support/processes.ts";
import { shadow, without } from "../support/shadow.ts";
import { exited, killed } from "../support/statuses.ts";

for (
  const [command, expected] of [
    ["true", exited(0)],
    ["exit 7", exited(7)],
    ["kill -9 $$", killed(9, "SIGKILL")],
  ] as const
) {
  Deno.test(`PidFd.wait() asks child.status how \`${command}\` ended`, async () => {
    using _ = without(exitInfo);
    const child = startShell(command);
    using pidfd = PidFd.fromChild(child);
    await deadline(child.status, PATIENCE);
    assertEquals(readStat(child.pid), null);
    assertEquals<unknown>(await deadline(pidfd.wait(), PATIENCE), expected);
    assertEquals<unknown>(pidfd.tryWait(), expected);
    assertEquals<unknown>(pidfd.waitSync(), expected);
    assertEquals<unknown>(await pidfd.wait(), expected);
  });
}

Deno.test("PidFd.wait() and child.status agree 200 times in a row if only Deno can tell", async () => {
  using _ = without(exitInfo);
  for (let i = 0; i < 200; i++) {
    const child = startShell(i % 3 === 0 ? "kill -9 $$" : `exit ${i}`);
    using pidfd = PidFd.fromChild(child);
    const [ours, denos] = await deadline(Promise.all([pidfd.wait(), child.status]), PATIENCE);
    const { success, code, signal } = ours;
    assertEquals({ success, code, signal }, { ...denos });
  }
});

Deno.test("PidFd.clone() of a child's handle asks child.status, too", async () => {
  using _ = without(exitInfo);
  await using held = startHeld(7);
  const pidfd = PidFd.fromChild(held.child);
  using clone = pidfd.clone();
  pidfd.close();
  const wait = clone.wait();
  held.exit();
  await deadline(held.child.status, PATIENCE);
  assertEquals((await deadline(wait, PATIENCE)).code, 7);
});

// Deno has no name for a real-time signal: its `child.status` rejects, and keeps its resource.
const REAL_TIME = { sanitizeResources: false };

Deno.test("PidFd.wait() looks at the zombie itself if it is there", REAL_TIME, async () => {
  using _ = without(exitInfo);
  const child = startShell("kill -40 $$");
  using pidfd = PidFd.fromChild(child);
  blockUntilEnded(child.pid);
  assertEquals(pidfd.waitSync().signalNumber, 40);
  await assertRejects(() => child.status, Error, "Invalid signal: 40");
  assertEquals((await pidfd.wait()).signalNumber, 40);
});

Deno.test(
  "PidFd.wait() rejects with Deno's reason as the cause if child.status does",
  REAL_TIME,
  async () => {
    using _ = without(exitInfo);
    const child = startShell("kill -40 $$");
    using pidfd = PidFd.fromChild(child);
    const reason = await deadline(assertRejects(() => child.status, Error), PATIENCE);
    const error = await deadline(assertRejects(() => pidfd.wait(), SyscallError), PATIENCE);
    assertEquals(error.code, "ECHILD");
    assertEquals(error.cause, reason);
    await deadline(pidfd.exited(), PATIENCE);
  },
);

Deno.test("PidFd.tryWait() and waitSync() say what to do while only child.status can tell", async () => {
  using _ = without(exitInfo);
  const child = startShell("exit 7");
  const told = child.status;
  const { promise, resolve } = Promise.withResolvers<Deno.CommandStatus>();
  // As in the moment between Deno's reaping and its telling.
  using _late = shadow(child as { status: Promise<Deno.CommandStatus> }, "status", () => promise);
  using pidfd = PidFd.fromChild(child);
  const status = await deadline(told, PATIENCE);
  const advice = "Deno reaped its child first: await wait(), or read the status";
  assertEquals(assertThrows(() => pidfd.tryWait(), SyscallError, advice).code, "ECHILD");
  assertEquals(assertThrows(() => pidfd.waitSync(), SyscallError, advice).code, "ECHILD");

  using clone = pidfd.clone();
  assertThrows(() => clone.tryWait(), SyscallError, advice);

  const controller = new AbortController();
  const wait = pidfd.wait();
  const aborted = assertRejects(() => pidfd.wait({ signal: controller.signal }), DOMException);
  const closed = assertRejects(() => clone.wait(), Deno.errors.BadResource);
  controller.abort();
  clone.close();
  resolve(status);
  assertEquals((await deadline(wait, PATIENCE)).code, 7);
  await deadline(Promise.all([aborted, closed]), PATIENCE);
});
