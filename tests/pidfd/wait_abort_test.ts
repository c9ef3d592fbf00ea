/**
 * Waits that somebody gives up: they reject with the signal's reason, and leave nothing behind.
 *
 * @module
 */

import { assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import { deadline } from "@std/async";
import { PidFd } from "../../mod.ts";
import { startHeld, startUnreaped } from "../support/children.ts";
import { eventually, idle, openFds, PATIENCE } from "../support/processes.ts";

/** A test at whose end nothing is left of its waits. */
function test(name: string, fn: () => Promise<void>): void {
  Deno.test(name, async () => {
    await fn();
    await idle();
  });
}

/** Both ways to wait that can be given up. */
const WAYS: Record<string, (pidfd: PidFd, signal: AbortSignal) => Promise<unknown>> = {
  wait: (pidfd, signal) => pidfd.wait({ signal }),
  exited: (pidfd, signal) => pidfd.exited({ signal }),
};

/** What a wait that was given up rejects with. */
async function reasonOf(wait: Promise<unknown>): Promise<unknown> {
  const [result] = await deadline(Promise.allSettled([wait]), PATIENCE);
  return result.status === "rejected" ? result.reason : "it was not rejected";
}

for (const [name, start] of Object.entries(WAYS)) {
  test(`PidFd.${name}() rejects at once with the reason of a signal that was aborted before`, async () => {
    await using held = startHeld();
    using pidfd = PidFd.fromChild(held.child);
    const reason = new Error("no need");
    assertStrictEquals(await reasonOf(start(pidfd, AbortSignal.abort(reason))), reason);
  });

  test(`PidFd.${name}() rejects with the signal's reason when it is aborted meanwhile`, async () => {
    await using held = startHeld();
    using pidfd = PidFd.fromChild(held.child);
    for (const reason of [new Error("no need"), "any value", undefined]) {
      const controller = new AbortController();
      const wait = start(pidfd, controller.signal);
      controller.abort(reason);
      assertStrictEquals(await reasonOf(wait), controller.signal.reason);
    }
    assertEquals(pidfd.isAlive(), true);
  });

  test(`PidFd.${name}() takes no notice of an abort after its end`, async () => {
    await using held = startHeld();
    using pidfd = PidFd.fromChild(held.child);
    const controller = new AbortController();
    const wait = start(pidfd, controller.signal);
    held.exit();
    const result = await deadline(wait, PATIENCE);
    controller.abort();
    assertStrictEquals(await wait, result);
    // Nor does a wait that begins with a signal that hasn't been aborted.
    assertEquals(await start(pidfd, new AbortController().signal), result);
  });

  test(`PidFd.${name}() heeds a signal that was aborted before even if the process ended`, async () => {
    using child = startUnreaped("exit 5");
    child.pidfd.waitSync();
    const reason = new Error("no need");
    assertStrictEquals(await reasonOf(start(child.pidfd, AbortSignal.abort(reason))), reason);
    assertEquals(child.pidfd.tryWait()?.code, 5);
  });

  test(`PidFd.${name}() rejects with a TimeoutError after AbortSignal.timeout()`, async () => {
    await using held = startHeld();
    using pidfd = PidFd.fromChild(held.child);
    const error = await deadline(
      assertRejects(() => start(pidfd, AbortSignal.timeout(1)), DOMException),
      PATIENCE,
    );
    assertEquals(error.name, "TimeoutError");
  });

  test(`PidFd.${name}() leaves no listener on its signal`, async () => {
    await using held = startHeld();
    using pidfd = PidFd.fromChild(held.child);
    const aborted = new CountingController();
    const closed = new CountingController();
    const ended = new CountingController();
    const first = start(pidfd, aborted.signal);
    using clone = pidfd.clone();
    const second = start(clone, closed.signal);
    const third = start(pidfd, ended.signal);
    assertEquals([aborted, closed, ended].map(({ listeners }) => listeners), [1, 1, 1]);
    aborted.abort();
    clone.close();
    held.exit();
    await reasonOf(first);
    await reasonOf(second);
    await deadline(third, PATIENCE);
    assertEquals([aborted, closed, ended].map(({ listeners }) => listeners), [0, 0, 0]);
  });
}

test("PidFd.wait() goes on for the others when one of them is aborted", async () => {
  await using held = startHeld(3);
  using pidfd = PidFd.fromChild(held.child);
  const controller = new AbortController();
  const stays = pidfd.wait();
  const leaves = pidfd.wait({ signal: controller.signal });
  const exited = pidfd.exited();
  controller.abort();
  assertStrictEquals(await reasonOf(leaves), controller.signal.reason);
  held.exit();
  assertEquals((await deadline(stays, PATIENCE)).code, 3);
  await deadline(exited, PATIENCE);
});

test("PidFd.wait() gives up many waits by one signal", async () => {
  await using held = startHeld();
  using pidfd = PidFd.fromChild(held.child);
  const controller = new AbortController();
  const waits = Array.from({ length: 100 }, () => pidfd.wait({ signal: controller.signal }));
  controller.abort();
  const results = await deadline(Promise.allSettled(waits), PATIENCE);
  assertEquals(results.filter(({ status }) => status === "rejected").length, 100);
});

test("PidFd.wait() can be aborted and begun again any number of times", async () => {
  await using held = startHeld(3);
  using pidfd = PidFd.fromChild(held.child);
  const before = openFds();
  for (let i = 0; i < 200; i++) {
    const controller = new AbortController();
    const wait = pidfd.wait({ signal: controller.signal });
    // Now and then the thread is parked already when it has to leave.
    if (i % 2 === 0) await new Promise((resolve) => setTimeout(resolve));
    controller.abort();
    assertStrictEquals(await reasonOf(wait), controller.signal.reason);
  }
  await eventually("the fds of waiting are closed", () => `${openFds()}` === `${before}`);
  const wait = pidfd.wait();
  held.exit();
  assertEquals((await deadline(wait, PATIENCE)).code, 3);
});

/** Knows how many listeners its signal has. */
class CountingController extends AbortController {
  readonly #listeners = new Set<unknown>();

  constructor() {
    super();
    const { signal } = this;
    const add = signal.addEventListener.bind(signal);
    const remove = signal.removeEventListener.bind(signal);
    signal.addEventListener = (type: string, listener: EventListener, options?: unknown) => {
      const once = typeof options === "object" && (options as AddEventListenerOptions).once;
      this.#listeners.add(listener);
      add(type, listener, options as AddEventListenerOptions);
      // Registered behind it, and so called after it.
      if (once) add(type, () => this.#listeners.delete(listener));
    };
    signal.removeEventListener = (type: string, listener: EventListener) => {
      this.#listeners.delete(listener);
      remove(type, listener);
    };
  }

  get listeners(): number {
    return this.#listeners.size;
  }
}
