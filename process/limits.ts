/**
 * Resource limits of a child, under the names that prlimit(1) has for them.
 *
 * @module
 */

import { type Limit, RLIMITS } from "../ffi/steps.ts";
import { checkOneOf, checkOptions, checkRecord, show } from "../pidfd/arguments.ts";

/**
 * A resource that a process can be limited in: prlimit(1)'s names for the constants of
 * getrlimit(2). Sizes are bytes, `cpu` is seconds, `rttime` microseconds.
 *
 * See {@link https://man7.org/linux/man-pages/man2/getrlimit.2.html | getrlimit(2)}.
 */
export type LimitName =
  | "as"
  | "core"
  | "cpu"
  | "data"
  | "fsize"
  | "locks"
  | "memlock"
  | "msgqueue"
  | "nice"
  | "nofile"
  | "nproc"
  | "rss"
  | "rtprio"
  | "rttime"
  | "sigpending"
  | "stack";

/** The two parts of a limit; Infinity for none. */
export interface LimitPair {
  /** The limit itself, which the process may raise up to the hard one. */
  soft: number;
  /** The highest that it may be raised to. */
  hard: number;
}

/** Limits by their names. A number is both the soft and the hard limit. */
export type Limits = Partial<Record<LimitName, number | LimitPair>>;

const NAMES = Object.keys(RLIMITS);

/** Checks limits, and makes pairs of them all. */
export function checkLimits(limits: Limits): Limit[] {
  checkRecord("options.limits", limits);
  const checked: Limit[] = [];
  for (const [key, value] of Object.entries(limits)) {
    checkOneOf("each name in options.limits", key, NAMES);
    if (value === undefined) continue;
    const name = `options.limits.${key}`;
    const { soft, hard } = pairOf(name, value);
    checkValue(name, soft);
    checkValue(name, hard);
    if (soft > hard) throw new RangeError(`${name} must not be soft above hard: ${soft} > ${hard}`);
    checked.push({ name: key as LimitName, soft, hard });
  }
  return checked;
}

function pairOf(name: string, value: number | LimitPair): LimitPair {
  if (typeof value !== "object" || value === null) return { soft: value, hard: value };
  checkOptions(name, value, ["soft", "hard"]);
  return value;
}

function checkValue(name: string, value: unknown): void {
  if (typeof value !== "number") {
    throw new TypeError(`${name} must be a number, or soft and hard ones: ${show(value)}`);
  }
  if (value !== Infinity && (!Number.isSafeInteger(value) || value < 0)) {
    throw new RangeError(`${name} must be an integer of 0 or more, or Infinity: ${value}`);
  }
}
