import { chooseByWeight } from './choose.ts';
import type { Candidates, PolicyFactory } from './policy.ts';

/** One pick in this many takes its first draw unseen, so that a backend that was slow is measured again. */
export const explorationInterval = 128;

/**
 * Power of two choices, weighted by latency: of two different backends drawn by weight, the one with the lower
 * expected wait, latency × (outstanding + 1) / weight. Comparing two rather than all keeps the workers from running
 * to the same backend at once (Mitzenmacher, "The power of two choices in randomized load balancing", 2001).
 *
 * A backend of unknown latency is tried at once, by one query at a time; while that one is out, the two are compared
 * as if equally fast. So a new backend that answers nothing costs one query, not a flood.
 */
export const fastest: PolicyFactory = (candidates, random) => ({
  pick() {
    const one = chooseByWeight(candidates, random, -1);
    if (one < 0 || random(explorationInterval) === 0) return one;
    const two = chooseByWeight(candidates, random, one);
    if (two < 0) return one;
    const latencyOne = candidates.latency(one);
    const latencyTwo = candidates.latency(two);
    if (latencyOne > 0 && latencyTwo > 0) {
      return latencyTwo * load(candidates, two) < latencyOne * load(candidates, one) ? two : one;
    }
    if (latencyOne === 0 && candidates.outstanding(one) === 0) return one;
    if (latencyTwo === 0 && candidates.outstanding(two) === 0) return two;
    return load(candidates, two) < load(candidates, one) ? two : one;
  },
});

function load(candidates: Candidates, index: number): number {
  return (candidates.outstanding(index) + 1) / candidates.weight(index);
}
