/**
 * Latency from the board's histograms. Bucket bounds grow by √2, so a percentile is known to lie within one bucket: what
 * is told is off by less than a factor of √2 either way, and by 9% on average where latencies spread evenly over a bucket.
 */
import { type Board, latencyBound, latencyBuckets } from '#balance/board.ts';

/** A histogram of one slot over all workers: a count for each bucket. */
export function slotHistogram(board: Board, slot: number): Float64Array {
  const sum = new Float64Array(latencyBuckets);
  for (let worker = 0; worker < board.workers; worker++) {
    const from = board.histogram(worker);
    for (let bucket = 0; bucket < latencyBuckets; bucket++)
      sum[bucket]! += from[slot * latencyBuckets + bucket]!;
  }
  return sum;
}

/** What came between two readings of a histogram; all zero when it was cleared in between. */
export function histogramSince(before: Float64Array, after: Float64Array): Float64Array {
  const between = after.map((count, bucket) => count - (before[bucket] ?? 0));
  return between.some(count => count < 0) ? new Float64Array(after.length) : between;
}

/** Observations in a histogram. */
export function histogramCount(histogram: Float64Array): number {
  let count = 0;
  for (const inBucket of histogram) count += inBucket;
  return count;
}

/**
 * The latency in µs that a share `p` (0 < p ≤ 1) of the observations do not exceed; null when there are none. Within a
 * bucket it is interpolated on the logarithm. Observations in the last bucket count as its lower bound, 8.4 s.
 */
export function percentile(histogram: Float64Array, p: number): number | null {
  const count = histogramCount(histogram);
  if (count === 0) return null;
  const rank = Math.min(count, Math.max(1, p * count));
  let below = 0;
  for (let bucket = 0; bucket < histogram.length; bucket++) {
    const inBucket = histogram[bucket]!;
    if (below + inBucket >= rank) {
      const lower = bucket === 0 ? latencyBound(0) / 2 : latencyBound(bucket - 1);
      const upper = latencyBound(bucket);
      return upper === Infinity ? lower : lower * (upper / lower) ** ((rank - below) / inBucket);
    }
    below += inBucket;
  }
  return latencyBound(latencyBuckets - 2);
}
