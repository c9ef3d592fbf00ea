/**
 * What `pidfd run --report` tells at the end.
 *
 * @module
 */

import { SyscallError } from "../ffi/errors.ts";
import { AT_FDCWD, readTextFile } from "../ffi/files.ts";
import type { ExitStatus } from "../pidfd/exit_status.ts";
import { describeEnd } from "./ends.ts";
import { printable, stderr, toJson } from "./output.ts";
import type { Subject } from "./subject.ts";

/** A run that is over. */
export interface Run {
  readonly subject: Subject;
  readonly status: ExitStatus;
  /** From its start to its end, in milliseconds. */
  readonly wallTime: number;
  /** Why it was ended; null if it ended by itself. */
  readonly cause: string | null;
  /** Whether SIGKILL had to follow. */
  readonly killed: boolean;
  /** The most memory that its cgroup has had at a time, in bytes, where it had one of its own. */
  readonly memoryPeak?: number;
}

/** Tells it, on standard error. */
export function report(run: Run, form: "text" | "json"): void {
  stderr.write(form === "json" ? `${toJson(objectOf(run))}\n` : textOf(run));
}

function objectOf(run: Run): unknown {
  const { subject, status, wallTime, cause, killed } = run;
  const { userTime = null, systemTime = null } = status.usage ?? {};
  const maxRss = memoryOf(run);
  return {
    ...subject,
    ended: true,
    status,
    run: {
      wallTime: Math.round(wallTime * 1000) / 1000,
      userTime,
      systemTime,
      maxRss,
      cause,
      killed,
    },
  };
}

function textOf(run: Run): string {
  const { subject: { ref, command }, status, wallTime, cause, killed } = run;
  const { usage } = status;
  const memory = memoryOf(run);
  const facts = {
    ended: (cause === null ? "by itself" : `on ${cause}`) + (killed ? ", killed in the end" : ""),
    wall: seconds(wallTime),
    cpu: usage === null
      ? "not known"
      : `${seconds(usage.userTime)} user, ${seconds(usage.systemTime)} system`,
    memory: memory === null
      ? "no more than pidfd itself has had"
      : `${(memory / 2 ** 20).toFixed(1)} MiB at most`,
  };
  const lines = Object.entries(facts).map(([name, fact]) => `  ${name.padEnd(7)} ${fact}`);
  const heading = printable(`${ref} (${command}) ${describeEnd(status)}`);
  return [`pidfd: ${heading}`, ...lines, ""].join("\n");
}

function seconds(milliseconds: number): string {
  return `${(milliseconds / 1000).toFixed(3)} s`;
}

/**
 * The most memory that the command had at a time; null if that isn't known. A child is born with
 * the peak of its parent: what the kernel tells is no less than that (getrusage(2)).
 */
function memoryOf({ memoryPeak, status: { usage } }: Run): number | null {
  if (memoryPeak !== undefined) return memoryPeak;
  if (usage === null) return null;
  const own = ownPeak();
  return own !== null && usage.maxRss > own ? usage.maxRss : null;
}

function ownPeak(): number | null {
  try {
    const match = /^VmHWM:\s*(\d+) kB$/m.exec(readTextFile(AT_FDCWD, "/proc/self/status"));
    return match === null ? null : Number(match[1]) * 1024;
  } catch (error) {
    if (error instanceof SyscallError) return null;
    throw error;
  }
}
