/**
 * Ending a child before it ends by itself: by an abort, after its time, alone or with its tree.
 *
 * @module
 */

import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { deadline } from "@std/async";
import { spawn, type SpawnOptions } from "../../mod.ts";
import { blockUntilEnded } from "../support/children.ts";
import { eventually, idle, PATIENCE, readStat, runForValue } from "../support/processes.ts";
import { Lines } from "../support/lines.ts";
import { Mark } from "../support/trees.ts";
import { turn } from "../support/turn.ts";

/** A shell that ignores SIGTERM, tells so, and waits. */
const STUBBORN = "trap '' TERM; echo ready; while :; do sleep 0.01; done";

Deno.test("spawn() ends a child after its timeout, and Child.timedOut tells so", async () => {
  const child = spawn("sleep", ["60"], { timeout: 20 });
  assertEquals(child.timedOut, false);
  assertEquals((await deadline(child.status, PATIENCE)).signal, "SIGTERM");
  assertEquals([child.timedOut, child.endError], [true, null]);
  await idle();
});

for (const timeout of [0, 60_000, 2 ** 40, Infinity]) {
  Deno.test(`spawn() with a timeout of ${timeout} ms leaves a child alone that ends before`, async () => {
    const child = spawn("true", { timeout });
    blockUntilEnded(child.pid);
    assertEquals((await deadline(child.status, PATIENCE)).success, true);
    assertEquals(child.timedOut, false);
    await idle();
  });
}

Deno.test("spawn() kills a child that ignores its timeout, after the grace", async () => {
  // Nobody ends by SIGURG who doesn't want to.
  const child = spawn("sleep", ["60"], { timeout: 20, end: { signal: "SIGURG", grace: 20 } });
  assertEquals((await deadline(child.status, PATIENCE)).signal, "SIGKILL");
  assertEquals(child.timedOut, true);
});

for (
  const [what, cause] of Object.entries({
    timeout: () => ({ timeout: 10 }),
    abort: () => ({ signal: AbortSignal.timeout(10) }),
  })
) {
  Deno.test(`spawn() asks by end.signal at its ${what}`, async () => {
    const child = spawn("sleep", ["60"], { end: { signal: "SIGUSR1" }, ...cause() });
    assertEquals((await deadline(child.status, PATIENCE)).signal, "SIGUSR1");
    assertEquals(child.timedOut, what === "timeout");
    await idle();
  });

  for (const tree of [true, false]) {
    Deno.test(`spawn() ends ${tree ? "the tree" : "the child alone"} at its ${what} if end.tree is ${tree}`, async () => {
      await using mark = new Mark();
      const script = "sleep 60 & sleep 60 & echo ready; wait";
      const controller = new AbortController();
      const child = spawn("sh", ["-c", script], {
        env: mark.env,
        stdout: "piped",
        end: { tree },
        // In its time all are there, or else the test says so.
        ...(what === "abort" ? { signal: controller.signal } : { timeout: 2000 }),
      });
      await child.stdout.getReader().read();
      await eventually("all are there", () => mark.pids().length === 3);
      if (what === "abort") controller.abort();
      await deadline(child.status, PATIENCE);
      if (tree) await eventually("all have ended", () => mark.pids().length === 0);
      else assertEquals(mark.pids().length, 2);
      await child[Symbol.asyncDispose]();
    });
  }
}

Deno.test("spawn() ends a child once, however often and by whatever it is to be ended", async () => {
  const controller = new AbortController();
  const child = spawn("sh", [
    "-c",
    "trap 'echo asked' TERM; echo ready; while :; do sleep 0.01; done",
  ], {
    stdout: "piped",
    signal: controller.signal,
    end: { grace: 1000 },
  });
  const lines = new Lines(child.stdout);
  assertEquals(await lines.next(), "ready");
  controller.abort();
  assertEquals(await lines.next(), "asked");
  controller.abort();
  assertEquals((await deadline(child.status, PATIENCE)).signal, "SIGKILL");
  assertEquals(await lines.rest(), "");
  controller.abort();
  await turn();
  assertEquals((await child.status).signal, "SIGKILL");
});

Deno.test("spawn() heeds an abort after its child's end and before its status", async () => {
  const controller = new AbortController();
  const child = spawn("sh", ["-c", "exit 7"], { signal: controller.signal, end: { tree: true } });
  blockUntilEnded(child.pid);
  controller.abort();
  assertEquals((await deadline(child.status, PATIENCE)).code, 7);
  assertEquals(child.endError, null);
});

Deno.test("await using asks by end.signal, and kills after end.grace", async () => {
  const asked = spawn("sleep", ["60"], { end: { signal: "SIGUSR2" } });
  await asked[Symbol.asyncDispose]();
  assertEquals((await asked.status).signal, "SIGUSR2");
  const stubborn = spawn("sh", ["-c", STUBBORN], { stdout: "piped", end: { grace: 0 } });
  await stubborn.stdout.getReader().read();
  await deadline(stubborn[Symbol.asyncDispose](), PATIENCE);
  assertEquals((await stubborn.status).signal, "SIGKILL");
});

Deno.test("spawn() with a timeout doesn't keep a program alive whose child is unref'd", async () => {
  const pid = await runForValue(`
    import { spawn } from "@pidfd/util";
    const stdio = { stdin: "null", stdout: "null", stderr: "null" };
    const child = spawn("sleep", ["60"], { ...stdio, timeout: 3_600_000 });
    child.unref();
    console.log(child.pid);
  `) as number;
  assert(readStat(pid) !== null);
  Deno.kill(pid, "SIGKILL");
});

Deno.test("spawn() doesn't keep a program alive to end the tree of a child that is unref'd", async () => {
  const pid = await runForValue(`
    import { spawn } from "@pidfd/util";
    const stdio = { stdin: "null", stdout: "null", stderr: "null" };
    const controller = new AbortController();
    const end = { signal: "SIGURG", grace: 3_600_000, tree: true };
    const child = spawn("sleep", ["60"], { ...stdio, signal: controller.signal, end });
    child.unref();
    controller.abort();
    console.log(child.pid);
  `) as number;
  assert(readStat(pid) !== null);
  Deno.kill(pid, "SIGKILL");
});

Deno.test("await using ends a child that was unref'd before the program ends", async () => {
  const output = await runForValue(`
    import { spawn } from "@pidfd/util";
    async function main() {
      await using child = spawn("sleep", ["60"], { stdin: "null", stdout: "null", stderr: "null" });
      child.unref();
      await new Promise((resolve) => setTimeout(resolve, 20));
      await child[Symbol.asyncDispose]();
      console.log(JSON.stringify((await child.status).signal));
    }
    main();
  `);
  assertEquals(output, "SIGTERM");
});

Deno.test("spawn() leaves no timer behind of a child that ended", async () => {
  const child = spawn("true", { timeout: 3_600_000 });
  await deadline(child.status, PATIENCE);
  await idle();
});

const BAD: [options: SpawnOptions, error: typeof TypeError | typeof RangeError, message: string][] =
  [
    [{ timeout: -1 }, RangeError, "options.timeout must be 0 or more: -1"],
    [{ timeout: NaN }, RangeError, "options.timeout"],
    [{ timeout: "1" as never }, TypeError, "options.timeout must be a number"],
    [{ end: null as never }, TypeError, "options.end must be an object"],
    [{ end: { grace: -1 } }, RangeError, "options.end.grace"],
    [{ end: { signal: "SIGNONE" as never } }, RangeError, "options.end.signal"],
    [{ end: { tree: 1 as never } }, TypeError, "options.end.tree"],
    [{ end: { delay: 1 } as never }, TypeError, "options.end has no option of that name: delay"],
  ];

for (const [options, error, message] of BAD) {
  Deno.test(`spawn() refuses ${Deno.inspect(options)}`, () => {
    assertThrows(() => spawn("true", options), error, message);
  });
}

Deno.test("Child.output() returns what is there waitDelay after the end, and marks it as cut", async () => {
  await using mark = new Mark();
  const script = "sleep 60 & echo out; echo err >&2; exit 7";
  const child = spawn("sh", ["-c", script], { env: mark.env, stdout: "piped", stderr: "piped" });
  const { code, stdout, stderr, truncated } = await deadline(
    child.output({ waitDelay: 20 }),
    PATIENCE,
  );
  const texts = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
  assertEquals([code, ...texts, truncated], [7, "out\n", "err\n", true]);
  await idle();
});

Deno.test("Child.output() with waitDelay is whole if nobody else holds the pipes", async () => {
  const child = spawn("seq", ["20000"], { stdout: "piped" });
  const { stdout, truncated } = await deadline(child.output({ waitDelay: 60_000 }), PATIENCE);
  assertEquals([stdout.length, truncated], [108_894, false]);
  await idle();
});

Deno.test("Child.output() ends a child that writes more than maxBytes", async () => {
  const child = spawn("yes", { stdout: "piped", stderr: "piped" });
  const output = await deadline(child.output({ maxBytes: 100_001 }), PATIENCE);
  const { success, stdout, stderr, truncated } = output;
  assertEquals([success, stdout.length, stderr.length, truncated], [false, 100_001, 0, true]);
  assertEquals(new TextDecoder().decode(stdout), "y\n".repeat(50_001).slice(0, -1));
  assertEquals(child.timedOut, false);
});

Deno.test("Child.output() takes exactly maxBytes without a complaint", async () => {
  for (const maxBytes of [3, 4, 0]) {
    const child = spawn("printf", [maxBytes === 0 ? "" : "abc"], { stdout: "piped" });
    const { success, stdout, truncated } = await deadline(child.output({ maxBytes }), PATIENCE);
    assertEquals([success, stdout.length, truncated], [true, maxBytes === 0 ? 0 : 3, false]);
  }
});

Deno.test("Child.output() refuses options that can't be meant, and takes nothing", async () => {
  const child = spawn("printf", ["abc"], { stdout: "piped" });
  for (const options of [{ waitDelay: -1 }, { maxBytes: NaN }, { maxBytes: "1" }, { wait: 1 }]) {
    await assertRejects(() => child.output(options as never));
  }
  assertEquals((await deadline(child.output(), PATIENCE)).stdout.length, 3);
});
