import type { PolicyFactory } from './policy.ts';
import { Rendezvous } from './rendezvous.ts';

/**
 * The same client to the same backend, so that a client sees one resolver's view of the world. Bounded as
 * consistent-hash is, so that one busy client cannot drown its backend.
 */
export const clientHash: PolicyFactory = candidates => {
  const rendezvous = new Rendezvous(candidates);
  return { pick: question => rendezvous.owner(question.clientHash) };
};
