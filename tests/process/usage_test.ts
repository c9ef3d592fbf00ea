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
import { canRun, needing } from "../support/skip.ts";

/** What a child does after its last word takes less CPU than this, in milliseconds. */
const END = 100;

const BUSY = `
import os, resource, sys
while sum(os.times()[:2]) < 0.3: sum(range(10000))
os.getppid()
usage = resource.getrusage(resource.RUSAGE_SELF)
print(usage.ru_utime * 1e3, usage.ru_stime * 1e3, usage.ru_maxrss * 1024,
  usage.ru_minflt, usage.ru_majflt, usage.ru_nvcsw, usage.ru_nivcsw)
`;

const PYTHON = ["python3", canRun("python3", ["-c", "import resource"])] as const;

Deno.test(needing(...PYTHON, "Child.status has the usage that the child sees itself"), async () => {
  const child = spawn("python3", ["-c", BUSY], { stdout: "piped" });
  using pidfd = child.pidfd;
  const [text, status] = await deadline(
    Promise.all([child.stdout.text(), child.status]),
    PATIENCE,
  );
  const [user, system, maxRss, minor, major, voluntary, involuntary] = text.split(" ").map(Number);
  const usage = status.usage as ResourceUsage;
  // User and system time are estimates; their sum is exact.
  const more = usage.userTime + usage.systemTime - user - system;
  assert(more > -1 && more < END, `${more} ms more`);
  assert(usage.maxRss >= maxRss);
  assert(usage.minorFaults >= minor && usage.majorFaults >= major);
  assert(usage.voluntarySwitches >= voluntary && usage.involuntarySwitches >= involuntary);
  assert(Object.values(usage).every((value) => value >= 0));
  // Who asks another handle is told the same.
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
