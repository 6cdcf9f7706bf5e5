/** Random numbers for ids, channels and policies, taken from a secure source a block at a time. */
import type { RandomInt } from '#balance/policy.ts';

const block = 4096;

export class Entropy {
  readonly #words = new Uint32Array(block);
  readonly #fill: (words: Uint32Array) => void;
  #next = block;

  /** `fill` overwrites words with unpredictable bits (node:crypto's randomFillSync in production). */
  constructor(fill: (words: Uint32Array) => void) {
    this.#fill = fill;
  }

  /** 32 bits, as a signed integer. */
  word(): number {
    if (this.#next === block) {
      this.#fill(this.#words);
      this.#next = 0;
    }
    return this.#words[this.#next++]! | 0;
  }

  /** A DNS message id. */
  id(): number {
    return this.word() >>> 16;
  }

  /** 0 … bound−1, by multiplication: the bias is below bound / 2^32. */
  readonly int: RandomInt = bound => Math.floor(((this.word() >>> 0) / 4294967296) * bound);
}
