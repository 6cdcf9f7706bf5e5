/**
 * How much each client may ask: a rate for each client and for each network of clients, in tables of a fixed size that all
 * workers share, because the kernel spreads one client's packets over them.
 *
 * A rate is kept as one number, the time at which the debt of a client is paid off (the generic cell rate algorithm, ITU-T
 * I.371 annex A: a token bucket without tokens). Once that time has passed an entry says nothing that an empty one would
 * not, so it is given away without loss. A table is set-associative: a newcomer takes the place of the one among eight that
 * has the least debt. So whatever others do, a client below its rate is never limited, and who asks most is remembered
 * longest. Threads write without locks: when two write one entry at once, one query is not counted.
 */
import { Acl } from './acl.ts';
import type { PlanLimits } from './plan.ts';
import { familyOf, origin } from './ports.ts';

/** What is to be done with a query. */
export const rate = {
  /** Within the rates. */
  within: 0,
  /** Beyond: no answer. */
  drop: 1,
  /** Beyond: an empty, truncated answer, so that a client that did ask comes by TCP. */
  slip: 2,
  /** Beyond, over TCP: refused. */
  refuse: 3,
} as const;

/** A client that was quiet may ask the queries of so many ms at once. */
const burst = 1000;
/** What sums of fractions may be off, ms. */
const slack = 0.001;
const ways = 8;
/** Entries of a table; there is one for clients and one for networks. */
const entries = 131_072;
const setShift = 32 - Math.log2(entries / ways);
/** Two tables, each with a time (8 bytes) and a tag (4 bytes) for each entry, and two seeds in front. */
const headBytes = 64;
const timesBytes = entries * 8;
const tagsBytes = entries * 4;

/** Rounds of MurmurHash3's finalizer, with a word in front. */
function mix(hash: number, word: number): number {
  hash = Math.imul(hash ^ word, 0x85ebca6b);
  hash ^= hash >>> 13;
  hash = Math.imul(hash, 0xc2b2ae35);
  return hash ^ (hash >>> 16);
}

/** Times (ms) by entry, and the tag of the client that each is of; 0: of none. */
type Table = { readonly times: Float64Array; readonly tags: Int32Array };

export class Rates {
  readonly #seed: number;
  readonly #tagSeed: number;
  readonly #clients: Table;
  readonly #networks: Table;
  readonly #random: (bound: number) => number;
  #slip = 2;
  /** Between two queries, ms; 0: no rate. */
  #clientGap = 0;
  #networkGap = 0;
  /** Bits of an address that make its network, as words lie in memory. */
  #mask4 = -1;
  #mask6High = -1;
  #mask6Low = -1;
  #exempt = new Acl([]);
  // What `#hash` found.
  #place = 0;
  #tag = 0;

  /** Memory for all threads' rates; it costs nothing until it is used. Seeds: 32 unpredictable bits each. */
  static create(seed: number, tagSeed: number): SharedArrayBuffer {
    const memory = new SharedArrayBuffer(headBytes + 2 * (timesBytes + tagsBytes));
    new Int32Array(memory).set([seed, tagSeed]);
    return memory;
  }

  /** A view of memory made by `create`. `random(n)` is 0 … n−1, unpredictable. No rate is in force before `apply`. */
  constructor(memory: SharedArrayBuffer, random: (bound: number) => number) {
    const head = new Int32Array(memory, 0, 2);
    this.#seed = head[0]!;
    this.#tagSeed = head[1]!;
    const table = (index: number): Table => {
      const at = headBytes + index * (timesBytes + tagsBytes);
      return {
        times: new Float64Array(memory, at, entries),
        tags: new Int32Array(memory, at + timesBytes, entries),
      };
    };
    this.#clients = table(0);
    this.#networks = table(1);
    this.#random = random;
  }

  /** Puts limits in force. What clients owe stays. */
  apply(limits: PlanLimits): void {
    this.#slip = limits.slip;
    this.#clientGap = limits.perClient > 0 ? 1000 / limits.perClient : 0;
    this.#networkGap = limits.perNetwork > 0 ? 1000 / limits.perNetwork : 0;
    this.#mask4 = mask(limits.ipv4Bits, 0);
    this.#mask6High = mask(limits.ipv6Bits, 0);
    this.#mask6Low = mask(limits.ipv6Bits, 32);
    this.#exempt = new Acl(limits.exempt);
  }

  /** Whether any rate is in force; without one `check` need not be called. */
  get active(): boolean {
    return this.#clientGap > 0 || this.#networkGap > 0;
  }

  /**
   * Counts a query of the origin at `from` and says what is to be done with it (`rate`). What is beyond a rate is not counted:
   * a client that asks too much gets its rate. `now` in ms. TCP has rates of its own: who forges addresses over UDP uses up
   * nothing of those who prove theirs.
   */
  check(u8: Uint8Array, i32: Int32Array, from: number, tcp: boolean, now: number): number {
    let client = -1;
    let network = -1;
    let due = 0;
    let networkDue = 0;
    if (this.#clientGap > 0) {
      this.#hash(u8, i32, from, tcp, -1, -1, -1);
      client = find(this.#clients, this.#place, this.#tag);
      due = Math.max(this.#clients.times[client]!, now) + this.#clientGap;
      if (due > now + Math.max(burst, this.#clientGap) + slack) return this.#beyond(u8, from, tcp);
    }
    if (this.#networkGap > 0) {
      this.#hash(u8, i32, from, tcp, this.#mask4, this.#mask6High, this.#mask6Low);
      network = find(this.#networks, this.#place, this.#tag);
      networkDue = Math.max(this.#networks.times[network]!, now) + this.#networkGap;
      if (networkDue > now + Math.max(burst, this.#networkGap) + slack) return this.#beyond(u8, from, tcp);
      this.#networks.times[network] = networkDue;
    }
    if (client >= 0) this.#clients.times[client] = due;
    return rate.within;
  }

  #beyond(u8: Uint8Array, from: number, tcp: boolean): number {
    if (this.#exempt.allows(u8, from)) return rate.within;
    if (tcp) return rate.refuse;
    // At random, so that nobody can time the dropped ones for somebody else.
    return this.#slip > 0 && this.#random(this.#slip) === 0 ? rate.slip : rate.drop;
  }

  /**
   * Hashes the bits of the address that are masked: of IPv6 the upper 64, since a host has all of the lower ones to choose
   * from; except under link-local ones, which all share the upper.
   */
  #hash(
    u8: Uint8Array,
    i32: Int32Array,
    from: number,
    tcp: boolean,
    mask4: number,
    high: number,
    low: number,
  ): void {
    let place = mix(this.#seed, tcp ? 1 : 0);
    let tag = mix(this.#tagSeed, tcp ? 1 : 0);
    if (u8[from] === familyOf.inet) {
      const word = i32[(from + origin.address4) >> 2]! & mask4;
      place = mix(place, word);
      tag = mix(tag, word);
    } else {
      const at = (from + origin.address6) >> 2;
      place = mix(mix(place ^ 6, i32[at]! & high), i32[at + 1]! & low);
      tag = mix(mix(tag ^ 6, i32[at]! & high), i32[at + 1]! & low);
      const first = from + origin.address6;
      if (u8[first] === 0xfe && (u8[first + 1]! & 0xc0) === 0x80) {
        place = mix(mix(place, i32[at + 2]!), i32[at + 3]!);
        tag = mix(mix(tag, i32[at + 2]!), i32[at + 3]!);
      }
    }
    this.#place = (place >>> setShift) * ways;
    this.#tag = tag | 1;
  }
}

/** The entry with `tag` in the set at `place`; the one with the least debt is given to a newcomer. */
function find({ times, tags }: Table, place: number, tag: number): number {
  let least = place;
  for (let i = place; i < place + ways; i++) {
    if (tags[i] === tag) return i;
    if (times[i]! < times[least]!) least = i;
  }
  tags[least] = tag;
  times[least] = 0;
  return least;
}

/** The word of a mask of `bits` ones that begins at bit `first`, as it lies in memory. */
function mask(bits: number, first: number): number {
  const bytes = Uint8Array.from(
    { length: 4 },
    (_, i) => (0xff00 >> Math.min(8, Math.max(0, bits - first - 8 * i))) & 0xff,
  );
  return new Int32Array(bytes.buffer)[0]!;
}
