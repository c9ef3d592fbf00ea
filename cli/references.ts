/**
 * The processes that a command line names, each held by a handle before anything is done to any.
 *
 * @module
 */

import { PidFd, ProcessRef, SyscallError } from "../mod.ts";
import { UsageError } from "./command.ts";

/** A process, by the name that it was given on the command line. */
export interface Named {
  readonly name: string;
  readonly pid: number;
  readonly pidfd: PidFd;
  /** Its command line as it was found; null if that can't be seen. */
  readonly command: string | null;
}

/** Opens processes by their references, `PID` or `PID:ID`: all of them, or none. */
export function openAll(names: readonly string[]): Named[] & Disposable {
  if (names.length === 0) throw new UsageError("a process is needed, as PID or PID:ID");
  using opened = new DisposableStack();
  const all = names.map((name) => {
    const pidfd = opened.use(open(name));
    return { name, pid: pidfd.getPid(), pidfd, command: commandOf(pidfd) };
  });
  const kept = opened.move();
  return Object.assign(all, { [Symbol.dispose]: () => kept.dispose() });
}

function open(name: string): PidFd {
  if (!/^\d+(:\d+)?$/.test(name)) throw new UsageError(`not of the form PID or PID:ID: ${name}`);
  try {
    return name.includes(":") ? PidFd.fromRef(ProcessRef.parse(name)) : PidFd.fromPid(Number(name));
  } catch (error) {
    if (error instanceof RangeError) throw new UsageError(`${name}: ${error.message}`);
    if (error instanceof SyscallError) error.message = `${name}: ${error.message}`;
    throw error;
  }
}

/** A process's command line; its name in brackets if it has none, null if that can't be seen. */
function commandOf(pidfd: PidFd): string | null {
  try {
    return pidfd.accessProc((proc) => {
      const line = proc.readTextFile("cmdline").replaceAll("\0", " ").trim();
      return line || `[${proc.readTextFile("comm").trim()}]`;
    });
  } catch (error) {
    if (error instanceof SyscallError) return null;
    throw error;
  }
}
