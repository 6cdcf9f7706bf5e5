/**
 * The names that the farm's clients ask for. A name is a number; its number is in its letters and in its address, so an
 * answer can be told from the answer to another question. What kind of name it is follows from the number and the seed.
 *
 *     q0001f2a7.z0c.sim.   name 0x1f2a7, in zone 0x0c
 */

export const nameKind = {
  good: 0,
  /** Does not exist. */
  nxdomain: 1,
  /** Exists without the type that was asked for. */
  nodata: 2,
  /** Its signatures are wrong: SERVFAIL from every validating resolver, unless CD is set. */
  bogus: 3,
  /** The same, and the resolver says so (EDE 6, RFC 8914). */
  bogusTold: 4,
  /** Its authoritative servers take long. */
  slow: 5,
  /** They do not answer: SERVFAIL from every resolver, after long. */
  dead: 6,
  /** Too long for UDP. */
  large: 7,
} as const;

/** Share of each kind among all names; the rest is good. */
export type NameMix = Partial<Record<Exclude<keyof typeof nameKind, 'good'>, number>>;

/** Bytes of a name on the wire. */
export const nameBytes = 19;
/** Bound of name numbers. */
export const nameBound = 2 ** 24;
/** Names of a storm begin here; below are those of every day. */
export const stormNames = 2 ** 23;

const zones = 64;
const digits = new TextEncoder().encode('0123456789abcdef');
const template = new TextEncoder().encode('\x09q00000000\x03z00\x03sim\x00');

/** The zone of a name, 0 … 63. */
export function zoneOf(name: number): number {
  return name % zones;
}

/**
 * Writes name number `name` at `at`; bit i of `letters` makes letter i a capital, as resolvers do against forgery. Gives
 * the bytes written.
 */
export function writeName(u8: Uint8Array, at: number, name: number, letters: number): number {
  for (let i = 0; i < nameBytes; i++) u8[at + i] = template[i]!;
  for (let i = 0, rest = name; i < 8; i++, rest >>>= 4) u8[at + 9 - i] = digits[rest & 15]!;
  const zone = zoneOf(name);
  u8[at + 12] = digits[zone >> 4]!;
  u8[at + 13] = digits[zone & 15]!;
  if (letters !== 0) {
    for (let i = 1; i < nameBytes - 1; i++) {
      const byte = u8[at + i]!;
      if (byte >= 0x61 && byte <= 0x7a && (letters >>> i) & 1) u8[at + i] = byte - 32;
    }
  }
  return nameBytes;
}

/** The number of the name at `at`; −1 when no name of ours lies there. */
export function readName(u8: Uint8Array, at: number): number {
  if (u8[at] !== 9 || (u8[at + 1]! | 32) !== 0x71 || u8[at + 10] !== 3 || u8[at + 14] !== 3) return -1;
  let name = 0;
  for (let i = 2; i < 10; i++) {
    const byte = u8[at + i]! | 32;
    name = (name << 4) | (byte >= 0x61 ? byte - 0x57 : byte & 15);
  }
  return name;
}

/** Which names are of which kind. */
export class Names {
  readonly #seed: number;
  readonly #bounds = new Float64Array(8);

  constructor(mix: NameMix, seed: number) {
    this.#seed = seed | 0;
    let sum = 0;
    for (const [key, kind] of Object.entries(nameKind)) {
      if (key !== 'good') sum += mixShare(mix, key);
      this.#bounds[kind] = sum;
    }
  }

  /** Of nameKind. */
  kindOf(name: number): number {
    const mark = this.roll(name, 1);
    if (mark >= this.#bounds[7]!) return nameKind.good;
    let kind = 1;
    while (mark >= this.#bounds[kind]!) kind++;
    return kind;
  }

  /** A number in 0 ≤ x < 1 that belongs to the name; `about` tells several of them apart. */
  roll(name: number, about: number): number {
    let hash = Math.imul(name ^ this.#seed, 0x9e3779b1) ^ Math.imul(about, 0x85ebca6b);
    hash = Math.imul(hash ^ (hash >>> 15), 0xc2b2ae35);
    hash = Math.imul(hash ^ (hash >>> 13), 0x27d4eb2f);
    return ((hash ^ (hash >>> 16)) >>> 0) / 2 ** 32;
  }
}

function mixShare(mix: NameMix, key: string): number {
  for (const [name, share] of Object.entries(mix)) if (name === key) return share;
  return 0;
}
