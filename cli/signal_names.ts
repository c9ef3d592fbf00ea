/**
 * Signals on a command line: `TERM`, `SIGTERM`, `term`, `15`, `RTMIN+1`.
 *
 * @module
 */

import { nearest } from "../pidfd/nearest.ts";
import { signalName, signalNumber } from "../pidfd/signals.ts";
import { UsageError } from "./command.ts";

/** The real-time signals that programs may use: libc keeps two for itself. signal(7) */
const SIGRTMIN = 34;
const SIGRTMAX = 64;
/** The highest number of a signal with a name of its own. */
const LAST_NAMED = 31;

/** The short names of all signals that have one, at their numbers less one. */
export const SIGNAL_NAMES: readonly string[] = Array.from(
  { length: LAST_NAMED },
  (_, i) => signalName(i + 1)!.slice("SIG".length),
);

/** Reads a signal; 0 is none, and only asks. */
export function readSignal(text: string): Deno.Signal | number {
  if (/^\d{1,4}$/.test(text)) return known(text, Number(text));
  const name = text.toUpperCase().replace(/^SIG/, "");
  const realTime = /^RT(MIN|MAX)([+-]\d{1,2})?$/.exec(name);
  if (realTime) {
    const number = (realTime[1] === "MIN" ? SIGRTMIN : SIGRTMAX) + Number(realTime[2] ?? 0);
    if (number >= SIGRTMIN && number <= SIGRTMAX) return number;
  }
  return known(text, `SIG${name}` as Deno.Signal);
}

function known(text: string, signal: Deno.Signal | number): Deno.Signal | number {
  try {
    signalNumber("signal", signal);
    return signal;
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    const near = nearest(text.toUpperCase().replace(/^SIG/, ""), SIGNAL_NAMES);
    const advice = near === undefined ? "" : `: did you mean ${near}?`;
    throw new UsageError(`there is no signal ${JSON.stringify(text)}${advice}`);
  }
}

/** A signal's name, or its number where it has none. */
export function nameOfSignal(signal: Deno.Signal | number): string {
  const number = signalNumber("signal", signal);
  return signalName(number) ?? `signal ${number}`;
}
