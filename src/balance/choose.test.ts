import assert from 'node:assert/strict';
import { it } from 'node:test';
import { assertFollows, candidatesOf, seededRandom } from '#test/contract/policy.ts';
import { chooseByWeight } from './choose.ts';

it('passes over the exception and shares the rest by weight', () => {
  const candidates = candidatesOf([{ weight: 1 }, { weight: 9 }, { weight: 3 }]);
  const random = seededRandom(3);
  const counts = [0, 0, 0];
  for (let turn = 0; turn < 10_000; turn++) counts[chooseByWeight(candidates, random, 1)]!++;
  assert.equal(counts[1], 0);
  assertFollows([counts[0]!, counts[2]!], [1, 3]);
});

it('is −1 when only the exception is fit', () => {
  assert.equal(chooseByWeight(candidatesOf([{}, { fit: false }]), seededRandom(1), 0), -1);
});

it('stays in range at both ends of the random numbers', () => {
  const candidates = candidatesOf([{ fit: false }, {}, {}, { fit: false }]);
  assert.equal(
    chooseByWeight(candidates, () => 0, -1),
    1,
  );
  assert.equal(
    chooseByWeight(candidates, bound => bound - 1, -1),
    2,
  );
});
