/**
 * The processes that a command line names, each held by a handle before anything is done to any.
 *
 * @module
 */

import { SyscallError } from "../ffi/errors.ts";
import { PidFd } from "../pidfd/pidfd.ts";
import { ProcessRef } from "../pidfd/process_ref.ts";
import { UsageError } from "./command.ts";
import { FAILED, Failure, NOT_FOUND, processFailure } from "./failures.ts";
import { type Subject, subjectOf } from "./subject.ts";

/** A process, and the name that it was given on the command line. */
export interface Named extends Subject {
  readonly name: string;
  readonly pidfd: PidFd;
}

/** What stands for references on standard input. */
const STDIN = "-";

/** Opens processes by their references, `PID` or `PID:ID`: all of them, or none. */
export async function openAll(names: readonly string[]): Promise<Named[] & Disposable> {
  if (names.length === 0) throw new UsageError("a process is needed, as PID or PID:ID");
  const all = names.includes(STDIN) ? await withStdin(names) : names;
  for (const name of all) {
    if (!/^\d+(:\d+)?$/.test(name)) throw new UsageError(`not of the form PID or PID:ID: ${name}`);
  }
  using opened = new DisposableStack();
  const processes = all.map((name) => {
    const pidfd = opened.use(open(name));
    return { ...subjectOf(pidfd), name, pidfd };
  });
  const kept = opened.move();
  return Object.assign(processes, { [Symbol.dispose]: () => kept.dispose() });
}

/** The names, with those that standard input has in place of `-`. */
async function withStdin(names: readonly string[]): Promise<string[]> {
  const text = await new Response(Deno.stdin.readable).text();
  const read = text.split(/\s+/).filter(Boolean);
  const all = names.flatMap((name) => name === STDIN ? read : [name]);
  if (all.length === 0) throw new Failure("standard input names no process", NOT_FOUND);
  return all;
}

function open(name: string): PidFd {
  try {
    return name.includes(":") ? PidFd.fromRef(ProcessRef.parse(name)) : PidFd.fromPid(Number(name));
  } catch (error) {
    if (error instanceof RangeError) throw new UsageError(`${name}: ${error.message}`);
    if (!(error instanceof SyscallError)) throw error;
    // So the kernel speaks of a thread.
    const isThread = error.code === "EINVAL" || error.code === "ENOENT";
    if (isThread) throw new Failure(`${name}: the ID of a thread, not of a process`, FAILED);
    throw processFailure(name, error);
  }
}
