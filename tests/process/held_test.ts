/**
 * The processes of a tree, once they are held.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { spawn } from "../../mod.ts";
import { HeldProcesses, SIGCONT, SIGSTOP } from "../../process/held.ts";
import { eventually, readStat } from "../support/processes.ts";

Deno.test("One that refuses once it was stopped goes on by SIGCONT, where that is allowed", async () => {
  await using child = spawn("sleep", ["60"]);
  const state = () => readStat(child.pid)?.state;
  using held = new HeldProcesses();
  const member = held.hold(child.pidfd.clone(), child.pid, SIGSTOP);
  held.introduce(member);
  await eventually("it is stopped", () => state() === "T");
  // As if it had become another user's in that moment.
  member.refused = true;
  await held.send(SIGCONT);
  await eventually("it goes on", () => state() === "S");
  assertEquals(held.result().refused.map(({ pid }) => pid), [child.pid]);
});

Deno.test("One that refuses, and that somebody else has stopped, stays so", async () => {
  await using child = spawn("sleep", ["60"]);
  const state = () => readStat(child.pid)?.state;
  using held = new HeldProcesses();
  const member = held.hold(child.pidfd.clone(), child.pid);
  held.introduce(member);
  member.refused = true;
  child.kill("SIGSTOP");
  await eventually("it is stopped", () => state() === "T");
  await held.send(SIGCONT);
  assertEquals(state(), "T");
});
