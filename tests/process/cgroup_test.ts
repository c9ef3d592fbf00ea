/**
 * The end of all that is in a cgroup, with a tree or without.
 *
 * @module
 */

import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { deadline } from "@std/async";
import { Cgroup, killTree, spawn, SyscallError, UnsupportedError } from "../../mod.ts";
import { CGROUPS, DAEMON, hasCgroups, startIn, TestCgroup } from "../support/cgroups.ts";
import { openingInstead } from "../support/openat.ts";
import { asOrdinaryUser } from "../support/ordinary_user.ts";
import { eventually, idle, isRoot, openFds, PATIENCE, readStat } from "../support/processes.ts";
import { needing } from "../support/skip.ts";
import { Folder } from "../support/sockets.ts";
import { Mark, startTree, type Tree } from "../support/trees.ts";

/** Removes a cgroup, without giving anybody else a turn before that has worked. */
function removeOnceEmpty(path: string): void {
  for (const start = performance.now();;) {
    try {
      return Deno.removeSync(path);
    } catch (error) {
      if (!(String(error).includes("busy")) || performance.now() - start > PATIENCE) throw error;
    }
  }
}

/** Registers a test that needs a cgroup. */
function test(name: string, fn: (cgroup: TestCgroup, mark: Mark) => Promise<void>): void {
  Deno.test({
    ...needing(CGROUPS, hasCgroups, name),
    async fn() {
      await using cgroup = new TestCgroup();
      await using mark = new Mark();
      await fn(cgroup, mark);
    },
  });
}

/** Starts a process and a daemon of its; resolves with the daemon's PID. */
async function startDaemon(cgroup: TestCgroup, mark: Mark): Promise<[Tree, number]> {
  const tree = await startIn(cgroup, mark, `(${DAEMON}) & exec sleep 60`);
  const [daemon] = (await tree.lines(1)).map(Number);
  const isOrphan = () => !mark.pids().includes(readStat(daemon)!.ppid);
  await eventually("the daemon has lost its parent", isOrphan);
  return [tree, daemon];
}

test("killTree() with cgroup ends those that have left the tree, too", async (cgroup, mark) => {
  const [tree, daemon] = await startDaemon(cgroup, mark);
  assertEquals(cgroup.pids().includes(daemon), true);
  using root = tree.child.pidfd;
  const { ended } = await deadline(killTree(root, { cgroup: cgroup.path }), PATIENCE);
  assertEquals([mark.pids(), cgroup.pids()], [[], []]);
  // It can tell of none but those that were found in the tree.
  const pids = ended.map(({ pid }) => pid);
  assertEquals([pids.includes(tree.child.pid), pids.includes(daemon)], [true, false]);
  assertEquals((await tree.child.status).signal, "SIGTERM");
});

test(
  "killTree() says that the kernel won't end a threaded cgroup, after the tree has ended",
  async (cgroup, mark) => {
    using stack = new DisposableStack();
    const path = `${cgroup.path}/threaded`;
    Deno.mkdirSync(path);
    stack.defer(() => Deno.removeSync(path));
    Deno.writeTextFileSync(`${path}/cgroup.type`, "threaded");
    const tree = startTree(mark, "sleep 60 & echo; wait");
    await tree.lines(1);
    await using other = spawn("sleep", { args: ["60"] });
    Deno.writeTextFileSync(`${path}/cgroup.procs`, String(other.pid));
    using root = tree.child.pidfd;
    const end = () => deadline(killTree(root, { cgroup: path }), PATIENCE);
    const { code, syscall } = await assertRejects(end, SyscallError);
    assertEquals([code, syscall, mark.pids()], ["EOPNOTSUPP", "write", []]);
  },
);

test(
  "killTree() without cgroup leaves alone those that had left the tree",
  async (cgroup, mark) => {
    const [tree, daemon] = await startDaemon(cgroup, mark);
    using root = tree.child.pidfd;
    await deadline(killTree(root), PATIENCE);
    assertEquals(mark.pids(), [daemon]);
  },
);

test("killTree() with cgroup gives the tree its grace first", async (cgroup, mark) => {
  const tree = await startIn(
    cgroup,
    mark,
    "trap 'exit 7' TERM; echo; while :; do sleep 0.01; done",
  );
  await tree.lines(1);
  using root = tree.child.pidfd;
  await deadline(killTree(root, { cgroup: cgroup.path }), PATIENCE);
  assertEquals((await tree.child.status).code, 7);
});

test(
  "killTree() with cgroup ends what is in it though the root has ended",
  async (cgroup, mark) => {
    const tree = await startIn(cgroup, mark, DAEMON);
    await tree.lines(1);
    await deadline(tree.child.status, PATIENCE);
    assertEquals(mark.pids().length, 1);
    using root = tree.child.pidfd;
    const killed = await deadline(killTree(root, { cgroup: cgroup.path }), PATIENCE);
    assertEquals([killed, mark.pids()], [{ ended: [], refused: [], stuck: [] }, []]);
  },
);

/** Ends all processes of a cgroup. */
async function kill(path: string): Promise<void> {
  const cgroup = Cgroup.open(path);
  await deadline(cgroup.kill(), PATIENCE);
  cgroup.close();
}

test(
  "Cgroup.kill() resolves once many processes have ended, below it as well",
  async (cgroup, mark) => {
    await idle();
    const before = openFds();
    const below = `${cgroup.path}/below`;
    Deno.mkdirSync(below);
    const script = `for i in $(seq 100); do sleep 60 & done; echo $! > ${below}/cgroup.procs`;
    const tree = await startIn(cgroup, mark, `${script}; echo; wait`);
    await tree.lines(1);
    await kill(cgroup.path);
    assertEquals([mark.pids(), cgroup.pids()], [[], []]);
    // Only an empty cgroup can be removed.
    Deno.removeSync(below);
    await tree.rest();
    await tree.child.status;
    await idle();
    assertEquals(openFds(), before);
  },
);

test("Cgroup.kill() resolves for an empty cgroup, and leaves it there", async (cgroup) => {
  await kill(cgroup.path);
  assertEquals(Deno.statSync(cgroup.path).isDirectory, true);
});

test("Cgroup.kill() ends who is moved there while it waits, too", async (cgroup, mark) => {
  await startIn(cgroup, mark, "exec sleep 60");
  const late = startTree(mark, "exec sleep 60");
  const killed = kill(cgroup.path);
  // The others have been killed by now, and nothing is looked at again in this turn.
  cgroup.add(late.child.pid);
  await killed;
  assertEquals((await late.child.status).signal, "SIGKILL");
});

test("Cgroup.kill() resolves for a cgroup that is removed while it waits", async (cgroup, mark) => {
  const path = `${cgroup.path}/below`;
  Deno.mkdirSync(path);
  const { child } = startTree(mark, "exec sleep 60");
  Deno.writeTextFileSync(`${path}/cgroup.procs`, String(child.pid));
  const killed = kill(path);
  // At once: the kernel soon tells of the end, unless the cgroup is gone by then.
  removeOnceEmpty(path);
  await killed;
  assertEquals((await child.status).signal, "SIGKILL");
});

test("Cgroup.kill() touches no process outside", async (cgroup, mark) => {
  await using bystander = spawn("sleep", { args: ["60"] });
  const tree = await startIn(cgroup, mark, "exec sleep 60");
  await kill(cgroup.path);
  assertEquals((await tree.child.status).signal, "SIGKILL");
  using pidfd = bystander.pidfd;
  assertEquals(pidfd.isAlive(), true);
});

test("killTree() ends nothing where the kernel is too old to end a cgroup", async (cgroup) => {
  await using child = spawn("sleep", { args: ["60"] });
  using root = child.pidfd;
  using _older = openingInstead("cgroup.kill", "cgroup.none");
  const end = () => killTree(root, { cgroup: cgroup.path, grace: 0 });
  const { feature, since } = await assertRejects(end, UnsupportedError);
  assertEquals([feature, since], ["cgroup.kill", "Linux 5.14"]);
  assertEquals([root.isAlive(), readStat(child.pid)?.state === "T"], [true, false]);
});

Deno.test({
  ...needing(
    `${CGROUPS}, as root`,
    hasCgroups && isRoot,
    "killTree() ends nothing without the right to end the cgroup",
  ),
  async fn() {
    await using cgroup = new TestCgroup();
    await using child = spawn("sleep", { args: ["60"] });
    using root = child.pidfd;
    const end = () => killTree(root, { cgroup: cgroup.path, grace: 0 });
    const { code } = await assertRejects(() => asOrdinaryUser(end), SyscallError);
    assertEquals(code, "EACCES");
    assertEquals([root.isAlive(), readStat(child.pid)?.state === "T"], [true, false]);
  },
});

Deno.test("killTree() ends nothing if there is no such cgroup", async () => {
  await using child = spawn("sleep", { args: ["60"] });
  using root = child.pidfd;
  using folder = new Folder();
  const cgroup = folder.at("none");
  const { code, message } = await assertRejects(
    () => killTree(root, { cgroup, grace: 0 }),
    SyscallError,
  );
  assertEquals(code, "ENOENT");
  assertStringIncludes(message, cgroup);
  assertEquals([root.isAlive(), readStat(child.pid)?.state === "T"], [true, false]);
});

test("Cgroup.kill() resolves for a cgroup that was removed", async (cgroup, mark) => {
  const held = Cgroup.open(cgroup.path);
  const { child } = await startIn(cgroup, mark, "exec sleep 60");
  await eventually("it is in there", () => cgroup.pids().includes(child.pid));
  using removed = new DisposableStack();
  // As a service manager does as soon as one is empty.
  removed.defer(() => Deno.mkdirSync(cgroup.path));
  child.kill("SIGKILL");
  await deadline(child.status, PATIENCE);
  await cgroup.emptied();
  Deno.removeSync(cgroup.path);
  await deadline(held.kill(), PATIENCE);
  await deadline(held.emptied(), PATIENCE);
  held.close();
});
