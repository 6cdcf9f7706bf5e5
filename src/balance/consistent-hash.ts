import type { PolicyFactory } from './policy.ts';
import { Rendezvous } from './rendezvous.ts';

/**
 * The same name to the same backend, so that each backend's cache holds its own part of the names. A backend over its
 * bound (1.25 times its share of the queries in flight) passes the name to the next in the name's own order.
 */
export const consistentHash: PolicyFactory = candidates => {
  const rendezvous = new Rendezvous(candidates);
  return { pick: question => rendezvous.owner(question.nameHash) };
};
