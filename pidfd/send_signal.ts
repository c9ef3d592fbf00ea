/**
 * Sending a signal to the process behind a handle. From Linux 6.9 on, a flag chooses the target:
 * process, thread or group. Before, every handle stands for a whole process, so there is no choice.
 *
 * @module
 */

import { signalScopes } from "../ffi/capabilities.ts";
import {
  PIDFD_SIGNAL_PROCESS_GROUP,
  PIDFD_SIGNAL_THREAD,
  PIDFD_SIGNAL_THREAD_GROUP,
  pidfdSendSignal,
} from "../ffi/syscalls.ts";
import { checkInteger, checkOneOf } from "./arguments.ts";
import type { FdHandle } from "./fd_handle.ts";
import { type Signal, signalNumber } from "./signals.ts";

/** Options for {@linkcode PidFd.sendSignal}. */
export interface SendSignalOptions {
  /**
   * The receiver: the whole process, the thread that the handle stands for, or the process group
   * that the process leads. The default is the process or thread that the handle stands for.
   * `"thread"` and `"group"` need Linux 6.9, and so does `"process"` on a thread's handle.
   */
  target?: "process" | "thread" | "group";
  /** A number to send with the signal (sigqueue(3)): an `int`, `si_value` of the siginfo. */
  value?: number;
}

const FLAGS = {
  process: PIDFD_SIGNAL_THREAD_GROUP,
  thread: PIDFD_SIGNAL_THREAD,
  group: PIDFD_SIGNAL_PROCESS_GROUP,
};

/** Sends a signal; 0 only checks whether one could be sent. */
export function sendSignal(
  handle: FdHandle,
  signal: Signal,
  options?: SendSignalOptions,
): void {
  const number = signalNumber("signal", signal);
  if (options === undefined) return pidfdSendSignal(handle.use(), number, 0);
  const { target, value } = options;
  if (target !== undefined) checkOneOf("options.target", target, Object.keys(FLAGS));
  if (value !== undefined) checkInteger("options.value", value, -(2 ** 31), 2 ** 31 - 1);
  const fd = handle.use();
  const implied = target === undefined || (target === "process" && !signalScopes.available);
  if (!implied) signalScopes.require();
  pidfdSendSignal(fd, number, implied ? 0 : FLAGS[target], value);
}
