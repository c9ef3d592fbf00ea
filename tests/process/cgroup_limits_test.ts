/**
 * The limits of a cgroup, and what it tells of those that hit them.
 *
 * @module
 */

import {
  assert,
  assertEquals,
  assertGreater,
  assertLess,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { deadline } from "@std/async";
import { Cgroup, type CgroupLimits, spawn, SyscallError } from "../../mod.ts";
import { CONTROLLERS, hasControllers } from "../support/cgroups.ts";
import { eventually, PATIENCE } from "../support/processes.ts";
import { needing } from "../support/skip.ts";

/** Registers a test of a cgroup with limits. */
function test(name: string, limits: CgroupLimits, fn: (cgroup: Cgroup) => Promise<void>): void {
  Deno.test({
    ...needing(CONTROLLERS, hasControllers(), name),
    async fn() {
      await using cgroup = Cgroup.create({ limits });
      await fn(cgroup);
    },
  });
}

function read(cgroup: Cgroup, file: string): string {
  return Deno.readTextFileSync(`${cgroup.path}/${file}`).trim();
}

const MIB = 2 ** 20;

test("Cgroup.create() sets limits", { memory: 64 * MIB, processes: 20, cpus: 0.5 }, (cgroup) => {
  const files = ["memory.max", "pids.max", "cpu.max"].map((file) => read(cgroup, file));
  assertEquals(files, [String(64 * MIB), "20", "50000 100000"]);
  return Promise.resolve();
});

test("Cgroup.setLimits() changes what it is given, and can lift it", {}, async (cgroup) => {
  cgroup.setLimits({ memory: 64 * MIB + 1, cpus: 1.5, cpuWeight: 50, processes: 0 });
  const files = ["memory.max", "cpu.max", "cpu.weight", "pids.max"];
  const found = () => files.map((file) => read(cgroup, file));
  // Memory counts in pages.
  assertEquals(found(), [String(64 * MIB), "150000 100000", "50", "0"]);
  cgroup.setLimits({ memory: Infinity, processes: undefined });
  assertEquals(found(), ["max", "150000 100000", "50", "0"]);
  cgroup.setLimits({ cpus: Infinity, processes: Infinity });
  assertEquals(found(), ["max", "max 100000", "50", "max"]);
  await Promise.resolve();
});

test("A child above `memory` is ended, and told as out of memory", {
  memory: 64 * MIB,
}, async (cgroup) => {
  assertEquals(cgroup.stats().oomKills, 0);
  // tail(1) keeps the last line, and this one has no end.
  await using child = spawn("tail", ["-n1", "/dev/zero"], { cgroup, stdout: "null" });
  const { signal } = await deadline(child.status, PATIENCE);
  const { oomKills, memoryPeak, memory } = cgroup.stats();
  assertEquals([signal, oomKills], ["SIGKILL", 1]);
  assertLess(memory!, 64 * MIB);
  // Linux 5.19.
  if (memoryPeak !== null) {
    assertGreater(memoryPeak, 32 * MIB);
    assert(memoryPeak <= 64 * MIB, `${memoryPeak}`);
  }
});

test("A child beyond `processes` can't fork", { processes: 3 }, async (cgroup) => {
  const script = "sleep 60 & sleep 60 & sleep 60 & sleep 60 & echo no";
  await using child = spawn("sh", ["-c", script], { cgroup, stdout: "piped", stderr: "piped" });
  const { code, stderr } = await deadline(child.output({ waitDelay: 0 }), PATIENCE);
  assert(code !== 0);
  assertStringIncludes(new TextDecoder().decode(stderr).toLowerCase(), "fork");
  const { processes, refusedForks } = cgroup.stats();
  assertGreater(refusedForks!, 0);
  assert(processes! <= 3);
});

for (const cpus of [0.5, 0.1]) {
  test(`A child with ${cpus} for cpus has that part of a processor`, { cpus }, async (cgroup) => {
    await using limited = spawn("sh", ["-c", "while :; do :; done"], { cgroup });
    const throttled = () => cgroup.stats().cpuTime.throttled!;
    await eventually("it has been kept waiting", () => throttled() > 2000);
    const { user, system } = cgroup.stats().cpuTime;
    const share = (user + system) / (user + system + throttled());
    assertGreater(share, cpus * 0.7);
    assertLess(share, cpus * 1.5);
    limited.kill("SIGKILL");
    await limited.status;
  });
}

test("Cgroup.setLimits() says that a parent with processes can't hand on", {}, async (parent) => {
  await using _child = spawn("sleep", ["60"], { cgroup: parent });
  await using cgroup = Cgroup.create({ parent: parent.path });
  for (const limits of [{ memory: MIB }, { processes: 10 }, { cpus: 1 }]) {
    const { code, message } = assertThrows(() => cgroup.setLimits(limits), SyscallError);
    assertEquals(code, "EBUSY");
    assertStringIncludes(message, "as long as processes are in that cgroup itself");
  }
  assertEquals(cgroup.stats().oomKills, null);
  // It's none that only threads could be in.
  await using _other = spawn("sleep", ["60"], { cgroup });
});

test("Cgroup.stats() tells of all controllers that are handed on", {}, async (cgroup) => {
  await using _child = spawn("sleep", ["60"], { cgroup });
  const { memory, swap, oomKills, processes, refusedForks } = cgroup.stats();
  assertEquals([oomKills, processes, refusedForks], [0, 1, 0]);
  assertGreater(memory!, 0);
  assert(swap === null || swap === 0);
});
