import assert from 'node:assert/strict';
import { it } from 'node:test';
import { candidatesOf, policyContract, seededRandom } from '#test/contract/policy.ts';
import { clientHash } from './client-hash.ts';

policyContract('client-hash', clientHash, { byWeight: true });

it('goes by the client and not by the name', () => {
  const policy = clientHash(candidatesOf([{}, {}, {}, {}, {}]), seededRandom(1));
  const owners = new Set<number>();
  for (let client = 0; client < 100; client++) {
    const owner = policy.pick({ nameHash: 1, clientHash: client });
    owners.add(owner);
    for (let nameHash = 0; nameHash < 20; nameHash++) {
      assert.equal(policy.pick({ nameHash, clientHash: client }), owner);
    }
  }
  assert.equal(owners.size, 5);
});
