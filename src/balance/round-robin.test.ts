import assert from 'node:assert/strict';
import { it } from 'node:test';
import { candidatesOf, policyContract, seededRandom } from '#test/contract/policy.ts';
import { roundRobin } from './round-robin.ts';

policyContract('round-robin', roundRobin, { byWeight: true });

const anything = { nameHash: 0, clientHash: 0 };

function sequence(weights: number[], picks: number): string {
  const policy = roundRobin(candidatesOf(weights.map(weight => ({ weight }))), seededRandom(1));
  return Array.from({ length: picks }, () => policy.pick(anything)).join('');
}

it('goes round in order when weights are equal', () => {
  assert.equal(sequence([1, 1, 1], 7), '0120120');
});

it('spreads a heavy backend evenly through the round', () => {
  assert.equal(sequence([5, 1, 1], 7), '0010200');
});

it('goes round the rest when one is unfit, and takes it in again', () => {
  const pool = [{ fit: true }, { fit: true }, { fit: true }];
  const policy = roundRobin(candidatesOf(pool), seededRandom(1));
  const picks = (count: number) => Array.from({ length: count }, () => policy.pick(anything));
  picks(3);
  pool[1]!.fit = false;
  assert.deepEqual(picks(4), [0, 2, 0, 2]);
  pool[1]!.fit = true;
  assert.deepEqual(picks(6).sort(), [0, 0, 1, 1, 2, 2]);
});
