/** Chance with a seed: repeatable, not secret. Each use takes a stream of its own, so that one more draw here changes nothing there. */

/** A stream of random numbers (C. Doty-Humphrey's sfc32: 128 bits of state, passes PractRand). */
export class Chance {
  #a: number;
  #b: number;
  #c: number;
  #counter = 1;

  /** `stream` tells streams of one seed apart. */
  constructor(seed: number, stream: number) {
    this.#a = seed | 0;
    this.#b = Math.floor(seed / 2 ** 32) | 0;
    this.#c = Math.imul(stream + 1, 0x9e3779b1);
    for (let i = 0; i < 12; i++) this.word();
  }

  /** 32 bits, unsigned. */
  word(): number {
    const sum = (this.#a + this.#b + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = ((this.#c << 21) | (this.#c >>> 11)) + sum;
    return sum >>> 0;
  }
  /** A whole number, 0 … bound−1. */
  below(bound: number): number {
    return Math.floor((this.word() / 2 ** 32) * bound);
  }
  /** 0 ≤ number < 1. */
  unit(): number {
    return this.word() / 2 ** 32;
  }
  between(least: number, most: number): number {
    return least + (most - least) * this.unit();
  }
  /** True with probability `share`; takes a number from the stream only where that is in doubt. */
  happens(share: number): boolean {
    return share > 0 && (share >= 1 || this.unit() < share);
  }
  one<T>(choices: readonly T[]): T {
    return choices[this.below(choices.length)]!;
  }
  exponential(mean: number): number {
    return -mean * Math.log(1 - this.unit());
  }
  /** As latencies fall: half below `median`, `sigma` the deviation of the logarithm; 0: always the median. */
  lognormal(median: number, sigma: number): number {
    if (sigma === 0) return median;
    const normal = Math.sqrt(-2 * Math.log(1 - this.unit())) * Math.cos(2 * Math.PI * this.unit());
    return median * Math.exp(sigma * normal);
  }
}

/** Numbers 0 … count−1 where number i comes up in proportion to 1 / (i + 1)^exponent, as names of the DNS do. */
export class Zipf {
  readonly #sums: Float64Array;

  constructor(count: number, exponent: number) {
    this.#sums = new Float64Array(count);
    let sum = 0;
    for (let i = 0; i < count; i++) {
      sum += 1 / (i + 1) ** exponent;
      this.#sums[i] = sum;
    }
  }

  draw(chance: Chance): number {
    const sums = this.#sums;
    const mark = chance.unit() * sums[sums.length - 1]!;
    let low = 0;
    let high = sums.length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (sums[middle]! > mark) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}
