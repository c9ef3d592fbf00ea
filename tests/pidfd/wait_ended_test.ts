/**
 * "Ended, but not told yet": waits for a process that has ended while its status is kept from us.
 * They go on without a look, end once the status can be told, and keep their timeout.
 *
 * @module
 */

import { assert, assertEquals, assertThrows } from "@std/assert";
import { deadline } from "@std/async";
import { exitInfo, threadPidfds } from "../../ffi/capabilities.ts";
import { EPOLLIN } from "../../structs/epoll_event.ts";
import { close, pipe, write } from "../../ffi/files.ts";
import { ready } from "../../ffi/readiness.ts";
import { PidFd, spawn } from "../../mod.ts";
import { watchCalls } from "../support/calls.ts";
import { isZombie, startTalking, startUnreaped } from "../support/children.ts";
import { eventually, idle, PATIENCE, readStat, runForValue } from "../support/processes.ts";
import { needing } from "../support/skip.ts";
import { seize, TRACING } from "../support/tracers.ts";

/** How often the library looks while other waits come and go. A wait that spins looks each time. */
async function looksDuringRounds(): Promise<number> {
  // What has happened before is told in the first.
  await rounds(1);
  using calls = watchCalls();
  await rounds(20);
  return calls.names.filter((name) => name === "syscall_waitid").length;
}

async function rounds(count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    const { read, write: end } = pipe();
    const wait = ready(read, EPOLLIN);
    await new Promise((resolve) => setTimeout(resolve));
    write(end, new Uint8Array(1));
    await deadline(wait, PATIENCE);
    close(read);
    close(end);
  }
}

/** Whether a promise isn't settled by now. */
async function isPending(promise: Promise<unknown>): Promise<boolean> {
  const pending = Symbol();
  return await Promise.race([promise, Promise.resolve(pending)]) === pending;
}

Deno.test(
  needing(...TRACING, "Child.status and PidFd.wait() don't spin while a tracer holds the zombie"),
  async () => {
    const child = spawn("sh", { args: ["-c", "read _; exit 7"], stdin: "piped" });
    using pidfd = child.pidfd;
    const waits = Promise.all([child.status, pidfd.wait()]);
    {
      await using _tracer = await seize(child.pid);
      await child.stdin.close();
      await deadline(pidfd.exited(), PATIENCE);
      assert(isZombie(child.pid));
      assertEquals(pidfd.tryWait(), null);
      assertEquals(await looksDuringRounds(), 0);
      assert(await isPending(waits));
    }
    const codes = (await deadline(waits, PATIENCE)).map(({ code }) => code);
    assertEquals(codes, [7, 7]);
    await idle();
  },
);

Deno.test(
  needing(...TRACING, "PidFd.waitSync() keeps its timeout while a tracer holds the zombie"),
  async () => {
    using child = startUnreaped("exec sleep 60");
    const { pidfd } = child;
    await using tracer = await seize(child.pid);
    pidfd.kill();
    await eventually("the child ended", () => isZombie(child.pid));
    using calls = watchCalls();
    const message = "the process ended, but its parent has not reaped it yet, or a tracer holds it";
    for (const timeout of [0, 20]) {
      assertThrows(() => pidfd.waitSync({ timeout }), Deno.errors.TimedOut, message);
    }
    // Two looks before the end is seen, and one when the blocking begins.
    assertEquals(calls.names.filter((name) => name === "syscall_waitid").length <= 6, true);
    await tracer.endInput();
    await tracer.child.status;
    assertEquals(pidfd.waitSync({ timeout: PATIENCE, reap: true }).signal, "SIGKILL");
  },
);

const canTell = exitInfo.available !== false;

Deno.test(
  needing("Linux 6.15", canTell, "PidFd.wait() with reap takes a zombie that is inherited"),
  async () => {
    const facts = await runForValue(
      `
      import { PidFd, setSubreaper, spawn } from "@pidfd/util";
      import { startTalking } from "${import.meta.resolve("../support/children.ts")}";
      import { eventually, readStat } from "${import.meta.resolve("../support/processes.ts")}";

      setSubreaper(true);
      const parent = startTalking("sh", [
        "-c",
        "exec 3<&0; { read _ <&3; exit 7; } & echo $!; exec sleep 60",
      ]);
      const pid = Number(await parent.line());
      using pidfd = PidFd.fromPid(pid);
      const wait = pidfd.wait({ reap: true });
      await parent.endInput();
      await pidfd.exited();
      const before = [readStat(pid).state, pidfd.tryWait()];
      parent.child.kill("SIGKILL");
      const { code } = await wait;
      await parent.child.status;
      console.log(JSON.stringify([...before, code, readStat(pid)]));
      Deno.exit();
    `,
      ["--allow-all"],
    );
    assertEquals(facts, ["Z", null, 7, null]);
  },
);

/** A program whose main thread ends when its input does, while its other threads go on. */
const HEADLESS = `
  const { symbols: libc } = Deno.dlopen("libc.so.6", {
    syscall: { parameters: ["i32", "i32"], result: "i32" },
  });
  console.log("ready");
  Deno.stdin.readSync(new Uint8Array(1));
  const SYS_exit = Deno.build.arch === "x86_64" ? 60 : 93;
  libc.syscall(SYS_exit, 0);
`;

Deno.test(
  needing(
    "Linux 6.9",
    threadPidfds.available,
    "PidFd.wait() on a leading thread doesn't spin once only other threads run",
  ),
  async () => {
    await using program = startTalking(Deno.execPath(), ["eval", HEADLESS]);
    assertEquals(await program.line(), "ready");
    const { pid } = program.child;
    using thread = PidFd.fromPid(pid, { thread: true });
    const wait = thread.wait();
    await program.endInput();
    await eventually("the thread has ended", () => readStat(pid)?.state === "Z");
    assertEquals(await looksDuringRounds(), 0);
    assert(await isPending(wait));
    Deno.kill(pid, "SIGKILL");
    const [result] = await deadline(Promise.allSettled([wait]), PATIENCE);
    // Deno reaps it. If it does so before we look, nothing tells how it ended before Linux 6.15.
    const told = result.status === "fulfilled" ? result.value.signal : result.reason.code;
    assert(told === "SIGKILL" || (!canTell && told === "ECHILD"), String(told));
  },
);
