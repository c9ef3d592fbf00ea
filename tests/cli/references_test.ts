/**
 * How processes are named on the command line, which is the same for all commands.
 *
 * @module
 */

import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import { UsageError } from "../../cli/command.ts";
import { Failure } from "../../cli/failures.ts";
import { openAll } from "../../cli/references.ts";
import { features, PidFd } from "../../mod.ts";
import { startHeld } from "../support/children.ts";
import { assertFails, output, start } from "../support/cli.ts";
import { openFds } from "../support/processes.ts";
import { needing } from "../support/skip.ts";

/** No kernel gives a PID as high as this. */
const NOBODY = 2 ** 31 - 1;

const { ids } = features();

/** Command lines that do no harm to the processes that are named behind them. */
const COMMANDS = ["wait --timeout 0s", "kill -s 0", "kill --tree", "info", "ref"];

for (const line of COMMANDS) {
  const command = line.split(" ");

  Deno.test(`pidfd ${line} needs a process`, async () => {
    await assertFails(
      command,
      125,
      /^pidfd: a process is needed, as PID or PID:ID \(pidfd \w+ --h/,
    );
  });

  Deno.test(`pidfd ${line} says that there is no such process`, async () => {
    await assertFails(
      [...command, `${NOBODY}`],
      127,
      new RegExp(`^pidfd: ${NOBODY}: no such process$`, "m"),
    );
  });

  Deno.test(
    needing("Linux 6.9", ids, `pidfd ${line} says that another process has the PID by now`),
    async () => {
      await using held = startHeld();
      using handle = PidFd.fromChild(held.child);
      const ref = `${held.child.pid}:${handle.getId() + 1n}`;
      await assertFails(
        [...command, ref],
        127,
        new RegExp(`^pidfd: ${ref}: no such process any more: its PID is another one's now$`, "m"),
      );
    },
  );
}

Deno.test("openAll() takes nothing but PID and PID:ID", async () => {
  for (const ref of ["", "nonsense", "-1", "+1", "1:", ":1", "1:2:3", "1.5", "1e3", "0x1", " 1"]) {
    const { message } = await assertRejects(() => openAll([ref]), UsageError);
    assertEquals(message, `not of the form PID or PID:ID: ${ref}`);
  }
});

Deno.test("openAll() says which numbers there are", async () => {
  for (const ref of ["0", "2147483648", "0:1", "1:0", "1:18446744073709551616"]) {
    const { message } = await assertRejects(() => openAll([ref]), UsageError);
    assertMatch(message, new RegExp(`^${ref}: p?id must be .*1…2`));
  }
});

Deno.test("openAll() holds all processes until they are disposed of, or none", async () => {
  const before = openFds();
  {
    using processes = await openAll([String(Deno.pid), "1"]);
    assertEquals(processes.map(({ name, pid }) => [name, pid]), [[`${Deno.pid}`, Deno.pid], [
      "1",
      1,
    ]]);
    assertEquals(openFds().length, before.length + 2);
  }
  assertEquals(openFds(), before);
  await assertRejects(() => openAll([String(Deno.pid), String(NOBODY)]), Failure);
  assertEquals(openFds(), before);
});

Deno.test("pidfd info says what is wrong with a reference", async () => {
  await assertFails(
    ["info", "1.5"],
    125,
    /not of the form .*: 1\.5 \(pidfd info --help tells more/,
  );
  await assertFails(["info", "0"], 125, /^pidfd: 0: pid must be .* \(pidfd info --help tells more/);
});

Deno.test(needing("Linux 6.9", ids, "pidfd info takes PID:ID as well as PID"), async () => {
  await using held = startHeld();
  using handle = PidFd.fromChild(held.child);
  const { pid } = held.child;
  const byPid = await output(["info", `${pid}`]);
  const byRef = await output(["info", `${pid}:${handle.getId()}`]);
  assertEquals(byPid, byRef);
});

Deno.test("pidfd info - reads references from standard input, beside those that are arguments", async () => {
  await using one = startHeld();
  await using other = startHeld();
  const pids = [one, other].map(({ child }) => child.pid);
  await using cli = start(["info", "--json", `${Deno.pid}`, "-"]);
  await cli.say(`  ${pids[0]}`);
  await cli.say(`${pids[1]}\t`);
  const { code, stdout } = await cli.finished();
  assertEquals(code, 0);
  const found = stdout.trimEnd().split("\n").map((line) => JSON.parse(line).pid);
  assertEquals(found, [Deno.pid, ...pids]);
});

Deno.test("pidfd kill - signals nobody if standard input names none", async () => {
  await assertFails(["kill", "-"], 127, /^pidfd: standard input names no process$/m);
});

Deno.test("pidfd says of a thread's ID that it is no process's", async () => {
  const thread = [...Deno.readDirSync("/proc/self/task")]
    .map(({ name }) => name).find((name) => name !== `${Deno.pid}`)!;
  await assertFails(["info", thread], 125, new RegExp(`^pidfd: ${thread}: the ID of a thread`));
});
