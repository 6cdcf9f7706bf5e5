/**
 * Domain names. Two forms: wire (length-prefixed labels, ended by the root label, never compressed) and presentation
 * (absolute, with its final dot, special octets escaped as RFC 1035 section 5.1 says). Case is kept as it came.
 */

import { WireError } from './error.ts';

/** Most octets of a name on the wire, root label included (RFC 1035 section 2.3.4). */
export const maxName = 255;
/** Most octets of a label (RFC 1035 section 2.3.4). */
export const maxLabel = 63;

/** Most pointers in a name: as many as it can have labels. Chains of pointers alone would cost time for nothing. */
const maxJumps = 127;

const dot = 0x2e;
const backslash = 0x5c;

/** Text of each octet inside a label, as BIND prints it, so that texts compare equal. */
const labelText: readonly string[] = Array.from({ length: 256 }, (_, octet) => {
  const char = String.fromCharCode(octet);
  if ('".;\\()@$'.includes(char)) return `\\${char}`;
  return octet > 0x20 && octet < 0x7f ? char : `\\${String(octet).padStart(3, '0')}`;
});

/** A name being gathered, ended by the root label. One is enough: gathering never nests. */
const scratch = new Uint8Array(maxName);

/**
 * Presentation to wire. A name without final dot is completed by `origin` (wire form; default the root). "." is the
 * root, "@" the origin. `at` is added to the offset of errors.
 * @throws WireError TEXT for syntax, NAME for limits.
 */
export function parseName(text: string, origin?: Uint8Array, at = 0): Uint8Array {
  if (text === '.') return Uint8Array.of(0);
  if (text === '@') return new Uint8Array(origin ?? rootWire);
  if (text === '') throw new WireError('TEXT', at, 'a name is empty');
  let start = 0;
  let length = 0;
  let absolute = false;
  const closeLabel = (i: number) => {
    if (length === 0) throw new WireError('NAME', at + i, `the name "${text}" has an empty label`);
    if (length > maxLabel) throw new WireError('NAME', at + i, `a label has more than ${maxLabel} octets`);
    scratch[start] = length;
    start += length + 1;
    length = 0;
  };
  for (let i = 0; i < text.length; i++) {
    let octet = text.charCodeAt(i);
    if (octet === dot) {
      closeLabel(i);
      absolute = i === text.length - 1;
      continue;
    }
    const from = i;
    let numbered = false;
    if (octet === backslash) {
      octet = escapedOctet(text, i + 1, at);
      numbered = isDigit(text.charCodeAt(i + 1));
      i += numbered ? 3 : 1;
    }
    if (octet > 0x7f && !numbered) {
      throw new WireError(
        'TEXT',
        at + from,
        `the name "${text}" has a character beyond ASCII: write it as xn-- or \\DDD`,
      );
    }
    length++;
    if (start + length >= maxName)
      throw new WireError('NAME', at + from, `a name has more than ${maxName} octets`);
    scratch[start + length] = octet;
  }
  if (!absolute) closeLabel(text.length);
  const tail = absolute || !origin ? rootWire : origin;
  if (start + tail.length > maxName)
    throw new WireError('NAME', at, `a name has more than ${maxName} octets`);
  const wire = new Uint8Array(start + tail.length);
  wire.set(scratch.subarray(0, start));
  wire.set(tail, start);
  return wire;
}

const rootWire = Uint8Array.of(0);

/** The octet that the escape at `i`, after a backslash, means: `\DDD` or `\X` (RFC 1035 section 5.1). */
export function escapedOctet(text: string, i: number, at = 0): number {
  const first = text.charCodeAt(i);
  if (Number.isNaN(first)) throw new WireError('TEXT', at + i, 'a backslash escapes nothing');
  if (!isDigit(first)) return first;
  const digits = text.slice(i, i + 3);
  if (!/^\d{3}$/.test(digits) || Number(digits) > 255) {
    throw new WireError('TEXT', at + i, `the escape "\\${digits}" is not \\000 to \\255`);
  }
  return Number(digits);
}

/** Whether a character code is that of 0 to 9. */
export function isDigit(code: number): boolean {
  return code >= 0x30 && code <= 0x39;
}

/**
 * Wire to presentation. The name starts at `at`; compression pointers are followed within `bytes`.
 * @throws WireError as `readName`.
 */
export function formatName(bytes: Uint8Array, at = 0): string {
  readName(bytes, at, bytes.length, true, 0);
  return formatScratch();
}

/** As `formatName` for a place inside a message, and where the name ends in the record it stands in. */
export function readNameText(
  bytes: Uint8Array,
  at: number,
  end: number,
  pointers: boolean,
  lowest: number,
): { name: string; next: number } {
  const next = readName(bytes, at, end, pointers, lowest);
  return { name: formatScratch(), next };
}

/** The offset just after the name at `at`. @throws WireError as `readName`. */
export function skipName(bytes: Uint8Array, at: number, end = bytes.length): number {
  return readName(bytes, at, end, true, 0);
}

/** The name at `at`, uncompressed. @throws WireError as `readName`. */
export function copyName(bytes: Uint8Array, at = 0, end = bytes.length): Uint8Array {
  readName(bytes, at, end, true, 0);
  let length = 0;
  while (scratch[length] !== 0) length += scratch[length]! + 1;
  return scratch.slice(0, length + 1);
}

function formatScratch(): string {
  if (scratch[0] === 0) return '.';
  let text = '';
  for (let i = 0; scratch[i] !== 0; ) {
    const end = i + scratch[i]! + 1;
    for (i++; i < end; i++) text += labelText[scratch[i]!];
    text += '.';
  }
  return text;
}

/**
 * Gathers the name at `at` into the scratch; gives the offset after it. A pointer (RFC 1035 section 4.1.4) must point
 * before the run of labels it ends and not below `lowest`, so each jump goes backwards and reading ends (RFC 9267
 * section 2). Labels before the first pointer end by `end`.
 * @throws WireError TRUNCATED, NAME, POINTER or, where `pointers` is false, COMPRESSED.
 */
function readName(bytes: Uint8Array, at: number, end: number, pointers: boolean, lowest: number): number {
  let next = -1;
  let run = at;
  let bound = end;
  let used = 0;
  let jumps = 0;
  for (;;) {
    if (at >= bound) throw new WireError('TRUNCATED', at, 'a name runs past its end');
    const length = bytes[at]!;
    if (length >= 0xc0) {
      if (at + 1 >= bound) throw new WireError('TRUNCATED', at, 'a compression pointer is cut off');
      if (!pointers) throw new WireError('COMPRESSED', at, 'a compression pointer where none may be');
      const target = ((length & 0x3f) << 8) | bytes[at + 1]!;
      if (target >= run || target < lowest) {
        throw new WireError(
          'POINTER',
          at,
          `a compression pointer to ${target} does not point backwards to a name`,
        );
      }
      if (++jumps > maxJumps) throw new WireError('POINTER', at, `a name has more than ${maxJumps} pointers`);
      if (next < 0) next = at + 2;
      run = at = target;
      bound = bytes.length;
      continue;
    }
    if (length > maxLabel)
      throw new WireError('NAME', at, `the label kind 0x${length.toString(16)} is not known`);
    if (used + length + 1 > (length === 0 ? maxName : maxName - 1)) {
      throw new WireError('NAME', at, `a name has more than ${maxName} octets`);
    }
    if (at + 1 + length > bound) throw new WireError('TRUNCATED', at, 'a label runs past its end');
    for (let i = 0; i <= length; i++) scratch[used++] = bytes[at + i]!;
    at += length + 1;
    if (length === 0) return next < 0 ? at : next;
  }
}

/** Lower case for A to Z only (RFC 4343), of a wire name (a copy) or of a presentation name in `formatName`'s form. */
export function lowerName(name: string): string;
export function lowerName(name: Uint8Array): Uint8Array;
export function lowerName(name: string | Uint8Array): string | Uint8Array {
  if (typeof name === 'string') return name.replace(/[A-Z]+/g, part => part.toLowerCase());
  // Length octets are at most 63, below 'A'.
  return name.map(octet => (octet >= 0x41 && octet <= 0x5a ? octet + 0x20 : octet));
}

/** The labels of a wire name from left to right, without the root. */
export function labelsOf(wire: Uint8Array): Uint8Array[] {
  const labels: Uint8Array[] = [];
  for (let at = 0; at < wire.length && wire[at] !== 0; at += wire[at]! + 1) {
    labels.push(wire.subarray(at + 1, at + 1 + wire[at]!));
  }
  return labels;
}

/** Canonical order (RFC 4034 section 6.1): below 0, 0 or above 0. Case does not count. */
export function compareNames(a: string | Uint8Array, b: string | Uint8Array): number {
  const left = labelsOf(lowerName(typeof a === 'string' ? parseName(a) : a)).reverse();
  const right = labelsOf(lowerName(typeof b === 'string' ? parseName(b) : b)).reverse();
  for (let i = 0; i < Math.min(left.length, right.length); i++) {
    const order = compareOctets(left[i]!, right[i]!);
    if (order !== 0) return order;
  }
  return left.length - right.length;
}

function compareOctets(a: Uint8Array, b: Uint8Array): number {
  for (let i = 0; i < Math.min(a.length, b.length); i++) {
    if (a[i] !== b[i]) return a[i]! - b[i]!;
  }
  return a.length - b.length;
}

/** Whether two names are the same, letter case aside. */
export function sameName(a: string | Uint8Array, b: string | Uint8Array): boolean {
  return compareNames(a, b) === 0;
}

/** Whether `name` is `suffix` or stands below it, letter case aside. */
export function isWithin(name: string | Uint8Array, suffix: string | Uint8Array): boolean {
  const labels = labelsOf(lowerName(typeof name === 'string' ? parseName(name) : name));
  const ends = labelsOf(lowerName(typeof suffix === 'string' ? parseName(suffix) : suffix));
  const from = labels.length - ends.length;
  return from >= 0 && ends.every((label, i) => compareOctets(label, labels[from + i]!) === 0);
}
