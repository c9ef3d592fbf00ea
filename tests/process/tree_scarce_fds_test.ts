/**
 * Trees with more processes than this program can have descriptors: an error, and nobody is left
 * stopped; but processes that have come and gone cost none.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { eventually, ROOT, runForValue } from "../support/processes.ts";
import { Mark } from "../support/trees.ts";

const LIMITED = ["sh", "-c", 'ulimit -n 64; exec "$@"', "sh"];

Deno.test("killTree() throws EMFILE for too large a tree, and leaves nobody stopped", async () => {
  await using mark = new Mark();
  const value = await runForValue(
    `
    import { killTree } from "@pidfd/util";
    import { startTree } from "${ROOT}tests/support/trees.ts";
    import { readStat } from "${ROOT}tests/support/processes.ts";
    const mark = { env: ${JSON.stringify(mark.env)} };
    const script = "for i in $(seq 80); do sleep 60 & echo $!; done; wait";
    const tree = startTree(mark, script, []);
    const pids = (await tree.lines(80)).map(Number);
    let code;
    try {
      await killTree(tree.child.pidfd);
    } catch (error) {
      code = error.code;
    }
    // Who was told to go on does so a moment later.
    while (pids.some((pid) => readStat(pid).state === "T"));
    console.log(JSON.stringify(code));
    Deno.exit();
  `,
    ["--allow-all"],
    LIMITED,
  );
  assertEquals(value, "EMFILE");
  await eventually("all go on", () => mark.pids().length === 81);
});

Deno.test("killTree() holds no descriptor of who has come and gone meanwhile", async () => {
  await using mark = new Mark();
  const value = await runForValue(
    `
    import { killTree } from "@pidfd/util";
    import { startTree } from "${ROOT}tests/support/trees.ts";
    const mark = { env: ${JSON.stringify(mark.env)} };
    // It goes on through its grace, in which more come and go than there are descriptors. Each is
    // there until it is found and told to end, or for a while, if it was told too early to hear.
    const free = 64 - [...Deno.readDirSync("/proc/self/fd")].length;
    const script = "trap : TERM; i=0; while [ $i -lt $1 ]; do i=$((i + 1)); echo; sleep 2; done";
    const tree = startTree(mark, script, ["sh", String(free + 20)]);
    await tree.lines(1);
    const { ended } = await killTree(tree.child.pidfd, { grace: 600_000 });
    console.log(JSON.stringify([ended[0].pid === tree.child.pid, ended.length > free]));
    Deno.exit();
  `,
    ["--allow-all"],
    LIMITED,
  );
  assertEquals(value, [true, true]);
  assertEquals(mark.pids(), []);
});

Deno.test("killTree() holds no descriptor of who has ended and isn't reaped", async () => {
  await using mark = new Mark();
  const value = await runForValue(
    `
    import { killTree, PidFd, setSubreaper } from "@pidfd/util";
    import { eventually, zombies } from "${ROOT}tests/support/processes.ts";
    import { startTree } from "${ROOT}tests/support/trees.ts";
    const mark = { env: ${JSON.stringify(mark.env)} };
    // What ends without a parent falls to this program, which reaps none of it.
    setSubreaper(true);
    const orphans = "for i in $(seq 100); do (sleep 60 & echo $!; exec true); done";
    const tree = startTree(mark, orphans + "; sleep 60 & echo $!; exec sleep 60");
    const pids = (await tree.lines(101)).map(Number);
    const sleeper = pids.pop();
    for (const pid of pids) {
      using orphan = PidFd.fromPid(pid);
      orphan.kill();
    }
    const areZombies = () => pids.every((pid) => zombies().includes(pid));
    await eventually("they are zombies of this program", areZombies);
    const { ended, refused } = await killTree(PidFd.fromSelf(), { grace: 0 });
    const isEnded = [tree.child.pid, sleeper].every((pid) => ended.some((one) => one.pid === pid));
    console.log(JSON.stringify([areZombies(), isEnded, refused]));
    Deno.exit();
  `,
    ["--allow-all"],
    LIMITED,
  );
  assertEquals(value, [true, true, []]);
  assertEquals(mark.pids(), []);
});

/** How many fds are left: none to begin with, none for all processes, and enough for most. */
const FREE = [0, 1, 2, 3, 4, 12];

Deno.test("killTree() that runs out of fds says so, and leaves no process stopped and no fd open", async () => {
  await using mark = new Mark();
  const facts = await runForValue(
    `
    import { killTree } from "@pidfd/util";
    import { eventually, readStat } from "${ROOT}tests/support/processes.ts";
    import { giveBack, takeAll } from "${ROOT}tests/support/scarce_fds.ts";
    import { startBranching } from "${ROOT}tests/support/trees.ts";

    const { child, pids } = await startBranching({ env: ${JSON.stringify(mark.env)} }, 2, 4);
    using root = child.pidfd;
    const results = [];
    for (const free of ${JSON.stringify(FREE)}) {
      takeAll();
      giveBack(free);
      const result = await killTree(root, { grace: 1000 }).catch(({ code }) => code);
      const left = takeAll();
      giveBack(100);
      const states = pids.map((pid) => readStat(pid)?.state ?? "X").filter((state) => state === "T");
      results.push({ result, left, stopped: states.length });
    }
    const { ended } = await killTree(root);
    console.log(JSON.stringify({ results, ended: ended.length === pids.length }));
    Deno.exit();
  `,
    ["--allow-all"],
  );
  assertEquals(facts, {
    results: FREE.map((left) => ({ result: "EMFILE", left, stopped: 0 })),
    ended: true,
  });
  assertEquals(mark.pids(), []);
});
