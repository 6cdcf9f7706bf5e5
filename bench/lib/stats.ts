/** Small statistics over the rounds of one figure. */

/** The middle value; the mean of the middle two; NaN of nothing. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  if (sorted.length === 0) return Number.NaN;
  return sorted.length % 2 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

export type Spread = { median: number; min: number; max: number };

export function spread(values: readonly number[]): Spread {
  return { median: median(values), min: Math.min(...values), max: Math.max(...values) };
}

/**
 * The median of the ratios a/b of each round. Rounds are taken in turn, so a disturbance of the machine that lasts
 * longer than a round touches both sides of its ratio.
 */
export function pairedRatio(a: readonly number[], b: readonly number[]): number {
  const rounds = Math.min(a.length, b.length);
  return median(Array.from({ length: rounds }, (_, round) => a[round]! / b[round]!));
}
