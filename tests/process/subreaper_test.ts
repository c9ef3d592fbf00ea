/**
 * Descendants that lose their parent: whose they are then, and who ends and reaps them.
 *
 * @module
 */

import { assertEquals, assertNotEquals } from "@std/assert";
import { ownCgroups } from "../../process/containment.ts";
import { CGROUPS } from "../support/cgroups.ts";
import { BY_MARKS } from "../support/containment.ts";
import { ROOT, runForValue } from "../support/processes.ts";
import { needing } from "../support/skip.ts";
import { Mark } from "../support/trees.ts";

/** A shell's command that prints the PID of a process that outlives it. */
const ORPHANING = "sleep 60 & echo $!";

/** Runs a program with a function that starts an orphan. */
async function run(mark: Mark, code: string): Promise<unknown> {
  const program = `
    import { killTree, PidFd, setSubreaper } from "@pidfd/util";
    import { eventually, readStat, zombies } from "${ROOT}tests/support/processes.ts";
    import { startTree } from "${ROOT}tests/support/trees.ts";

    /** Resolves with the PID of a process whose parent has ended. */
    async function orphan() {
      const mark = { env: ${JSON.stringify(mark.env)} };
      const { child, lines } = startTree(mark, ${JSON.stringify(ORPHANING)});
      const [pid] = (await lines(1)).map(Number);
      await child.status;
      await eventually("it has another parent", () => readStat(pid).ppid !== child.pid);
      return pid;
    }
    ${code}
    Deno.exit();
  `;
  return await runForValue(program, ["--allow-all"]);
}

/** Registers a test about processes with a mark. */
function test(name: string, fn: (mark: Mark) => Promise<void>): void {
  Deno.test(name, async () => {
    await using mark = new Mark();
    await fn(mark);
  });
}

test("setSubreaper() makes this program the parent of orphans, until it is turned off", async (mark) => {
  const facts = await run(
    mark,
    `
    const parents = [];
    for (const on of [null, true, true, false]) {
      if (on !== null) setSubreaper(on);
      parents.push(readStat(await orphan()).ppid === Deno.pid);
    }
    console.log(JSON.stringify(parents));
  `,
  );
  assertEquals(facts, [false, true, true, false]);
});

test("setSubreaper() lets killTree() find orphans, where they would escape without", async (mark) => {
  const facts = await run(
    mark,
    `
    const found = [];
    using self = PidFd.fromSelf();
    for (const on of [false, true]) {
      setSubreaper(on);
      const pid = await orphan();
      const { ended } = await killTree(self, { grace: 1000 });
      found.push(ended.some((process) => process.pid === pid), readStat(pid)?.state ?? "Z");
    }
    console.log(JSON.stringify(found));
  `,
  ) as unknown[];
  assertEquals([facts[0], facts[2], facts[3]], [false, true, "Z"]);
  assertNotEquals(facts[1], "Z");
});

test("setSubreaper() makes orphans children that this program reaps like others", async (mark) => {
  const facts = await run(
    mark,
    `
    setSubreaper(true);
    using pidfd = PidFd.fromPid(await orphan());
    pidfd.kill("SIGTERM");
    const peeked = (await pidfd.wait()).signal;
    const { length: before } = zombies();
    const { signal } = await pidfd.wait({ reap: true });
    console.log(JSON.stringify([peeked, before, signal, zombies().length]));
  `,
  );
  assertEquals(facts, ["SIGTERM", 1, "SIGTERM", 0]);
});

test("setSubreaper() has a wait reap a process that becomes a child meanwhile", async (mark) => {
  const facts = await run(
    mark,
    `
    setSubreaper(true);
    const script = "sleep 60 & echo $!; read _";
    const tree = startTree({ env: ${JSON.stringify(mark.env)} }, script, [], { stdin: "piped" });
    using pidfd = PidFd.fromPid(Number(await tree.lines(1)));
    const wait = pidfd.wait({ reap: true });
    const { ppid } = readStat(pidfd.getPid());
    await tree.child.stdin.close();
    await tree.child.status;
    pidfd.kill();
    const { signal } = await wait;
    console.log(JSON.stringify([ppid === tree.child.pid, signal, zombies().length]));
  `,
  );
  assertEquals(facts, [true, "SIGKILL", 0]);
});

for (const means of ["cgroup", "mark"] as const) {
  Deno.test({
    ...needing(
      CGROUPS,
      means === "mark" || ownCgroups.available,
      `A subreaper inherits what it contains by a ${means}, and takes nobody else's status`,
    ),
    async fn() {
      await using mark = new Mark();
      const facts = await run(
        mark,
        `
        import { spawn } from "${ROOT}mod.ts";
        ${means === "mark" ? BY_MARKS : ""}
        setSubreaper(true);
        const theirs = new Deno.Command("sh", { args: ["-c", "read _; exit 7"], stdin: "piped" }).spawn();
        const child = spawn("sh", ["-c", ${JSON.stringify(ORPHANING)}], {
          env: ${JSON.stringify(mark.env)},
          stdout: "piped",
          contain: true,
        });
        const { value } = await child.stdout.getReader().read();
        const pid = parseInt(new TextDecoder().decode(value));
        await child.status;
        await eventually("it is inherited", () => readStat(pid).ppid === Deno.pid);
        using pidfd = PidFd.fromPid(pid);
        await child[Symbol.asyncDispose]();
        const { state } = readStat(pid);
        const { signal } = await pidfd.wait({ reap: true });
        await theirs.stdin.close();
        const { code } = await theirs.status;
        console.log(JSON.stringify([state, signal, code, zombies().length]));
      `,
      );
      assertEquals(facts, ["Z", "SIGTERM", 7, 0]);
    },
  });
}
