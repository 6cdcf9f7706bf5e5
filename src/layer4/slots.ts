/**
 * The slot table: a prime number of slots, each of which belongs to a backend; the kernel hashes a flow to a slot. Pure.
 *
 * Every backend has its own order of preference of the slots and takes its next free one in turn, as often as its weight says
 * (Maglev: Eisenbud et al., NSDI 2016, section 3.4). It is made twice: over all backends of the configuration, and then, for the
 * slots of those that do not serve, over those that do. So a backend that goes moves no flow but its own, one that comes back gets its
 * own slots back and no others, and all balancers with one configuration agree without talking to each other.
 */

/** A backend. Names are unique. */
export type SlotMember = {
  readonly name: string;
  /** ≥ 0. 0: it gets nothing. */
  readonly weight: number;
  /** Whether it takes new flows. */
  readonly serves: boolean;
};

const primes = [251, 509, 1021, 2039, 4093, 8191, 16_381, 32_749, 65_521] as const;
export type SlotCount = (typeof primes)[number];

/**
 * The least number of slots with which no share of these backends is wrong by more than 1%: 100 for each part of weight
 * as large as that of the lightest backend; at most 65,521.
 */
export function slotCount(members: readonly SlotMember[]): SlotCount {
  const weights = members.map(({ weight }) => weight).filter(weight => weight > 0);
  const sum = weights.reduce((all, weight) => all + weight, 0);
  const wanted = weights.length === 0 ? 0 : (100 * sum) / Math.min(...weights);
  return primes.find(prime => prime >= wanted) ?? primes.at(-1)!;
}

/** The index of a backend for each slot; −1 in all of them when none serves. The same members give the same table. */
export function slotTable(members: readonly SlotMember[], count: number): Int32Array {
  const table = new Int32Array(count).fill(-1);
  // By name, so that the order of the file does not matter.
  const order = [...members.keys()].sort((a, b) => (members[a]!.name < members[b]!.name ? -1 : 1));
  const weighed = order.filter(index => members[index]!.weight > 0);
  fill(table, members, weighed);
  const serving = weighed.filter(index => members[index]!.serves);
  for (const [slot, owner] of table.entries()) {
    if (owner >= 0 && !members[owner]!.serves) table[slot] = -1;
  }
  fill(table, members, serving);
  return table;
}

/** Deals the free slots out to `who`, by weight, counting none that they have. */
function fill(table: Int32Array, members: readonly SlotMember[], who: readonly number[]): void {
  let free = table.reduce((sum, owner) => sum + (owner < 0 ? 1 : 0), 0);
  if (who.length === 0) return;
  const count = table.length;
  const heaviest = Math.max(...who.map(index => members[index]!.weight));
  const takers = who.map(index => {
    const name = members[index]!.name;
    return {
      index,
      weight: members[index]!.weight / heaviest,
      credit: 0,
      at: hash(name, 0x9e3779b9) % count,
      step: 1 + (hash(name, 0x85ebca6b) % (count - 1)),
    };
  });
  while (free > 0) {
    for (const taker of takers) {
      taker.credit += taker.weight;
      // A sum of shares such as 0.1 comes short of 1 by rounding.
      if (taker.credit < 1 - 1e-9 || free === 0) continue;
      taker.credit -= 1;
      // The number of slots is prime, so each step visits all of them.
      while (table[taker.at]! >= 0) taker.at = (taker.at + taker.step) % count;
      table[taker.at] = taker.index;
      free--;
    }
  }
}

/** 32 bits of a name: FNV-1a with the last mix of MurmurHash3. */
function hash(name: string, seed: number): number {
  let value = (0x811c9dc5 ^ seed) >>> 0;
  for (const octet of new TextEncoder().encode(name)) value = Math.imul(value ^ octet, 0x01000193);
  value = Math.imul(value ^ (value >>> 16), 0x85ebca6b);
  value = Math.imul(value ^ (value >>> 13), 0xc2b2ae35);
  return (value ^ (value >>> 16)) >>> 0;
}
