/**
 * `pidfd kill`: what is signalled, and what is not.
 *
 * @module
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { deadline } from "@std/async";
import { features } from "../../mod.ts";
import { startHeld, startShell, startTalking } from "../support/children.ts";
import { assertFails, objectsOf, output, pidfd, shownCommand, start } from "../support/cli.ts";
import { AS_NOBODY, FOREIGNERS, OTHER_USERS, startForeigner } from "../support/foreigner.ts";
import { withoutCapability } from "../support/privileges.ts";
import { TOLD } from "../support/exit_info.ts";
import { PATIENCE, readStat } from "../support/processes.ts";
import { needing } from "../support/skip.ts";
import { Mark, startBranching, startTree } from "../support/trees.ts";
import { killed } from "../support/statuses.ts";

/** No kernel gives a PID as high as this. */
const NOBODY = String(2 ** 31 - 1);

/** Starts a child that ignores SIGTERM, and ends with its input. */
async function startDeaf() {
  const child = startTalking("sh", ["-c", "trap '' TERM; echo ready; read _"]);
  assertEquals(await child.line(), "ready");
  return child;
}

Deno.test("pidfd kill sends SIGTERM, and prints nothing", async () => {
  const child = startShell("exec sleep 60");
  assertEquals(await output(["kill", String(child.pid)]), "");
  assertEquals((await deadline(child.status, PATIENCE)).signal, "SIGTERM");
});

const SIGNALS = { "-s HUP": "SIGHUP", "-s sigint": "SIGINT", "--signal=9": "SIGKILL" } as const;

for (const [options, signal] of Object.entries(SIGNALS)) {
  Deno.test(`pidfd kill ${options} sends ${signal}`, async () => {
    const child = startShell("exec sleep 60");
    assertEquals(await output(["kill", ...options.split(" "), String(child.pid)]), "");
    assertEquals((await deadline(child.status, PATIENCE)).signal, signal);
  });
}

Deno.test("pidfd kill -s 0 only asks", async () => {
  await using held = startHeld(7);
  assertEquals(await output(["kill", "-s", "0", String(held.child.pid)]), "");
  held.exit();
  assertEquals((await deadline(held.child.status, PATIENCE)).code, 7);
});

Deno.test("pidfd kill without --wait doesn't wait for the end", async () => {
  await using deaf = await startDeaf();
  assertEquals(await output(["kill", String(deaf.child.pid)]), "");
  await deaf.endInput();
  assertEquals((await deadline(deaf.child.status, PATIENCE)).success, false);
});

Deno.test("pidfd kill signals all that are named", async () => {
  const children = [1, 2, 3].map(() => startShell("exec sleep 60"));
  assertEquals(await output(["kill", ...children.map(({ pid }) => String(pid))]), "");
  const ends = await deadline(Promise.all(children.map(({ status }) => status)), PATIENCE);
  assertEquals(ends.map(({ signal }) => signal), ["SIGTERM", "SIGTERM", "SIGTERM"]);
});

for (const [wrong, code] of [[NOBODY, 127], ["nonsense", 125]] as const) {
  for (const options of [[], ["--wait"], ["--tree"]]) {
    const line = ["kill", ...options, "PID", wrong].join(" ");
    Deno.test(`pidfd ${line} signals nobody`, async () => {
      await using held = startHeld(7);
      const pid = String(held.child.pid);
      await assertFails(["kill", ...options, pid, wrong], code, new RegExp(wrong));
      held.exit();
      assertEquals((await deadline(held.child.status, PATIENCE)).code, 7);
    });
  }
}

for (const signal of ["NONSENSE", "65"]) {
  for (const options of [[], ["--tree"]]) {
    const line = ["kill", ...options, "-s", JSON.stringify(signal)].join(" ");
    Deno.test(`pidfd ${line} says that there is no such signal`, async () => {
      await using held = startHeld(7);
      const args = ["kill", ...options, `--signal=${signal}`, String(held.child.pid)];
      await assertFails(args, 125, /there is no signal /);
      held.exit();
      assertEquals((await deadline(held.child.status, PATIENCE)).code, 7);
    });
  }
}

Deno.test(needing(...TOLD, "pidfd kill --wait tells how the process ended"), async () => {
  for (const signal of ["SIGTERM", "SIGKILL"]) {
    await using held = startHeld();
    const { pid } = held.child;
    const command = await shownCommand(pid);
    const stdout = await output(["kill", "--wait", "-s", signal, String(pid)]);
    assertEquals(stdout, `${pid} (${command}) was killed by ${signal}\n`);
  }
});

Deno.test(needing(...TOLD, "pidfd kill --wait --json prints an object for each"), async () => {
  await using one = startHeld();
  await using other = startHeld();
  const pids = [one, other].map(({ child }) => child.pid);
  const command = await shownCommand(pids[0]);
  const ends = objectsOf(await output(["kill", "--wait", "--json", ...pids.map(String)]));
  const status = killed(15, "SIGTERM");
  const refs = Object.fromEntries(ends.map(({ pid, id }) => [pid, id ? `${pid}:${id}` : `${pid}`]));
  assertEquals(
    ends.toSorted((a, b) => Number(a.pid) - Number(b.pid)).map(({ id: _, ...rest }) => rest),
    pids.toSorted((a, b) => a - b).map((pid) => ({
      ref: refs[pid],
      pid,
      command,
      ended: true,
      status,
    })),
  );
});

Deno.test("pidfd kill --wait waits as long as it takes, and succeeds whatever the end", async () => {
  await using deaf = await startDeaf();
  const { pid } = deaf.child;
  const command = await shownCommand(pid);
  await using cli = start(["kill", "--wait", String(pid)]);
  await cli.waitsFor(pid);
  await deaf.endInput();
  const { stdout, ...rest } = await cli.finished();
  assertEquals(rest, { code: 0, stderr: "" });
  assertEquals(stdout.startsWith(`${pid} (${command}) e`), true, stdout);
});

for (const [signal, code] of [["SIGINT", 130], ["SIGTERM", 143], ["SIGHUP", 129]] as const) {
  Deno.test(`pidfd kill --wait stops waiting on ${signal}`, async () => {
    await using deaf = await startDeaf();
    await using cli = start(["kill", "--wait", String(deaf.child.pid)]);
    await cli.waitsFor(deaf.child.pid);
    cli.kill(signal);
    assertEquals(await cli.finished(), { code, stdout: "", stderr: "" });
    assertEquals(readStat(deaf.child.pid)?.ppid, Deno.pid);
  });
}

Deno.test("pidfd kill --tree ends all descendants, and prints each", async () => {
  await using mark = new Mark();
  const tree = await startBranching(mark, 2, 2);
  const lines = (await output(["kill", "--tree", `${tree.child.pid}`])).trimEnd().split("\n");
  assertEquals(mark.pids(), []);
  const pattern = features().ids ? /^(\d+):\d+ \(.+\) ended$/ : /^(\d+) \(.+\) ended$/;
  const pids = lines.map((line) => Number(pattern.exec(line)?.[1]));
  assertEquals(pids.sort((a, b) => a - b), tree.pids);
});

Deno.test("pidfd kill --tree --json prints an object for each", async () => {
  await using mark = new Mark();
  const tree = await startBranching(mark, 1, 3);
  const ends = objectsOf(await output(["kill", "--tree", "--json", `${tree.child.pid}`]));
  assertEquals(ends.map(({ pid }) => Number(pid)).sort((a, b) => a - b), tree.pids);
  for (const { id, command, ended, ref, ...rest } of ends) {
    assertEquals(ref, id === null ? `${rest.pid}` : `${rest.pid}:${id}`);
    assertEquals([/^\d+$/.test(String(id)), command, ended], [features().ids, "sleep 60", true]);
    assertEquals(Object.keys(rest), ["pid"]);
  }
});

Deno.test("pidfd kill --tree sends the signal that it is told to", async () => {
  await using mark = new Mark();
  const script = "trap 'echo got HUP; exit' HUP; echo; sleep 60 & wait";
  const tree = startTree(mark, `sh -c "$0" & ${script}`, [script]);
  await tree.lines(2);
  await output(["kill", "--tree", "-s", "HUP", String(tree.child.pid)]);
  assertEquals(await tree.rest(), "got HUP\ngot HUP\n");
});

Deno.test("pidfd kill --tree ends several trees", async () => {
  await using mark = new Mark();
  const trees = [await startBranching(mark, 1, 1), await startBranching(mark, 1, 1)];
  const roots = trees.map(({ child }) => String(child.pid));
  const ended = objectsOf(await output(["kill", "--tree", "--json", ...roots]));
  const pids = trees.flatMap(({ pids }) => pids).sort((a, b) => a - b);
  assertEquals(ended.map(({ pid }) => Number(pid)).sort((a, b) => a - b), pids);
  assertEquals(mark.pids(), []);
});

Deno.test("pidfd kill --tree shows a command with percent signs as it is", async () => {
  await using mark = new Mark();
  const tree = startTree(mark, "echo; read _ # %s %c %d %%", [], { stdin: "piped" });
  await tree.lines(1);
  const stdout = await output(["kill", "--tree", String(tree.child.pid)]);
  assertMatch(stdout, / \(\S+ -c echo; read _ # %s %c %d %%\) ended\n$/);
});

Deno.test("pidfd kill --tree -s 0 ends nobody", async () => {
  await using held = startHeld(7);
  const { code } = await pidfd(["kill", "--tree", "-s", "0", String(held.child.pid)]);
  assert([0, 125].includes(code), String(code));
  held.exit();
  assertEquals((await deadline(held.child.status, PATIENCE)).code, 7);
});

Deno.test("pidfd kill --tree doesn't end what it runs under itself, but all others", async () => {
  await using mark = new Mark();
  const tree = await startBranching(mark, 1, 1);
  const args = ["kill", "--tree", String(tree.child.pid), String(Deno.pid)];
  const { code, stderr } = await pidfd(args);
  assertEquals([code, mark.pids()], [125, []]);
  assertMatch(stderr, /ancestor/);
});

Deno.test(
  needing(...FOREIGNERS, "pidfd kill says which process isn't ours to signal"),
  async () => {
    await using foreigner = await startForeigner();
    const { pid, prefix } = foreigner;
    for (const signal of ["TERM", "0"]) {
      const message = new RegExp(`^pidfd: ${pid}: no permission to signal it$`, "m");
      await assertFails(["kill", "-s", signal, String(pid)], 126, message, { prefix });
    }
  },
);

Deno.test(needing(...FOREIGNERS, "pidfd kill signals those that it may signal"), async () => {
  await using foreigner = await startForeigner();
  const { pid, prefix } = foreigner;
  await using held = startHeld(7);
  await assertFails(
    ["kill", String(pid), String(held.child.pid)],
    126,
    /no permission to signal it/,
    { prefix },
  );
  held.exit();
  assertEquals((await deadline(held.child.status, PATIENCE)).signal, "SIGTERM");
});

Deno.test(
  needing(...OTHER_USERS, "pidfd kill --tree names those that it may not end"),
  async () => {
    await using mark = new Mark();
    const tree = startTree(mark, `"$0" "$@" sh -c 'echo $$; exec sleep 60'; :`, AS_NOBODY);
    const [spared] = (await tree.lines(1)).map(Number);
    const prefix = withoutCapability("kill");
    const { code, stdout, stderr } = await pidfd(["kill", "--tree", `${tree.child.pid}`], {
      prefix,
    });
    assertEquals(code, 126);
    assertMatch(stdout, new RegExp(`^${tree.child.pid}:?\\d* \\(.*\\) ended\n$`, "s"));
    assertMatch(stderr, new RegExp(`^pidfd: no permission to end ${spared} \\(.*sleep 60\\)\n$`));
    assertEquals(mark.pids(), [spared]);
  },
);
