/**
 * What became of the tests on one machine, and whether that is good.
 *
 * @module
 */

import type { About } from "./about.ts";
import type { Outcome } from "./boot.ts";
import { isNewest, type Machine } from "./machines.ts";

/** What became of the tests on one machine. */
export interface Result {
  readonly machine: Machine;
  /** Whether they ran as root, who is kept from nothing. */
  readonly asRoot: boolean;
  readonly outcome: Outcome;
  readonly about?: About;
  /** What the test runner said last. */
  readonly summary?: string;
}

/** Whether a line is what the test runner says last. */
export function isSummary(line: string): boolean {
  return /\d+ passed.* \| \d+ failed/.test(line);
}

/** What is wrong with a result; null if nothing is. */
export function fault({ machine, asRoot, outcome, summary }: Result): string | null {
  if (!outcome.endedByItself) return "it had to be stopped";
  if (outcome.code === null) return "it ended without a word";
  if (summary === undefined) return "no tests were run";
  if (outcome.code !== 0) return summary;
  // The newest kernel has it all, and its machine the tools.
  const isComplete = !asRoot || !isNewest(machine) || !/\d+ ignored/.test(summary);
  return isComplete ? null : `tests were skipped: ${summary}`;
}

/** What is said of a result. */
export function verdict(result: Result): string {
  const wrong = fault(result);
  return wrong === null ? `passed: ${result.summary}` : `FAILED: ${wrong}`;
}
