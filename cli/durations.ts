/**
 * Lengths of time on a command line, and timers that are as long as those can be.
 *
 * @module
 */

import { UsageError } from "./command.ts";

/** Units of time, in milliseconds. */
const UNITS: Readonly<Record<string, number>> = {
  ...{ ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 },
};

/** What setTimeout takes at most. */
const LONGEST_TIMER = 2 ** 31 - 1;

/**
 * Reads a duration: seconds as timeout(1) has them (`1`, `0.5`), with a unit (`500ms`, `30s`, `5m`, `2h`,
 * `1d`), or several together (`1m30s`). The result is in milliseconds.
 */
export function readDuration(option: string, text: string): number {
  if (/^inf(inity)?$/i.test(text)) return Infinity;
  const part = /(\d+(?:\.\d*)?|\.\d+)(ms|[smhd])/y;
  if (/^(\d+(\.\d*)?|\.\d+)$/.test(text)) return Number(text) * UNITS.s;
  let duration = 0;
  while (part.lastIndex < text.length) {
    const match = part.exec(text);
    if (!match) break;
    duration += Number(match[1]) * UNITS[match[2]];
    if (part.lastIndex === text.length) return duration;
  }
  throw new UsageError(
    `${option} must be a duration such as 0.5, 500ms, 30s, 1m30s or 2h: ${JSON.stringify(text)}`,
  );
}

/** A duration as it was written, for people: with its unit. */
export function withUnit(text: string): string {
  return /[a-z]$/i.test(text) ? text : `${text}s`;
}

/** Calls something after a time, which can be longer than what setTimeout takes. */
export function after(milliseconds: number, act: () => void): { cancel(): void } {
  const end = performance.now() + milliseconds;
  let timer: ReturnType<typeof setTimeout>;
  const wait = () => {
    const left = end - performance.now();
    timer = left > LONGEST_TIMER
      ? setTimeout(wait, LONGEST_TIMER)
      : setTimeout(act, Math.max(left, 0));
  };
  wait();
  return { cancel: () => clearTimeout(timer) };
}
