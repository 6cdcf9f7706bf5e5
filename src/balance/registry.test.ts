import assert from 'node:assert/strict';
import { it } from 'node:test';
import { candidatesOf, seededRandom } from '#test/contract/policy.ts';
import { isPolicyName, makePolicy, policyNames } from './registry.ts';

it('makes every policy by its name', () => {
  for (const name of policyNames) {
    assert.ok(isPolicyName(name));
    const policy = makePolicy(name, candidatesOf([{ fit: false }, {}]), seededRandom(1));
    assert.equal(policy.pick({ nameHash: 7, clientHash: 7 }), 1);
  }
});

it('makes the default for a name it does not know', () => {
  assert.equal(isPolicyName('toString'), false);
  const pool = [{ outstanding: 4 }, { outstanding: 1 }];
  const policy = makePolicy('toString', candidatesOf(pool), seededRandom(1));
  assert.equal(policy.pick({ nameHash: 0, clientHash: 0 }), 1);
});
