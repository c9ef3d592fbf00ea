/**
 * Children that the kernel kills when their last handle is closed, and reaps.
 *
 * @module
 */

import { assertEquals, assertRejects, assertStringIncludes, assertThrows } from "@std/assert";
import { deadline } from "@std/async";
import { killOnCloseSpawn } from "../../ffi/capabilities.ts";
import { launch } from "../../ffi/launch.ts";
import { execve, stringVector } from "../../ffi/steps.ts";
import { waitidPidfd } from "../../ffi/syscalls.ts";
import {
  killTree,
  PidFd,
  spawn,
  type SpawnOptions,
  SyscallError,
  UnsupportedError,
} from "../../mod.ts";
import { CGROUPS, hasCgroups, TestCgroup } from "../support/cgroups.ts";
import { leavesNothing, run, writeScript } from "../support/commands.ts";
import { collected } from "../support/garbage.ts";
import { hasMortals, testMortal } from "../support/kill_on_close.ts";
import { withoutCapability } from "../support/privileges.ts";
import { eventually, idle, isRoot, openFds, PATIENCE, runForValue } from "../support/processes.ts";
import { without } from "../support/shadow.ts";
import { needing } from "../support/skip.ts";
import { Folder } from "../support/sockets.ts";
import { childrenOf } from "../support/trees.ts";

Deno.test("spawn() with killOnClose is refused before Linux 7.1, and starts nothing", async () => {
  using _older = without(killOnCloseSpawn);
  using folder = new Folder();
  const proof = folder.at("proof");
  await leavesNothing(() => {
    const start = () => spawn("touch", { args: [proof], killOnClose: true, stdout: "piped" });
    const error = assertThrows(start, UnsupportedError);
    assertEquals([error.feature, error.since], ["CLONE_PIDFD_AUTOKILL", "Linux 7.1"]);
    assertStringIncludes(error.message, "parentDeathSignal");
  });
  assertThrows(() => Deno.statSync(proof), Deno.errors.NotFound);
  // Without it, all is as ever.
  assertEquals((await run("true", { killOnClose: false })).code, 0);
});

// Newer kernels have nothing to refuse.
if (!hasMortals) {
  Deno.test("launch() with killOnClose starts nothing where the kernel refuses it", async () => {
    await leavesNothing(() => {
      const steps = [execve("/bin/true", ["true"], stringVector([], "env"))];
      for (const noNewPrivileges of [undefined, false, true]) {
        const start = () =>
          launch({ steps, changesUser: false, killOnClose: true, noNewPrivileges });
        const { code, syscall } = assertThrows(start, SyscallError);
        assertEquals([code, syscall], ["EINVAL", "clone3"]);
      }
    });
    // Other children are born by clone3 as before.
    assertEquals((await run("true")).code, 0);
  });
}

Deno.test("spawn() refuses a killOnClose that is no boolean", async () => {
  await leavesNothing(() => {
    // @ts-expect-error: what TypeScript refuses, JavaScript can give.
    const start = () => spawn("true", { killOnClose: 1 });
    assertThrows(start, TypeError, "options.killOnClose must be a boolean");
  });
});

const SHELL = (command: string, options: SpawnOptions = {}) =>
  spawn("sh", { args: ["-c", command], killOnClose: true, ...options });

/** A shell's command that exits once its input ends. */
const HELD = "read _; exit 7";

testMortal("tells the status in every way, once and for all", async () => {
  await idle();
  const fds = openFds();
  const child = SHELL(HELD, { stdin: "piped" });
  using pidfd = child.pidfd;
  using other = PidFd.fromPid(child.pid);
  assertEquals([pidfd.tryWait(), other.tryWait(), pidfd.isAlive()], [null, null, true]);
  const waits = Promise.all([
    ...[child.status, pidfd.wait(), pidfd.wait({ reap: true }), other.wait()],
    ...[pidfd.exited().then(() => pidfd.waitSync())],
  ]);
  await child.stdin.close();
  const expected = {
    ...{ success: false, code: 7, signal: null, signalNumber: null },
    ...{ coreDumped: false, usage: null },
  };
  for (const status of await deadline(waits, PATIENCE)) assertEquals(status, expected);
  for (const handle of [pidfd, pidfd.clone(), other]) {
    // The child's own handle was given up at its end, and duplicates of it have no descriptor.
    if (handle.fd >= 0) assertEquals(waitidPidfd(handle.fd, true), { state: "no child" });
    assertEquals(handle.tryWait(), expected);
    assertEquals(handle.waitSync({ reap: true }), expected);
    assertEquals(await handle.wait(), expected);
    assertEquals(handle.isAlive(), false);
    handle.close();
  }
  assertEquals(assertThrows(() => child.kill(), SyscallError).code, "ESRCH");
  assertEquals(childrenOf(Deno.pid), []);
  await idle();
  assertEquals(openFds(), fds);
});

testMortal("can be waited for synchronously", async () => {
  const child = SHELL("exit 7");
  using pidfd = child.pidfd;
  assertEquals(pidfd.waitSync({ timeout: PATIENCE }).code, 7);
  assertEquals((await deadline(child.status, PATIENCE)).code, 7);
  const sleeping = SHELL("exec sleep 60");
  using handle = sleeping.pidfd;
  assertThrows(() => handle.waitSync({ timeout: 1 }), Deno.errors.TimedOut);
  handle.kill();
  assertEquals(handle.waitSync().signal, "SIGKILL");
  assertEquals((await sleeping.status).signal, "SIGKILL");
});

testMortal("can be ended like any other", async () => {
  const timed = SHELL("exec sleep 60", { timeout: 1 });
  assertEquals((await deadline(timed.status, PATIENCE)).signal, "SIGTERM");
  assertEquals(timed.timedOut, true);

  const controller = new AbortController();
  const aborted = SHELL("exec sleep 60", { signal: controller.signal });
  controller.abort();
  assertEquals((await deadline(aborted.status, PATIENCE)).signal, "SIGTERM");

  const terminated = SHELL("exec sleep 60");
  using handle = terminated.pidfd;
  assertEquals((await deadline(handle.terminate(), PATIENCE)).signal, "SIGTERM");

  const tree = SHELL("sleep 60 & sleep 60 & wait");
  using root = tree.pidfd;
  await eventually("the tree is there", () => childrenOf(tree.pid).length === 2);
  assertEquals((await killTree(root)).ended.length, 3);

  const disposed = SHELL("exec sleep 60");
  await disposed[Symbol.asyncDispose]();
  assertEquals((await disposed.status).signal, "SIGTERM");
  assertEquals(childrenOf(Deno.pid), []);
});

testMortal("gives the output of many", async () => {
  const outputs = Array.from({ length: 50 }, (_, i) => run("echo", { args: [`${i}`] }));
  const mortal = Array.from(
    { length: 50 },
    (_, i) => run("echo", { args: [`${i}`], killOnClose: true }),
  );
  assertEquals(await Promise.all(mortal), await Promise.all(outputs));
});

testMortal("names the step that failed, and leaves nothing", async () => {
  await leavesNothing(() => {
    for (const identity of [{}, ...isRoot ? [{ uid: 65534, gid: 65534 }] : []]) {
      const start = () => spawn("true", { killOnClose: true, cwd: "/nope", ...identity });
      assertThrows(start, SyscallError, "chdir: ENOENT");
    }
  });
});

testMortal("runs a script without an interpreter line", async () => {
  using folder = new Folder();
  writeScript(folder.at("script"), "exit 7\n");
  assertEquals((await run(folder.at("script"), { killOnClose: true })).code, 7);
});

Deno.test({
  ...needing(
    `Linux 7.1, ${CGROUPS}`,
    hasMortals && hasCgroups,
    "spawn() with killOnClose has the child born into a cgroup",
  ),
  async fn() {
    await using cgroup = new TestCgroup();
    const child = SHELL("exec sleep 60", { cgroup: cgroup.path });
    assertEquals(cgroup.pids(), [child.pid]);
    await child[Symbol.asyncDispose]();
    assertEquals(cgroup.pids(), []);
  },
});

/** What a child's /proc/self/status says of its privileges to gain, in a program of its own. */
function noNewPrivileges(prefix: string[]) {
  return runForValue(
    `
    import { spawn } from "@pidfd/util";
    const answers = [];
    for (const noNewPrivileges of [undefined, true, false, undefined]) {
      try {
        const child = spawn("grep", {
          args: ["NoNewPrivs", "/proc/self/status"],
          ...{ noNewPrivileges, killOnClose: true, stdout: "piped" },
        });
        const { stdout } = await child.output();
        answers.push(new TextDecoder().decode(stdout).trim().slice(-1));
      } catch (error) {
        answers.push(error.message);
      }
    }
    console.log(JSON.stringify(answers));
  `,
    ["--allow-all"],
    prefix,
  );
}

Deno.test({
  ...needing(
    "Linux 7.1, root",
    hasMortals && isRoot,
    "spawn() with killOnClose leaves root's child its privileges unless told otherwise",
  ),
  async fn() {
    assertEquals(await noNewPrivileges([]), ["0", "1", "0", "0"]);
  },
});

testMortal("takes privileges from the child without CAP_SYS_ADMIN", async () => {
  const refused = "Failed to spawn 'grep': clone3: EPERM: Operation not permitted " +
    "(killOnClose with noNewPrivileges: false needs CAP_SYS_ADMIN)";
  const prefix = withoutCapability("sys_admin");
  assertEquals(await noNewPrivileges(prefix), ["1", "1", refused, "1"]);
});

testMortal("lives on when `child.pidfd` is closed, and the Child is garbage", async () => {
  const pid = (() => SHELL("exec sleep 60").pid)();
  using other = PidFd.fromPid(pid);
  const child = SHELL("exec sleep 60");
  using watched = PidFd.fromPid(child.pid);
  child.pidfd.close();
  await collected();
  assertEquals([other.isAlive(), watched.isAlive()], [true, true]);
  other.kill();
  child.kill();
  await deadline(Promise.all([other.wait(), child.status]), PATIENCE);
});

testMortal("tells the status of an unref'd child", async () => {
  const child = SHELL(HELD, { stdin: "piped" });
  child.unref();
  const input = child.stdin.close();
  // No SIGCHLD tells of its end: a timer has to.
  assertEquals((await deadline(child.status, PATIENCE)).code, 7);
  await input;
});

testMortal("sends no SIGCHLD", async () => {
  let count = 0;
  const listener = () => void count++;
  Deno.addSignalListener("SIGCHLD", listener);
  try {
    assertEquals((await SHELL("exit 7").status).code, 7);
    // The next one's signal comes later than one of the first would have.
    assertEquals((await run("true")).code, 0);
    await eventually("SIGCHLD comes", () => count > 0);
    assertEquals(count, 1);
  } finally {
    Deno.removeSignalListener("SIGCHLD", listener);
  }
});

testMortal("rejects a wait whose handle is closed meanwhile", async () => {
  await using child = SHELL("exec sleep 60");
  const pidfd = child.pidfd.clone();
  const wait = pidfd.wait();
  pidfd.close();
  await assertRejects(() => wait, Deno.errors.BadResource);
  assertEquals(child.pidfd.isAlive(), true);
});
