import assert from 'node:assert/strict';
import { test } from 'node:test';
import { latencyBound, latencyBuckets } from '#balance/board.ts';
import { Paces } from './pace.ts';

class Lane {
  readonly paces: Paces;
  readonly #histograms: Float64Array[];

  constructor(size: number) {
    this.paces = new Paces(size);
    this.#histograms = Array.from({ length: size }, () => new Float64Array(latencyBuckets));
    this.second([]);
  }

  /** A second in which each backend gave so many answers in so many ms, a tenth of them ten times as slowly. */
  second(each: readonly (readonly [count: number, ms: number])[]): void {
    for (let look = 0; look < 4; look++) this.#look(each);
  }

  #look(each: readonly (readonly [count: number, ms: number])[]): void {
    for (const [index, histogram] of this.#histograms.entries()) {
      const [count, ms] = each[index] ?? [0, 1];
      for (const [part, time] of [
        [0.9, ms],
        [0.1, ms * 10],
      ] as const) {
        let bucket = 0;
        while (latencyBound(bucket) <= time * 1000) bucket++;
        histogram[bucket]! += (count * part) / 4;
      }
      this.paces.observe(index, histogram);
    }
    this.paces.weigh();
  }
  get shares(): number[] {
    return this.#histograms.map((_, index) => this.paces.pace(index).share);
  }
}

test('one that takes several times as long as the others loses weight at once, and gains it again slowly', () => {
  const lane = new Lane(4);
  const even = [500, 2] as const;
  for (let i = 0; i < 5; i++) lane.second([even, even, even, even]);
  assert.deepEqual(lane.shares, [1, 1, 1, 1]);
  for (let i = 0; i < 3; i++) lane.second([[400, 80], even, even, even]);
  const [slow, ...others] = lane.shares;
  assert.ok(slow! < 0.05, String(slow));
  assert.deepEqual(others, [1, 1, 1]);
  assert.match(
    lane.paces.pace(0).detail,
    /^slow: half of its answers take \d+ms or more, [12]\.\dms at its siblings$/,
  );
  let seconds = 0;
  while (lane.shares[0]! < 1) {
    lane.second([even, even, even, even]);
    assert.ok(++seconds < 60);
  }
  assert.ok(seconds > 10, `${seconds} seconds`);
  assert.equal(lane.paces.pace(0).detail, '');
});

test('a few ms more, or three times as much of next to nothing, is nothing', () => {
  const lane = new Lane(3);
  for (let i = 0; i < 5; i++) {
    lane.second([
      [500, 9],
      [500, 0.2],
      [500, 0.2],
    ]);
  }
  assert.deepEqual(lane.shares, [1, 1, 1]);
});

test('few answers are held against nobody, nor are slow ones of all', () => {
  let lane = new Lane(3);
  for (let i = 0; i < 5; i++) {
    lane.second([
      [2, 900],
      [500, 2],
      [500, 2],
    ]);
  }
  assert.deepEqual(lane.shares, [1, 1, 1]);
  lane = new Lane(3);
  for (let i = 0; i < 20; i++) {
    lane.second([
      [100, 900],
      [100, 700],
      [100, 800],
    ]);
  }
  assert.deepEqual(lane.shares, [1, 1, 1]);
});

test('of two slow ones among four both lose weight', () => {
  const lane = new Lane(4);
  for (let i = 0; i < 6; i++) {
    lane.second([
      [400, 90],
      [400, 80],
      [500, 2],
      [500, 2],
    ]);
  }
  const [a, b, c, d] = lane.shares;
  assert.ok(a! < 0.1 && b! < 0.1 && c === 1 && d === 1, String(lane.shares));
});
