/**
 * `pidfd ref`: a name for a process that all other commands take.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { features, PidFd } from "../../mod.ts";
import { startHeld } from "../support/children.ts";
import { assertFails, objectsOf, output, shownCommand } from "../support/cli.ts";
import { needing } from "../support/skip.ts";

const IDS = ["Linux 6.9", features().ids] as const;

Deno.test(needing(...IDS, "pidfd ref prints PID:ID, and takes it as well"), async () => {
  await using held = startHeld();
  using handle = PidFd.fromChild(held.child);
  const stdout = await output(["ref", String(held.child.pid)]);
  assertEquals(stdout, `${handle.toRef()}\n`);
  assertEquals(await output(["ref", stdout.trim()]), stdout);
});

Deno.test(needing(...IDS, "pidfd ref --json names the boot as well"), async () => {
  await using held = startHeld();
  using handle = PidFd.fromChild(held.child);
  const [object] = objectsOf(await output(["ref", "--json", String(held.child.pid)]));
  const command = await shownCommand(held.child.pid);
  assertEquals(object, { ref: `${handle.toRef()}`, ...handle.toRef().toJSON(), command });
});

Deno.test("pidfd ref says which kernel it needs", async () => {
  await assertFails(["ref", String(Deno.pid)], 125, /Linux 6\.9/, { onOldSystem: true });
});

Deno.test("pidfd ref takes one process at a time", async () => {
  const pid = String(Deno.pid);
  await assertFails(["ref", pid, pid], 125, /one process at a time \(pidfd ref --help/);
});
