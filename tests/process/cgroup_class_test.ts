/**
 * The class Cgroup: making, opening, what it tells, freezing, ending and removing.
 *
 * @module
 */

import {
  assert,
  assertEquals,
  assertGreater,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { deadline } from "@std/async";
import {
  Cgroup,
  type CgroupLimits,
  killTree,
  spawn,
  SyscallError,
  UnsupportedError,
} from "../../mod.ts";
import { CGROUP_ROOT, CGROUPS, DAEMON, hasCgroups, OWN_CGROUP } from "../support/cgroups.ts";
import { collected } from "../support/garbage.ts";
import { asOrdinaryUser } from "../support/ordinary_user.ts";
import {
  eventually,
  idle,
  isRoot,
  openFds,
  PATIENCE,
  readStat,
  runForValue,
} from "../support/processes.ts";
import { needing } from "../support/skip.ts";
import { Mark, startTree } from "../support/trees.ts";

/** Registers a test that makes cgroups. */
function test(name: string, fn: () => Promise<void>): void {
  Deno.test({ ...needing(CGROUPS, hasCgroups, name), fn });
}

function isThere(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** The PIDs of the processes in a cgroup and below it. */
function pids(cgroup: Cgroup): number[] {
  return cgroup.processes().map((pidfd) => {
    using held = pidfd;
    return held.getPid();
  }).sort((a, b) => a - b);
}

test("Cgroup.create() makes one below this program's own, which disposal removes", async () => {
  await idle();
  await collected();
  const before = openFds();
  let path: string;
  {
    await using cgroup = Cgroup.create();
    ({ path } = cgroup);
    assertEquals(path.slice(0, path.lastIndexOf("/")), OWN_CGROUP);
    assertEquals(isThere(path), true);
  }
  assertEquals(isThere(path), false);
  await idle();
  assertEquals(openFds(), before);
});

test("Cgroup.create() takes a parent and a name, and refuses one that is there", async () => {
  await using parent = Cgroup.create();
  await using cgroup = Cgroup.create({ parent: `${parent.path}/`, name: "one.slice" });
  assertEquals(cgroup.path, `${parent.path}/one.slice`);
  const again = () => Cgroup.create({ parent: parent.path, name: "one.slice" });
  assertEquals(assertThrows(again, SyscallError).code, "EEXIST");
  assertThrows(again, Deno.errors.AlreadyExists);
});

Deno.test("Cgroup.create() refuses what can't be meant, and makes nothing", () => {
  const refused: (readonly [unknown, typeof TypeError | typeof RangeError])[] = [
    ...["", ".", "..", "a/b", "a\n", "a\0", 7].map((name) => [{ name }, TypeError] as const),
    [{ parent: 7 }, TypeError],
    [{ limit: {} }, TypeError],
    [{ limits: 7 }, TypeError],
    [{ limits: { ram: 7 } }, TypeError],
    [{ limits: { memory: "7" } }, TypeError],
    [{ limits: { memory: -1 } }, RangeError],
    [{ limits: { memory: 0.5 } }, RangeError],
    [{ limits: { swap: -Infinity } }, RangeError],
    [{ limits: { processes: NaN } }, RangeError],
    [{ limits: { cpus: 0 } }, RangeError],
    [{ limits: { cpus: 0.001 } }, RangeError],
    [{ limits: { cpus: NaN } }, RangeError],
    [{ limits: { cpus: "1" } }, TypeError],
    [{ limits: { cpuWeight: 0 } }, RangeError],
    [{ limits: { cpuWeight: 10_001 } }, RangeError],
    [{ limits: { cpuWeight: Infinity } }, RangeError],
  ];
  for (const [options, type] of refused) {
    assertThrows(() => Cgroup.create(options as { name: string }), type);
  }
});

Deno.test("Cgroup.open() refuses what is no cgroup", () => {
  assertThrows(() => Cgroup.open("/tmp"), TypeError, "/tmp");
  assertEquals(assertThrows(() => Cgroup.open("/none"), SyscallError).code, "ENOENT");
  assertThrows(() => Cgroup.open(7 as unknown as string), TypeError);
});

Deno.test({
  ...needing(
    `${CGROUPS}, as root`,
    hasCgroups && isRoot,
    "Cgroup.create() says that this program may not make one",
  ),
  fn() {
    const create = () => asOrdinaryUser(() => Cgroup.create({ name: "refused" }));
    const { code, message } = assertThrows(create, SyscallError);
    assertEquals(code, "EACCES");
    assertStringIncludes(message, `(${OWN_CGROUP}/refused)`);
  },
});

test("Cgroup.setLimits() names the controller, the file, and what doesn't hand it on", async () => {
  await using parent = Cgroup.create();
  // With a process in it, a cgroup hands on nothing; and in many places there is nothing.
  await using _child = spawn("sleep", ["60"], { cgroup: parent });
  await using cgroup = Cgroup.create({ parent: parent.path });
  const files: Record<keyof CgroupLimits, [controller: string, file: string]> = {
    memory: ["memory", "memory.max"],
    swap: ["memory", "memory.swap.max"],
    processes: ["pids", "pids.max"],
    cpus: ["cpu", "cpu.max"],
    cpuWeight: ["cpu", "cpu.weight"],
  };
  for (const [name, [controller, file]] of Object.entries(files)) {
    const set = () => cgroup.setLimits({ [name]: 100 });
    const { message } = assertThrows(set, SyscallError);
    assertStringIncludes(message, `${cgroup.path} has no ${file}`);
    assertStringIncludes(message, `controller ${controller}`);
    assertStringIncludes(message, `${parent.path}/cgroup.subtree_control`);
  }
  // Nothing stays of one whose limits can't be set.
  const name = "greedy";
  assertThrows(
    () => Cgroup.create({ parent: parent.path, name, limits: { memory: 1e8 } }),
    SyscallError,
  );
  assertEquals(isThere(`${parent.path}/${name}`), false);
});

test("Cgroup.processes() holds all that are in it and below it", async () => {
  await using cgroup = Cgroup.create();
  assertEquals(pids(cgroup), []);
  // First, or it has controllers handed on, and no process can be in it.
  await using one = spawn("sleep", ["60"], { cgroup });
  await using below = Cgroup.create({ parent: cgroup.path });
  await using other = spawn("sleep", ["60"], { cgroup: below });
  assertEquals(pids(cgroup), [one.pid, other.pid].sort((a, b) => a - b));
  assertEquals(pids(below), [other.pid]);
});

test("Cgroup.stats() tells the time that they took, those that have ended as well", async () => {
  await using cgroup = Cgroup.create();
  assertEquals(cgroup.stats().cpuTime.user, 0);
  const count = "i=0; while [ $i -lt 100000 ]; do i=$((i + 1)); done";
  await using child = spawn("sh", ["-c", count], { cgroup });
  const { usage } = await deadline(child.status, PATIENCE);
  const { cpuTime: { user, system } } = cgroup.stats();
  assertGreater(user, 0);
  // Both are the kernel's own measure, and it measures the same.
  const [total, used] = [user + system, usage!.userTime + usage!.systemTime];
  assert(total >= used * 0.5 && total <= used * 2 + 50, `${total} ms, ${used} ms`);
});

test("Cgroup.stats() and setLimits() say that it was removed", async () => {
  const cgroup = Cgroup.create();
  Deno.removeSync(cgroup.path);
  for (const act of [() => cgroup.stats(), () => cgroup.setLimits({ processes: 5 })]) {
    const { code, message } = assertThrows(act, SyscallError);
    assertEquals(code, "ENODEV");
    assertStringIncludes(message, "the cgroup was removed");
  }
  await cgroup[Symbol.asyncDispose]();
});

Deno.test({
  ...needing(
    "cgroup v2, and its root to be seen",
    CGROUP_ROOT !== null && !isThere(`${CGROUP_ROOT}/cgroup.type`),
    "Cgroup.setLimits() says that the root has no limits",
  ),
  fn() {
    const root = Cgroup.open(CGROUP_ROOT!);
    using _ = { [Symbol.dispose]: () => root.close() };
    for (const limits of [{ memory: 2 ** 40 }, { processes: 2 ** 20 }, { cpuWeight: 100 }]) {
      const { message } = assertThrows(() => root.setLimits(limits), UnsupportedError);
      assertStringIncludes(message, "a cgroup that is not the root");
    }
  },
});

test("Cgroup.emptied() resolves when a disposal empties it, and rejects when it is closed", async () => {
  for (const isDisposed of [true, false]) {
    await using cgroup = Cgroup.create();
    await using other = Cgroup.open(cgroup.path);
    await using child = spawn("sleep", ["60"], { cgroup });
    const emptied = cgroup.emptied().then(() => "emptied", ({ name }) => name);
    if (isDisposed) await deadline(cgroup[Symbol.asyncDispose](), PATIENCE);
    else cgroup.close();
    await deadline(other[Symbol.asyncDispose](), PATIENCE);
    await deadline(child.status, PATIENCE);
    assertEquals(await deadline(emptied, PATIENCE), isDisposed ? "emptied" : "BadResource");
    await assertRejects(() => cgroup.emptied(), Deno.errors.BadResource);
    if (!isDisposed) Deno.removeSync(cgroup.path);
  }
});

test("Cgroup.path has no slash at its end, however it was opened", async () => {
  await using cgroup = Cgroup.create();
  await using below = Cgroup.create({ parent: `${cgroup.path}//`, name: "below" });
  const opened = Cgroup.open(`${cgroup.path}//`);
  opened.close();
  assertEquals([opened.path, below.path], [cgroup.path, `${cgroup.path}/below`]);
});

test("Cgroup.freeze() has all of them stand still until thaw()", async () => {
  await using cgroup = Cgroup.create();
  const script = "trap 'exit 7' TERM; while :; do echo; sleep 0.01; done";
  await using child = spawn("sh", ["-c", script], { cgroup, stdout: "piped" });
  await using other = spawn("sleep", ["60"], { cgroup });
  const reader = child.stdout.getReader();
  await deadline(reader.read(), PATIENCE);
  await deadline(cgroup.freeze(), PATIENCE);
  assertStringIncludes(Deno.readTextFileSync(`${cgroup.path}/cgroup.events`), "frozen 1");
  child.kill("SIGTERM");
  other.kill("SIGTERM");
  assertEquals((await deadline(other.status, PATIENCE)).signal, "SIGTERM");
  // A signal that is handled has to wait.
  await assertRejects(() => cgroup.emptied({ signal: AbortSignal.timeout(50) }), DOMException);
  assertEquals(child.pidfd.isAlive(), true);
  await deadline(cgroup.thaw(), PATIENCE);
  assertEquals((await deadline(child.status, PATIENCE)).code, 7);
  await reader.cancel();
});

test("Cgroup.freeze() and thaw() can be given up, and then they go on", async () => {
  await using cgroup = Cgroup.create();
  const signal = AbortSignal.abort(new Error("enough"));
  await assertRejects(() => cgroup.freeze({ signal }), Error, "enough");
  await assertRejects(() => cgroup.thaw({ signal }), Error, "enough");
  await eventually("it is not frozen", () => {
    return Deno.readTextFileSync(`${cgroup.path}/cgroup.events`).includes("frozen 0");
  });
  assertEquals(Deno.readTextFileSync(`${cgroup.path}/cgroup.freeze`).trim(), "0");
});

test("Cgroup.emptied() resolves once the last of them has ended", async () => {
  await using cgroup = Cgroup.create();
  await deadline(cgroup.emptied(), PATIENCE);
  await using child = spawn("sleep", ["60"], { cgroup });
  const early = cgroup.emptied({ signal: AbortSignal.timeout(20) });
  await assertRejects(() => early, DOMException, "timeout");
  const emptied = cgroup.emptied();
  child.kill();
  await deadline(emptied, PATIENCE);
  assertEquals(pids(cgroup), []);
});

test("Cgroup's disposal ends daemons, and removes what was made below it", async () => {
  await using mark = new Mark();
  let path: string;
  {
    await using cgroup = Cgroup.create();
    ({ path } = cgroup);
    for (const name of ["a", "a/b.scope", "a/b.scope/c"]) Deno.mkdirSync(`${path}/${name}`);
    const tree = startTree(mark, DAEMON, [], { cgroup });
    const [daemon] = (await tree.lines(1)).map(Number);
    Deno.writeTextFileSync(`${path}/a/b.scope/cgroup.procs`, String(daemon));
    await tree.child.status;
    assertEquals(pids(cgroup), [daemon]);
  }
  assertEquals([isThere(path), mark.pids()], [false, []]);
});

test("Cgroup's disposal leaves a folder that it hasn't made, and can be repeated", async () => {
  await using made = Cgroup.create();
  const opened = Cgroup.open(made.path);
  await using child = spawn("sleep", ["60"], { cgroup: opened });
  await Promise.all([opened[Symbol.asyncDispose](), opened[Symbol.asyncDispose]()]);
  await opened[Symbol.asyncDispose]();
  assertEquals([(await child.status).signal, isThere(made.path)], ["SIGKILL", true]);
});

test("Cgroup's disposal leaves one alone that was made in its place", async () => {
  const cgroup = Cgroup.create();
  Deno.removeSync(cgroup.path);
  Deno.mkdirSync(cgroup.path);
  await cgroup[Symbol.asyncDispose]();
  assertEquals(isThere(cgroup.path), true);
  Deno.removeSync(cgroup.path);
});

test("Cgroup can be closed, and goes on", async () => {
  await using made = Cgroup.create();
  await using child = spawn("sleep", ["60"], { cgroup: made });
  const opened = Cgroup.open(made.path);
  const path = JSON.stringify(made.path);
  const shown = () => Deno.inspect(opened, { breakLength: 200 });
  assertEquals(shown(), `Cgroup { path: ${path} }`);
  opened.close();
  opened.close();
  assertEquals([opened.closed, shown()], [true, `Cgroup { path: ${path}, closed: true }`]);
  assertThrows(() => opened.stats(), Deno.errors.BadResource, "Cgroup is closed");
  assertThrows(() => spawn("true", { cgroup: opened }), Deno.errors.BadResource);
  await opened[Symbol.asyncDispose]();
  assertEquals(child.pidfd.isAlive(), true);
});

test("A child's disposal leaves alone who else is in its Cgroup", async () => {
  await using cgroup = Cgroup.create();
  await using one = spawn("sleep", ["60"], { cgroup });
  {
    await using _other = spawn("sleep", ["60"], { cgroup });
  }
  assertEquals([one.pidfd.isAlive(), pids(cgroup)], [true, [one.pid]]);
  // Nothing was done to it that keeps others from being born there.
  await using late = spawn("sleep", ["60"], { cgroup });
  assertEquals(late.pidfd.isAlive(), true);
});

test("killTree() ends all in a Cgroup with the tree", async () => {
  await using cgroup = Cgroup.create();
  await using mark = new Mark();
  const tree = startTree(mark, DAEMON, [], { cgroup });
  await tree.lines(1);
  await tree.child.status;
  using root = tree.child.pidfd;
  await deadline(killTree(root, { cgroup }), PATIENCE);
  assertEquals([mark.pids(), cgroup.closed], [[], false]);
});

test("spawn() and killTree() refuse what is no cgroup, and start nothing", async () => {
  await using child = spawn("sleep", ["60"]);
  for (const cgroup of [7, {}, null] as unknown as string[]) {
    assertThrows(() => spawn("true", { cgroup }), TypeError, "options.cgroup");
    await assertRejects(() => killTree(child.pidfd, { cgroup }), TypeError, "options.cgroup");
  }
  assertEquals(readStat(child.pid)?.state === "T", false);
});

test("Cgroup needs --allow-ffi and no other permission", async () => {
  const code = `
    import { Cgroup, spawn } from "@pidfd/util";
    await using cgroup = Cgroup.create();
    await using child = spawn("sleep", { args: ["60"], cgroup });
    const found = cgroup.processes();
    const [pid] = found.map((pidfd) => pidfd.getPid());
    await cgroup.freeze();
    await cgroup.thaw();
    await cgroup.kill();
    const { signal } = await child.status;
    console.log(JSON.stringify([pid === child.pid, signal]));
  `;
  assertEquals(await runForValue(code), [true, "SIGKILL"]);
});
