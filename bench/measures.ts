/**
 * What is measured, with which numbers, and what the figures mean.
 *
 * @module
 */

import { quantile } from "./statistics.ts";

/** Something that a peer is asked to do, and what its samples say. */
export interface Measure {
  /** The peer's first argument. */
  readonly id: string;
  readonly title: string;
  /** What exactly is done and timed. */
  readonly about: string;
  readonly cases: readonly Case[];
  readonly figures: readonly Figure[];
}

/** One set of numbers to measure with. */
export interface Case {
  readonly id: string;
  readonly title: string;
  /** The peer's further arguments. */
  readonly numbers: readonly number[];
}

/** One number for each run of a peer, made of the samples that the peer prints. */
export interface Figure {
  readonly id: string;
  readonly title: string;
  /** Whether less is better. Nothing is said of it where it isn't compared. */
  readonly better?: "less" | "more";
  /** The samples' name: the figure's own unless told otherwise. */
  readonly of?: string;
  /** What becomes of the samples: their median unless told otherwise. */
  readonly reduce?: (samples: readonly number[], numbers: readonly number[]) => number;
}

const MIB = 2 ** 20;

/** All measures; `quick` ones prove that everything works, and little more. */
export function allMeasures(quick: boolean): Measure[] {
  const calls = quick ? 20_000 : 100_000;
  const batches = quick ? 3 : 7;
  const kills = quick ? 40 : 200;
  const runs = quick ? 100 : 500;
  const bytes = (quick ? 64 : 256) * MIB;
  const trips = quick ? 2_000 : 10_000;
  const messages = quick ? 50_000 : 200_000;
  const crowds = [10, 100, 1000, ...(quick ? [] : [10_000])];
  return [
    {
      id: "call",
      title: "One call",
      about: "Nanoseconds that one call takes on a running child, the median of batches of " +
        `${calls.toLocaleString("en")} calls in a loop, after one batch to warm up. ` +
        "`open + close` opens a handle by PID and closes it. Node.js and Deno send the signal to " +
        "a PID, as they know no pidfds.",
      cases: [{ id: "all", title: "one call", numbers: [calls, batches] }],
      figures: [
        { id: "signal0", title: "signal 0, ns", better: "less" },
        { id: "getInfo", title: "getInfo, ns", better: "less" },
        { id: "tryWait", title: "tryWait, ns", better: "less" },
        { id: "openClose", title: "open + close, ns", better: "less" },
        { id: "isAlive", title: "isAlive, ns", better: "less" },
      ],
    },
    latency("latency", "From a kill to the resolved wait", "", kills),
    latency(
      "latencyStatus",
      "From a kill to a child's status",
      " The children are the peer's own, started by it.",
      kills,
    ),
    latency(
      "latencyExited",
      "From a kill to the end",
      " How it ended is not asked, where the peer can tell the two apart.",
      kills,
    ),
    {
      id: "looks",
      title: "From the parked call's return to the waiting code",
      about: "Microseconds between two reactions: the first to the parked call's own promise, " +
        "before any of the library's, and that of the code that waits for a child's status. The " +
        "child is reaped in between. Of an idle program, so that all code is cold.",
      cases: [{ id: "all", title: "a look", numbers: [kills] }],
      figures: [{ id: "looks", title: "µs", better: "less" }],
    },
    {
      id: "spawn",
      title: "Starting /bin/true and waiting for it",
      about:
        "With all standard streams inherited, after a tenth as many to warm up. The event loop is " +
        "held by the call that starts the process.",
      cases: [
        { id: "1", title: "one after another", numbers: [1, runs] },
        { id: "64", title: "64 at a time", numbers: [64, 2 * runs] },
      ],
      figures: [
        { id: "perSecond", title: "processes per second" },
        {
          id: "time",
          title: "µs for one",
          better: "less",
          of: "perSecond",
          reduce: ([perSecond]) => 1e6 / perSecond,
        },
        { id: "hold", title: "µs that the event loop is held", better: "less" },
      ],
    },
    {
      id: "throughput",
      title: "Reading a child's piped output",
      about: `A child writes ${bytes / MIB} MiB, and what comes is counted and dropped: from the ` +
        "child's start to its exit status, after a child with an eighth as much to warm up.",
      cases: [64, 4].map((size) => ({
        id: `${size}K`,
        title: `writes of ${size} KiB`,
        numbers: [size * 1024, bytes],
      })),
      figures: [{ id: "MiBps", title: "MiB/s", better: "more" }],
    },
    {
      id: "scale",
      title: "Many waits at once",
      about: "So many real children, each with a wait pending on it; then one signal to their " +
        "process group ends all. Completing lasts from that signal until all statuses are known, " +
        "and has the kernel's work of ending the processes in it. Peers that can wait only for " +
        "what they started have begun to wait with the start, which isn't timed. Heap is of live " +
        "JavaScript objects and buffers after a collection, resident is the process's memory. " +
        "Threads are those more than before, without idle ones of a pool.",
      cases: crowds.map((waits) => ({
        id: String(waits),
        title: `${waits.toLocaleString("en")} waits`,
        numbers: [waits],
      })),
      figures: [
        perWait("register", "register, µs a wait"),
        perWait("complete", "complete, µs a wait"),
        { id: "threads", title: "threads taken" },
        { id: "heapHandle", title: "heap, bytes a handle" },
        { id: "heap", title: "heap, bytes a wait" },
        { id: "resident", title: "resident, bytes a wait" },
        { id: "stat", title: "stat meanwhile, µs" },
        { id: "statIdle", title: "stat when idle, µs" },
      ],
    },
    {
      id: "messages",
      title: "Messages over a UNIX socket",
      about: "Messages of 1 KiB a second on a stream, with one and the same program in C at the " +
        `other end, which blocks: ${trips.toLocaleString("en")} that it sends back, each awaited ` +
        `before the next; ${messages.toLocaleString("en")} one after another that it takes, each ` +
        "send awaited, until it says that it has them all; as many that it sends, and that arrive " +
        "in pieces of any length. After a tenth as many to warm up. Python's socket blocks, too.",
      cases: [{ id: "all", title: "messages", numbers: [trips, messages] }],
      figures: [
        { id: "roundTrip", title: "round trips/s", better: "more" },
        { id: "send", title: "sent/s", better: "more" },
        { id: "receive", title: "received/s", better: "more" },
      ],
    },
    {
      id: "start",
      title: "Starting a program",
      about:
        "Milliseconds from the start of the runtime to its end: with an empty program; with one " +
        "that imports what it takes, opens a handle on itself, and sends itself signal 0; with one " +
        "that starts `/bin/true` and waits for it; and as the command line `pidfd ref 1`, beside " +
        '`deno eval ""`. Modules are cached, as they are from the second start on.',
      cases: [{ id: "all", title: "start", numbers: [quick ? 5 : 20] }],
      figures: [
        { id: "empty", title: "empty program, ms" },
        { id: "first", title: "first call, ms" },
        { id: "over", title: "difference, ms" },
        { id: "spawn", title: "first child, ms" },
        { id: "command", title: "command line, ms" },
      ],
    },
  ];
}

function latency(id: string, title: string, more: string, kills: number): Measure {
  return {
    id,
    title,
    about: "Microseconds from just before SIGKILL is sent to the moment when the waiting code " +
      `has been told, for ${kills} idle children, one after another. Each is waited for ` +
      "2 ms before it is killed. The kernel's own work, ending a process, is in it for all." + more,
    cases: [1, 1000].map((pending) => ({
      id: String(pending),
      title: pending === 1 ? "1 wait pending" : `${pending.toLocaleString("en")} waits pending`,
      numbers: [pending, kills],
    })),
    figures: [0.5, 0.9, 0.99].map((part) => ({
      id: `p${part * 100}`,
      title: `p${part * 100}, µs`,
      better: "less",
      of: "latency",
      reduce: (samples) => quantile(samples, part),
    })),
  };
}

function perWait(id: string, title: string): Figure {
  return { id, title, better: "less", reduce: ([total], [waits]) => total / waits };
}
