/**
 * What a child has used, beside what it says of itself.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { deadline } from "@std/async";
import { exitInfo } from "../../ffi/capabilities.ts";
import { PidFd, type ResourceUsage, spawn } from "../../mod.ts";
import { PATIENCE, startStranger } from "../support/processes.ts";
import { needing } from "../support/skip.ts";

/** What a child does after its last word takes less CPU than this, in milliseconds. */
const END = 100;

/** A shell's own CPU time, and that of its children, as `times` prints them. */
const BUSY = "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done; times";

/** The milliseconds of one of the times that `times` prints: `0m0.250s`. */
function parseTime(text: string): number {
  const [, minutes, seconds] = text.match(/^(\d+)m([\d.]+)s$/)!;
  return (Number(minutes) * 60 + Number(seconds)) * 1000;
}

Deno.test("Child.status has the CPU time that the child sees itself", async () => {
  const child = spawn("sh", ["-c", BUSY], { stdout: "piped" });
  using pidfd = child.pidfd;
  const [text, status] = await deadline(
    Promise.all([child.stdout.text(), child.status]),
    PATIENCE,
  );
  const [user, system] = text.trim().split(/\s+/).map(parseTime);
  const usage = status.usage as ResourceUsage;
  // How it is divided into the two is an estimate. Shells round, to hundredths of a second at worst.
  const more = usage.userTime + usage.systemTime - user - system;
  assert(more > -20 && more < END, `${more} ms more`);
  assert(user > 0 && usage.maxRss > 0 && usage.minorFaults > 0);
  assert(Object.values(usage).every((value) => value >= 0));
  // Another handle is told the same.
  assertEquals(await pidfd.wait(), status);
});

Deno.test("Child.status has the usage of descendants that the child has waited for", async () => {
  const burn = "i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done";
  const alone = spawn("sh", ["-c", "exit 0"]);
  const parent = spawn("sh", ["-c", `(${burn}); exit 0`]);
  const [little, much] = await Promise.all([alone.status, parent.status]);
  assert(much.usage!.userTime > little.usage!.userTime);
});

Deno.test("PidFd.wait() has the usage of a child that it leaves to others", async () => {
  const child = spawn("sleep", { args: ["60"] });
  using pidfd = child.pidfd;
  pidfd.kill();
  const { usage } = pidfd.waitSync();
  assert(usage !== null && usage.maxRss > 0);
  assertEquals((await child.status).usage, usage);
});

Deno.test(
  needing("Linux 6.15", exitInfo.available !== false, "PidFd.wait() has no usage of a stranger"),
  async () => {
    await using stranger = await startStranger("exit 7");
    using pidfd = PidFd.fromPid(stranger.pid);
    const wait = pidfd.wait();
    await deadline(pidfd.exited(), PATIENCE);
    await stranger.reap();
    assertEquals((await deadline(wait, PATIENCE)).usage, null);
  },
);
