import type { PolicyFactory } from './policy.ts';

/**
 * The first backend in configured order that has room below its capacity: a preferred backend with reserves. When all
 * are full, the one with the lowest outstanding / capacity, since an answer late is better than none.
 */
export const firstAvailable: PolicyFactory = candidates => {
  const size = candidates.size;
  return {
    pick() {
      let best = -1;
      let lowest = 0;
      for (let index = 0; index < size; index++) {
        if (!candidates.fit(index)) continue;
        const outstanding = candidates.outstanding(index);
        const capacity = candidates.capacity(index);
        if (outstanding < capacity) return index;
        const fullness = outstanding / capacity;
        if (best < 0 || fullness < lowest) {
          best = index;
          lowest = fullness;
        }
      }
      return best;
    },
  };
};
