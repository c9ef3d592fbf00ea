/**
 * Waiting for the ends of processes, with what a terminal shows meanwhile.
 *
 * @module
 */

import { SyscallError } from "../ffi/errors.ts";
import type { ExitStatus } from "../pidfd/exit_status.ts";
import { after } from "./durations.ts";
import { printEnd } from "./ends.ts";
import type { Named } from "./references.ts";
import { StatusLine } from "./status_line.ts";

/** How many processes of a crowd are named. */
const NAMED = 3;

/** Options for {@linkcode waitForEnds}. */
export interface WaitForEndsOptions {
  /** Whether it is over with the first end. */
  readonly any?: boolean;
  readonly json?: boolean;
  /** In milliseconds; without it, for as long as it takes. */
  readonly timeout?: number;
}

/** What came of the waiting. */
export interface Ends {
  /** The status of each process that ended; null where nothing tells. */
  readonly statuses: ReadonlyMap<Named, ExitStatus | null>;
  /** Those that still run, as the time was up. */
  readonly running: readonly Named[];
}

/** Waits for processes, and prints how each ended. On SIGINT and the like the program ends. */
export async function waitForEnds(
  processes: readonly Named[],
  { any = false, json = false, timeout = Infinity }: WaitForEndsOptions,
): Promise<Ends> {
  const statuses = new Map<Named, ExitStatus | null>();
  const running = () => processes.filter((process) => !statuses.has(process));
  using line = new StatusLine(() => {
    const names = running().map(describe);
    const more = names.length - NAMED;
    return names.slice(0, NAMED).join(", ") + (more > 0 ? `, and ${more} more` : "");
  });

  const over = new AbortController();
  const timer = timeout === Infinity ? undefined : after(timeout, () => over.abort());
  const waits = processes.map(async (process) => {
    const status = await statusOf(process, over.signal);
    if (over.signal.aborted) return;
    statuses.set(process, status);
    // First of all: what comes next may not be possible, and the waiting is over nevertheless.
    if (any) over.abort();
    line.above(() => printEnd(process, status, json));
  });
  const results = await Promise.allSettled(waits);
  timer?.cancel();
  for (const result of results) {
    if (result.status === "rejected" && result.reason !== over.signal.reason) throw result.reason;
  }
  return { statuses, running: running() };
}

/** The status of a process that ended; null where the kernel tells it to its parent alone. */
async function statusOf({ pidfd }: Named, signal: AbortSignal): Promise<ExitStatus | null> {
  try {
    return await pidfd.wait({ signal });
  } catch (error) {
    if (error instanceof SyscallError && error.code === "ECHILD") return null;
    throw error;
  }
}

function describe({ name, command }: Named): string {
  return command === null ? name : `${name} (${command})`;
}
