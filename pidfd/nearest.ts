/**
 * Suggestions for a mistyped name.
 *
 * @module
 */

/** The only name that begins so, or else the most similar, if at most half of its letters differ. */
export function nearest<T extends string>(name: string, names: readonly T[]): T | undefined {
  const begun = names.filter((known) => known.startsWith(name));
  if (begun.length === 1) return begun[0];
  const distances = names.map((known) => [distance(name, known), known] as const);
  if (distances.length === 0) return undefined;
  const [least, known] = distances.reduce((least, other) => other[0] < least[0] ? other : least);
  return least <= Math.max(name.length, known.length) / 2 ? known : undefined;
}

/**
 * How many letters must be inserted, removed, replaced or swapped with their neighbour; upper and
 * lower case count as equal (the Damerau–Levenshtein distance).
 */
function distance(one: string, other: string): number {
  const [a, b] = [one.toLowerCase(), other.toLowerCase()];
  let before: number[] = [];
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = row[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, row[j] + 1, next[j - 1] + 1));
      const isSwapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      if (isSwapped) next[j] = Math.min(next[j], before[j - 2] + 1);
    }
    [before, row] = [row, next];
  }
  return row[b.length];
}
