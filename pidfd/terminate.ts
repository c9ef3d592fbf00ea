/**
 * Ending a process in two steps: SIGTERM, then SIGKILL after a grace period.
 *
 * SIGCONT follows SIGTERM: a stopped process acts on no other signal (but SIGKILL).
 *
 * @module
 */

import { check } from "../ffi/call.ts";
import { Errno } from "../ffi/errno.ts";
import type { KeepAlive } from "../ffi/waiter.ts";
import { trySendSignal } from "../ffi/syscalls.ts";
import { checkAbortSignal, checkDuration } from "./arguments.ts";
import type { ExitStatus } from "./exit_status.ts";
import type { FdHandle } from "./fd_handle.ts";
import { type Signal, signalNumber } from "./signals.ts";
import type { ExitWatch } from "./wait.ts";

/** Options for {@linkcode PidFd.terminate}. */
export interface TerminateOptions {
  /** The signal that asks the process to end. The default is SIGTERM. */
  signal?: Signal;
  /** The grace period before SIGKILL follows, in milliseconds. The default is 5000. */
  grace?: number;
  /** Ends the attempt early: it rejects with the signal's reason, and no further signal is sent. */
  abort?: AbortSignal;
}

/** The default grace period, in milliseconds. */
export const DEFAULT_GRACE = 5000;

/** The longest delay of setTimeout. A longer grace period never ends. */
export const LONGEST_TIMER = 2 ** 31 - 1;

/**
 * Asks the process to end, kills it after the grace period, and resolves with its status.
 *
 * @param keepAlive Whether this keeps the program alive. Without this, it does.
 */
export async function terminate(
  handle: FdHandle,
  exit: ExitWatch,
  options: TerminateOptions,
  keepAlive?: KeepAlive,
): Promise<ExitStatus> {
  const { signal = "SIGTERM", grace = DEFAULT_GRACE, abort } = options;
  const number = signalNumber("options.signal", signal);
  checkDuration("options.grace", grace);
  checkAbortSignal("options.abort", abort);
  abort?.throwIfAborted();
  if (!exit.hasEnded()) {
    sendUnlessGone(handle.use(), number);
    sendUnlessGone(handle.use(), signalNumber("signal", "SIGCONT"));
    const exited = (signal: AbortSignal) => exit.exited({ signal }, keepAlive);
    const ended = await within(grace, exited, abort, keepAlive);
    if (!ended) sendUnlessGone(handle.use(), signalNumber("signal", "SIGKILL"));
  }
  return exit.wait({ signal: abort }, keepAlive);
}

/** Sends a signal. Returns false if the process was reaped already. */
export function sendUnlessGone(pidfd: number, signal: number): boolean {
  const result = trySendSignal(pidfd, signal, 0);
  if (result === -Errno.ESRCH) return false;
  check("pidfd_send_signal", result, { [Errno.EPERM]: "the process belongs to another user" });
  return true;
}

/** Whether an event happens within the grace period. `event` must end when its signal aborts. */
export async function within(
  grace: number,
  event: (signal: AbortSignal) => Promise<unknown>,
  abort?: AbortSignal,
  keepAlive?: KeepAlive,
): Promise<boolean> {
  const late = new AbortController();
  const timer = grace > LONGEST_TIMER ? undefined : setTimeout(() => late.abort(), grace);
  // With `keepAlive`, the wait decides whether the program stays alive, not the timer.
  if (timer && keepAlive) Deno.unrefTimer(timer);
  try {
    await event(abort ? AbortSignal.any([abort, late.signal]) : late.signal);
    return true;
  } catch (error) {
    if (error === late.signal.reason) return false;
    throw error;
  } finally {
    clearTimeout(timer);
  }
}
