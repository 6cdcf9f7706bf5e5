/** Which clients may ask: address blocks, compiled to sorted ranges, so that a thousand blocks cost ten comparisons. */

import type { Prefix } from './plan.ts';
import { familyOf, origin } from './ports.ts';

type Range = { readonly low: readonly number[]; high: readonly number[] };

function compare(a: readonly number[], b: readonly number[]): number {
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return a[i]! - b[i]!;
  return 0;
}

/** Disjoint ranges in ascending order, as 32-bit words. */
function merge(prefixes: readonly Prefix[], size: number): Range[] {
  const ranges = prefixes
    .filter(prefix => prefix.bytes.length === size)
    .map(prefix => {
      const low: number[] = [];
      const high: number[] = [];
      for (let i = 0; i < size; i += 4) {
        const word =
          ((prefix.bytes[i]! << 24) |
            (prefix.bytes[i + 1]! << 16) |
            (prefix.bytes[i + 2]! << 8) |
            prefix.bytes[i + 3]!) >>>
          0;
        const bits = Math.min(32, Math.max(0, prefix.bits - i * 8));
        const mask = bits === 0 ? 0 : (-1 << (32 - bits)) >>> 0;
        low.push((word & mask) >>> 0);
        high.push((word | ~mask) >>> 0);
      }
      return { low, high };
    })
    .sort((a, b) => compare(a.low, b.low));
  const merged: Range[] = [];
  for (const range of ranges) {
    const last = merged.at(-1);
    if (last && compare(range.low, last.high) <= 0) {
      if (compare(range.high, last.high) > 0) last.high = range.high;
    } else merged.push({ ...range });
  }
  return merged;
}

export class Acl {
  readonly #low4: Uint32Array;
  readonly #high4: Uint32Array;
  /** Four words a range. */
  readonly #low6: Uint32Array;
  readonly #high6: Uint32Array;

  constructor(prefixes: readonly Prefix[]) {
    const four = merge(prefixes, 4);
    const six = merge(prefixes, 16);
    this.#low4 = Uint32Array.from(four, range => range.low[0]!);
    this.#high4 = Uint32Array.from(four, range => range.high[0]!);
    this.#low6 = Uint32Array.from(six.flatMap(range => range.low));
    this.#high6 = Uint32Array.from(six.flatMap(range => range.high));
  }

  /** Whether the client of the origin at `from` may ask. */
  allows(u8: Uint8Array, from: number): boolean {
    if (u8[from] === familyOf.inet) {
      const at = from + origin.address4;
      const address = ((u8[at]! << 24) | (u8[at + 1]! << 16) | (u8[at + 2]! << 8) | u8[at + 3]!) >>> 0;
      let left = 0;
      let right = this.#low4.length;
      while (left < right) {
        const middle = (left + right) >> 1;
        if (this.#high4[middle]! < address) left = middle + 1;
        else right = middle;
      }
      return left < this.#low4.length && this.#low4[left]! <= address;
    }
    const at = from + origin.address6;
    let left = 0;
    const ranges = this.#low6.length >> 2;
    let right = ranges;
    while (left < right) {
      const middle = (left + right) >> 1;
      if (compareAt(this.#high6, middle * 4, u8, at) < 0) left = middle + 1;
      else right = middle;
    }
    return left < ranges && compareAt(this.#low6, left * 4, u8, at) <= 0;
  }
}

/** Order of four words against the 16 bytes of an address. */
function compareAt(words: Uint32Array, index: number, u8: Uint8Array, at: number): number {
  for (let i = 0; i < 4; i++) {
    const p = at + i * 4;
    const word = ((u8[p]! << 24) | (u8[p + 1]! << 16) | (u8[p + 2]! << 8) | u8[p + 3]!) >>> 0;
    if (words[index + i]! !== word) return words[index + i]! < word ? -1 : 1;
  }
  return 0;
}
