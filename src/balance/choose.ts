/** Random choice by weight, shared by the policies that need it. */
import type { Candidates, RandomInt } from './policy.ts';

const grains = 2 ** 30;

/**
 * A fit candidate, each with a chance in proportion to its weight; `except` (−1: none) is passed over.
 * −1 when there is none. Allocates nothing; two passes over the candidates, one random number.
 */
export function chooseByWeight(candidates: Candidates, random: RandomInt, except: number): number {
  const size = candidates.size;
  let total = 0;
  let last = -1;
  let count = 0;
  for (let index = 0; index < size; index++) {
    if (index === except || !candidates.fit(index)) continue;
    total += candidates.weight(index);
    last = index;
    count++;
  }
  if (count < 2) return last;
  let mark = (random(grains) / grains) * total;
  for (let index = 0; index < last; index++) {
    if (index === except || !candidates.fit(index)) continue;
    mark -= candidates.weight(index);
    if (mark < 0) return index;
  }
  return last;
}
