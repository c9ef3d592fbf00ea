/**
 * Sending a signal to the process behind a handle. From Linux 6.9 on the call can be told
 * whom it is for; before, there were no handles but those on whole processes, and so
 * nothing else to choose.
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
   * Who gets the signal: the whole process, the one thread that the handle stands for, or
   * the process group that the process leads. By default what the handle stands for. All but
   * `"process"` on a process's handle need Linux 6.9.
   */
  target?: "process" | "thread" | "group";
  /** A number that goes along (sigqueue(3)): an `int`, as `si_value` of the receiver's siginfo. */
  value?: number;
}

const FLAGS = {
  process: PIDFD_SIGNAL_THREAD_GROUP,
  thread: PIDFD_SIGNAL_THREAD,
  group: PIDFD_SIGNAL_PROCESS_GROUP,
};

/** Sends a signal, 0 for none. */
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
