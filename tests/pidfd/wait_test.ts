/**
 * The end of a child that Deno or nobody reaps, as one waiter or several learn of it.
 *
 * @module
 */

import { assertEquals, assertRejects } from "@std/assert";
import { deadline } from "@std/async";
import { exitInfo } from "../../ffi/capabilities.ts";
import { PidFd } from "../../mod.ts";
import { blockUntilEnded, startHeld, startShell, startUnreaped } from "../support/children.ts";
import { PATIENCE } from "../support/processes.ts";
import { needing } from "../support/skip.ts";

/** What a Deno.CommandStatus has of a status, in the same form for both. */
function common({ success, code, signal }: Deno.CommandStatus): Deno.CommandStatus {
  return { success, code, signal };
}

for (
  const [name, isThere, open] of [
    ["fromChild", true, (child: Deno.ChildProcess) => PidFd.fromChild(child)],
    // Deno's reaping comes first nearly always, and only newer kernels tell of it afterwards.
    ["fromPid", exitInfo.available !== false, ({ pid }: Deno.ChildProcess) => PidFd.fromPid(pid)],
  ] as const
) {
  Deno.test(
    needing(
      "Linux 6.15",
      isThere,
      `PidFd.${name}().wait() and child.status agree, 200 times in a row`,
    ),
    async () => {
      for (let i = 0; i < 200; i++) {
        const child = startShell(i % 3 === 0 ? "kill -9 $$" : `exit ${i}`);
        using pidfd = open(child);
        const pending = pidfd.wait();
        const [ours, denos] = await deadline(Promise.all([pending, child.status]), PATIENCE);
        assertEquals(common(ours), common(denos));
        assertEquals(ours.code, i % 3 === 0 ? 137 : i);
      }
    },
  );
}

Deno.test("PidFd.wait() resolves for a child whose zombie Deno can't have reaped yet", async () => {
  const child = startShell("exit 7");
  using pidfd = PidFd.fromChild(child);
  blockUntilEnded(child.pid);
  const pending = pidfd.wait();
  assertEquals((await deadline(pending, PATIENCE)).code, 7);
  assertEquals((await child.status).code, 7);
});

Deno.test("PidFd.wait() of several processes resolve in the order in which these end", async () => {
  await using stack = new AsyncDisposableStack();
  const waits: Promise<void>[] = [];
  const ended: number[] = [];
  const children = Array.from({ length: 20 }, (_, i) => {
    const { child } = stack.use(startHeld());
    const pidfd = stack.use(PidFd.fromChild(child));
    waits.push(pidfd.wait().then(() => void ended.push(i)));
    return child;
  });
  const order = children.map((_, i) => (i * 7 + 3) % children.length);
  // All of them before the event loop gets to see any.
  for (const i of order) {
    children[i].kill("SIGKILL");
    blockUntilEnded(children[i].pid);
  }
  await deadline(Promise.all(waits), PATIENCE);
  assertEquals(ended, order);
});

Deno.test("PidFd.wait() of one process resolves while others run", async () => {
  await using stack = new AsyncDisposableStack();
  const held = Array.from({ length: 10 }, (_, code) => stack.use(startHeld(code)));
  const waits = held.map(({ child }) => stack.use(PidFd.fromChild(child)).wait());
  const done: number[] = [];
  waits.forEach((wait, i) => wait.then(() => done.push(i)));
  for (const i of [4, 9, 0]) {
    held[i].exit();
    assertEquals((await deadline(waits[i], PATIENCE)).code, i);
  }
  assertEquals(done, [4, 9, 0]);
  held.forEach(({ exit }) => exit());
  const codes = (await deadline(Promise.all(waits), PATIENCE)).map(({ code }) => code);
  assertEquals(codes, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
});

Deno.test("PidFd.wait() gives two waits on one handle the same status", async () => {
  await using held = startHeld(3);
  using pidfd = PidFd.fromChild(held.child);
  const waits = Promise.all([pidfd.wait(), pidfd.wait()]);
  held.exit();
  const [one, other] = await deadline(waits, PATIENCE);
  assertEquals(one.code, 3);
  assertEquals(other, one);
});

Deno.test("PidFd.wait() and PidFd.exited() share a handle", async () => {
  await using held = startHeld(3);
  using pidfd = PidFd.fromChild(held.child);
  const both = Promise.all([pidfd.exited(), pidfd.wait(), pidfd.exited()]);
  held.exit();
  const [, status] = await deadline(both, PATIENCE);
  assertEquals(status.code, 3);
  assertEquals(pidfd.isAlive(), false);
});

Deno.test("PidFd.wait() works on each clone, also when the original is closed", async () => {
  await using held = startHeld(3);
  const pidfd = PidFd.fromChild(held.child);
  using one = pidfd.clone();
  using other = one.clone();
  const waits = Promise.all([one.wait(), other.wait(), other.exited()]);
  const abandoned = assertRejects(() => pidfd.wait(), Deno.errors.BadResource);
  pidfd.close();
  await deadline(abandoned, PATIENCE);
  held.exit();
  const [first, second] = await deadline(waits, PATIENCE);
  assertEquals([first.code, second.code], [3, 3]);
});

Deno.test("PidFd.clone() knows a status that the original knows", async () => {
  using child = startUnreaped("exit 5");
  assertEquals((await deadline(child.pidfd.wait(), PATIENCE)).code, 5);
  using clone = child.pidfd.clone();
  assertEquals(clone.tryWait()?.code, 5);
  child.pidfd.close();
  assertEquals(clone.tryWait()?.code, 5);
});

Deno.test("PidFd.close() rejects the pending waits, and only its own handle's", async () => {
  await using held = startHeld(3);
  const pidfd = PidFd.fromChild(held.child);
  using other = PidFd.fromPid(held.child.pid);
  const waits = [pidfd.wait(), pidfd.wait(), pidfd.exited()].map((wait) =>
    assertRejects(() => wait, Deno.errors.BadResource, "this PidFd is closed")
  );
  const stays = other.exited();
  pidfd.close();
  await deadline(Promise.all(waits), PATIENCE);
  await assertRejects(() => pidfd.wait(), Deno.errors.BadResource);
  assertEquals(other.isAlive(), true);
  held.exit();
  await deadline(stays, PATIENCE);
});

Deno.test("PidFd.intoFd() rejects the pending waits and leaves the fd open", async () => {
  await using held = startHeld(3);
  const pidfd = PidFd.fromChild(held.child);
  const wait = assertRejects(() => pidfd.wait(), Deno.errors.BadResource, "this PidFd is closed");
  const fd = pidfd.intoFd();
  await deadline(wait, PATIENCE);
  using taken = PidFd.fromFd(fd);
  assertEquals(taken.getPid(), held.child.pid);
  const again = taken.exited();
  held.exit();
  await deadline(again, PATIENCE);
});
