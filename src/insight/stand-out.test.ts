import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { chanceOf, falseAlarm, highShares, type Share, slowFigures, sortedPercentile } from './stand-out.ts';

const farm = (...hits: number[]): Share[] => hits.map(count => ({ hits: count, of: 100 }));

test('the chance is that of Fisher’s exact test', () => {
  // The lady tasting tea: 3 of 4 right, and 4 of 4.
  assert.ok(Math.abs(chanceOf({ hits: 3, of: 4 }, { hits: 1, of: 4 }) - 17 / 70) < 1e-9);
  assert.ok(Math.abs(chanceOf({ hits: 4, of: 4 }, { hits: 0, of: 4 }) - 1 / 70) < 1e-9);
  assert.ok(Math.abs(chanceOf({ hits: 0, of: 50 }, { hits: 10, of: 50 }) - 1) < 1e-9);
  const large = chanceOf({ hits: 1000, of: 100_000 }, { hits: 1000, of: 100_000 });
  assert.ok(large > 0.4 && large < 0.6, String(large));
});

test('nobody stands out in a farm that is alike, well or ill', () => {
  for (const shares of [
    farm(0, 0, 0, 0),
    farm(1, 0, 2, 0),
    farm(100, 100, 100),
    farm(30, 35, 28),
    farm(50),
  ]) {
    assert.deepEqual([...highShares(shares)], []);
  }
  assert.deepEqual([...highShares([])], []);
});

test('one that fails a tenth stands out, and three of ten do not hide each other', () => {
  assert.deepEqual([...highShares(farm(0, 10, 0, 0))], [1]);
  assert.deepEqual([...highShares(farm(0, 12, 0, 0, 15, 0, 1, 0, 9, 0))].toSorted(), [1, 4, 8]);
  assert.deepEqual([...highShares(farm(100, 100, 0))].toSorted(), [0, 1]);
  assert.deepEqual([...highShares(farm(0, 30))], [1]);
});

test('few questions prove nothing, and members never asked do not count', () => {
  assert.deepEqual(
    [
      ...highShares([
        { hits: 1, of: 1 },
        { hits: 0, of: 1 },
      ]),
    ],
    [],
  );
  assert.deepEqual(
    [
      ...highShares([
        { hits: 50, of: 50 },
        { hits: 0, of: 0 },
      ]),
    ],
    [],
  );
});

test('false alarms in a farm that is alike are as rare as stated', () => {
  // A fixed generator: the same farms in each run.
  let state = 1;
  const chance = () => {
    state = (state * 48_271) % 2_147_483_647;
    return state / 2_147_483_647;
  };
  let alarms = 0;
  const runs = 2000;
  for (let run = 0; run < runs; run++) {
    const shares = Array.from({ length: 8 }, () => {
      let hits = 0;
      for (let i = 0; i < 100; i++) if (chance() < 0.05) hits++;
      return { hits, of: 100 };
    });
    if (highShares(shares).size > 0) alarms++;
  }
  assert.ok(alarms <= runs * falseAlarm * 1.5, `${alarms} of ${runs}`);
});

test('never all, and no more hits never make one suspect', () => {
  const share = fc.nat(200).chain(of => fc.record({ hits: fc.nat(of), of: fc.constant(of) }));
  fc.assert(
    fc.property(fc.array(share, { minLength: 1, maxLength: 12 }), shares => {
      const named = highShares(shares);
      assert.ok(named.size < shares.length);
      for (const index of named) assert.ok(shares[index]!.hits > 0);
    }),
  );
});

test('slow against the siblings: in the middle, or in one of ten', () => {
  /** `count` latencies around `usual`, one in `nth` of them `odd`. */
  const member = (usual: number, odd = usual, nth = 1, count = 50) =>
    Array.from({ length: count }, (_, i) => (i % nth === 0 ? odd : usual) * (1 + i / 1000)).toSorted(
      (a, b) => a - b,
    );
  assert.deepEqual(slowFigures([member(2), member(3), member(800), member(2)]), [[], [], ['p50', 'p95'], []]);
  assert.deepEqual(slowFigures([member(2), member(3, 800, 8), member(2)]), [[], ['p95'], []]);
  assert.deepEqual(
    slowFigures([member(2), member(3, 800, 17), member(2)]),
    [[], [], []],
    'three of fifty: chance',
  );
  assert.deepEqual(
    slowFigures([member(2, 800, 10), member(3, 800, 8), member(2, 800, 9)]),
    [[], [], []],
    'all alike',
  );
  assert.deepEqual(slowFigures([member(0.1), member(0.9)]), [[], []], 'a millisecond is nothing');
  assert.deepEqual(slowFigures([member(2), member(800, 800, 1, 5)]), [[], []], 'too few answers');
  assert.deepEqual(slowFigures([[], member(800)]), [[], []], 'nothing to compare with');
});

test('percentiles of sorted latencies', () => {
  assert.deepEqual(
    [0.01, 0.5, 0.95, 1].map(p => sortedPercentile([1, 2, 3, 4], p)),
    [1, 2, 4, 4],
  );
  assert.equal(sortedPercentile([], 0.5), null);
});
