/**
 * Signals to the command itself: it does what is left to do, and then dies of them, as a shell
 * expects it. A loop in a script ends with the command that Ctrl-C has ended, and not with one
 * that merely exits with 130.
 *
 * @module
 */

import { isIgnored, SIGNALS } from "../ffi/signal_actions.ts";
import { PidFd } from "../pidfd/pidfd.ts";
import { signalNumber } from "../pidfd/signals.ts";
import { ignoredMask, isInMask } from "./ignored_signals.ts";

const listeners = new Map<Deno.Signal, () => void>();

/** Deno itself ignores it: nobody knows whether it was ignored before. */
const SIGPIPE = signalNumber("signal", "SIGPIPE");

let ignored: readonly number[] | undefined;

/** The signals that this program ignored when it was started, and goes on to ignore. */
export function ignoredSignals(): readonly number[] {
  if (ignored !== undefined) return ignored;
  const mask = ignoredMask();
  // Without /proc it takes a call for each.
  const isSo = mask === null ? isIgnored : (signal: number) => isInMask(mask, signal);
  return ignored = SIGNALS.filter((signal) => signal !== SIGPIPE && isSo(signal));
}

/** Calls `act` with each of the signals that comes and isn't ignored, in place of dying of it. */
export function onSignals<S extends Deno.Signal>(
  signals: readonly S[],
  act: (signal: S) => void,
): void {
  const deaf = ignoredSignals();
  for (const signal of signals) {
    // Deno has handlers of its own for some, and would end by them.
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
