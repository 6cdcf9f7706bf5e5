/** Random integers that nobody can foretell, cheap enough for each packet. */
import { randomFillSync } from 'node:crypto';

/**
 * A source of uniform integers: `random(n)` is in 0 … n−1, for n from 1 to 2^32. It draws from the system's CSPRNG, some
 * kilobytes at a time.
 */
export function makeRandom(): (bound: number) => number {
  const pool = new Uint32Array(1024);
  let next = pool.length;
  return bound => {
    // Numbers above the last whole multiple of the bound would favour small results.
    const limit = 0x1_0000_0000 - (0x1_0000_0000 % bound);
    for (;;) {
      if (next === pool.length) {
        randomFillSync(pool);
        next = 0;
      }
      const drawn = pool[next++]!;
      if (drawn < limit) return drawn % bound;
    }
  };
}
