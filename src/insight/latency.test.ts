import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Board, latencyBound, latencyBuckets } from '#balance/board.ts';
import { histogramCount, histogramSince, percentile, slotHistogram } from './latency.ts';

/** The bucket that the board's rule gives to a latency. */
function bucketOf(us: number): number {
  let bucket = 0;
  while (us >= latencyBound(bucket)) bucket++;
  return bucket;
}

test('no observations have no percentile', () => {
  assert.equal(percentile(new Float64Array(latencyBuckets), 0.5), null);
});

test('a percentile is within a factor of √2 of the true one', () => {
  const latencies = fc.array(fc.double({ min: 12, max: 8_000_000, noNaN: true }), {
    minLength: 1,
    maxLength: 300,
  });
  fc.assert(
    fc.property(latencies, fc.constantFrom(0.01, 0.5, 0.9, 0.99, 0.999, 1), (values, p) => {
      const histogram = new Float64Array(latencyBuckets);
      for (const us of values) histogram[bucketOf(us)]!++;
      const sorted = values.toSorted((a, b) => a - b);
      const truth = sorted[Math.min(sorted.length, Math.max(1, Math.ceil(p * sorted.length))) - 1]!;
      const told = percentile(histogram, p)!;
      assert.ok(
        told <= truth * Math.SQRT2 * 1.000001 && told >= truth / Math.SQRT2 / 1.000001,
        `${told} for ${truth}`,
      );
    }),
  );
});

test('the last bucket counts as its lower bound', () => {
  const histogram = new Float64Array(latencyBuckets);
  histogram[latencyBuckets - 1] = 5;
  assert.equal(percentile(histogram, 0.99), 2 ** 23);
});

test('a slot is summed over the workers, and deltas leave out what came before', () => {
  const board = new Board(2);
  board.histogram(0)[3 * latencyBuckets + 5] = 2;
  board.histogram(1)[3 * latencyBuckets + 5] = 3;
  const before = slotHistogram(board, 3);
  assert.equal(before[5], 5);
  board.histogram(1)[3 * latencyBuckets + 6] = 4;
  const since = histogramSince(before, slotHistogram(board, 3));
  assert.equal(since[5], 0);
  assert.equal(since[6], 4);
  board.clear(3);
  assert.equal(histogramCount(histogramSince(before, slotHistogram(board, 3))), 0);
});
