/**
 * How processes are named on the command line, which is the same for all commands.
 *
 * @module
 */

import { assertEquals, assertMatch, assertThrows } from "@std/assert";
import { UsageError } from "../../cli/command.ts";
import { openAll } from "../../cli/references.ts";
import { features, PidFd, SyscallError } from "../../mod.ts";
import { startHeld } from "../support/children.ts";
import { assertFails, output } from "../support/cli.ts";
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
    await assertFails([...command, `${NOBODY}`], 127, new RegExp(`^pidfd: ${NOBODY}: .*ESRCH`));
  });

  Deno.test(
    needing("Linux 6.9", ids, `pidfd ${line} says that another process has the PID by now`),
    async () => {
      await using held = startHeld();
      using handle = PidFd.fromChild(held.child);
      const ref = `${held.child.pid}:${handle.getId() + 1n}`;
      await assertFails([...command, ref], 127, new RegExp(`^pidfd: ${ref}: .*EREMCHG`));
    },
  );
}

Deno.test("openAll() takes nothing but PID and PID:ID", () => {
  for (const ref of ["", "nonsense", "-1", "+1", "1:", ":1", "1:2:3", "1.5", "1e3", "0x1", " 1"]) {
    const { message } = assertThrows(() => openAll([ref]), UsageError);
    assertEquals(message, `not of the form PID or PID:ID: ${ref}`);
  }
});

Deno.test("openAll() says which numbers there are", () => {
  for (const ref of ["0", "2147483648", "0:1", "1:0", "1:18446744073709551616"]) {
    const { message } = assertThrows(() => openAll([ref]), UsageError);
    assertMatch(message, new RegExp(`^${ref}: p?id must be .*1…2`));
  }
});

Deno.test("openAll() holds all processes until they are disposed of, or none", () => {
  const before = openFds();
  {
    using processes = openAll([String(Deno.pid), "1"]);
    assertEquals(processes.map(({ name, pid }) => [name, pid]), [[`${Deno.pid}`, Deno.pid], [
      "1",
      1,
    ]]);
    assertEquals(openFds().length, before.length + 2);
  }
  assertEquals(openFds(), before);
  assertThrows(() => openAll([String(Deno.pid), String(NOBODY)]), SyscallError);
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
