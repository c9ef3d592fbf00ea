/**
 * Works at full speed for some minutes and fails if anything grows: `deno task soak [MINUTES]`.
 * The library opens, starts, waits, passes on and gives up all it can, sixteen operations at a
 * time; the table shows what the program has of everything meanwhile. Ctrl-C ends it early, with
 * the same judgement.
 *
 * The first fifth of the time is for warming up: until then caches fill and pools grow. What
 * there is of everything then, when nothing goes on, is what there may be in the end.
 *
 * @module
 */

import {
  count,
  countGrowth,
  type Figures,
  growthAtWork,
  memoryGrowth,
  settle,
  TABLE_HEAD,
  tableLine,
  weigh,
  WEIGHED,
} from "./support/soak/figures.ts";
import { Load } from "./support/soak/load.ts";
import { OPERATIONS } from "./support/soak/operations.ts";

const MINUTES = 60_000;
const CONCURRENCY = 16;

/** How often it prints what there is of everything, in milliseconds. */
const INTERVAL = 5_000;

/** How many fds one operation has open at most, with those of a process whose end it awaits. */
const FDS_EACH = 8;

/** How many threads Deno's pool has at most for what blocks; none of the library's come on top. */
const POOL = 32;

const duration = Number(Deno.args[0] ?? 5) * MINUTES;
if (Deno.args.length > 1 || !(duration > 0 && duration < Infinity)) {
  console.error("usage: deno task soak [MINUTES]");
  Deno.exit(2);
}

const start = performance.now();
const interrupt = new AbortController();
Deno.addSignalListener("SIGINT", () => interrupt.abort());
const load = new Load(OPERATIONS, CONCURRENCY);

try {
  const growth = await soak();
  console.log(`\nDone: ${JSON.stringify(load.done, null, 2)}`);
  for (const line of growth) console.log(`GREW: ${line}`);
  if (growth.length === 0) console.log("Nothing grew.");
  Deno.exit(growth.length === 0 ? 0 : 1);
} catch (error) {
  console.error(error);
  Deno.exit(1);
}

/** Returns what has grown. */
async function soak(): Promise<string[]> {
  console.log(TABLE_HEAD);
  const idle = count();
  await work(duration / 5);
  // Threads that have become needless take a while to end, and are no concern yet.
  const before = await settle({ ...idle, threads: Infinity });
  const samples = await work(duration * 4 / 5);
  const now = await settle(before);
  console.log(tableLine({ ...figures(), ...now }));

  const most = { fds: before.fds + CONCURRENCY * FDS_EACH, threads: before.threads + POOL };
  const growth = [...countGrowth(before, now), ...growthAtWork(most, samples)];
  const memory = memoryGrowth(samples);
  if (memory === null) console.log(`Memory was not judged: that takes ${WEIGHED}.`);
  else growth.push(...memory);
  return growth;
}

/** Works for so long, or until Ctrl-C. Returns what there was of everything meanwhile. */
async function work(milliseconds: number): Promise<Figures[]> {
  const end = performance.now() + milliseconds;
  const samples: Figures[] = [];
  load.start();
  try {
    do {
      await Promise.race([
        pause(Math.min(INTERVAL, Math.max(0, end - performance.now()))),
        load.failed,
      ]);
      const sample = figures();
      samples.push(sample);
      console.log(tableLine(sample));
    } while (performance.now() < end && !interrupt.signal.aborted);
  } finally {
    await load.stop();
  }
  // The last ones can have failed since.
  await Promise.race([load.failed, Promise.resolve()]);
  return samples;
}

/** Resolves after so many milliseconds, or at Ctrl-C. */
function pause(milliseconds: number): Promise<void> {
  const { signal } = interrupt;
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, milliseconds);
    signal.addEventListener("abort", end);
  });
}

function figures(): Figures {
  return {
    elapsed: performance.now() - start,
    operations: load.total,
    ...count(),
    ...weigh(),
  };
}
