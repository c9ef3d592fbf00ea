/**
 * What a program has of everything, and whether it has come to have more.
 *
 * @module
 */

import { eventually } from "../patience.ts";
import { children, openFds, threads } from "../proc.ts";

declare const gc: () => void;

/** What must not become more. */
export interface Counts {
  readonly fds: number;
  readonly threads: number;
  readonly children: number;
  readonly zombies: number;
}

/** What may go up and down, in bytes. */
export interface Memory {
  /** What the process has of the machine's. */
  readonly resident: number;
  /** What is left of the JavaScript heap when the garbage is collected. */
  readonly heap: number;
}

/** All of it at one moment, after so many milliseconds and operations. */
export interface Figures extends Counts, Memory {
  readonly elapsed: number;
  readonly operations: number;
}

/** The counts of this process. */
export function count(): Counts {
  const all = children();
  return {
    fds: openFds().length,
    threads: threads(),
    children: all.length,
    zombies: all.filter(({ state }) => state === "Z").length,
  };
}

/** The memory of this process, after a garbage collection. */
export function weigh(): Memory {
  gc();
  const { rss, heapUsed } = Deno.memoryUsage();
  return { resident: rss, heap: heapUsed };
}

/**
 * The counts once nothing goes on any more, and at the latest after a while: whatever is due to
 * be given back has been by then, as there are handles that the garbage collector has to close,
 * and threads of Deno's pool that end when they had nothing to do for ten seconds.
 *
 * @param enough What the counts need not fall below.
 */
export async function settle(enough: Counts): Promise<Counts> {
  let counts = count();
  try {
    await eventually("the counts are as low as before", () => {
      gc();
      counts = count();
      return countGrowth(enough, counts).length === 0;
    });
  } catch {
    // The judgement is the caller's.
  }
  return counts;
}

/** What there is more of than before. */
export function countGrowth(before: Counts, now: Counts): string[] {
  return (["fds", "threads", "children", "zombies"] as const)
    .filter((name) => now[name] > before[name])
    .map((name) => `${name}: ${before[name]} before, ${now[name]} now`);
}

/**
 * What there was too much of at work. A handle that nobody closes is seen here and nowhere else:
 * sooner or later the garbage collector closes it.
 */
export function growthAtWork(
  most: Pick<Counts, "fds" | "threads">,
  samples: readonly Figures[],
): string[] {
  return (["fds", "threads"] as const).flatMap((name) => {
    const highest = Math.max(...samples.map((sample) => sample[name]));
    return highest > most[name] ? [`${name}: ${highest} at work, not ${most[name]} at most`] : [];
  });
}

const MIB = 2 ** 20;

/** The number of samples that tell a trend from chance: three for each third. */
const ENOUGH_SAMPLES = 9;

/** After so many operations malloc has what it needs to have at hand: some 100 MiB. */
const WARM = 4_000;

/** What it takes to judge memory. */
export const WEIGHED =
  `${ENOUGH_SAMPLES} samples after ${WARM} operations, two minutes on an ordinary machine`;

/**
 * How much more may be taken for noise. What is left of the heap is exact but for the operations
 * that happen to be under way: less than 1 MiB. What is resident depends as well on when the
 * engine and malloc give pages back: it was seen to go up and down by 15 MiB. An ordinary machine
 * does some 10,000 operations a minute: in five minutes, some 100 lost bytes in each are found
 * in the heap, and a KiB outside it.
 */
const TOLERANCE: Memory = { resident: 24 * MIB, heap: 2 * MIB };

/**
 * What memory has grown: the median of the last third of the samples against that of the first.
 * Null if there are too few.
 */
export function memoryGrowth(samples: readonly Figures[]): string[] | null {
  const warm = samples.filter(({ operations }) => operations >= WARM);
  if (warm.length < ENOUGH_SAMPLES) return null;
  const third = Math.floor(warm.length / 3);
  return (["resident", "heap"] as const).flatMap((name) => {
    const values = warm.map((sample) => sample[name]);
    const before = median(values.slice(0, third));
    const now = median(values.slice(-third));
    const isMore = now - before > TOLERANCE[name];
    return isMore ? [`${name} memory: ${inMiB(before)} MiB before, ${inMiB(now)} MiB now`] : [];
  });
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)];
}

const COLUMNS: Record<string, (figures: Figures) => string> = {
  seconds: ({ elapsed }) => (elapsed / 1000).toFixed(1),
  operations: ({ operations }) => String(operations),
  fds: ({ fds }) => String(fds),
  threads: ({ threads }) => String(threads),
  children: ({ children }) => String(children),
  zombies: ({ zombies }) => String(zombies),
  "resident MiB": ({ resident }) => inMiB(resident),
  "heap MiB": ({ heap }) => inMiB(heap),
};

/** The first line of the table. */
export const TABLE_HEAD: string = Object.keys(COLUMNS).join("  ");

/** A line of the table. */
export function tableLine(figures: Figures): string {
  return Object.entries(COLUMNS)
    .map(([name, text]) => text(figures).padStart(name.length))
    .join("  ");
}

function inMiB(bytes: number): string {
  return (bytes / MIB).toFixed(1);
}
