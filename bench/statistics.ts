/**
 * Middles and spreads.
 *
 * @module
 */

/** The middle of some values, and the two between which the middle half of them lies. */
export interface Spread {
  readonly median: number;
  readonly low: number;
  readonly high: number;
}

/** The spread of what there is of some values; nothing if there is none. */
export function spreadOf(values: readonly (number | undefined)[]): Spread | undefined {
  const known = values.filter((value) => value !== undefined);
  if (known.length === 0) return undefined;
  return { median: quantile(known, 0.5), low: quantile(known, 0.25), high: quantile(known, 0.75) };
}

/** The value below which this part of the values lies, between two where it is between them. */
export function quantile(values: readonly number[], part: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  const place = (sorted.length - 1) * part;
  const below = sorted[Math.floor(place)];
  const above = sorted[Math.ceil(place)];
  return below === above ? below : below + (above - below) * (place % 1);
}
