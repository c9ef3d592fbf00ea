/**
 * `pidfd wait`. The processes are strangers to it: they are children of this test.
 *
 * @module
 */

import { assertEquals, assertMatch } from "@std/assert";
import { deadline } from "@std/async";
import { features, PidFd } from "../../mod.ts";
import {
  isZombie,
  startHeld,
  startShell,
  startTalking,
  startUnreaped,
} from "../support/children.ts";
import {
  assertFails,
  type Finished,
  objectsOf,
  pidfd,
  shownCommand,
  start,
} from "../support/cli.ts";
import { TOLD } from "../support/exit_info.ts";
import { STARTS_EARLY } from "../support/ignored_signals.ts";
import { eventually, PATIENCE, startStranger } from "../support/processes.ts";
import { needing } from "../support/skip.ts";
import { exited } from "../support/statuses.ts";

const [, isTold] = TOLD;

/** What becomes of a wait for a process that exits with a code. */
async function waitForOne(
  code: number,
  options: string[] = [],
  onOldSystem = false,
): Promise<{ pid: number; command: string; finished: Finished }> {
  await using held = startHeld(code);
  const { pid } = held.child;
  await using cli = start(["wait", ...options, String(pid)], { onOldSystem });
  await cli.waitsFor(pid);
  const command = await shownCommand(pid);
  held.exit();
  return { pid, command, finished: await cli.finished() };
}

for (const code of [0, 7]) {
  Deno.test(
    needing(...TOLD, `pidfd wait tells of a process that exits with ${code}, and does so, too`),
    async () => {
      const { pid, command, finished } = await waitForOne(code);
      const stdout = `${pid} (${command}) exited with ${code}\n`;
      assertEquals(finished, { code, stdout, stderr: "" });
    },
  );
}

Deno.test(needing(...TOLD, "pidfd wait exits with 128 + n if signal n killed it"), async () => {
  for (const [signal, code] of [["SIGTERM", 143], ["SIGKILL", 137]] as const) {
    const child = startShell("exec sleep 60");
    await using cli = start(["wait", String(child.pid)]);
    await cli.waitsFor(child.pid);
    child.kill(signal);
    const { stdout, ...rest } = await cli.finished();
    assertEquals(rest, { code, stderr: "" });
    assertMatch(stdout, new RegExp(`^${child.pid} \\(.*\\) was killed by ${signal}\n$`));
    await child.status;
  }
});

Deno.test(needing(...TOLD, "pidfd wait tells the number of a signal without a name"), async () => {
  using child = startUnreaped("exec sleep 60");
  await using cli = start(["wait", String(child.pid)]);
  await cli.waitsFor(child.pid);
  child.pidfd.sendSignal(40);
  child.pidfd.waitSync({ reap: true });
  const { code, stdout } = await cli.finished();
  assertEquals(code, 168);
  assertMatch(stdout, /was killed by signal 40\n$/);
});

Deno.test(needing(...TOLD, "pidfd wait --json prints an object for the end"), async () => {
  const { pid, command, finished: { code, stdout, stderr } } = await waitForOne(7, ["--json"]);
  assertEquals([code, stderr], [7, ""]);
  const [{ ref, id, ...rest }] = objectsOf(stdout);
  assertEquals(ref, id === null ? `${pid}` : `${pid}:${id}`);
  assertEquals([rest], [{
    pid,
    command,
    ended: true,
    status: exited(7),
  }]);
});

Deno.test("pidfd wait exits with 0 where nothing tells the status, and says so", async () => {
  const { pid, command, finished } = await waitForOne(7, [], true);
  const end = "ended; how is only told to its parent before Linux 6.15";
  const stdout = `${pid} (${command}) ${end}\n`;
  assertEquals(finished, { code: 0, stdout, stderr: "" });
});

Deno.test("pidfd wait --json has null for a status that nothing tells", async () => {
  const { finished: { code, stdout } } = await waitForOne(7, ["--json"], true);
  assertEquals([code, objectsOf(stdout)[0].status], [0, null]);
});

Deno.test(
  needing(...TOLD, "pidfd wait learns how a process ended when its parent has asked"),
  async () => {
    await using stranger = await startStranger("exit 7");
    await eventually("it ended", () => isZombie(stranger.pid));
    await using cli = start(["wait", String(stranger.pid)]);
    await cli.waitsFor(stranger.pid);
    await stranger.reap();
    assertEquals((await cli.finished()).code, 7);
  },
);

Deno.test(
  needing("Linux 6.9", features().ids, "pidfd wait takes PID:ID, and calls the process that"),
  async () => {
    await using held = startHeld(7);
    using handle = PidFd.fromChild(held.child);
    const ref = String(handle.toRef());
    await using cli = start(["wait", "--json", ref]);
    await cli.waitsFor(held.child.pid);
    held.exit();
    const [end] = objectsOf((await cli.finished()).stdout);
    assertEquals([end.ref, end.pid], [ref, held.child.pid]);
  },
);

Deno.test("pidfd wait tells of each end as it comes, and exits as the last named", async () => {
  await using first = startHeld(3);
  await using last = startHeld(4);
  const pids = [first.child.pid, last.child.pid];
  await using cli = start(["wait", ...pids.map(String)]);
  await cli.waitsFor(...pids);
  last.exit();
  assertMatch(await cli.line(), new RegExp(`^${last.child.pid} `));
  assertEquals(cli.hasEnded, false);
  first.exit();
  assertMatch(await cli.line(), new RegExp(`^${first.child.pid} `));
  assertEquals(await cli.finished(), { code: isTold ? 4 : 0, stdout: "", stderr: "" });
});

Deno.test("pidfd wait --any is over with the first end, and exits as that process", async () => {
  await using stays = startHeld(3);
  await using ends = startHeld(4);
  await using alsoStays = startHeld(5);
  const pids = [stays, ends, alsoStays].map(({ child }) => child.pid);
  await using cli = start(["wait", "--any", ...pids.map(String)]);
  await cli.waitsFor(...pids);
  ends.exit();
  const { stdout, ...rest } = await cli.finished();
  assertEquals(rest, { code: isTold ? 4 : 0, stderr: "" });
  assertMatch(stdout, new RegExp(`^${ends.child.pid} .*\n$`));
});

Deno.test("pidfd wait that is not told to give up outlives its input", async () => {
  await using held = startHeld();
  await using cli = start(["wait", String(held.child.pid)]);
  await cli.waitsFor(held.child.pid);
  const finished = cli.finished();
  held.exit();
  assertEquals((await finished).code, 0);
});

for (const options of [["--timeout", "10ms"], ["--timeout=0.01s", "--any"], ["--timeout", "0s"]]) {
  Deno.test(`pidfd wait ${options.join(" ")} gives up, and names those that run`, async () => {
    await using one = startHeld();
    await using other = startHeld();
    const [a, b] = [one, other].map(({ child }) => String(child.pid));
    const message = new RegExp(`timed out after [\\d.]+m?s, still running: ${a}, ${b}$`, "m");
    await assertFails(["wait", ...options, a, b], 124, message);
  });
}

Deno.test("pidfd wait --timeout names only those that still run", async () => {
  await using stays = startHeld();
  await using zombie = await startStranger("exit 7");
  await eventually("it ended", () => isZombie(zombie.pid));
  // There a zombie's end is all that can be learned, and so it is seen at once.
  const options = { onOldSystem: true };
  const pids = [stays.child.pid, zombie.pid].map(String);
  const { code, stdout, stderr } = await pidfd(["wait", "--timeout", "500ms", ...pids], options);
  assertEquals(code, 124);
  assertMatch(stdout, new RegExp(`^${zombie.pid} .*\n$`));
  assertEquals(stderr, `pidfd: timed out after 500ms, still running: ${stays.child.pid}\n`);
});

Deno.test("pidfd wait --timeout with time to spare ends with the process", async () => {
  const { finished: { code, stderr } } = await waitForOne(7, ["--timeout", "596h"]);
  assertEquals([code, stderr], [isTold ? 7 : 0, ""]);
});

Deno.test("pidfd wait --timeout takes nothing but a duration", async () => {
  const message = /--timeout must be a duration such as 0.5, .*: "-3s" .*--help/;
  await assertFails(["wait", "--timeout=-3s", String(Deno.pid)], 125, message);
});

Deno.test("pidfd wait --timeout without a duration says what is missing", async () => {
  await assertFails(["wait", "1", "--timeout"], 125, /'--timeout' needs a value, D .*--help/);
  await assertFails(
    ["wait", "--timeout", "--any", "1"],
    125,
    /--timeout must be a duration .*--help/,
  );
});

for (const [signal, code] of [["SIGINT", 130], ["SIGTERM", 143], ["SIGHUP", 129]] as const) {
  Deno.test(`pidfd wait ends on ${signal}, and leaves the process alone`, async () => {
    await using held = startHeld(7);
    await using cli = start(["wait", String(held.child.pid)]);
    await cli.waitsFor(held.child.pid);
    cli.kill(signal);
    assertEquals(await cli.finished(), { code, stdout: "", stderr: "" });
    held.exit();
    assertEquals((await deadline(held.child.status, PATIENCE)).code, 7);
  });
}

const STRANGE = [
  ["percent signs", "100% %s %c %d %%", /100% %s %c %d %%/],
  ["what would move a terminal's cursor", "one\ntwo\r\x1b[2Jthree", /one.+two.+three/],
] as const;

for (const [what, text, shown] of STRANGE) {
  Deno.test(`pidfd wait shows a command with ${what} in one line`, async () => {
    await using talking = startTalking("sh", ["-c", "read _; exit 3", text]);
    const { pid } = talking.child;
    await using cli = start(["wait", String(pid)]);
    await cli.waitsFor(pid);
    await talking.endInput();
    const { stdout } = await cli.finished();
    assertMatch(stdout, /^\P{Cc}*\n$/u);
    assertMatch(stdout, shown);
    assertMatch(stdout, isTold ? /\) exited with 3\n$/ : /\) ended; how/);
  });
}

const LEAVES = "pidfd wait leaves a signal ignored that it was started with so";

Deno.test(needing(...STARTS_EARLY, LEAVES), async () => {
  // By nohup(1), or by a shell that puts it into the background.
  await using held = startHeld(7);
  const prefix = ["sh", "-c", `trap '' HUP INT; exec "$@"`, "sh"];
  await using cli = start(["wait", String(held.child.pid)], { prefix });
  await cli.waitsFor(held.child.pid);
  for (const signal of ["SIGHUP", "SIGINT"] as const) cli.kill(signal);
  // That it still waits after both is seen by the next one, which it doesn't ignore.
  cli.kill("SIGTERM");
  assertEquals((await cli.finished()).code, 143);
});
