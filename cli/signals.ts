/**
 * Signals to the command itself: it does what is left to do, and then dies of them, as a shell
 * expects it. A loop in a script ends with the command that Ctrl-C has ended, and not with one
 * that merely exits with 130.
 *
 * @module
 */

import { SyscallError } from "../ffi/errors.ts";
import { AT_FDCWD, readTextFile } from "../ffi/files.ts";
import { isIgnored, SIGNALS } from "../ffi/signal_actions.ts";
import { PidFd } from "../pidfd/pidfd.ts";
import { signalNumber } from "../pidfd/signals.ts";

const listeners = new Map<Deno.Signal, () => void>();

/** Deno itself ignores it: nobody knows whether it was ignored before. */
const SIGPIPE = signalNumber("signal", "SIGPIPE");

let ignored: readonly number[] | undefined;

/**
 * The signals that this program ignored when it was started, as by nohup(1) or by a shell that has put
 * it into the background: they stay ignored. To be asked before a signal is listened to.
 */
export function ignoredSignals(): readonly number[] {
  return ignored ??= findIgnored().filter((signal) => signal !== SIGPIPE);
}

function findIgnored(): number[] {
  try {
    const [, mask] = /^SigIgn:\s*([\da-f]+)$/m.exec(readTextFile(AT_FDCWD, "/proc/self/status"))!;
    return SIGNALS.filter((signal) => isInMask(mask, signal));
  } catch (error) {
    if (!(error instanceof SyscallError)) throw error;
    // Without /proc it takes a call for each.
    return SIGNALS.filter(isIgnored);
  }
}

/** Whether a signal is in a mask as /proc/PID/status has it. proc_pid_status(5) */
export function isInMask(mask: string, signal: number): boolean {
  return (BigInt(`0x${mask}`) >> BigInt(signal - 1) & 1n) === 1n;
}

/** Calls `act` with each of the signals that comes and isn't ignored, in place of dying of it. */
export function onSignals<S extends Deno.Signal>(
  signals: readonly S[],
  act: (signal: S) => void,
): void {
  const deaf = ignoredSignals();
  for (const signal of signals) {
    // Deno has handlers of its own for some, as soon as any is listened to, and ends by them.
    const isDeaf = deaf.includes(signalNumber("signal", signal));
    const listener = isDeaf ? () => {} : () => act(signal);
    listeners.set(signal, listener);
    Deno.addSignalListener(signal, listener);
  }
}

/** Ends this program by a signal that it has listened to. */
export function dieBy(signal: Deno.Signal): void {
  const listener = listeners.get(signal);
  if (listener) Deno.removeSignalListener(signal, listener);
  using self = PidFd.fromSelf();
  self.sendSignal(signal);
}
