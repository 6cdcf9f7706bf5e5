import assert from 'node:assert/strict';
import { it } from 'node:test';
import { candidatesOf, policyContract, seededRandom } from '#test/contract/policy.ts';
import { firstAvailable } from './first-available.ts';

policyContract('first-available', firstAvailable);

const pickOf = (pool: Parameters<typeof candidatesOf>[0]) =>
  firstAvailable(candidatesOf(pool), seededRandom(1)).pick({ nameHash: 0, clientHash: 0 });

it('takes the first, whatever its load, when it has no capacity set', () => {
  assert.equal(pickOf([{ outstanding: 5000 }, {}]), 0);
});

it('passes over what is unfit or full', () => {
  assert.equal(
    pickOf([{ fit: false }, { outstanding: 10, capacity: 10 }, { outstanding: 9, capacity: 10 }, {}]),
    2,
  );
});

it('takes the least full when all are full', () => {
  assert.equal(
    pickOf([
      { outstanding: 40, capacity: 10 },
      { outstanding: 22, capacity: 20 },
      { outstanding: 60, capacity: 20 },
    ]),
    1,
  );
});
