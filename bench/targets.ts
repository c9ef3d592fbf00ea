/**
 * What we want to reach, and whether we do.
 *
 * @module
 */

import { differenceOf, type Place, ratioOf, spreadAt } from "./comparison.ts";
import type { Results } from "./measurements.ts";
import { LIMIT, OURS, PACKAGE } from "./peers.ts";
import type { Spread } from "./statistics.ts";

/** A bound for a figure, or for a ratio of two. */
export interface Target {
  readonly title: string;
  readonly bound: number;
  /** Whether the bound is the most that it may be; otherwise it is the least. */
  readonly atMost: boolean;
  readonly actual: (results: Results) => Spread | undefined;
}

/** Each call, and how much of C's time it may take. */
const CALLS: Readonly<Record<string, readonly [title: string, bound: number]>> = {
  signal0: ["signal 0", 1.25],
  tryWait: ["tryWait", 1.25],
  getInfo: ["getInfo", 1.35],
  isAlive: ["isAlive", 1.35],
};

const MESSAGES = { roundTrip: "round trip", send: "sent", receive: "received" };

export const TARGETS: readonly Target[] = [
  ...Object.entries(CALLS).flatMap(([figure, [title, bound]]) => [
    against(`one call, ${title} ÷ C`, "call/all", figure, LIMIT, bound),
    against(`one call, ${title} ÷ Python`, "call/all", figure, "python-pidfd", 1),
  ]),
  against("one call, open + close ÷ Python", "call/all", "openClose", "python-pidfd", 1),
  ...["1", "1000"].flatMap((pending) =>
    [
      ["latency", "wait()"],
      ["latencyStatus", "child.status"],
      ["latencyExited", "exited()"],
    ].map(([measure, what]) =>
      against(
        `kill → ${what}, p50, ${pending} pending ÷ Deno.Command`,
        `${measure}/${pending}`,
        "p50",
        "deno_command",
        1,
      )
    )
  ),
  {
    title: "parked call's return → waiting code, µs",
    bound: 40,
    atMost: true,
    actual: (results) => spreadAt(results, ours("looks/all", "looks")),
  },
  against("start: the event loop is held ÷ Deno.Command", "spawn/1", "hold", "deno_command", 0.6),
  against("spawn + wait, 64 at a time ÷ Deno.Command", "spawn/64", "time", "deno_command", 1),
  against("spawn + wait in sequence ÷ C's posix_spawn", "spawn/1", "time", LIMIT, 1.25),
  against("spawn + wait in sequence ÷ Deno.Command", "spawn/1", "time", "deno_command", 0.9),
  against("spawn + wait in sequence ÷ Node.js", "spawn/1", "time", "node", 0.55),
  ...["64K", "4K"].map((size) => {
    const title = `piped throughput, ${size} ÷ Deno.Command`;
    return atLeast(title, `throughput/${size}`, "MiBps", "deno_command", 1);
  }),
  ...Object.entries(MESSAGES).flatMap(([figure, title]) => [
    atLeast(`1 KiB messages, ${title} ÷ Deno's node:net`, "messages/all", figure, "deno-net", 1),
    atLeast(`1 KiB messages, ${title} ÷ Node.js's net`, "messages/all", figure, "node-net", 1),
    atLeast(`1 KiB messages, ${title} ÷ Python`, "messages/all", figure, "python-socket", 0.4),
  ]),
  {
    title: "10,000 pending waits: threads more",
    bound: 1,
    atMost: true,
    actual: (results) => spreadAt(results, ours("scale/10000", "threads")),
  },
  {
    title: "10,000 pending waits: bytes of heap each",
    bound: 1024,
    atMost: true,
    actual: (results) => spreadAt(results, ours("scale/10000", "heap")),
  },
  {
    title: "10,000 pending waits: median Deno.stat ÷ idle",
    bound: 2,
    atMost: true,
    actual: (results) =>
      ratioOf(results, ours("scale/10000", "stat"), ours("scale/10000", "statIdle")),
  },
  {
    title: "completing: time per wait at 10,000 ÷ at 100",
    bound: 1.3,
    atMost: true,
    actual: (results) =>
      ratioOf(results, ours("scale/10000", "complete"), ours("scale/100", "complete")),
  },
  {
    title: "import + first call over an empty program, as published, ms",
    bound: 8,
    atMost: true,
    actual: (results) => spreadAt(results, started("over")),
  },
  {
    title: "import + first call over an empty program, from the sources, ms",
    bound: 14,
    atMost: true,
    actual: (results) => spreadAt(results, ours("start/all", "over")),
  },
  {
    title: "spawn + status as the first thing of a program, over Deno.Command's, ms",
    bound: 10,
    atMost: true,
    actual: (results) => differenceOf(results, started("spawn"), denos(started("spawn"))),
  },
  {
    title: '`pidfd ref 1` ÷ `deno eval ""`',
    bound: 1.35,
    atMost: true,
    actual: (results) => ratioOf(results, started("command"), denos(started("command"))),
  },
];

/** How a target was met, in words. */
export function verdict({ bound, atMost }: Target, actual: number): string {
  if (atMost ? actual <= bound : actual >= bound) return "met";
  return `missed by ${(Math.abs(actual / bound - 1) * 100).toFixed(0)} %`;
}

function against(
  title: string,
  where: string,
  figure: string,
  peer: string,
  bound: number,
): Target {
  const place = ours(where, figure);
  const actual = (results: Results) => ratioOf(results, place, { ...place, peer });
  return { title, bound, atMost: true, actual };
}

function atLeast(...target: Parameters<typeof against>): Target {
  return { ...against(...target), atMost: false };
}

/** What is timed of programs that import the package as it is published. */
function started(figure: string): Place {
  return { ...ours("start/all", figure), peer: PACKAGE };
}

function denos(place: Place): Place {
  return { ...place, peer: "deno_command" };
}

function ours(where: string, figure: string): Place {
  const [measure, one] = where.split("/");
  return { measure, case: one, figure, peer: OURS };
}
