/** The policies by the name that the configuration gives them. */
import { clientHash } from './client-hash.ts';
import { consistentHash } from './consistent-hash.ts';
import { fastest } from './fastest.ts';
import { firstAvailable } from './first-available.ts';
import { leastOutstanding } from './least-outstanding.ts';
import type { Candidates, Policy, PolicyFactory, RandomInt } from './policy.ts';
import { roundRobin } from './round-robin.ts';
import { weightedRandom } from './weighted-random.ts';

/** Names of the policies, the default first. */
export const policyNames = [
  'least-outstanding',
  'round-robin',
  'weighted-random',
  'fastest',
  'consistent-hash',
  'client-hash',
  'first-available',
] as const;
export type PolicyName = (typeof policyNames)[number];

const factories: Readonly<Record<PolicyName, PolicyFactory>> = {
  'least-outstanding': leastOutstanding,
  'round-robin': roundRobin,
  'weighted-random': weightedRandom,
  fastest,
  'consistent-hash': consistentHash,
  'client-hash': clientHash,
  'first-available': firstAvailable,
};

/** Whether a policy has that name. */
export function isPolicyName(name: string): name is PolicyName {
  return Object.hasOwn(factories, name);
}

/**
 * The policy of that name over a pool's candidates. `random` must be uniform for bounds up to 2^30. A name that the
 * configuration would not have let through gets the default, since the packet path has nobody to complain to.
 */
export function makePolicy(name: string, candidates: Candidates, random: RandomInt): Policy {
  return factories[isPolicyName(name) ? name : policyNames[0]](candidates, random);
}
