/**
 * What is asked of a single process of a tree, and done to it. It is held by a pidfd, and can be
 * gone at any moment.
 *
 * @module
 */

import { infoIoctl, pidfsIds } from "../ffi/capabilities.ts";
import { SyscallError } from "../ffi/errors.ts";
import type { KeepAlive } from "../ffi/waiter.ts";
import { partsOf, PidFd } from "../pidfd/pidfd.ts";
import { parseStat } from "../pidfd/proc_text.ts";
import type { Mark } from "./mark.ts";
import { parentOf, STOPPED, unlessGone, unlessHidden } from "./relatives.ts";

/** One process of a tree. */
export interface KilledProcess {
  /** The PID that it had. */
  pid: number;
  /** Its id, as {@linkcode PidFd.getId} has it; null before Linux 6.9. */
  id: bigint | null;
  /** Its command line, or its name in brackets where it has none; empty where /proc hides it. */
  command: string;
}

/** What became of a tree. */
export interface KilledTree {
  /** The processes that ended. */
  ended: KilledProcess[];
  /** The processes that go on, as this program has no permission to signal them. */
  refused: KilledProcess[];
  /**
   * The processes that were killed and have not ended after two seconds more, as they are held up:
   * in the kernel (state D, as on a network file system that doesn't answer), by a tracer, or, the
   * first process of a PID namespace, by a zombie in there whose parent doesn't reap it. They end
   * once they get out of there.
   */
  stuck: KilledProcess[];
}

/** A process of the tree. */
export interface Member {
  readonly pidfd: PidFd;
  process: KilledProcess;
  refused: boolean;
  /** Whether it was sent SIGSTOP. */
  wasStopped: boolean;
  /** Resolves at its end, once somebody has asked. */
  end?: Promise<void>;
}

/** Resolves at a member's end. However often it is asked, one wait is pending. */
export function endOf(member: Member, keepAlive?: KeepAlive): Promise<void> {
  if (member.end) return member.end;
  member.end = partsOf(member.pidfd).exit.exited({}, keepAlive);
  // Nobody may be waiting any more when its handle is closed.
  member.end.catch(() => {});
  return member.end;
}

/**
 * Whether a process that was killed is held up on its way out: SIGKILL wakes every thread, and none
 * of them runs. One that only takes its time runs.
 */
export function isStuck({ pidfd }: Pick<Member, "pidfd">): boolean {
  return threadStates(pidfd)?.every((state) => state !== "R") ?? false;
}

/** Sends a signal, if the process is there to get it. Returns whether it is not ours to signal. */
export function isRefused(pidfd: PidFd, signal: number): boolean {
  try {
    pidfd.sendSignal(signal);
    return false;
  } catch (error) {
    if (!(error instanceof SyscallError)) throw error;
    if (error.code !== "EPERM" && error.code !== "ESRCH") throw error;
    return error.code === "EPERM";
  }
}

/** A handle on a process, if it really is the parent's child. */
export function openChildOf({ process, pidfd: parent }: Member, pid: number): PidFd | undefined {
  return unlessGone(() => {
    using opened = new DisposableStack();
    const child = opened.use(PidFd.fromPid(pid));
    const ppid = infoIoctl.available ? child.getPpid() : glimpseParent(child, pid);
    if (ppid !== process.pid || !isUnreaped(parent)) return undefined;
    opened.move();
    return child;
  });
}

/** A handle on a process, if it really has the mark. */
export function openMarked(mark: Mark, pid: number): PidFd | undefined | "a thread" {
  try {
    return unlessGone(() => {
      using opened = new DisposableStack();
      const pidfd = opened.use(PidFd.fromPid(pid));
      // Unreaped afterwards, its PID was its own.
      if (!mark.isOn(pid) || !isUnreaped(pidfd)) return undefined;
      opened.move();
      return pidfd;
    });
  } catch (error) {
    // Before Linux 6.15; from then on it's ENOENT, and a thread looks as if it were gone.
    if (error instanceof SyscallError && error.code === "EINVAL") return "a thread";
    throw error;
  }
}

/**
 * The PID of a process's parent by no more looks than it takes, as each gives the process time to
 * exit: its PID was its own if it is unreaped afterwards. A /proc of another PID namespace knows
 * it by another one.
 */
function glimpseParent(pidfd: PidFd, pid: number): number | undefined {
  const ppid = pidfd.getPid() === pid ? parentOf(pid) : undefined;
  return isUnreaped(pidfd) ? ppid : undefined;
}

/** A process's id; null where there are none. */
export function idOf(pidfd: PidFd): bigint | null {
  return pidfsIds.available ? pidfd.getId() : null;
}

/** A process's command line, or its name; undefined if it was reaped, or /proc hides it. */
export function commandOf(pidfd: PidFd): string | undefined {
  return unlessHidden(() =>
    pidfd.accessProc((proc) =>
      proc.readTextFile("cmdline").replaceAll("\0", " ").trimEnd() ||
      `[${proc.readTextFile("comm").trimEnd()}]`
    )
  );
}

/** Whether the process is still there, if only as a zombie: then its PID is its own. */
function isUnreaped(pidfd: PidFd): boolean {
  return pidfd.isAlive() || unlessGone(() => pidfd.getPid()) !== undefined;
}

/**
 * Whether no thread of the process can fork: it is stopped, or held up in the kernel, or gone. Of
 * one that /proc hides that is taken for granted.
 */
export function isStopped({ pidfd }: Member): boolean {
  return threadStates(pidfd)?.every((state) => STOPPED.includes(state)) ?? true;
}

/** The state of each thread, as proc_pid_stat(5) has it; undefined if /proc doesn't show it. */
function threadStates(pidfd: PidFd): string[] | undefined {
  return unlessHidden(() =>
    pidfd.accessProc((proc) =>
      proc.list("task").map((tid) =>
        unlessGone(() => parseStat(proc.readTextFile(`task/${tid}/stat`)).state) ?? "X"
      )
    )
  );
}
