/**
 * Trees with processes in them that this program has no right to signal: all others end, and
 * those are reported and left as they were.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { CGROUPS, hasCgroups } from "../support/cgroups.ts";
import { withoutCapability, works } from "../support/privileges.ts";
import { isRoot, ROOT, runForValue } from "../support/processes.ts";
import { needing } from "../support/skip.ts";
import { Folder } from "../support/sockets.ts";
import { Mark } from "../support/trees.ts";

const withoutKill = withoutCapability("kill");
const canRefuse = isRoot && works(withoutKill);

/** The beginning of a shell's command: another one follows, as another user. */
const AS_OTHER = "setpriv --reuid=65534 --clear-groups sh -c";

/** Runs a program that may start processes of other users, but not signal them. */
async function run(mark: Mark, code: string): Promise<unknown> {
  const program = `
    import { killTree, PidFd, spawn } from "@pidfd/util";
    import { eventually, readStat } from "${ROOT}tests/support/processes.ts";
    import { startTree } from "${ROOT}tests/support/trees.ts";
    const mark = { env: ${JSON.stringify(mark.env)} };
    ${code}
    Deno.exit();
  `;
  return await runForValue(program, ["--allow-all"], withoutKill);
}

/** Registers a test that needs processes which can't be signalled. */
function test(name: string, fn: (mark: Mark) => Promise<void>): void {
  Deno.test({
    ...needing("root and setpriv", canRefuse, name),
    async fn() {
      await using mark = new Mark();
      await fn(mark);
    },
  });
}

test("killTree() ends all that it may, and names those that refuse", async (mark) => {
  const facts = await run(
    mark,
    `
    const script = \`
      sleep 60 & echo $!
      ${AS_OTHER} 'sleep 60 & echo $!; echo $$; exec sleep 60' &
      read _
    \`;
    const tree = startTree(mark, script, [], { stdin: "piped" });
    const [mine, ...theirs] = (await tree.lines(3)).map(Number);
    const comm = (pid) => Deno.readTextFileSync(\`/proc/\${pid}/comm\`);
    const sleeps = (pid) => comm(pid) === "sleep\\n" && readStat(pid).state === "S";
    await eventually("they sleep", () => theirs.every(sleeps));
    const { ended, refused } = await killTree(tree.child.pidfd, { grace: 100 });
    const pids = (list) => list.map(({ pid }) => pid).sort((a, b) => a - b);
    console.log(JSON.stringify({
      ended: [pids(ended), [tree.child.pid, mine]],
      refused: [pids(refused), theirs.sort((a, b) => a - b)],
      commands: refused.map(({ command }) => command),
      states: theirs.map((pid) => readStat(pid).state),
    }));
  `,
  ) as Record<string, unknown[]>;
  assertEquals(facts.ended[0], facts.ended[1]);
  assertEquals(facts.refused[0], facts.refused[1]);
  assertEquals(facts.commands, ["sleep 60", "sleep 60"]);
  assertEquals(facts.states, ["S", "S"]);
});

test("killTree() resolves though the root refuses", async (mark) => {
  const facts = await run(
    mark,
    `
    const child = spawn("setpriv", {
      args: ["--reuid=65534", "--clear-groups", "sh", "-c", "echo; exec sleep 60"],
      stdout: "piped",
      stderr: "null",
      ...mark,
    });
    await child.stdout.getReader().read();
    const { ended, refused } = await killTree(child.pidfd);
    const isIt = refused[0].pid === child.pid;
    console.log(JSON.stringify([ended, refused.length, isIt, child.pidfd.isAlive()]));
  `,
  );
  assertEquals(facts, [[], 1, true, true]);
});

test("killTree() resolves though who refuses goes on starting others", async (mark) => {
  using folder = new Folder();
  // As long as the one is there they go on; once the other is, they say so.
  const [gate, sign] = [folder.at("gate"), folder.at("sign")];
  Deno.chmodSync(folder.path, 0o755);
  Deno.writeTextFileSync(gate, "");
  const value = await run(
    mark,
    `
    const loop = \`while [ -e ${gate} ]; do sleep 0.05 & [ -e ${sign} ] && echo on || echo; done\`;
    const tree = startTree(mark, \`for i in 1 2; do ${AS_OTHER} '\${loop}; wait' & done; wait\`);
    await tree.lines(100);
    const { refused } = await killTree(tree.child.pidfd, { grace: 100 });
    Deno.writeTextFileSync("${sign}", "");
    while (!(await tree.lines(100)).includes("on"));
    Deno.removeSync("${gate}");
    await tree.rest();
    console.log(JSON.stringify(refused.length > 0));
  `,
  );
  assertEquals(value, true);
});

Deno.test({
  ...needing(
    `root, setpriv and ${CGROUPS}`,
    canRefuse && hasCgroups,
    "killTree() tells as ended who refuses, and is ended with the cgroup",
  ),
  async fn() {
    await using mark = new Mark();
    const value = await run(
      mark,
      `
      import { Cgroup } from "@pidfd/util";
      await using cgroup = Cgroup.create();
      const args = ["--reuid=65534", "--clear-groups", "sh", "-c", "echo; exec sleep 60"];
      const child = spawn("setpriv", args, { ...mark, cgroup, stdout: "piped" });
      await child.stdout.getReader().read();
      const { ended, refused, stuck } = await killTree(child.pidfd, { cgroup, grace: 100 });
      console.log(JSON.stringify([ended[0]?.pid === child.pid, refused, stuck]));
    `,
    );
    assertEquals(value, [true, [], []]);
  },
});

for (const [name, contain] of [["a tree", false], ["what a mark holds", true]] as const) {
  test(`endError and the disposal of ${name} name who refuses, and don't wait for it`, async (mark) => {
    const facts = await run(
      mark,
      `
      import { ownCgroups } from "${ROOT}process/containment.ts";
      ownCgroups.known = false;
      const script = ["--reuid=65534", "--clear-groups", "sh", "-c", "echo; read _; exit"];
      const controller = new AbortController();
      const child = spawn("setpriv", script, {
        ...mark,
        contain: ${contain},
        end: { grace: 100, tree: true },
        signal: controller.signal,
        stdin: "piped",
        stdout: "piped",
      });
      await child.stdout.getReader().read();
      controller.abort();
      await eventually("the abort was refused", () => child.endError !== null);
      const { message } = child.endError;
      // That closes its standard input, too, which is what it waits for.
      const disposal = await child[Symbol.asyncDispose]().catch(({ message }) => message);
      await child.status;
      const again = await child[Symbol.asyncDispose]() ?? null;
      console.log(JSON.stringify([child.pid, message, disposal, again]));
    `,
    ) as unknown[];
    const left = `left running, as another user's: ${facts[0]} sh -c echo; read _; exit`;
    const refusal = `pidfd_send_signal: EPERM: Operation not permitted (${left})`;
    assertEquals(facts.slice(1), [refusal, refusal, null]);
  });
}
