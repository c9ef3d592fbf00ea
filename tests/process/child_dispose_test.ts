/**
 * `await using child`: when the block is left nothing of the child is left, however it was left.
 *
 * @module
 */

import { assertEquals, assertRejects } from "@std/assert";
import { deadline } from "@std/async";
import { Errno } from "../../ffi/errno.ts";
import { libc } from "../../ffi/libc.ts";
import { type Child, type PidFd, spawn, SyscallError } from "../../mod.ts";
import { setErrno } from "../support/errno.ts";
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
import { shadow } from "../support/shadow.ts";
import { childrenOf, Mark, startBranching, startTree } from "../support/trees.ts";

const PIPES = { stdin: "piped", stdout: "piped", stderr: "piped" } as const;

Deno.test("await using ends the child and all its descendants", async () => {
  await using mark = new Mark();
  let status: Child["status"];
  let pidfd: PidFd;
  {
    const { child } = await startBranching(mark, 2, 3);
    await using scoped = child;
    ({ status, pidfd } = scoped);
    await eventually("all have the mark", () => mark.pids().length === 13);
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

Deno.test("await using closes the streams to the child, and leaves nobody waiting", async () => {
  await idle();
  const before = openFds();
  let pending: Promise<PromiseSettledResult<unknown>[]>;
  {
    await using child = spawn("sh", { args: ["-c", "kill -STOP $$"], ...PIPES });
    const read = child.stdout.getReader().read();
    const write = child.stdin.getWriter().write(new Uint8Array(2 ** 24));
    pending = Promise.allSettled([read, write]);
    await eventually("the shell stopped", () => readStat(child.pid)?.state === "T");
    assertEquals(await isPending(pending), true);
  }
  // A read may have come to the end before the closing, but there was nobody to write to.
  const [, write] = await deadline(pending, PATIENCE);
  assertEquals(write.status, "rejected");
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

Deno.test("await using works though the child's pidfd was closed", async () => {
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
  const script = "trap 'exit 7' TERM; echo; while :; do sleep 0.01; done";
  const { child, lines } = startTree(mark, script);
  await lines(1);
  {
    await using _scoped = child;
  }
  assertEquals((await child.status).code, 7);
});

Deno.test("await using kills a child that ignores what it is asked", async () => {
  // Nobody waits for so long in a test: the program has a fast clock.
  const facts = await runForValue(`
    const now = performance.now.bind(performance);
    performance.now = () => 100 * now();
    const { spawn } = await import("@pidfd/util");
    const args = ["-c", "trap '' TERM; echo; while :; do sleep 0.01; done"];
    let status;
    {
      await using child = spawn("sh", { args, stdout: "piped" });
      await child.stdout.getReader().read();
      status = child.status;
    }
    console.log(JSON.stringify((await status).signal));
  `);
  assertEquals(facts, "SIGKILL");
});

Deno.test("await using leaves nothing of a child that couldn't be reaped at first", async () => {
  const before = { children: childrenOf(Deno.pid), fds: openFds() };
  const child = spawn("sleep", { args: ["60"] });
  {
    const refuse = () => {
      setErrno(Errno.EINVAL);
      return -1;
    };
    using _refusing = shadow(libc() as Record<string, unknown>, "syscall_waitid", () => refuse);
    child.kill();
    await assertRejects(() => child.status, SyscallError, "waitid: EINVAL");
  }
  await assertRejects(() => child[Symbol.asyncDispose](), SyscallError, "waitid: EINVAL");
  await idle();
  assertEquals({ children: childrenOf(Deno.pid), fds: openFds() }, before);
});

Deno.test("await using ends the child itself even if there is no fd to look for others with", async () => {
  const facts = await runForValue(
    `
    import { spawn } from "@pidfd/util";
    import { giveBack, takeAll } from "${ROOT}tests/support/scarce_fds.ts";
    const child = spawn("sleep", { args: ["60"] });
    takeAll();
    const failure = await child[Symbol.asyncDispose]().catch(({ code }) => code);
    giveBack(100);
    const late = new Promise((resolve) => setTimeout(resolve, 10_000, "still runs"));
    const end = await Promise.race([child.status.then(({ signal }) => signal), late]);
    console.log(JSON.stringify({ failure, end }));
    if (child.pidfd.isAlive()) child.kill("SIGKILL");
    Deno.exit();
  `,
    ["--allow-all"],
  );
  assertEquals(facts, { failure: "EMFILE", end: "SIGKILL" });
});
