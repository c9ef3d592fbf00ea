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
/** What shells add to a signal for the exit code of a command that it has killed. */
const KILLED = 128;

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

/**
 * The number of a signal's name, and the name of its number, without SIG. A number above 128 is the exit
 * code of a command that the signal has killed.
 */
export function translated(text: string): string {
  const number = /^\d{1,3}$/.test(text) ? Number(text) : NaN;
  const isExitCode = number > KILLED && number <= KILLED + SIGRTMAX;
  const meant = isExitCode ? `${number - KILLED}` : text;
  const signal = signalNumber("signal", readSignal(meant));
  if (signal === 0) throw new UsageError(`there is no signal ${JSON.stringify(text)}`);
  if (Number.isNaN(number)) return `${signal}`;
  return SIGNAL_NAMES[signal - 1] ?? `RTMIN+${signal - SIGRTMIN}`;
}
