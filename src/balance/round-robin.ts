import type { PolicyFactory } from './policy.ts';

/**
 * Each in turn, as often as its weight says, and as evenly spaced as can be: "smooth" weighted round robin. Every
 * pick gives each fit backend credit by its weight; the one with most credit wins and pays the sum of the weights.
 * With equal weights that is plain round robin. One that is unfit neither earns nor pays.
 */
export const roundRobin: PolicyFactory = candidates => {
  const size = candidates.size;
  const credit = new Float64Array(size);
  return {
    pick() {
      let best = -1;
      let most = 0;
      let total = 0;
      for (let index = 0; index < size; index++) {
        if (!candidates.fit(index)) continue;
        const weight = candidates.weight(index);
        const mine = credit[index]! + weight;
        credit[index] = mine;
        total += weight;
        if (best < 0 || mine > most) {
          best = index;
          most = mine;
        }
      }
      if (best >= 0) credit[best] = most - total;
      return best;
    },
  };
};
