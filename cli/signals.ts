/**
 * Signals to the command itself: it does what is left to do, and then dies of them, as a shell
 * expects it. A loop in a script ends with the command that Ctrl-C has ended, and not with one
 * that merely exits with 130.
 *
 * @module
 */

import { PidFd } from "../pidfd/pidfd.ts";

const listeners = new Map<Deno.Signal, () => void>();

/** Calls `act` with each of the signals that comes, in place of dying of it. */
export function onSignals<S extends Deno.Signal>(
  signals: readonly S[],
  act: (signal: S) => void,
): void {
  for (const signal of signals) {
    const listener = () => act(signal);
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
