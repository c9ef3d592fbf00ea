/**
 * Ending a tree of processes: all that belongs to it ends, in the way that was asked for, and
 * nothing else does.
 *
 * @module
 */

import { assert, assertEquals, assertMatch, assertRejects, assertStrictEquals } from "@std/assert";
import { deadline } from "@std/async";
import { infoIoctl, pidfsIds } from "../../ffi/capabilities.ts";
import {
  features,
  type KilledTree,
  killTree,
  type KillTreeOptions,
  OwnedFd,
  PidFd,
  spawn,
} from "../../mod.ts";
import { blockUntilEnded, isZombie, startUnreaped } from "../support/children.ts";
import { openFile } from "../support/fds.ts";
import { eventually, idle, openFds, PATIENCE, readStat, runProgram } from "../support/processes.ts";
import { without } from "../support/shadow.ts";
import { needing } from "../support/skip.ts";
import { childrenOf, Mark, startBranching, startTree } from "../support/trees.ts";

/** Ends the tree of a child. */
async function end(
  child: { readonly pidfd: PidFd },
  options?: KillTreeOptions,
): Promise<KilledTree> {
  using root = child.pidfd;
  return await deadline(killTree(root, options), PATIENCE);
}

function pidsOf({ ended }: KilledTree): number[] {
  return ended.map(({ pid }) => pid).sort((a, b) => a - b);
}

const WAYS: readonly [KillTreeOptions, Deno.Signal][] = [
  [{}, "SIGTERM"],
  [{ signal: "SIGUSR1" }, "SIGUSR1"],
  [{ signal: 1, grace: Infinity }, "SIGHUP"],
  [{ signal: "SIGKILL" }, "SIGKILL"],
  [{ grace: 0 }, "SIGKILL"],
];

for (const [options, signal] of WAYS) {
  Deno.test(`killTree() ends 3 levels with 4 children each with ${Deno.inspect(options)}`, async () => {
    await using mark = new Mark();
    const tree = await startBranching(mark, 3, 4);
    assertEquals(tree.pids.length, 85);
    // For a moment of its execution a process has no environment, and so no mark.
    await eventually("all have the mark", () => mark.pids().length === 85);
    const killed = await end(tree.child, options);
    assertEquals(mark.pids(), []);
    assertEquals([pidsOf(killed), killed.refused], [tree.pids, []]);
    // The pipe's end is the end of all who held it.
    assertEquals(await tree.rest(), "");
    assertEquals((await tree.child.status).signal, signal);
  });
}

Deno.test("killTree() ends a tree without the kernel's newer calls", async () => {
  await using mark = new Mark();
  const tree = await startBranching(mark, 2, 2);
  using _older = without(infoIoctl);
  using _oldest = without(pidfsIds);
  const killed = await end(tree.child);
  assertEquals([pidsOf(killed), mark.pids()], [tree.pids, []]);
  assertEquals(killed.ended.map(({ id }) => id), tree.pids.map(() => null));
  await tree.rest();
});

Deno.test("killTree() says whom it ended: PID, id and command", async () => {
  await using mark = new Mark();
  const tree = startTree(mark, "sleep 61 & echo $!; exec sleep 62 1");
  const [pid] = (await tree.lines(1)).map(Number);
  for (const started of [pid, tree.child.pid]) {
    await eventually("both are sleep", () => isNamed(started, "sleep"));
  }
  using descendant = PidFd.fromPid(pid);
  const ids = [tree.child.pidfd, descendant].map((pidfd) =>
    pidfsIds.available ? pidfd.getId() : null
  );
  const { ended, refused } = await end(tree.child);
  assertEquals({ ended, refused }, {
    ended: [
      { pid: tree.child.pid, id: ids[0], command: "sleep 62 1" },
      { pid, id: ids[1], command: "sleep 61" },
    ],
    refused: [],
  });
  await tree.rest();
});

Deno.test("killTree() ends a process without descendants", async () => {
  const child = spawn("sleep", { args: ["60"], argv0: "a name" });
  await eventually("it is sleep", () => isNamed(child.pid, "a name"));
  const { ended } = await end(child);
  assertEquals(ended.map(({ pid, command }) => [pid, command]), [[child.pid, "a name 60"]]);
  assertEquals((await child.status).signal, "SIGTERM");
});

Deno.test("killTree() ends a tree whose root is no child of this program", async () => {
  await using mark = new Mark();
  const tree = await startBranching(mark, 2, 2);
  const [pid] = childrenOf(tree.child.pid);
  using root = PidFd.fromPid(pid);
  const killed = await deadline(killTree(root), PATIENCE);
  assertEquals(killed.ended.length, 3);
  const left = tree.pids.filter((pid) => !pidsOf(killed).includes(pid));
  assertEquals(mark.pids().sort((a, b) => a - b), left);
  assertEquals(left.length, 4);
  await end(tree.child);
  await tree.rest();
});

Deno.test("killTree() does nothing if the root has ended and was reaped", async () => {
  const child = spawn("true");
  await deadline(child.status, PATIENCE);
  assertEquals(await end(child), { ended: [], refused: [], stuck: [] });
});

Deno.test("killTree() does nothing to a root that is a zombie, which it leaves to its parent", async () => {
  using child = startUnreaped("exit 7");
  blockUntilEnded(child.pid);
  assertEquals(await deadline(killTree(child.pidfd), PATIENCE), {
    ended: [],
    refused: [],
    stuck: [],
  });
  assertEquals(isZombie(child.pid), true);
  assertEquals(child.pidfd.waitSync({ reap: true }).code, 7);
});

Deno.test("killTree() ends processes that were stopped before", async () => {
  await using mark = new Mark();
  const tree = await startBranching(mark, 1, 3);
  const stopped = tree.pids.filter((pid) => pid !== tree.child.pid).slice(1);
  for (const pid of [...stopped, tree.child.pid]) {
    using pidfd = PidFd.fromPid(pid);
    pidfd.sendSignal("SIGSTOP");
    await eventually("it stopped", () => readStat(pid)?.state === "T");
  }
  assertEquals(pidsOf(await end(tree.child)), tree.pids);
  assertEquals(mark.pids(), []);
  assertEquals((await tree.child.status).signal, "SIGTERM");
  await tree.rest();
});

Deno.test("killTree() gives each process its grace", async () => {
  await using mark = new Mark();
  const script = `
    trap 'echo asked; exit 7' TERM
    [ $1 -gt 0 ] && sh -c "$0" "$0" $(($1 - 1)) &
    echo ready
    while :; do sleep 0.01; done
  `;
  const tree = startTree(mark, script, [script, "2"]);
  await tree.lines(3);
  await end(tree.child);
  assertEquals(await tree.rest(), "asked\n".repeat(3));
  assertEquals((await tree.child.status).code, 7);
  assertEquals(mark.pids(), []);
});

Deno.test("killTree() kills who ignores the signal, after the grace", async () => {
  await using mark = new Mark();
  const tree = startTree(
    mark,
    `(trap '' TERM; echo ready; while :; do sleep 0.01; done) & trap 'echo asked; exit 7' TERM; ` +
      "echo ready; while :; do sleep 0.01; done",
  );
  await tree.lines(2);
  await end(tree.child, { grace: 1000 });
  assertEquals(mark.pids(), []);
  assertEquals(await tree.rest(), "asked\n");
  assertEquals((await tree.child.status).code, 7);
});

Deno.test("killTree() ends a tree with a zombie in it", async () => {
  await using mark = new Mark();
  const tree = startTree(mark, "sleep 60 & echo $!; sleep 60 & echo $!; exec sleep 60");
  const [zombie, sleeper] = (await tree.lines(2)).map(Number);
  await eventually("the root is sleep", () => isNamed(tree.child.pid, "sleep"));
  // Now there is nobody who reaps.
  using pidfd = PidFd.fromPid(zombie);
  pidfd.kill();
  await eventually("there is a zombie", () => isZombie(zombie));
  const pids = pidsOf(await end(tree.child));
  assertEquals([tree.child.pid, sleeper].filter((pid) => !pids.includes(pid)), []);
  assertEquals(mark.pids(), []);
  await tree.rest();
});

Deno.test("killTree() tells once of a process that ended, and is still there as a zombie", async () => {
  await using mark = new Mark();
  // The one that is deaf never reaps the other.
  const tree = startTree(
    mark,
    `trap "" TERM; (trap - TERM; exec sleep 60) & echo $!; exec sleep 60`,
  );
  const [mortal] = (await tree.lines(1)).map(Number);
  await eventually(
    "both are sleep",
    () => [tree.child.pid, mortal].every((pid) => isNamed(pid, "sleep")),
  );
  const killed = await end(tree.child, { grace: 300 });
  assertEquals(pidsOf(killed), [tree.child.pid, mortal].sort((a, b) => a - b));
  await tree.rest();
});

/** Whether a process runs a program by this name. Its arguments come last of all of an execution. */
function isNamed(pid: number, name: string): boolean {
  return Deno.readTextFileSync(`/proc/${pid}/cmdline`).startsWith(`${name}\0`);
}

Deno.test("killTree() ends processes that changed their session, group and name", async () => {
  await using mark = new Mark();
  const tree = startTree(
    mark,
    `setsid sh -c 'setsid -f true; echo $$; exec sleep 60' & echo $$; exec sleep 60`,
  );
  const pids = (await tree.lines(2)).map(Number);
  await end(tree.child);
  assertEquals(pids.map((pid) => readStat(pid)?.state ?? "Z"), ["Z", "Z"]);
  // The orphan is in nobody's tree, and ends by itself.
  await eventually("the orphan has ended", () => mark.pids().length === 0);
  await tree.rest();
});

Deno.test("killTree() leaves alone whoever isn't in the tree, however similar", async () => {
  await using mark = new Mark();
  await using bystanders = new Mark();
  const tree = await startBranching(mark, 2, 2);
  const bystander = await startBranching(bystanders, 2, 2);
  assertEquals(pidsOf(await end(tree.child)), tree.pids);
  assertEquals(mark.pids(), []);
  assertEquals(bystanders.pids().sort((a, b) => a - b), bystander.pids);
  // They weren't even stopped.
  assertEquals(bystander.pids.filter((pid) => readStat(pid)?.state === "T"), []);
  assertEquals(pidsOf(await end(bystander.child)), bystander.pids);
  await Promise.all([tree.rest(), bystander.rest()]);
});

Deno.test("killTree() ends this program's descendants and not itself, if that is the root", async () => {
  const { code, stdout, stderr } = await runProgram(
    `
    import { killTree, PidFd, spawn } from "@pidfd/util";
    const args = ["-c", "sleep 60 & sleep 60 & echo; wait"];
    const children = [0, 1].map(() => spawn("sh", { args, stdout: "piped" }));
    for (const { stdout } of children) {
      const reader = stdout.getReader();
      await reader.read();
      reader.releaseLock();
    }
    using self = PidFd.fromSelf();
    const { ended, refused } = await killTree(self);
    const signals = (await Promise.all(children.map(({ status }) => status))).map(({ signal }) => signal);
    console.log(ended.length, ended.some(({ pid }) => pid === Deno.pid), refused.length, ...signals);
  `,
    { flags: ["--allow-ffi"] },
  );
  assertEquals({ code, stdout, stderr }, {
    code: 0,
    stdout: "6 false 0 SIGTERM SIGTERM\n",
    stderr: "",
  });
});

Deno.test({
  ...needing("Linux 6.9", features().threads, "killTree() refuses a thread"),
  async fn() {
    await using child = spawn("sleep", { args: ["60"] });
    using root = PidFd.fromPid(child.pid, { thread: true });
    await assertRejects(() => killTree(root), RangeError, "root must be a process, not a thread");
    assertEquals([root.isAlive(), readStat(child.pid)?.state === "T"], [true, false]);
  },
});

Deno.test("killTree() refuses an ancestor of this program, and stops nothing", async () => {
  const { code, stdout, stderr } = await runProgram(
    `
    import { killTree, PidFd } from "@pidfd/util";
    using parent = PidFd.fromPid(Deno.ppid);
    await killTree(parent).catch((error) => console.log(String(error)));
  `,
    // A shell that waits for what it started is the ancestor.
    { flags: ["--allow-ffi", "--allow-sys"], prefix: ["sh", "-c", '"$@"; exit 7', "sh"] },
  );
  assertEquals({ code, stderr }, { code: 7, stderr: "" });
  assertMatch(stdout, /^RangeError: root must not be an ancestor of this program: PID \d+\n$/);
});

const BAD_OPTIONS: readonly [typeof TypeError | typeof RangeError, Record<string, unknown>][] = [
  [RangeError, { signal: "SIGNONE" }],
  [RangeError, { signal: 65 }],
  [TypeError, { signal: null }],
  [RangeError, { grace: -1 }],
  [RangeError, { grace: NaN }],
  [TypeError, { grace: "1" }],
  [TypeError, { cgroup: 1 }],
  [TypeError, { cgroup: "/proc" }],
];

for (const [type, options] of BAD_OPTIONS) {
  Deno.test(`killTree() throws a ${type.name} for ${Deno.inspect(options)}, and ends nothing`, async () => {
    await using child = spawn("sleep", { args: ["60"] });
    using root = child.pidfd;
    const [name] = Object.keys(options);
    await assertRejects(() => killTree(root, options as KillTreeOptions), type, `options.${name}`);
    assertEquals([root.isAlive(), readStat(child.pid)?.state === "T"], [true, false]);
  });
}

Deno.test("killTree() refuses a root that is none", async () => {
  using file = new OwnedFd(openFile("/dev/null"));
  for (const root of [undefined, null, 1, {}, file]) {
    await assertRejects(
      () => killTree(root as unknown as PidFd),
      TypeError,
      "root must be a PidFd",
    );
  }
  const closed = PidFd.fromSelf();
  closed.close();
  await assertRejects(() => killTree(closed), Deno.errors.BadResource);
});

Deno.test("killTree() leaves no fd behind", async () => {
  await idle();
  const before = openFds();
  await using mark = new Mark();
  const tree = await startBranching(mark, 2, 3);
  await end(tree.child);
  await tree.rest();
  await tree.child.status;
  await idle();
  assertEquals(openFds(), before);
});

Deno.test("killTree() refuses signal 0, and stops nothing", async () => {
  const child = spawn("sleep", { args: ["60"] });
  using root = child.pidfd;
  await assertRejects(() => killTree(root, { signal: 0 }), RangeError, "options.signal");
  assertEquals(readStat(child.pid)?.state === "T", false);
  child.kill("SIGKILL");
  await child.status;
});

for (const when of ["before", "in its grace"] as const) {
  Deno.test(`killTree() that is aborted ${when} rejects, and lets everybody go on`, async () => {
    await using mark = new Mark();
    const script = "trap '' TERM; sh -c \"trap '' TERM; echo ready; sleep 60\" & wait; sleep 60";
    const child = spawn("sh", { args: ["-c", script], env: mark.env, stdout: "piped" });
    using root = child.pidfd;
    await child.stdout.getReader().read();
    const controller = new AbortController();
    const reason = new Error("no need");
    if (when === "before") controller.abort(reason);
    const killing = killTree(root, { abort: controller.signal });
    killing.catch(() => {});
    if (when !== "before") {
      await new Promise((resolve) => setTimeout(resolve, 100));
      controller.abort(reason);
    }
    assertStrictEquals(await deadline(killing.catch((error) => error), PATIENCE), reason);
    assert(root.isAlive());
    await eventually(
      "nobody is stopped",
      () => mark.pids().every((pid) => readStat(pid)?.state !== "T"),
    );
    await killTree(root, { signal: "SIGKILL" });
    await child.status;
  });
}
