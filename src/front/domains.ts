/** Which pool a name belongs to: the longest configured suffix wins. */
import { foldedHash, sameFolded } from '#kit/fold.ts';
import { parseName } from '#wire/name.ts';
import type { Plan } from './plan.ts';

export class Domains {
  readonly #default: number;
  readonly #mask: number;
  /** Open addressing: index + 1 of a suffix, 0: empty. */
  readonly #table: Int32Array;
  readonly #pools: Int32Array;
  readonly #suffixes: readonly Uint8Array[];

  constructor(plan: Pick<Plan, 'domains' | 'defaultPool'>) {
    this.#default = plan.defaultPool;
    const size = 2 ** Math.ceil(Math.log2(Math.max(2, plan.domains.length * 2)));
    this.#mask = size - 1;
    this.#table = new Int32Array(size);
    this.#pools = Int32Array.from(plan.domains, domain => domain.pool);
    this.#suffixes = plan.domains.map(domain => parseName(domain.suffix));
    this.#suffixes.forEach((suffix, index) => {
      let place = foldedHash(suffix, 0, suffix.length) & this.#mask;
      while (this.#table[place] !== 0) place = (place + 1) & this.#mask;
      this.#table[place] = index + 1;
    });
  }

  /** Index of the pool for the wire name at `at`. */
  poolOf(u8: Uint8Array, at: number, length: number): number {
    if (this.#suffixes.length === 0) return this.#default;
    const end = at + length;
    for (let p = at; p < end; p += 1 + u8[p]!) {
      let place = foldedHash(u8, p, end - p) & this.#mask;
      for (; this.#table[place] !== 0; place = (place + 1) & this.#mask) {
        const index = this.#table[place]! - 1;
        const suffix = this.#suffixes[index]!;
        if (suffix.length === end - p && sameFolded(suffix, 0, u8, p, suffix.length))
          return this.#pools[index]!;
      }
      if (u8[p] === 0) break;
    }
    return this.#default;
  }
}
