/**
 * Signals by name and by number. x86-64 and arm64 share the numbers of
 * `<asm-generic/signal.h>`; real-time signals have numbers only.
 *
 * @module
 */

import { checkInteger, show } from "./arguments.ts";

/**
 * A signal: one of Deno's names, or the number on Linux. Only numbers reach the real-time signals
 * 32 to 64, which have no names. 0 sends no signal, and only checks whether one could be sent.
 */
export type Signal = Deno.Signal | number;

/** `_NSIG` of `<asm-generic/signal.h>`: the last real-time signal. */
const SIGRTMAX = 64;

/** The signals' names: the name of signal n is at index n − 1. */
const NAMES: readonly Deno.Signal[] = [
  "SIGHUP",
  "SIGINT",
  "SIGQUIT",
  "SIGILL",
  "SIGTRAP",
  "SIGABRT",
  "SIGBUS",
  "SIGFPE",
  "SIGKILL",
  "SIGUSR1",
  "SIGSEGV",
  "SIGUSR2",
  "SIGPIPE",
  "SIGALRM",
  "SIGTERM",
  "SIGSTKFLT",
  "SIGCHLD",
  "SIGCONT",
  "SIGSTOP",
  "SIGTSTP",
  "SIGTTIN",
  "SIGTTOU",
  "SIGURG",
  "SIGXCPU",
  "SIGXFSZ",
  "SIGVTALRM",
  "SIGPROF",
  "SIGWINCH",
  "SIGIO",
  "SIGPWR",
  "SIGSYS",
];

const NUMBERS: ReadonlyMap<string, number> = new Map([
  ...NAMES.map((name, i) => [name, i + 1] as const),
  // Second names that Deno knows for the same signals.
  ["SIGPOLL", NAMES.indexOf("SIGIO") + 1],
  ["SIGUNUSED", NAMES.indexOf("SIGSYS") + 1],
]);

/** The number of a signal. Throws if it is not a signal on Linux. */
export function signalNumber(name: string, signal: Signal): number {
  if (typeof signal === "string") {
    const number = NUMBERS.get(signal);
    if (number === undefined) {
      throw new RangeError(`${name} must be the name of a signal on Linux: "${signal}"`);
    }
    return number;
  }
  if (typeof signal !== "number") {
    throw new TypeError(`${name} must be a signal's name or number: ${show(signal)}`);
  }
  checkInteger(name, signal, 0, SIGRTMAX);
  return signal;
}

/** The name of a signal, or null if it has none. */
export function signalName(number: number): Deno.Signal | null {
  return NAMES[number - 1] ?? null;
}
