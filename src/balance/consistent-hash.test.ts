import assert from 'node:assert/strict';
import { it } from 'node:test';
import { candidatesOf, policyContract, seededRandom } from '#test/contract/policy.ts';
import { consistentHash } from './consistent-hash.ts';

policyContract('consistent-hash', consistentHash, { byWeight: true });

it('goes by the name and not by the client', () => {
  const policy = consistentHash(candidatesOf([{}, {}, {}, {}, {}]), seededRandom(1));
  const owners = new Set<number>();
  for (let nameHash = 0; nameHash < 100; nameHash++) {
    const owner = policy.pick({ nameHash, clientHash: 1 });
    owners.add(owner);
    for (let clientHash = 0; clientHash < 20; clientHash++) {
      assert.equal(policy.pick({ nameHash, clientHash }), owner);
    }
  }
  assert.equal(owners.size, 5);
});
