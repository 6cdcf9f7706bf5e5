/** Weighted rendezvous hashing with bounded load: the machine under consistent-hash and client-hash. */
import type { Candidates } from './policy.ts';

/** A backend may have this many times its fair share of the queries in flight before a key goes to the next one. */
export const loadFactor = 1.25;

/** A backend with fewer queries in flight than this is never full: a handful is no overload, and keys stay at home. */
export const neverFullBelow = 8;

/**
 * Gives each key the backend with the highest score w / −ln(u), where u in (0, 1) is a hash of key and backend name
 * (Schindelhauer & Schomaker, "Weighted distributed hash tables", 2005); `owner(key)` is its index, −1 when none fits.
 *
 * Rendezvous rather than a ring or Maglev, because a pool is small and changes all the time:
 * - movement is the least possible, exactly: when a backend goes, only its own keys move, and they spread over all
 *   others by weight; when one comes or gains weight, keys move only to it. A ring gets near that with hundreds of
 *   points for each backend; Maglev moves a few keys more.
 * - there is no table to rebuild, so weights that health changes from one query to the next count at once.
 * - the next best owner, for a full or excluded backend, falls out of the same pass.
 * The price is one logarithm for each backend, about 20 ns, and pools have 2 to 100 of them.
 *
 * Bounded load (Mirrokni, Thorup & Zadimoghaddam, "Consistent hashing with bounded loads", 2018): a backend is full at
 * `loadFactor` times its share, by weight, of the queries in flight counting this one. Not all can be full.
 */
export class Rendezvous {
  readonly #candidates: Candidates;
  readonly #seeds: Int32Array;

  constructor(candidates: Candidates) {
    this.#candidates = candidates;
    this.#seeds = new Int32Array(candidates.size);
    for (let index = 0; index < candidates.size; index++) this.#seeds[index] = seedOf(candidates.name(index));
  }

  owner(key: number): number {
    const candidates = this.#candidates;
    const seeds = this.#seeds;
    const size = seeds.length;
    let inFlight = 1;
    let weights = 0;
    for (let index = 0; index < size; index++) {
      if (!candidates.fit(index)) continue;
      inFlight += candidates.outstanding(index);
      weights += candidates.weight(index);
    }
    const roomPerWeight = (loadFactor * inFlight) / weights;
    let owner = -1;
    let highest = 0;
    for (let index = 0; index < size; index++) {
      if (!candidates.fit(index)) continue;
      const weight = candidates.weight(index);
      const outstanding = candidates.outstanding(index);
      if (outstanding >= neverFullBelow && outstanding >= roomPerWeight * weight) continue;
      const u = ((mix(key ^ seeds[index]!) >>> 0) + 0.5) / 2 ** 32;
      const score = weight / -Math.log(u);
      if (owner < 0 || score > highest) {
        owner = index;
        highest = score;
      }
    }
    return owner;
  }
}

/** FNV-1a of the name's UTF-16 code units, mixed. */
function seedOf(name: string): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < name.length; at++) hash = Math.imul(hash ^ name.charCodeAt(at), 0x01000193);
  return mix(hash);
}

/** The finalizer of MurmurHash3: every input bit changes every output bit with a chance of about one half. */
function mix(hash: number): number {
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return hash ^ (hash >>> 16);
}
