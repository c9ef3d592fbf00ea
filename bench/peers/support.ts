/**
 * What the peers that run on Deno share. Each is a program `MEASURE HELPERS NUMBER…`: it takes
 * one measure and prints its figures as one line of JSON, a list of samples by name. Which there
 * are, and in which unit, stands in measures.ts.
 *
 * @module
 */

/** A list of samples by the figure's name. */
export type Samples = Record<string, number[]>;

/** What a peer can measure. `helpers` is the folder of the programs in bench/helpers. */
export interface Peer {
  call?(helpers: string, calls: number, batches: number): Samples | Promise<Samples>;
  latency?(helpers: string, pending: number, kills: number): Promise<Samples>;
  latencyStatus?(helpers: string, pending: number, kills: number): Promise<Samples>;
  latencyExited?(helpers: string, pending: number, kills: number): Promise<Samples>;
  looks?(helpers: string, kills: number): Promise<Samples>;
  spawn?(helpers: string, atATime: number, count: number): Promise<Samples>;
  throughput?(helpers: string, size: number, total: number): Promise<Samples>;
  scale?(helpers: string, waits: number): Promise<Samples>;
  messages?(helpers: string, trips: number, count: number): Promise<Samples>;
}

/** The exit code of a peer that doesn't take a measure. */
const NOT_TAKEN = 64;

/** Takes the measure that the program was started for. */
export async function answer(peer: Peer): Promise<void> {
  const [measure, helpers, ...numbers] = Deno.args;
  const take = peer[measure as keyof Peer] as Measure | undefined;
  if (take === undefined) Deno.exit(NOT_TAKEN);
  console.log(JSON.stringify(await take(helpers, ...numbers.map(Number))));
  Deno.exit();
}

type Measure = (helpers: string, ...numbers: number[]) => Promise<Samples>;

/** Nanoseconds that one call takes, in each of some batches; the first warms up and isn't told. */
export function timeCalls(
  all: Record<string, () => void>,
  calls: number,
  batches: number,
): Samples {
  const samples: Samples = {};
  for (const [name, call] of Object.entries(all)) {
    const batch = () => {
      const begin = performance.now();
      for (let i = 0; i < calls; i++) call();
      return (performance.now() - begin) * 1e6 / calls;
    };
    batch();
    samples[name] = Array.from({ length: batches }, batch);
  }
  return samples;
}

/** Microseconds from `kill` to the end of `ended`, one process after another. */
export async function timeKills<T>(
  processes: T[],
  expect: (process: T) => Promise<unknown>,
  kill: (process: T) => void,
): Promise<Samples> {
  const latency: number[] = [];
  for (const process of processes) {
    const ended = expect(process);
    await pause(2);
    const begin = performance.now();
    kill(process);
    await ended;
    latency.push((performance.now() - begin) * 1e3);
  }
  return { latency };
}

/**
 * Runs something some times, so many at once, and tells how many ended per second, and for how many
 * microseconds each start has held the event loop.
 */
export async function timeRuns(
  run: () => Promise<unknown>,
  atATime: number,
  count: number,
): Promise<Samples> {
  let hold: number[] = [];
  const runAll = async (count: number) => {
    let left = count;
    const lane = async () => {
      while (left-- > 0) {
        const begin = performance.now();
        const ended = run();
        hold.push((performance.now() - begin) * 1e3);
        await ended;
      }
    };
    await Promise.all(Array.from({ length: atATime }, lane));
  };
  await runAll(count / 10);
  hold = [];
  const begin = performance.now();
  await runAll(count);
  return { perSecond: [count / (performance.now() - begin) * 1e3], hold };
}

/** MiB a second that come from a process that writes `total` bytes. */
export async function timeStream(
  start: (total: number) => { stdout: ReadableStream<Uint8Array>; status: Promise<unknown> },
  total: number,
): Promise<Samples> {
  const receive = async (total: number) => {
    const { stdout, status } = start(total);
    let received = 0;
    for await (const chunk of stdout) received += chunk.length;
    await status;
    if (received !== total) throw new Error(`${received} bytes came, of ${total}`);
  };
  await receive(total / 8);
  const begin = performance.now();
  await receive(total);
  return { MiBps: [total / 2 ** 20 / (performance.now() - begin) * 1e3] };
}

/** What {@linkcode timeWaits} goes through, in this order. */
export interface Waits<Handle> {
  /** Starts so many processes and holds them. */
  open(count: number): Promise<Handle[]>;
  /** Begins to wait for one. */
  expect(handle: Handle): Promise<unknown>;
  /** Ends those that were opened last, all at once. */
  killAll(): void;
}

/**
 * Many waits at once: µs to register all and to complete all, threads occupied, bytes
 * of JavaScript heap for one handle and for one wait, and µs that a Deno.stat takes while they
 * are pending, and when nothing is pending any more.
 */
export async function timeWaits<Handle>(
  { open, expect, killAll }: Waits<Handle>,
  count: number,
): Promise<Samples> {
  // Deno starts a thread of its own, for signals, half a second after the program's start.
  await pause(1000);
  const threadsBefore = threads();
  // What only the first of all costs is not counted on the others.
  const [first] = await open(1);
  const firstEnded = expect(first);
  killAll();
  await Promise.all([firstEnded, pause(1)]);

  const heapEmpty = heap();
  const handles = await open(count);
  const ended = new Array<Promise<unknown>>(count).fill(Promise.resolve());
  const heapOpen = heap();

  const registering = performance.now();
  for (let i = 0; i < count; i++) ended[i] = expect(handles[i]);
  const register = (performance.now() - registering) * 1e3;

  await pause(300);
  const heapPending = heap();
  const threadsPending = threads();
  const stat = await timeStats();

  const completing = performance.now();
  killAll();
  await Promise.all(ended);
  const complete = (performance.now() - completing) * 1e3;

  await pause(300);
  const statIdle = await timeStats();
  return {
    register: [register],
    complete: [complete],
    threads: [threadsPending - threadsBefore],
    heapHandle: [(heapOpen - heapEmpty) / count],
    heap: [(heapPending - heapOpen) / count],
    stat,
    statIdle,
  };
}

/** How long a Deno.stat may take before it counts as never returning, in ms. */
const PATIENCE = 1000;

/** µs of each of some Deno.stat; Infinity, and no more of them, if one doesn't return. */
async function timeStats(): Promise<number[]> {
  const samples: number[] = [];
  for (let i = 0; i < 200; i++) {
    const begin = performance.now();
    const late = Promise.withResolvers<boolean>();
    const timer = setTimeout(() => late.resolve(true), PATIENCE);
    const isLate = await Promise.race([Deno.stat("/").then(() => false), late.promise]);
    clearTimeout(timer);
    if (isLate) return [];
    samples.push((performance.now() - begin) * 1e3);
  }
  return samples;
}

/** The bytes of JavaScript objects that are in use, and of the buffers that they hold. */
function heap(): number {
  // Given by --expose-gc. Twice: what was kept for finalizers goes with the second.
  const { gc } = globalThis as unknown as { gc(): void };
  gc();
  gc();
  const { heapUsed, external } = Deno.memoryUsage();
  return heapUsed + external;
}

/** The number of futex(2), which threads of a pool sleep in as long as there is no work. */
const FUTEX = { x86_64: "202", aarch64: "98" }[Deno.build.arch];

/** How many threads are in a system call, those left out that wait for work in a pool. */
function threads(): number {
  let count = 0;
  for (const { name } of Deno.readDirSync("/proc/self/task")) {
    const [call] = Deno.readTextFileSync(`/proc/self/task/${name}/syscall`).split(" ");
    if (call !== FUTEX && call.trim() !== "running") count++;
  }
  return count;
}

/** Processes that are our children without our having started them; see helpers/herd.c. */
export interface Herd {
  /** The process group of them all. */
  readonly group: number;
  readonly pids: number[];
}

/** Reads what the helper `herd` printed. */
export function parseHerd(output: Uint8Array): Herd {
  const [group, ...pids] = new TextDecoder().decode(output).trimEnd().split("\n").map(Number);
  return { group, pids };
}

export function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
