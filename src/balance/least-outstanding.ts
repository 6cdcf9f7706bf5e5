import { chooseByWeight } from './choose.ts';
import type { PolicyFactory } from './policy.ts';

/**
 * The backend with the lowest (outstanding + 1) / weight: the least busy one for its weight. Equals are drawn at
 * random, so that workers, which know only their own queries, do not all favour the first. While nothing at all is
 * waiting the draw is by weight: the formula alone would leave a quiet pool to its heaviest backend.
 */
export const leastOutstanding: PolicyFactory = (candidates, random) => {
  const size = candidates.size;
  const equals = new Uint16Array(size);
  return {
    pick() {
      let count = 0;
      let waiting = 0;
      let lowest = 0;
      for (let index = 0; index < size; index++) {
        if (!candidates.fit(index)) continue;
        const outstanding = candidates.outstanding(index);
        const load = (outstanding + 1) / candidates.weight(index);
        waiting += outstanding;
        if (count === 0 || load < lowest) {
          lowest = load;
          equals[0] = index;
          count = 1;
        } else if (load === lowest) equals[count++] = index;
      }
      if (waiting === 0) return chooseByWeight(candidates, random, -1);
      return equals[count < 2 ? 0 : random(count)]!;
    },
  };
};
