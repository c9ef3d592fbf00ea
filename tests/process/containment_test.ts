/**
 * Contained children: whatever they start ends with them, by either means, and nobody else does.
 *
 * @module
 */

import { assertEquals, assertRejects, assertStringIncludes, assertThrows } from "@std/assert";
import { deadline } from "@std/async";
import {
  Cgroup,
  features,
  killTree,
  PidFd,
  spawn,
  type SpawnOptions,
  SyscallError,
} from "../../mod.ts";
import { compile, hasCompiler } from "../support/c_compiler.ts";
import { CGROUPS, hasCgroups } from "../support/cgroups.ts";
import { startHeld } from "../support/children.ts";
import { onTerminal, shell } from "../support/dialog.ts";
import { collected } from "../support/garbage.ts";
import { contain, daemon, dispose, END, folders, test } from "../support/containment.ts";
import { ESCAPES, Runaway } from "../support/escapes.ts";
import { eventually, idle, isRoot, openFds, PATIENCE, readStat } from "../support/processes.ts";
import { Folder } from "../support/sockets.ts";
import { startTree } from "../support/trees.ts";

for (const { name, script, needs, isThere } of ESCAPES) {
  test(`Disposal ends what a contained child has started: ${name}`, async (mark) => {
    const runaway = new Runaway();
    const other = new Runaway();
    // Those that must go on: one that is contained itself, one that isn't, and Deno's own.
    await using contained = (await contain(mark, `${other.command} & echo; wait`)).child;
    await using free = spawn("sleep", ["600"]);
    await using held = startHeld(7);
    {
      const tree = await contain(mark, script(runaway.command));
      await eventually("it is there", () => runaway.pids().length > 0);
      await dispose(tree);
    }
    assertEquals(runaway.pids(), []);
    assertEquals([contained, free].map(({ pidfd }) => pidfd.isAlive()), [true, true]);
    // The shell has the command in its own.
    assertEquals(other.pids().length, 2);
    held.exit();
    assertEquals((await deadline(held.child.status, PATIENCE)).code, 7);
  }, needs === undefined ? undefined : { what: needs, isThere: isThere! });
}

/** A program whose child has its memory, and never executes another: until then it can't go on. */
const VFORKING = `
  #include <unistd.h>
  int main(void) {
    if (vfork() == 0) {
      write(1, "\\n", 1);
      for (;;) pause();
    }
  }
`;

test("Disposal ends a contained child that waits for its vfork(2)", async (mark) => {
  using folder = new Folder();
  await compile(VFORKING, folder.at("program"));
  const runaway = new Runaway();
  // The name is the runaway's, and so it is found by that.
  const tree = await contain(mark, `exec ${folder.at("program")} ${runaway.command}`);
  assertEquals(runaway.pids().length, 2);
  await dispose(tree);
  assertEquals(runaway.pids(), []);
  Deno.removeSync(folder.at("program"));
}, { what: "a C compiler", isThere: hasCompiler });

test("killTree() on a contained child's handle ends all", async (mark) => {
  const runaway = new Runaway();
  const tree = await contain(mark, `${daemon(runaway)} exit`);
  await deadline(tree.child.status, PATIENCE);
  assertEquals(runaway.pids().length, 1);
  const [pid] = runaway.pids();
  using root = tree.child.pidfd;
  using clone = root.clone();
  root.close();
  await assertRejects(() => killTree(root, END), Deno.errors.BadResource);
  const killed = await deadline(killTree(clone, END), PATIENCE);
  assertEquals(runaway.pids(), []);
  assertEquals(killed.ended.map(({ pid }) => pid), [pid]);
  assertEquals([killed.refused, killed.stuck], [[], []]);
  await dispose(tree);
  assertEquals(await deadline(killTree(clone), PATIENCE), { ended: [], refused: [], stuck: [] });
});

test("A contained child's timeout ends all", async (mark) => {
  const runaway = new Runaway();
  const tree = await contain(mark, `${daemon(runaway)} sleep 600`, { timeout: 300 });
  await deadline(tree.child.status, PATIENCE);
  await eventually("nobody is left", () => runaway.pids().length === 0);
  assertEquals(tree.child.timedOut, true);
  await dispose(tree);
});

test("A contained child's abort ends all", async (mark) => {
  const runaway = new Runaway();
  const { signal, abort } = abortable();
  const tree = await contain(mark, `${daemon(runaway)} sleep 600`, { signal });
  abort();
  await deadline(tree.child.status, PATIENCE);
  await eventually("nobody is left", () => runaway.pids().length === 0);
  await dispose(tree);
});

function abortable(): { signal: AbortSignal; abort: () => void } {
  const controller = new AbortController();
  return { signal: controller.signal, abort: () => controller.abort() };
}

test("A contained child that ends by itself ends nobody until it is disposed of", async (mark) => {
  const runaway = new Runaway();
  const tree = await contain(mark, `${daemon(runaway)} exit`);
  await deadline(tree.child.status, PATIENCE);
  assertEquals(runaway.pids().length, 1);
  await dispose(tree);
  assertEquals(runaway.pids(), []);
});

test("What a contained child has started is asked first, and gets its grace", async (mark) => {
  const file = await Deno.makeTempFile();
  const script = `setsid sh -c 'trap "echo bye >>${file}; exit" TERM; echo; ` +
    `while :; do sleep 0.01; done' & exit`;
  const tree = await contain(mark, script, { end: { grace: PATIENCE } });
  await dispose(tree);
  assertEquals(await Deno.readTextFile(file), "bye\n");
  await Deno.remove(file);
  assertEquals(mark.pids(), []);
});

test("A contained child leaves nothing behind, nor one that can't be started", async () => {
  await idle();
  await collected();
  const before = openFds();
  for (const command of ["/none", "/tmp"]) {
    assertThrows(() => spawn(command, { contain: true }), SyscallError, "execve");
  }
  for (let i = 0; i < 20; i++) {
    const child = spawn("true", { contain: true });
    assertEquals((await deadline(child.status, PATIENCE)).success, true);
    await child[Symbol.asyncDispose]();
  }
  await idle();
  assertEquals([openFds(), folders()], [before, []]);
});

test("A contained child can be disposed of twice at a time, and killed meanwhile", async (mark) => {
  const runaway = new Runaway();
  const tree = await contain(mark, `${daemon(runaway)} sleep 600`);
  using root = tree.child.pidfd;
  const killed = killTree(root, END);
  await Promise.all([dispose(tree), dispose(tree), deadline(killed, PATIENCE)]);
  await dispose(tree);
  assertEquals(runaway.pids(), []);
});

test("killTree() of a contained child that is aborted leaves nobody stopped", async (mark) => {
  const runaway = new Runaway();
  const script = `setsid sh -c "trap '' TERM; echo; exec ${runaway.command}" & exit`;
  const tree = await contain(mark, script);
  using root = tree.child.pidfd;
  const abort = AbortSignal.timeout(50);
  await assertRejects(() => killTree(root, { grace: 60_000, abort }), DOMException, "timeout");
  const [pid] = runaway.pids();
  await eventually("it goes on", () => ["S", "R"].includes(readStat(pid)!.state));
  await dispose(tree);
  assertEquals(runaway.pids(), []);
});

/** What a child can be besides, each of which takes steps of its own before it executes. */
const OTHERS: { name: string; options: SpawnOptions; needs?: string; isThere?: boolean }[] = [
  { name: "detached", options: { detached: true } },
  { name: "in a process group of its own", options: { processGroup: 0 } },
  { name: "with limits", options: { limits: { core: 0, nofile: 64 } } },
  { name: "without new privileges", options: { noNewPrivileges: true } },
  { name: "with parentDeathSignal", options: { parentDeathSignal: "SIGKILL" } },
  { name: "of another user", options: { user: "nobody" }, needs: "root", isThere: isRoot },
  {
    name: "with killOnClose",
    options: { killOnClose: true },
    needs: "Linux 7.1",
    isThere: features().killOnClose,
  },
];

for (const { name, options, needs = "nothing", isThere = true } of OTHERS) {
  test(`Disposal ends what a contained child has started that is ${name}`, async (mark) => {
    const runaway = new Runaway();
    const tree = await contain(mark, `${daemon(runaway)} exit`, options);
    await deadline(tree.child.status, PATIENCE);
    assertEquals(runaway.pids().length, 1);
    await dispose(tree);
    assertEquals(runaway.pids(), []);
  }, { what: needs, isThere });
}

onTerminal("Disposal ends what a contained child on a terminal has started", async () => {
  const runaway = new Runaway();
  await using dialog = shell(
    `trap '' HUP; setsid sh -c 'echo ready; exec ${runaway.command}' & exit`,
    {
      contain: true,
      end: END,
    },
  );
  await dialog.shows(/ready/);
  await deadline(dialog.child.status, PATIENCE);
  assertEquals(runaway.pids().length, 1);
  await deadline(dialog.child[Symbol.asyncDispose](), PATIENCE);
  assertEquals(runaway.pids(), []);
});

test("A daemon of Deno's own child outlives a contained child", async (mark) => {
  const runaway = new Runaway();
  const theirs = new Deno.Command("sh", {
    args: ["-c", `env -i setsid sh -c 'exec ${runaway.command}' & exit 3`],
    stdin: "null",
    stdout: "null",
  }).spawn();
  const tree = await contain(mark, "echo; exit");
  assertEquals((await deadline(theirs.status, PATIENCE)).code, 3);
  await dispose(tree);
  await eventually("it is there", () => runaway.pids().length === 1);
  using pidfd = PidFd.fromPid(runaway.pids()[0]);
  pidfd.kill();
  await pidfd.exited();
});

test(
  "A contained child is below the cgroup that it is given, and leaves others there",
  async (mark) => {
    await using cgroup = Cgroup.create();
    await using other = spawn("sleep", ["600"], { cgroup });
    const runaway = new Runaway();
    for (const place of [cgroup, cgroup.path]) {
      const tree = startTree(mark, `cat /proc/self/cgroup; ${daemon(runaway)} exit`, [], {
        contain: true,
        cgroup: place,
        end: END,
      });
      const lines = await tree.lines(1);
      while (!lines.at(-1)!.startsWith("0::")) lines.push(...await tree.lines(1));
      assertStringIncludes(lines.at(-1)!, cgroup.path.slice(cgroup.path.lastIndexOf("/")));
      await eventually("it is there", () => runaway.pids().length > 0);
      await dispose(tree);
      assertEquals([runaway.pids(), other.pidfd.isAlive()], [[], true]);
    }
    other.kill();
    await other.status;
    await cgroup[Symbol.asyncDispose]();
  },
  { what: CGROUPS, isThere: hasCgroups },
);

Deno.test("contain is a boolean, and has the limit that it uses for itself", () => {
  for (const contain of [1, "cgroup", null] as unknown as boolean[]) {
    assertThrows(() => spawn("true", { contain }), TypeError, "options.contain");
  }
  const options = { contain: true, limits: { rss: 1000 } };
  assertThrows(() => spawn("true", options), TypeError, "options.limits.rss");
});
