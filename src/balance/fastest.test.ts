import assert from 'node:assert/strict';
import { it } from 'node:test';
import { candidatesOf, policyContract, seededRandom, tally } from '#test/contract/policy.ts';
import { explorationInterval, fastest } from './fastest.ts';

policyContract('fastest', fastest);

const share = (counts: number[], index: number) =>
  counts[index]! / counts.reduce((sum, count) => sum + count, 0);

it('takes the faster of two, and measures the slower again now and then', () => {
  const pool = [{ latency: 900 }, { latency: 300 }];
  const slow = share(tally(fastest(candidatesOf(pool), seededRandom(1)), 2, 50_000), 0);
  assert.ok(
    slow > 0.25 / explorationInterval && slow < 1 / explorationInterval,
    `share of the slow one ${slow}`,
  );
});

it('leaves a fast backend that is busy', () => {
  const pool = [
    { latency: 900, outstanding: 0 },
    { latency: 300, outstanding: 9 },
  ];
  assert.ok(share(tally(fastest(candidatesOf(pool), seededRandom(1)), 2, 10_000), 0) > 0.98);
});

it('gives the slowest of many almost nothing, and the fastest no more than two draws in n', () => {
  const pool = [100, 200, 300, 400, 500].map(latency => ({ latency }));
  const counts = tally(fastest(candidatesOf(pool), seededRandom(1)), 5, 50_000);
  assert.ok(share(counts, 4) < 1 / explorationInterval, `slowest ${counts}`);
  assert.ok(share(counts, 0) < 0.41, `fastest ${counts}`);
});

it('shares equally fast backends evenly', () => {
  const pool = [{ latency: 300 }, { latency: 300 }, { latency: 300 }];
  const counts = tally(fastest(candidatesOf(pool), seededRandom(1)), 3, 30_000);
  for (let index = 0; index < 3; index++)
    assert.ok(Math.abs(share(counts, index) - 1 / 3) < 0.02, `${counts}`);
});

it('lets a heavy backend win over a light one that is as fast', () => {
  const pool = [
    { latency: 300, weight: 4 },
    { latency: 300, weight: 1 },
  ];
  assert.ok(share(tally(fastest(candidatesOf(pool), seededRandom(1)), 2, 10_000), 0) > 0.98);
});

it('tries a backend of unknown latency at once, but by one query at a time', () => {
  const pool = [
    { latency: 300, outstanding: 0 },
    { latency: 0, outstanding: 0 },
  ];
  const policy = fastest(candidatesOf(pool), seededRandom(1));
  assert.ok(share(tally(policy, 2, 10_000), 1) > 0.98);
  pool[1]!.outstanding = 1;
  assert.ok(share(tally(policy, 2, 10_000), 1) < 0.02);
});
