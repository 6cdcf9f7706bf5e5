import assert from 'node:assert/strict';
import { it } from 'node:test';
import { assertFollows, candidatesOf, policyContract, seededRandom, tally } from '#test/contract/policy.ts';
import { leastOutstanding } from './least-outstanding.ts';

policyContract('least-outstanding', leastOutstanding, { byWeight: true });

const anything = { nameHash: 0, clientHash: 0 };

it('takes the least busy', () => {
  const pool = [{ outstanding: 3 }, { outstanding: 1 }, { outstanding: 2 }];
  assert.equal(leastOutstanding(candidatesOf(pool), seededRandom(1)).pick(anything), 1);
});

it('allows a heavy backend more', () => {
  const pool = [
    { outstanding: 5, weight: 10 },
    { outstanding: 1, weight: 1 },
  ];
  assert.equal(leastOutstanding(candidatesOf(pool), seededRandom(1)).pick(anything), 0);
});

it('draws fairly between equals, and never the busier', () => {
  const pool = [{ outstanding: 2 }, { outstanding: 2 }, { outstanding: 9 }, { outstanding: 2 }];
  const counts = tally(leastOutstanding(candidatesOf(pool), seededRandom(5)), 4, 9000);
  assert.equal(counts[2], 0);
  assertFollows([counts[0]!, counts[1]!, counts[3]!], [1, 1, 1]);
});

it('keeps the queries in flight in proportion to weight', () => {
  const pool = [1, 2, 5].map(weight => ({ weight, outstanding: 0 }));
  const policy = leastOutstanding(candidatesOf(pool), seededRandom(2));
  for (let turn = 0; turn < 800; turn++) pool[policy.pick(anything)]!.outstanding++;
  assert.deepEqual(
    pool.map(backend => backend.outstanding),
    [100, 200, 500],
  );
});
