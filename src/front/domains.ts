/** Which pool a name belongs to: the longest configured suffix wins. */
import { fold, sameFolded } from '#kit/fold.ts';
import { parseName } from '#wire/name.ts';
import type { Plan } from './plan.ts';

/** Labels of a name at most: 127 of one letter, and the root. */
const maxLabels = 128;

/** Hash of a name taken from its end, so that those of all its suffixes come out on the way. */
function step(hash: number, byte: number): number {
  const mixed = Math.imul(hash ^ byte, 0x9e3779b1);
  return mixed ^ (mixed >>> 15);
}

export class Domains {
  readonly #default: number;
  readonly #mask: number;
  /** Open addressing: index + 1 of a suffix, 0: empty. */
  readonly #table: Int32Array;
  readonly #pools: Int32Array;
  readonly #suffixes: readonly Uint8Array[];
  readonly #labels = new Int32Array(maxLabels);

  constructor(plan: Pick<Plan, 'domains' | 'defaultPool'>) {
    this.#default = plan.defaultPool;
    const size = 2 ** Math.ceil(Math.log2(Math.max(2, plan.domains.length * 2)));
    this.#mask = size - 1;
    this.#table = new Int32Array(size);
    this.#pools = Int32Array.from(plan.domains, domain => domain.pool);
    this.#suffixes = plan.domains.map(domain => parseName(domain.suffix));
    this.#suffixes.forEach((suffix, index) => {
      let hash = 0;
      for (let i = suffix.length - 1; i >= 0; i--) hash = step(hash, fold[suffix[i]!]!);
      let place = hash & this.#mask;
      while (this.#table[place] !== 0) place = (place + 1) & this.#mask;
      this.#table[place] = index + 1;
    });
  }

  /** Index of the pool for the wire name at `at`. */
  poolOf(u8: Uint8Array, at: number, length: number): number {
    let pool = this.#default;
    if (this.#suffixes.length === 0) return pool;
    const labels = this.#labels;
    const end = at + length;
    let count = 0;
    for (let p = at; p < end && count < maxLabels; p += 1 + u8[p]!) labels[count++] = p;
    let hash = 0;
    let p = end - 1;
    // From the root to the whole name: the last match is the longest.
    while (count-- > 0) {
      const start = labels[count]!;
      for (; p >= start; p--) hash = step(hash, fold[u8[p]!]!);
      for (let place = hash & this.#mask; this.#table[place] !== 0; place = (place + 1) & this.#mask) {
        const index = this.#table[place]! - 1;
        const suffix = this.#suffixes[index]!;
        if (suffix.length !== end - start || !sameFolded(suffix, 0, u8, start, suffix.length)) continue;
        pool = this.#pools[index]!;
        break;
      }
    }
    return pool;
  }
}
