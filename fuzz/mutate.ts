import type { Random } from './random.ts';

/** Octets that mean something in a message: lengths, pointers, limits. */
const special = [0, 1, 0x3f, 0x40, 0x7f, 0x80, 0xc0, 0xc1, 0xff, 12, 41];

/** Longest input made. */
const limit = 4096;

/** One to five changes to a copy of `input`; `others` lend their parts, `words` are put in. */
export function mutate(
  random: Random,
  input: Uint8Array,
  others: readonly Uint8Array[],
  words: readonly Uint8Array[],
): Uint8Array {
  let bytes: number[] = [...input];
  for (let changes = 1 + random.below(5); changes > 0; changes--) {
    const at = random.below(bytes.length + 1);
    switch (random.below(10)) {
      case 0:
        bytes[Math.min(at, bytes.length - 1)] = random.below(256);
        break;
      case 1:
        bytes[Math.min(at, bytes.length - 1)] = random.pick(special);
        break;
      case 2:
        bytes[Math.min(at, bytes.length - 1)]! ^= 1 << random.below(8);
        break;
      case 3:
        bytes.splice(at, 1 + random.below(8));
        break;
      case 4:
        bytes.length = at;
        break;
      case 5:
        bytes.splice(at, 0, ...random.pick(words));
        break;
      case 6: {
        // A part of another input in place of what is here.
        const other = random.pick(others);
        const from = random.below(other.length + 1);
        bytes.splice(at, random.below(16), ...other.subarray(from, from + random.below(64)));
        break;
      }
      case 7:
        // A part once more.
        bytes.splice(at, 0, ...bytes.slice(random.below(bytes.length + 1)).slice(0, random.below(48)));
        break;
      case 8: {
        // A count or length a little off.
        const place = Math.min(at, bytes.length - 1);
        bytes[place] = (bytes[place]! + random.below(5) - 2) & 0xff;
        break;
      }
      default:
        // A pointer to anywhere near.
        bytes.splice(at, 2, 0xc0 | (random.below(16) === 0 ? random.below(64) : 0), random.below(256));
    }
    bytes = bytes.filter(octet => octet !== undefined && !Number.isNaN(octet));
  }
  return Uint8Array.from(bytes.slice(0, limit));
}
