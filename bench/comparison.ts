/**
 * Figures of two runs put side by side.
 *
 * Ratios are made within each round, where both ran shortly after one another, and it is their
 * middle that counts: what slows the whole machine down for a while is in both, and goes out.
 *
 * @module
 */

import type { Results } from "./measurements.ts";
import { type Spread, spreadOf } from "./statistics.ts";

/** Which figure of whom. */
export interface Place {
  readonly measure: string;
  readonly case: string;
  readonly figure: string;
  readonly peer: string;
}

/** The spread of a figure. */
export function spreadAt(results: Results, place: Place): Spread | undefined {
  return spreadOf(roundsAt(results, place));
}

/** The spread of one figure divided by another. */
export function ratioOf(results: Results, above: Place, below: Place): Spread | undefined {
  return compare(results, above, below, (one, other) => one / other);
}

/** The spread of one figure less another. */
export function differenceOf(results: Results, one: Place, other: Place): Spread | undefined {
  return compare(results, one, other, (one, other) => one - other);
}

function compare(
  results: Results,
  one: Place,
  other: Place,
  how: (one: number, other: number) => number,
): Spread | undefined {
  const others = roundsAt(results, other);
  return spreadOf(
    roundsAt(results, one).map((value, round) => {
      const beside = others[round];
      return value === undefined || beside === undefined ? undefined : how(value, beside);
    }),
  );
}

function roundsAt(results: Results, place: Place): readonly (number | undefined)[] {
  return results[place.measure]?.[place.case]?.figures[place.peer]?.[place.figure] ?? [];
}
