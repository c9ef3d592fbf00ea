/**
 * Waiting for a process's end, and finding out how it ended.
 *
 * What one look at a process can find:
 *
 * - **running**. A process that ended under a tracer looks so, too, to its parent.
 * - **ended**, but not told yet: the kernel will tell how, but not now. That is a stranger's zombie
 *   until its parent has reaped it.
 * - **told**, with its status. A child's zombie tells it to waitid(2) until it is reaped; from
 *   Linux 6.15 on PIDFD_GET_INFO tells it of every process that was reaped: so it does of a child
 *   that the kernel itself reaps (`killOnClose`), which is no zombie for long.
 * - **untold**: it ended, and the kernel will not tell how. That is a stranger on an older kernel,
 *   or a child that something else in this program has reaped there.
 *
 * A wait looks once, and then at each change, in any state. So it sees each of the changes that
 * can bring a status: the end, the reaping, the tracer's letting go, and the end of the parent of
 * a zombie that this program inherits. Between two changes it costs nothing.
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
import { Edges } from "../ffi/epoll.ts";
import { watch } from "../ffi/readiness.ts";
import { hasDumped, hasExited, pidfdGetInfo, poll, waitidPidfd } from "../ffi/syscalls.ts";
import type { KeepAlive } from "../ffi/waiter.ts";
import { EPOLLHUP, EPOLLIN } from "../structs/epoll_event.ts";
import { PIDFD_INFO_COREDUMP, PIDFD_INFO_EXIT } from "../structs/pidfd_info.ts";
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

/** What one look can find; see above. */
type Finding =
  | { readonly state: "running" | "ended" | "untold" }
  | { readonly state: "told"; readonly status: ExitStatus };

const RUNNING: Finding = { state: "running" };
const ENDED: Finding = { state: "ended" };
const UNTOLD: Finding = { state: "untold" };

/** What is known of a process's end, shared by a handle and its duplicates. */
interface Knowledge {
  status?: ExitStatus;
  /** Nothing is left for us to reap. */
  isReaped: boolean;
  /** Settles `status` or `refusal` by what Deno says of its child, where the kernel may not tell. */
  toldByDeno?: Promise<void>;
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

  /** What stands for the process: the same for all handles that were made of one another. */
  get process(): object {
    return this.#known;
  }

  /** A watch on a duplicate of the handle, which knows what this one knows and owns nothing. */
  for(duplicate: FdHandle): ExitWatch {
    return new ExitWatch(duplicate, { child: this.#origin.child }, this.#known);
  }

  /** The status if it is known now; null as long as it is not. */
  tryWait({ reap = false }: TryWaitOptions): ExitStatus | null {
    checkBoolean("options.reap", reap);
    return this.#statusNow(reap);
  }

  /** Blocks the thread until the status is known. */
  waitSync({ timeout = Infinity, reap = false }: WaitSyncOptions): ExitStatus {
    checkDuration("options.timeout", timeout);
    checkBoolean("options.reap", reap);
    const deadline = performance.now() + timeout;
    const status = this.#statusNow(reap) ?? this.#statusAtEnd(reap, deadline);
    if (status !== null) return status;
    throw new Deno.errors.TimedOut(
      hasExited(this.#handle.use())
        ? "the process ended, but its parent has not reaped it yet, or a tracer holds it"
        : "the process still runs",
    );
  }

  /** Resolves once the status is known. */
  wait({ signal, reap = false }: WaitOptions, keepAlive?: KeepAlive): Promise<ExitStatus> {
    return new Promise((resolve, reject) => {
      checkAbortSignal("options.signal", signal);
      checkBoolean("options.reap", reap);
      signal?.throwIfAborted();
      const look = () => this.#settle(reap, resolve, reject, signal);
      if (look()) return;
      watch({ fd: this.#handle.use(), events: EPOLLIN, keepAlive, look, fail: reject }, signal);
    });
  }

  /**
   * Resolves once a child of our own has ended, and reaps it. Then the handle is retired.
   *
   * It does not look now: in the turn of its birth a child is there, if only as a zombie.
   */
  reaped(keepAlive: KeepAlive): Promise<ExitStatus> {
    return new Promise((resolve, reject) => {
      watch({
        fd: this.#handle.use(),
        events: EPOLLIN,
        keepAlive,
        look: () => this.#settle(true, resolve, reject),
        fail: reject,
        tidy: () => this.retire(),
      });
    });
  }

  /** Resolves once the process ended, whether or not anybody can tell how. */
  exited({ signal }: ExitedOptions, keepAlive?: KeepAlive): Promise<void> {
    return new Promise((resolve, reject) => {
      checkAbortSignal("options.signal", signal);
      signal?.throwIfAborted();
      if (this.hasEnded()) return resolve();
      const look = () => {
        resolve();
        return true;
      };
      watch({ fd: this.#handle.use(), events: EPOLLIN, keepAlive, look, fail: reject }, signal);
    });
  }

  /** Whether the process ended, reaped or not. */
  hasEnded(): boolean {
    this.#handle.check();
    return this.#known.status !== undefined || hasExited(this.#handle.use());
  }

  /** The status, if a look finds it; throws if there never will be one. */
  #statusNow(reap: boolean): ExitStatus | null {
    const found = this.#look(reap);
    if (found.state === "untold") throw this.#echild();
    return found.state === "told" ? found.status : null;
  }

  /** Blocks until the process has ended and its status is told; null if the deadline came first. */
  #statusAtEnd(reap: boolean, deadline: number): ExitStatus | null {
    const fd = this.#handle.use();
    // Takes no descriptor, and mostly the end is when the status is told.
    if (poll(fd, EPOLLIN, deadline) === 0) return null;
    let status = this.#statusNow(reap);
    if (status !== null) return status;
    using edges = new Edges(fd, EPOLLIN);
    while (status === null && edges.next(deadline)) status = this.#statusNow(reap);
    return status;
  }

  /** Looks, and settles a promise by what is found. Returns whether it did. */
  #settle(
    reap: boolean,
    resolve: (status: ExitStatus | Promise<ExitStatus>) => void,
    reject: (reason: unknown) => void,
    signal?: AbortSignal,
  ): boolean {
    const found = this.#look(reap);
    if (found.state === "told") resolve(found.status);
    else if (found.state === "untold") this.#statusByDeno(signal).then(resolve, reject);
    return found.state === "told" || found.state === "untold";
  }

  /** What Deno says of a child of its own, where the kernel doesn't tell. */
  async #statusByDeno(signal: AbortSignal | undefined): Promise<ExitStatus> {
    await this.#known.toldByDeno;
    signal?.throwIfAborted();
    this.#handle.check();
    if (this.#known.status === undefined) throw this.#echild();
    return this.#known.status;
  }

  /** Closes the fd of a child if it was reaped: there is nothing left to do with it. */
  retire(): void {
    if (this.#known.isReaped && !this.#handle.closed) this.#handle.retire();
  }

  #look(reap: boolean): Finding {
    const known = this.#known;
    const reaping = !known.isReaped && (reap || this.#origin.owned === true);
    if (known.status !== undefined && !reaping) {
      this.#handle.check();
      return told(known.status);
    }
    const fd = this.#handle.use();
    const child = waitidPidfd(fd, reaping);
    if (child.state === "running") return RUNNING;
    if (child.state === "no child") {
      const found = known.status ? told(known.status) : this.#lookFromAfar(fd);
      // A stranger that still is there can yet become our child, where this program is a subreaper.
      known.isReaped = found.state === "told";
      return found;
    }
    known.isReaped = reaping;
    return { state: "told", status: known.status ??= fromChildExit(child.exit) };
  }

  /** What can be seen of a process that is no child of ours, or not any more. */
  #lookFromAfar(fd: number): Finding {
    // In this order: a reaping that comes in between is then seen, not missed.
    const events = poll(fd, EPOLLIN, 0);
    if (events === 0) return RUNNING;
    if (exitInfo.available === false) return UNTOLD;
    const { result, info } = pidfdGetInfo(fd, PIDFD_INFO_EXIT | PIDFD_INFO_COREDUMP);
    // It is in a PID namespace that is none of ours: the kernel tells nothing of it.
    if (result === -Errno.EREMOTE) return UNTOLD;
    // ESRCH: reaped, on a kernel that doesn't keep the status.
    if (result < 0 && result !== -Errno.ESRCH) throw failure("ioctl(PIDFD_GET_INFO)", -result);
    if (result === 0 && (info.mask & PIDFD_INFO_EXIT) !== 0n) {
      exitInfo.learned = true;
      return told(this.#known.status = fromStatusWord(info.exit_code, hasDumped(info)));
    }
    if ((events & EPOLLHUP) === 0) return ENDED;
    exitInfo.learned ??= false;
    return UNTOLD;
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

function told(status: ExitStatus): Finding {
  return { state: "told", status };
}

function learn({ child }: Origin): Knowledge {
  const known: Knowledge = { isReaped: false };
  if (child && exitInfo.available !== true) {
    known.toldByDeno = child.status.then(
      (status) => void (known.status ??= fromCommandStatus(status)),
      // Deno has no name for a real-time signal. ECHILD will carry that as its cause.
      (reason) => void (known.refusal = reason),
    );
  }
  return known;
}
