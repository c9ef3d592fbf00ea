/**
 * What can be asked of a child and done to it: as with a `Deno.ChildProcess`, so that code for
 * one works with the other.
 *
 * @module
 */

import { assertEquals, assertRejects, assertStrictEquals, assertThrows } from "@std/assert";
import { deadline } from "@std/async";
import { pidfsIds } from "../../ffi/capabilities.ts";
import { type Child, PidFd, spawn, type SpawnOptions, SyscallError } from "../../mod.ts";
import { blockUntilEnded } from "../support/children.ts";
import { isCloseOnExec } from "../support/fds.ts";
import { eventually, idle, openFds, PATIENCE, readStat } from "../support/processes.ts";
import { needing } from "../support/skip.ts";
import { encode } from "../support/sockets.ts";
import { ended, exited } from "../support/statuses.ts";

const PIPES = { stdin: "piped", stdout: "piped", stderr: "piped" } as const;

/** Starts a shell that exits with 7 when its input ends. */
function startHeld(options: SpawnOptions = {}): Child {
  return spawn("sh", { args: ["-c", "read _; exit 7"], stdin: "piped", ...options });
}

/** Ends a child that was started so. */
async function release(child: Child): Promise<number> {
  await child.stdin.close();
  return (await deadline(child.status, PATIENCE)).code;
}

/** Starts the same both ways. */
function startBoth(command: string, options: Deno.CommandOptions): [Child, Deno.ChildProcess] {
  return [spawn(command, options), new Deno.Command(command, options).spawn()];
}

Deno.test("Child can be used by code that was written for Deno.ChildProcess", async () => {
  const converse = async (child: Child | Deno.ChildProcess) => {
    const writer = child.stdin.getWriter();
    await writer.write(encode("meow"));
    await writer.close();
    const { success, code, signal, stdout, stderr } = await child.output();
    const status: Deno.CommandStatus = await child.status;
    const texts = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
    return { success, code, signal, texts, sameCode: status.code === code };
  };
  const [ours, theirs] = startBoth("sh", { args: ["-c", "cat; echo purr >&2; exit 7"], ...PIPES });
  const [our, their] = await deadline(Promise.all([ours, theirs].map(converse)), PATIENCE);
  assertEquals(our, their);
  assertEquals(our.texts, ["meow", "purr\n"]);
});

Deno.test("Child has streams that can be read to the end at once, as Deno's can", async () => {
  const read = async (child: Deno.ChildProcess) => {
    const result = [await child.stdout.text(), await child.stderr.json()];
    await child.status;
    return result;
  };
  const args = ["-c", `echo ä; echo '{ "a": 1 }' >&2`];
  const [ours, theirs] = startBoth("sh", { args, stdout: "piped", stderr: "piped" });
  await using _child = ours;
  const expected = await read(theirs);
  assertEquals(await deadline(read(ours as unknown as Deno.ChildProcess), PATIENCE), expected);
});

Deno.test("Child.pid is the PID of a child of this program", async () => {
  const child = startHeld();
  assertEquals(readStat(child.pid)?.ppid, Deno.pid);
  assertEquals(child.pidfd.getPid(), child.pid);
  assertEquals(await release(child), 7);
  assertEquals(Number.isInteger(child.pid), true);
  child.pidfd.close();
});

Deno.test("Child.pidfd is one handle, which stays of use when the child has ended", async () => {
  const child = startHeld();
  const { pidfd } = child;
  assertStrictEquals(child.pidfd, pidfd);
  assertEquals([pidfd.isAlive(), pidfd.tryWait(), isCloseOnExec(pidfd.fd)], [true, null, true]);
  assertEquals(await release(child), 7);
  assertEquals([pidfd.isAlive(), pidfd.tryWait()?.code], [false, 7]);
  assertEquals((await pidfd.wait()).code, 7);
  assertThrows(() => pidfd.getPid(), SyscallError, "ESRCH");
  assertEquals(pidfd.closed, false);
  pidfd.close();
});

Deno.test("Child.pidfd that is taken after the child's end knows how it ended", async () => {
  const child = startHeld();
  assertEquals(await release(child), 7);
  using pidfd = child.pidfd;
  assertEquals([pidfd.isAlive(), pidfd.waitSync().code], [false, 7]);
  assertThrows(() => pidfd.sendSignal(0), SyscallError, "ESRCH");
});

Deno.test("Child.pidfd that is taken after the child's end has no descriptor, and says so", async () => {
  const child = startHeld();
  assertEquals(await release(child), 7);
  const { pidfd } = child;
  assertEquals([pidfd.fd, pidfd.closed], [-1, true]);
  const reaped = "this PidFd is closed, as the process was reaped";
  assertThrows(() => pidfd.intoFd(), Deno.errors.BadResource, reaped);
  assertThrows(() => pidfd.setCloseOnExec(false), Deno.errors.BadResource, reaped);
  assertThrows(
    () => spawn("true", { fds: { 3: pidfd } }),
    Deno.errors.BadResource,
    "options.fds[3]",
  );
  using clone = pidfd.clone();
  pidfd.close();
  assertThrows(() => pidfd.tryWait(), Deno.errors.BadResource, "this PidFd is closed");
  assertEquals([clone.closed, clone.tryWait()?.code], [true, 7]);
  await clone.exited();
});

Deno.test("Child is waited for and reaped whatever becomes of its pidfd", async () => {
  const child = startHeld();
  child.pidfd.close();
  assertThrows(() => child.pidfd.isAlive(), Deno.errors.BadResource);
  child.kill(0);
  assertEquals(await release(child), 7);
  assertEquals(readStat(child.pid)?.ppid === Deno.pid, false);
});

Deno.test("Child is not reaped in the turn of its birth, even if it has ended", async () => {
  const child = spawn("true");
  using pidfd = child.pidfd;
  blockUntilEnded(child.pid);
  await Promise.resolve();
  assertEquals(pidfd.getInfo().pid, child.pid);
  assertEquals((await deadline(child.status, PATIENCE)).success, true);
});

Deno.test("Child is reaped though nobody asks for its status", async () => {
  const { pid } = spawn("true");
  await eventually("the child was reaped", () => readStat(pid)?.ppid !== Deno.pid);
});

Deno.test("Child costs no fd once it has ended", async () => {
  await idle();
  const before = openFds();
  const children = Array.from({ length: 10 }, () => spawn("true"));
  await deadline(Promise.all(children.map(({ status }) => status)), PATIENCE);
  await eventually("its fds are closed", () => `${openFds()}` === `${before}`);
});

for (const name of ["stdin", "stdout", "stderr"] as const) {
  Deno.test(`Child.${name} throws as Deno's does where it isn't piped`, async () => {
    using self = PidFd.fromSelf();
    for (const stdio of ["null", "inherit"] as const) {
      const [ours, theirs] = startBoth("true", { ...PIPES, [name]: stdio });
      const { message } = assertThrows(() => theirs[name], TypeError);
      const advice = `: start the child with { ${name}: "piped" }`;
      assertEquals(assertThrows(() => ours[name], TypeError).message, message + advice);
      for (const child of [ours, theirs]) await end(child, name);
    }
    const child = spawn("true", { [name]: self });
    assertThrows(() => child[name], TypeError, "is not piped");
    await child.status;
  });
}

/** Ends what is open of a child that ends by itself. */
async function end(child: Child | Deno.ChildProcess, except: string): Promise<void> {
  await child.status;
  if (except !== "stdin") await child.stdin.close();
  if (except !== "stdout") await child.stdout.cancel();
  if (except !== "stderr") await child.stderr.cancel();
}

Deno.test("Child has one stream of each kind, and one status", async () => {
  const child = spawn("cat", PIPES);
  assertStrictEquals(child.stdin, child.stdin);
  assertStrictEquals(child.stdout, child.stdout);
  assertStrictEquals(child.stderr, child.stderr);
  assertStrictEquals(child.status, child.status);
  await child.stdin.close();
  const [first, second] = [await child.status, await child.status];
  assertEquals(ended(first), exited(0));
  assertStrictEquals(first, second);
  await end(child, "stdin");
});

Deno.test("Child.output() resolves with all that the child wrote, and how it ended", async () => {
  const script = "seq 20000; seq 20000 >&2; kill -USR1 $$";
  const child = spawn("sh", { args: ["-c", script], ...PIPES, stdin: "null" });
  const { stdout, stderr, truncated, ...status } = await deadline(child.output(), PATIENCE);
  const expected = Array.from({ length: 20_000 }, (_, i) => `${i + 1}\n`).join("");
  assertEquals(new TextDecoder().decode(stdout) === expected, true);
  assertEquals(new TextDecoder().decode(stderr) === expected, true);
  assertEquals(status, await child.status);
  assertEquals([status.signal, truncated], ["SIGUSR1", false]);
});

Deno.test("Child.output() has no stream that isn't piped, as Deno's hasn't", async () => {
  const args = ["-c", "echo out; echo err >&2"];
  for (const child of startBoth("sh", { args, stdout: "null", stderr: "piped" })) {
    const output = await deadline(child.output(), PATIENCE);
    assertEquals(output.stderr, encode("err\n"));
    assertThrows(() => output.stdout, TypeError, "Cannot get 'stdout': 'stdout' is not piped");
  }
});

Deno.test("Child.output() rejects as Deno's does if a stream is being read", async () => {
  const [ours, theirs] = startBoth("echo", { args: ["a"], stdout: "piped" });
  for (const child of [ours, theirs]) {
    const reader = child.stdout.getReader();
    await assertRejects(() => child.output(), TypeError, "'stdout' is locked");
    reader.releaseLock();
    const { stdout } = await deadline(child.output(), PATIENCE);
    assertEquals(stdout, encode("a\n"));
    await assertRejects(() => child.output(), TypeError);
  }
});

Deno.test("Child.kill() sends SIGTERM unless told otherwise, as Deno's does", async () => {
  const [ours, theirs] = startBoth("sleep", { args: ["60"] });
  ours.kill();
  theirs.kill();
  const statuses = await deadline(Promise.all([ours.status, theirs.status]), PATIENCE);
  assertEquals(statuses.map(({ signal }) => signal), ["SIGTERM", "SIGTERM"]);
});

for (const [signal, number] of [["SIGINT", 2], [9, 9], [40, 40]] as const) {
  Deno.test(`Child.kill(${JSON.stringify(signal)}) sends signal ${number}`, async () => {
    const child = spawn("sleep", { args: ["60"] });
    child.kill(signal);
    assertEquals((await deadline(child.status, PATIENCE)).signalNumber, number);
  });
}

Deno.test("Child.kill() does nothing to a zombie, and throws ESRCH once it was reaped", async () => {
  const child = spawn("sleep", { args: ["60"] });
  child.kill("SIGKILL");
  blockUntilEnded(child.pid);
  child.kill();
  child.kill("SIGKILL");
  assertEquals((await deadline(child.status, PATIENCE)).signal, "SIGKILL");
  const { code, message } = assertThrows(() => child.kill(), SyscallError);
  assertEquals(code, "ESRCH");
  assertEquals(message.includes("the process was reaped"), true);
  // Deno has a TypeError here, and programs that look for it.
  assertThrows(() => child.kill(), TypeError, "Child process has already terminated");
});

Deno.test(
  needing("Linux 6.9", pidfsIds.available, "Child.pidfd knows its id after the end"),
  async () => {
    const child = spawn("cat", { stdin: "piped" });
    using early = child.pidfd.clone();
    const id = early.getId();
    await child.stdin.close();
    await deadline(child.status, PATIENCE);
    const other = spawn("true");
    await deadline(other.status, PATIENCE);
    for (const pidfd of [child.pidfd, early]) {
      assertEquals(pidfd.getId(), id);
      assertEquals([pidfd.equals(early), pidfd.equals(other.pidfd)], [true, false]);
    }
  },
);

Deno.test("Child.kill() refuses what is no signal", async () => {
  const child = startHeld();
  assertThrows(() => child.kill("SIGNONE" as Deno.Signal), RangeError);
  assertThrows(() => child.kill(65), RangeError);
  assertThrows(() => child.kill(null as unknown as number), TypeError);
  assertEquals(await release(child), 7);
});
