/**
 * Waiting for a process's end, and finding out how it ended.
 *
 * What one look at a process can find:
 *
 * - **running**.
 * - **ended**, with its status. A child's zombie tells it to waitid(2) until somebody
 *   reaps it; from Linux 6.15 on PIDFD_GET_INFO tells it of every process that was reaped.
 * - **zombie**: a stranger that ended, whose status the kernel will tell, but not before its
 *   parent has reaped it. epoll reports that moment as EPOLLHUP.
 * - **untold**: it ended, and no one can tell us how. That is a stranger on an older kernel,
 *   or a child that something else in this program has reaped there.
 *
 * Only the owner of a child reaps it: a handle that `spawn` made, or one that is asked to by
 * `reap: true`. Every other look leaves the zombie where it is. In particular Deno reaps
 * the children of `Deno.Command` itself, and would report an error if it came second.
 *
 * @module
 */

import { exitInfo } from "../ffi/capabilities.ts";
import { failure } from "../ffi/call.ts";
import { Errno } from "../ffi/errno.ts";
import { ready } from "../ffi/readiness.ts";
import { hasExited, pidfdGetInfo, poll, waitidPidfd } from "../ffi/syscalls.ts";
import { EPOLLHUP, EPOLLIN } from "../structs/epoll_event.ts";
import { PIDFD_INFO_EXIT } from "../structs/pidfd_info.ts";
import { checkAbortSignal, checkBoolean, checkDuration } from "./arguments.ts";
import {
  type ExitStatus,
  fromChildExit,
  fromCommandStatus,
  fromStatusWord,
} from "./exit_status.ts";
import type { FdHandle } from "./fd_handle.ts";

/** Options for {@linkcode PidFd.wait}. */
export interface WaitOptions {
  /** Ends the wait early: it rejects with the signal's reason. */
  signal?: AbortSignal;
  /** Whether to reap the process, a child of this program that nothing else reaps. */
  reap?: boolean;
}

/** Options for {@linkcode PidFd.exited}. */
export interface ExitedOptions {
  /** Ends the wait early: it rejects with the signal's reason. */
  signal?: AbortSignal;
}

/** Options for {@linkcode PidFd.waitSync}. */
export interface WaitSyncOptions {
  /** How long to wait at most, in milliseconds. Without it, for as long as it takes. */
  timeout?: number;
  /** Whether to reap the process, a child of this program that nothing else reaps. */
  reap?: boolean;
}

/** Options for {@linkcode PidFd.tryWait}. */
export interface TryWaitOptions {
  /** Whether to reap the process, a child of this program that nothing else reaps. */
  reap?: boolean;
}

/** Where a handle's process comes from, as far as its status depends on it. */
export interface Origin {
  /** It is a child that this handle alone reaps. */
  readonly owned?: boolean;
  /** It is a child that Deno started and reaps. */
  readonly child?: Deno.ChildProcess;
}

type Finding = ExitStatus | "running" | "zombie" | "untold";

/** epoll and poll report EPOLLHUP without being asked. */
const ONLY_HANGUP = 0;

/** What is known of a process's end, shared by a handle and its duplicates. */
interface Knowledge {
  status?: ExitStatus;
  /** Nothing is left for us to reap. */
  reaped: boolean;
  /** Settles `status` or `refusal` by what Deno says of its child, where the kernel may not tell. */
  told?: Promise<void>;
  /** Why Deno couldn't say. */
  refusal?: unknown;
}

/** One handle's view of the end of its process. A status, once known, stays known. */
export class ExitWatch {
  readonly #handle: FdHandle;
  readonly #origin: Origin;
  readonly #known: Knowledge;

  constructor(handle: FdHandle, origin: Origin, known?: Knowledge) {
    this.#handle = handle;
    this.#origin = origin;
    this.#known = known ?? learn(origin);
  }

  /** A watch on a duplicate of the handle, which knows what this one knows and owns nothing. */
  for(duplicate: FdHandle): ExitWatch {
    return new ExitWatch(duplicate, { child: this.#origin.child }, this.#known);
  }

  /** The status if it is known now; null for a process that runs, and for a zombie. */
  tryWait({ reap = false }: TryWaitOptions): ExitStatus | null {
    checkBoolean("options.reap", reap);
    const found = this.#look(reap);
    if (found === "untold") throw this.#echild();
    return typeof found === "string" ? null : found;
  }

  /** Blocks the thread until the status is known. */
  waitSync({ timeout = Infinity, reap = false }: WaitSyncOptions): ExitStatus {
    checkDuration("options.timeout", timeout);
    checkBoolean("options.reap", reap);
    const deadline = performance.now() + timeout;
    for (;;) {
      const found = this.#look(reap);
      if (typeof found !== "string") return found;
      if (found === "untold") throw this.#echild();
      const events = found === "running" ? EPOLLIN : ONLY_HANGUP;
      if (poll(this.#handle.use(), events, deadline) === 0) {
        throw new Deno.errors.TimedOut(
          found === "running"
            ? "the process still runs"
            : "the process ended, but its parent has not reaped it yet",
        );
      }
    }
  }

  /** Resolves once the status is known. */
  async wait({ signal, reap = false }: WaitOptions): Promise<ExitStatus> {
    checkAbortSignal("options.signal", signal);
    checkBoolean("options.reap", reap);
    for (;;) {
      signal?.throwIfAborted();
      const found = this.#look(reap);
      if (typeof found !== "string") return found;
      if (found === "untold") {
        await this.#known.told;
        signal?.throwIfAborted();
        this.#handle.check();
        if (this.#known.status === undefined) throw this.#echild();
        return this.#known.status;
      }
      const events = found === "running" ? EPOLLIN : ONLY_HANGUP;
      await ready(this.#handle.use(), events, signal);
    }
  }

  /** Resolves once the process ended, whether or not anybody can tell how. */
  async exited({ signal }: ExitedOptions): Promise<void> {
    checkAbortSignal("options.signal", signal);
    signal?.throwIfAborted();
    while (!this.hasEnded()) await ready(this.#handle.use(), EPOLLIN, signal);
  }

  /** Whether the process ended, reaped or not. */
  hasEnded(): boolean {
    this.#handle.check();
    return this.#known.status !== undefined || hasExited(this.#handle.use());
  }

  #look(reap: boolean): Finding {
    this.#handle.check();
    const known = this.#known;
    const reaping = !known.reaped && (reap || this.#origin.owned === true);
    if (known.status !== undefined && !reaping) return known.status;

    const fd = this.#handle.use();
    const child = waitidPidfd(fd, reaping);
    if (child === null) return "running";
    if (child === "ECHILD") {
      const found = known.status ?? this.#lookFromAfar(fd);
      // A stranger that still is there can yet become our child, where this program is a subreaper.
      known.reaped = typeof found !== "string";
      return found;
    }
    known.reaped = reaping;
    return known.status ??= fromChildExit(child);
  }

  /** What can be seen of a process that is no child of ours, or not any more. */
  #lookFromAfar(fd: number): Finding {
    // In this order: a reaping that comes in between is then seen, not missed.
    const events = poll(fd, EPOLLIN, 0);
    if (events === 0) return "running";
    if (exitInfo.available === false) return "untold";
    const { result, info } = pidfdGetInfo(fd, PIDFD_INFO_EXIT);
    // It is in a PID namespace that is none of ours: the kernel tells nothing of it.
    if (result === -Errno.EREMOTE) return "untold";
    // ESRCH: reaped, on a kernel that doesn't keep the status.
    if (result < 0 && result !== -Errno.ESRCH) throw failure("ioctl(PIDFD_GET_INFO)", -result);
    if (result === 0 && (info.mask & PIDFD_INFO_EXIT) !== 0n) {
      exitInfo.learned = true;
      return this.#known.status = fromStatusWord(info.exit_code);
    }
    if ((events & EPOLLHUP) === 0) return "zombie";
    exitInfo.learned ??= false;
    return "untold";
  }

  #echild(): Error {
    const advice = this.#origin.child
      ? "Deno reaped its child first: await wait(), or read the status of the Deno.ChildProcess"
      : "it is no child of this process, or was reaped by something else: exited() tells when " +
        `it ended, and from ${exitInfo.since} on wait() tells how`;
    const error = failure("waitid", Errno.ECHILD, { [Errno.ECHILD]: advice });
    error.cause = this.#known.refusal;
    return error;
  }
}

function learn({ child }: Origin): Knowledge {
  const known: Knowledge = { reaped: false };
  if (child && exitInfo.available !== true) {
    known.told = child.status.then(
      (status) => void (known.status ??= fromCommandStatus(status)),
      // Deno has no name for a real-time signal. ECHILD will carry that as its cause.
      (reason) => void (known.refusal = reason),
    );
  }
  return known;
}
