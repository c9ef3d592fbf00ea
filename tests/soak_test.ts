/**
 * `deno task soak`, for seconds in place of minutes: that it works, ends when it is told to, and
 * sees what grows. What it finds out of the library takes longer.
 *
 * @module
 */

import { assertEquals, assertMatch } from "@std/assert";
import { deadline } from "@std/async";
import { Lines } from "./support/lines.ts";
import { PATIENCE, ROOT } from "./support/processes.ts";
import {
  countGrowth,
  type Counts,
  type Figures,
  growthAtWork,
  memoryGrowth,
  tableLine,
} from "./support/soak/figures.ts";
import { Load, OperationError } from "./support/soak/load.ts";
import { OPERATIONS } from "./support/soak/operations.ts";

/** Starts it as the task does. */
function startSoak(...args: string[]): Deno.ChildProcess {
  return new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", "--v8-flags=--expose-gc", "tests/soak.ts", ...args],
    cwd: ROOT,
    env: { NO_COLOR: "1" },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
}

const HEAD = /^ *seconds +operations +fds +threads +children +zombies +resident MiB +heap MiB$/;
const LINE = /^ *\d+\.\d +\d+ +\d+ +\d+ +\d+ +\d+ +\d+\.\d +\d+\.\d$/;

Deno.test("soak.ts prints what there is of everything, and ends well if nothing grew", async () => {
  const { code, stdout, stderr } = await startSoak("0.05").output();
  const text = new TextDecoder().decode(stdout);
  assertEquals([code, new TextDecoder().decode(stderr)], [0, ""], text);
  const [head, ...lines] = text.trimEnd().split("\n");
  assertMatch(head, HEAD);
  const table = lines.filter((line) => LINE.test(line)).map((line) => line.trim().split(/ +/));
  // One at the least at the end of the warm-up, of the work, and when all is quiet.
  assertEquals(table.length >= 3, true, text);
  const operations = table.map(([, operations]) => Number(operations));
  assertEquals(operations, operations.toSorted((a, b) => a - b));
  const [, , , , children, zombies] = table.at(-1)!;
  assertEquals([children, zombies], ["0", "0"]);
  const done: Record<string, number> = JSON.parse(/^Done: (\{.*?\})$/ms.exec(text)![1]);
  assertEquals(Object.keys(done), Object.keys(OPERATIONS));
  assertEquals(Object.values(done).every((count) => count > 0), true, text);
  assertEquals(Object.values(done).reduce((sum, count) => sum + count), operations.at(-1));
  assertEquals(lines.at(-1), "Nothing grew.");
});

Deno.test("soak.ts ends early at SIGINT, with the same judgement", async () => {
  const child = startSoak("600");
  const lines = new Lines(child.stdout);
  const errors = new Lines(child.stderr).rest();
  // By then it listens to the signal, and there is much to be ended.
  assertMatch(await lines.next(), HEAD);
  child.kill("SIGINT");
  const rest = await lines.rest();
  // First of all, as it says why.
  assertEquals(await errors, "");
  assertMatch(rest, /\nNothing grew\.\n$/);
  assertEquals((await deadline(child.status, PATIENCE)).code, 0);
});

Deno.test("soak.ts refuses what is no time", async () => {
  for (const args of [["x"], ["0"], ["-1"], ["Infinity"], ["1", "2"]]) {
    const { code, stderr } = await startSoak(...args).output();
    assertEquals([code, new TextDecoder().decode(stderr)], [
      2,
      "usage: deno task soak [MINUTES]\n",
    ]);
  }
});

const COUNTS: Counts = { fds: 20, threads: 7, children: 0, zombies: 0 };

Deno.test("countGrowth() names what there is more of, however little", () => {
  assertEquals(countGrowth(COUNTS, COUNTS), []);
  assertEquals(countGrowth(COUNTS, { ...COUNTS, fds: 10, threads: 1 }), []);
  for (const name of ["fds", "threads", "children", "zombies"] as const) {
    const now = COUNTS[name] + 1;
    assertEquals(countGrowth(COUNTS, { ...COUNTS, [name]: now }), [
      `${name}: ${COUNTS[name]} before, ${now} now`,
    ]);
  }
});

const MIB = 2 ** 20;

/** Figures of a run in which memory goes like this, sample by sample. */
function samples(count: number, resident: (i: number) => number, heap = resident): Figures[] {
  return Array.from({ length: count }, (_, i) => ({
    ...COUNTS,
    elapsed: i * 5_000,
    operations: 4_000 + i,
    resident: resident(i) * MIB,
    heap: heap(i) * MIB,
  }));
}

Deno.test("growthAtWork() names what was once more than it may be", () => {
  const most = { fds: 30, threads: 10 };
  const at = (counts: Partial<Counts>) => [
    ...samples(3, () => 10),
    ...samples(1, () => 10).map((sample) => ({ ...sample, ...counts })),
    ...samples(3, () => 10),
  ];
  assertEquals(growthAtWork(most, at({ fds: 30, threads: 10, children: 99 })), []);
  assertEquals(growthAtWork(most, at({ fds: 31 })), ["fds: 31 at work, not 30 at most"]);
  assertEquals(growthAtWork(most, at({ threads: 11 })), ["threads: 11 at work, not 10 at most"]);
});

Deno.test("memoryGrowth() sees a steady growth, and takes no peak for one", () => {
  assertEquals(memoryGrowth(samples(12, () => 10)), []);
  assertEquals(memoryGrowth(samples(12, (i) => i % 4 === 3 ? 90 : 10)), []);
  assertEquals(memoryGrowth(samples(12, (i) => 100 - i)), []);
  assertEquals(memoryGrowth(samples(12, () => 10, (i) => 10 + i)), [
    "heap memory: 12.0 MiB before, 20.0 MiB now",
  ]);
  assertEquals(memoryGrowth(samples(9, (i) => i * 10, () => 0)), [
    "resident memory: 10.0 MiB before, 70.0 MiB now",
  ]);
});

Deno.test("memoryGrowth() doesn't judge by few samples, nor by those of the beginning", () => {
  assertEquals(memoryGrowth(samples(8, (i) => i * 10)), null);
  const cold = samples(9, (i) => i * 10).map((sample) => ({ ...sample, operations: 3_999 }));
  assertEquals(memoryGrowth(cold), null);
  assertEquals(memoryGrowth([...cold, ...samples(9, () => 80)]), []);
});

Deno.test("tableLine() writes below each heading what it is", () => {
  const figures: Figures = {
    ...{ elapsed: 61_250, operations: 12345, fds: 22, threads: 8, children: 16, zombies: 3 },
    ...{ resident: 120.5 * MIB, heap: 7 * MIB },
  };
  assertEquals(tableLine(figures).trim().split(/ +/), [
    ...["61.3", "12345", "22", "8", "16", "3", "120.5", "7.0"],
  ]);
});

Deno.test("Load does each operation with each worker, and counts them", async () => {
  let most = 0;
  let now = 0;
  const operation = async () => {
    most = Math.max(most, ++now);
    await new Promise((resolve) => setTimeout(resolve));
    now--;
  };
  const load = new Load({ one: operation, two: operation }, 4);
  load.start();
  await load.stop();
  assertEquals([load.done, load.total, most], [{ one: 4, two: 4 }, 8, 4]);
  load.start();
  await load.stop();
  assertEquals(load.total, 16);
});

Deno.test("Load says which operation failed, and why", async () => {
  const cause = new Error("why");
  const load = new Load({ good: async () => {}, bad: () => Promise.reject(cause) }, 2);
  load.start();
  await load.stop();
  const error = await load.failed.catch((error) => error);
  assertEquals([error instanceof OperationError, error.message, error.cause], [
    true,
    "bad failed",
    cause,
  ]);
});
