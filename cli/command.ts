/**
 * What a command of `pidfd` is, and how its part of the command line is read.
 *
 * @module
 */

import { parseArgs, type ParseArgsOptionsConfig } from "node:util";

/** One of the commands, as in `pidfd wait`. */
export interface Command {
  readonly name: string;
  /** What it does, in a line of the overview. */
  readonly summary: string;
  /** All about it: forms, options, examples. */
  readonly help: string;
  /** Does it, and resolves with the exit code. */
  readonly run: (args: string[]) => number | Promise<number>;
}

/** Something is wrong with the command line. */
export class UsageError extends Error {}

/** Options that every command takes. */
const COMMON = { help: { type: "boolean", short: "h" } } as const satisfies ParseArgsOptionsConfig;

/** Someone asked for help. */
export class HelpWanted extends Error {}

/** Reads options, and what else there is. */
export function readOptions<const O extends ParseArgsOptionsConfig>(args: string[], options: O) {
  try {
    const config = { ...options, ...COMMON };
    const { values, positionals } = parseArgs({ args, options: config, allowPositionals: true });
    if ((values as { help?: boolean }).help) throw new HelpWanted();
    return { values, positionals };
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    // Its first sentence says what is wrong, the others what might have been meant.
    throw new UsageError(error.message.split(/\.\s/)[0]);
  }
}

/** Where the options end and a command line of someone else's begins: at `--`, or without. */
export function endOfOptions(args: string[], options: ParseArgsOptionsConfig): number {
  const config = { ...options, ...COMMON };
  const { tokens } = parseArgs({ args, options: config, strict: false, tokens: true });
  const end = tokens.find(({ kind }) => kind !== "option");
  return end?.index ?? args.length;
}

/** Units of time, in milliseconds. */
const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

/** What a timer takes at most. */
const LONGEST = 2 ** 31 - 1;

/** Reads a duration such as `500ms`, `30s`, `1.5m` or `2h`; the result is in milliseconds. */
export function readDuration(option: string, text: string): number {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h)$/.exec(text);
  const duration = match ? Number(match[1]) * UNITS[match[2]] : NaN;
  if (duration <= LONGEST) return duration;
  const rule = match ? "must be at most 596h" : "must be a duration such as 500ms, 30s or 5m";
  throw new UsageError(`${option} ${rule}: ${text}`);
}

/** Reads a signal: `TERM`, `SIGTERM` or `15`. */
export function readSignal(text: string): Deno.Signal | number {
  if (/^\d+$/.test(text)) return Number(text);
  const name = text.toUpperCase();
  return (name.startsWith("SIG") ? name : `SIG${name}`) as Deno.Signal;
}
