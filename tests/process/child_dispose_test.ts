/**
 * `await using child`: when the block is left nothing of the child is left, however it was left.
 *
 * @module
 */

import { assertEquals, assertRejects } from "@std/assert";
import { deadline } from "@std/async";
import { type Child, PidFd, spawn } from "../../mod.ts";
import {
  eventually,
  idle,
  openFds,
  PATIENCE,
  readStat,
  ROOT,
  runForValue,
} from "../support/processes.ts";
import { isPending } from "../support/promises.ts";
import { Mark, startBranching, startTree } from "../support/trees.ts";

const PIPES = { stdin: "piped", stdout: "piped", stderr: "piped" } as const;

Deno.test("await using ends the child and all its descendants", async () => {
  await using mark = new Mark();
  let status: Child["status"];
  let pidfd: PidFd;
  {
    const { child } = await startBranching(mark, 2, 3);
    await using scoped = child;
    ({ status, pidfd } = scoped);
    assertEquals(mark.pids().length, 13);
    assertEquals(await isPending(status), true);
  }
  assertEquals([mark.pids(), pidfd.closed], [[], true]);
  assertEquals(await isPending(status), false);
  assertEquals((await status).signal, "SIGTERM");
});

Deno.test("await using ends the child when the block is left by an error", async () => {
  await using mark = new Mark();
  const failure = new Error("on purpose");
  const leave = async () => {
    const { child } = await startBranching(mark, 1, 2);
    await using _scoped = child;
    throw failure;
  };
  assertEquals(await assertRejects(() => deadline(leave(), PATIENCE)), failure);
  assertEquals(mark.pids(), []);
});

Deno.test("await using closes the streams to the child", async () => {
  await idle();
  const before = openFds();
  let read: Promise<unknown>;
  let write: Promise<unknown>;
  {
    await using child = spawn("sh", { args: ["-c", "kill -STOP $$"], ...PIPES });
    read = child.stdout.getReader().read();
    write = child.stdin.getWriter().write(new Uint8Array(2 ** 24));
    await eventually("the shell stopped", () => readStat(child.pid)?.state === "T");
  }
  // Neither is left hanging, whether it sees the end first or the closing.
  await deadline(Promise.allSettled([read, write]), PATIENCE);
  await assertRejects(() => write);
  await idle();
  assertEquals(openFds(), before);
});

Deno.test("await using does nothing to a child that has ended", async () => {
  await idle();
  const before = openFds();
  {
    await using child = spawn("sh", { args: ["-c", "exit 7"], ...PIPES });
    assertEquals((await deadline(child.status, PATIENCE)).code, 7);
  }
  await idle();
  assertEquals(openFds(), before);
});

Deno.test("Child can be disposed of again, and at the same time", async () => {
  await using mark = new Mark();
  const { child } = await startBranching(mark, 1, 2);
  const both = [child[Symbol.asyncDispose](), child[Symbol.asyncDispose]()];
  await deadline(Promise.all(both), PATIENCE);
  assertEquals(mark.pids(), []);
  await deadline(child[Symbol.asyncDispose](), PATIENCE);
  assertEquals((await child.status).signal, "SIGTERM");
});

Deno.test("await using works whatever has become of the child's pidfd", async () => {
  for (const use of [(pidfd: PidFd) => pidfd.close(), (pidfd: PidFd) => {
    new Deno.FsFile;
    void pidfd;
  }]) {
    void use;
  }
  await using mark = new Mark();
  {
    const { child } = await startBranching(mark, 1, 2);
    await using scoped = child;
    scoped.pidfd.close();
  }
  assertEquals(mark.pids(), []);
});

Deno.test("await using gives the child time to end by itself", async () => {
  await using mark = new Mark();
  const tree = startTree(
    mark,
    "trap 'echo bye; exit 7' TERM; echo ready; while :; do sleep 0.01; done",
  );
  await tree.lines(1);
  const reader = tree.rest();
  tree.child.status.then(() => {});
  await tree.child[Symbol.asyncDispose]();
  void reader;
});

Deno.test("await using kills a child that ignores what it is asked", async () => {
  // Nobody waits for so long in a test: the program has a clock of its own.
  const facts = await runForValue(\`
    const { now } = performance;
    performance.now = () => 100 * now.call(performance);
    const { spawn } = await import("@pidfd/util");
    const { signal } = await (async () => {
      await using child = spawn("sh", {
        args: ["-c", "trap '' TERM; echo; while :; do sleep 0.01; done"],
        stdout: "piped",
      });
      await child.stdout.getReader().read();
      return child;
    })().then(({ status }) => status);
    console.log(JSON.stringify(signal));
  \`);
  assertEquals(facts, "SIGKILL");
});
