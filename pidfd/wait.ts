/**
 * Waiting for a process to end, and reading its exit status.
 *
 * A wait looks at the process once, and then at each event of its pidfd, until a look finds the
 * status. One look finds one of four states:
 *
 * - **running**. To its parent, a process that ended under a tracer still looks running.
 * - **ended**: the process ended, but its status is not available yet. It is a zombie that is not
 *   our child, and its parent has not reaped it.
 * - **told**: the status is known. For our own zombie child, waitid(2) tells it. From Linux 6.15
 *   on, PIDFD_GET_INFO tells it for every process that was reaped, also for a child that the kernel
 *   itself reaps (`killOnClose`).
 * - **untold**: the process ended, and its status will never be available. On older kernels this
 *   holds for a process that is not our child, and for a child that other code in this program
 *   reaped. On every kernel it holds for a process outside of this PID namespace.
 *
 * Four events can make a status available: the end of the process, its reaping, a tracer's
 * detaching, and the end of a zombie's parent, if this program then becomes the parent. The pidfd
 * reports each of them, so a wait needs no polling.
 *
 * Only the owner of a child reaps it: a handle that `spawn` made, or a call with `reap: true`.
 * Every other look leaves the zombie in place. The reason: Deno reaps the children of
 * `Deno.Command` itself, and reports an error if they are already reaped.
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

/** A process's origin: it decides who reaps the process. */
export interface Origin {
  /** It is a child that this handle alone reaps. */
  readonly owned?: boolean;
  /** It is a child that Deno started and reaps. */
  readonly child?: Deno.ChildProcess;
}

/** The result of one look; the states are explained above. */
type Finding =
  | { readonly state: "running" | "ended" | "untold" }
  | { readonly state: "told"; readonly status: ExitStatus };

const RUNNING: Finding = { state: "running" };
const ENDED: Finding = { state: "ended" };
const UNTOLD: Finding = { state: "untold" };

/** What we know of a process's end. A handle and its duplicates share it. */
interface Knowledge {
  status?: ExitStatus;
  /** Whether the process was reaped, so that nothing is left to reap. */
  isReaped: boolean;
  /** Sets `status` or `refusal` from Deno's own status, where the kernel may not tell it. */
  toldByDeno?: Promise<void>;
  /** The error if Deno couldn't tell the status. */
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

  /** Identifies the process: a handle and its duplicates have the same object. */
  get process(): object {
    return this.#known;
  }

  /** A watch for a duplicate of the handle. It shares what is known, but does not own the child. */
  for(duplicate: FdHandle): ExitWatch {
    return new ExitWatch(duplicate, { child: this.#origin.child }, this.#known);
  }

  /** The status if it is available now, otherwise null. */
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
   * Resolves once our own child has ended, reaps it, and then retires the handle.
   *
   * It needs no first look: epoll reports a pidfd that is already ready when it is added.
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

  /** Resolves once the process ended, even if its status is not available. */
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

  /** The status, or null if it is not available yet. Throws if it never will be. */
  #statusNow(reap: boolean): ExitStatus | null {
    const found = this.#look(reap);
    if (found.state === "untold") throw this.#echild();
    return found.state === "told" ? found.status : null;
  }

  /** Blocks until the status is available. Returns null if the deadline came first. */
  #statusAtEnd(reap: boolean, deadline: number): ExitStatus | null {
    const fd = this.#handle.use();
    // poll comes first: it needs no descriptor, and mostly the status is available at the end.
    if (poll(fd, EPOLLIN, deadline) === 0) return null;
    let status = this.#statusNow(reap);
    if (status !== null) return status;
    using edges = new Edges(fd, EPOLLIN);
    while (status === null && edges.next(deadline)) status = this.#statusNow(reap);
    return status;
  }

  /** Looks, and settles a promise if the status is told or untold. Returns whether it did. */
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

  /** The status that Deno has of its own child, where the kernel doesn't tell it. */
  async #statusByDeno(signal: AbortSignal | undefined): Promise<ExitStatus> {
    await this.#known.toldByDeno;
    signal?.throwIfAborted();
    this.#handle.check();
    if (this.#known.status === undefined) throw this.#echild();
    return this.#known.status;
  }

  /** Closes the fd if the child was reaped: no call can use it any more. */
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
      // Until it is reaped, it can still become our child: this program may be a subreaper.
      known.isReaped = found.state === "told";
      return found;
    }
    known.isReaped = reaping;
    return { state: "told", status: known.status ??= fromChildExit(child.exit) };
  }

  /** Looks at a process that is not our child, or not any more. */
  #lookFromAfar(fd: number): Finding {
    // poll before the ioctl: then the ioctl sees a reaping that happens between the two.
    const events = poll(fd, EPOLLIN, 0);
    if (events === 0) return RUNNING;
    if (exitInfo.available === false) return UNTOLD;
    const { result, info } = pidfdGetInfo(fd, PIDFD_INFO_EXIT | PIDFD_INFO_COREDUMP);
    // The process is not visible in this PID namespace: the kernel tells nothing about it.
    if (result === -Errno.EREMOTE) return UNTOLD;
    // ESRCH: the process was reaped, and this kernel doesn't keep the status.
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
      : "the process is not a child of this program, or other code has reaped it: exited() " +
        `resolves when it ends, and from ${exitInfo.since} on wait() tells its status`;
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
      // Deno rejects for a real-time signal, which it has no name for. It becomes ECHILD's cause.
      (reason) => void (known.refusal = reason),
    );
  }
  return known;
}
