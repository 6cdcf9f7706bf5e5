import { chooseByWeight } from './choose.ts';
import type { PolicyFactory } from './policy.ts';

/** One at random, each with a chance in proportion to its weight. Keeps nothing between queries. */
export const weightedRandom: PolicyFactory = (candidates, random) => ({
  pick: () => chooseByWeight(candidates, random, -1),
});
