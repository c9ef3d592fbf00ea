/**
 * The parked call itself: how often it returns, and what becomes of an event that is late. These
 * are programs of their own, so that a test can stand between the library and libc.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { exitInfo } from "../../ffi/capabilities.ts";
import { EPOLLIN } from "../../structs/epoll_event.ts";
import { ROOT, runForValue, startStranger } from "../support/processes.ts";
import { needing } from "../support/skip.ts";

const PROGRAM = `
  import * as parked from "${ROOT}tests/support/parked_calls.ts";
  import { close, pipe, write } from "${ROOT}ffi/files.ts";
  import { forget, ready } from "${ROOT}ffi/readiness.ts";
  import { socketpair } from "${ROOT}ffi/sockets.ts";
  import { EPOLLIN, EPOLLOUT } from "${ROOT}structs/epoll_event.ts";

  const BYTE = new Uint8Array([1]);

  async function rounds(count) {
    for (let i = 0; i < count; i++) {
      const { read, write: end } = pipe();
      const wait = ready(read, EPOLLIN);
      // Gives a call that should stay parked the time to return, should it be wrong.
      await new Promise((resolve) => setTimeout(resolve));
      write(end, BYTE);
      await wait;
      close(read);
      close(end);
    }
  }
`;

function run(code: string): Promise<unknown> {
  return runForValue(`${PROGRAM}${code}`, ["--allow-all"]);
}

Deno.test("ready() returns from its parked call once for each event", async () => {
  const returned = await run(`
    await rounds(20);
    console.log(parked.returned);
  `);
  assertEquals(returned, 20);
});

Deno.test("ready() is woken once when an aborted wait is followed by another", async () => {
  const returned = await run(`
    const { read } = pipe();
    const controller = new AbortController();
    ready(read, EPOLLIN, controller.signal).catch(() => {});
    await new Promise((resolve) => setTimeout(resolve));
    controller.abort();
    const stays = ready(read, EPOLLIN);
    await rounds(20);
    console.log(parked.returned);
    forget(read, () => new Error("closed"));
    await stays.catch(() => {});
  `);
  // The wake-up can come together with the first event.
  assert(returned === 20 || returned === 21, `it returned ${returned} times`);
});

Deno.test("ready() isn't woken by events that nobody waits for any more", async () => {
  const returned = await run(`
    const [near, far] = socketpair("stream");
    const reads = ready(near, EPOLLIN);
    const hangup = ready(far, 0);
    // There is room to write all the time, and something to read for one of them.
    await ready(near, EPOLLOUT);
    write(near, BYTE);
    const before = parked.returned;
    await rounds(20);
    console.log(parked.returned - before);
    forget(near, () => new Error("closed"));
    forget(far, () => new Error("closed"));
    await Promise.allSettled([reads, hangup]);
  `);
  assertEquals(returned, 20);
});

Deno.test("ready() tells that it was given up when its parked call is back", async () => {
  const facts = await run(`
    import { eventually } from "${ROOT}tests/support/patience.ts";
    import { turn } from "${ROOT}tests/support/turn.ts";
    const { read } = pipe();
    const facts = [];
    const giveUp = {
      aborted: (controller) => controller.abort(new Error("aborted")),
      closed: () => forget(read, () => new Error("closed")),
    };
    for (const end of Object.values(giveUp)) {
      const controller = new AbortController();
      const waits = [1, 2].map(() => ready(read, EPOLLIN, controller.signal));
      const told = Promise.all(waits.map((wait) => {
        return wait.catch(({ message }) => facts.push(message));
      }));
      await turn();
      const release = parked.hold();
      const before = parked.returned;
      end(controller);
      await eventually("the call returned", () => parked.returned > before);
      facts.push("returned");
      release();
      await told;
    }
    console.log(JSON.stringify(facts));
  `);
  assertEquals(facts, ["returned", "aborted", "aborted", "returned", "closed", "closed"]);
});

Deno.test("ready() can be given up while no thread is left that it could be parked on", async () => {
  const reason = await run(`
    parked.hold();
    const { read } = pipe();
    const controller = new AbortController();
    const wait = ready(read, EPOLLIN, controller.signal);
    await new Promise((resolve) => setTimeout(resolve));
    controller.abort(new Error("aborted"));
    console.log(JSON.stringify(await wait.catch(({ message }) => message)));
  `);
  assertEquals(reason, "aborted");
});

const canTell = exitInfo.available !== false;

Deno.test(
  needing(
    "Linux 6.15",
    canTell,
    "PidFd.wait() isn't woken by a zombie that it waits to see reaped",
  ),
  async () => {
    await using stranger = await startStranger("exit 7");
    const returned = await run(`
      const { PidFd } = await import("@pidfd/util");
      const pidfd = PidFd.fromPid(${stranger.pid});
      await pidfd.exited();
      const wait = pidfd.wait();
      // It is told once, when it joins, that the process has ended.
      await rounds(1);
      const before = parked.returned;
      await rounds(20);
      console.log(parked.returned - before);
      pidfd.close();
      await wait.catch(() => {});
    `);
    assertEquals(returned, 20);
  },
);

Deno.test("ready() drops a late event of an fd whose number has a new owner", async () => {
  const facts = await run(`
    import { eventually } from "${ROOT}tests/support/patience.ts";
    const old = pipe();
    const release = parked.hold();
    const wait = ready(old.read, EPOLLIN).catch(({ message }) => message);
    write(old.write, BYTE);
    await eventually("the call returned", () => parked.returned > 0);
    // The event is on its way. Now its fd goes, and another comes.
    forget(old.read, () => new Error("closed"));
    close(old.read);
    const fresh = pipe();
    let isReady = false;
    const again = ready(fresh.read, EPOLLIN).then(() => isReady = true);
    release();
    await rounds(1);
    const wasEarly = isReady;
    write(fresh.write, BYTE);
    await again;
    const reused = fresh.read === old.read;
    console.log(JSON.stringify({ reused, first: await wait, wasEarly, isReady }));
  `);
  assertEquals(facts, { reused: true, first: "closed", wasEarly: false, isReady: true });
});

Deno.test("ready() throws for want of fds, leaks none, and works when there are some", async () => {
  const facts = await run(`
    import { giveBack, takeAll } from "${ROOT}tests/support/scarce_fds.ts";
    import { turn } from "${ROOT}tests/support/turn.ts";
    const { read, write: end } = pipe();
    write(end, BYTE);
    await rounds(1);
    // Its fds are closed a turn later.
    await turn();
    takeAll();
    const results = [];
    for (const free of [1, 2]) {
      try {
        await ready(read, EPOLLIN);
      } catch ({ code }) {
        results.push(code, takeAll());
      }
      giveBack(free);
    }
    results.push(await ready(read, EPOLLIN));
    await turn();
    results.push(takeAll());
    console.log(JSON.stringify(results));
  `);
  // Without an fd, with one of the two that it takes, and with both.
  assertEquals(facts, ["EMFILE", 0, "EMFILE", 1, EPOLLIN, 2]);
});
