/** Writes what the front itself has to say, byte by byte into the arena. Lengths are returned; nothing is allocated. */
import { keyFlag } from '#wire/scan.ts';

export const rcode = {
  noerror: 0,
  formerr: 1,
  servfail: 2,
  nxdomain: 3,
  notimp: 4,
  refused: 5,
  badvers: 16,
} as const;
/** Extended DNS errors that the front gives (RFC 8914 4). −1: none. */
export const extendedError = {
  none: -1,
  other: 0,
  stale: 3,
  cachedError: 13,
  prohibited: 18,
  staleNxdomain: 19,
  noReachableAuthority: 22,
  networkError: 23,
} as const;

const optionNsid = 3;
const optionEcs = 8;
const optionEde = 15;

function put16(u8: Uint8Array, at: number, value: number): void {
  u8[at] = value >> 8;
  u8[at + 1] = value;
}

/** Copies within the arena; by words where both places allow it. May write up to 3 bytes more than `length`. */
export function copy(u8: Uint8Array, i32: Int32Array, from: number, to: number, length: number): void {
  if (length > 512) {
    u8.copyWithin(to, from, from + length);
  } else if (((from | to) & 3) === 0) {
    const source = from >> 2;
    const target = to >> 2;
    for (let i = (length + 3) >> 2; i-- > 0; ) i32[target + i] = i32[source + i]!;
  } else {
    for (let i = 0; i < length; i++) u8[to + i] = u8[from + i]!;
  }
}

/**
 * Writes a query as Chorus asks it: header, question, and an OPT where the client had one (RFC 6891), with the client's
 * subnet if it gave one. Gives its length.
 */
export function composeQuery(
  u8: Uint8Array,
  to: number,
  id: number,
  flags: number,
  nameAt: number,
  nameLength: number,
  type: number,
  klass: number,
  udpSize: number,
  ecsAt: number,
  ecsLength: number,
): number {
  put16(u8, to, id);
  u8[to + 2] = flags & keyFlag.rd;
  u8[to + 3] = ((flags & keyFlag.cd) << 3) | ((flags & keyFlag.ad) << 3);
  put16(u8, to + 4, 1);
  put16(u8, to + 6, 0);
  put16(u8, to + 8, 0);
  put16(u8, to + 10, flags & keyFlag.edns ? 1 : 0);
  let p = to + 12;
  for (let i = 0; i < nameLength; i++) u8[p + i] = u8[nameAt + i]!;
  p += nameLength;
  put16(u8, p, type);
  put16(u8, p + 2, klass);
  p += 4;
  if (flags & keyFlag.edns) {
    p = putOpt(u8, p, udpSize, 0, (flags & keyFlag.dnssecOk) !== 0);
    if (ecsLength > 0) {
      put16(u8, p - 2, ecsLength + 4);
      put16(u8, p, optionEcs);
      put16(u8, p + 2, ecsLength);
      for (let i = 0; i < ecsLength; i++) u8[p + 4 + i] = u8[ecsAt + i]!;
      p += 4 + ecsLength;
    }
  }
  return p - to;
}

/** Writes an OPT record without options; gives the place after it. */
function putOpt(
  u8: Uint8Array,
  p: number,
  udpSize: number,
  extendedRcode: number,
  dnssecOk: boolean,
): number {
  u8[p] = 0;
  put16(u8, p + 1, 41);
  put16(u8, p + 3, udpSize);
  u8[p + 5] = extendedRcode;
  u8[p + 6] = 0;
  put16(u8, p + 7, dnssecOk ? 0x8000 : 0);
  put16(u8, p + 9, 0);
  return p + 11;
}

/**
 * Writes an answer without records: for failures and refusals. `flags` are key flags; `opcode` is the query's. With EDNS it
 * carries the extended error `ede` (−1: none). Without a name the question is left out. Gives its length.
 */
export function composeEmpty(
  u8: Uint8Array,
  to: number,
  id: number,
  opcode: number,
  flags: number,
  code: number,
  nameAt: number,
  nameLength: number,
  type: number,
  klass: number,
  udpSize: number,
  ede: number,
): number {
  put16(u8, to, id);
  u8[to + 2] = 0x80 | (opcode << 3) | (flags & keyFlag.rd);
  // RA: recursion is what stands behind us, whether or not it works now.
  u8[to + 3] = 0x80 | ((flags & keyFlag.cd) << 3) | (code & 15);
  put16(u8, to + 4, nameLength > 0 ? 1 : 0);
  put16(u8, to + 6, 0);
  put16(u8, to + 8, 0);
  put16(u8, to + 10, flags & keyFlag.edns ? 1 : 0);
  let p = to + 12;
  if (nameLength > 0) {
    for (let i = 0; i < nameLength; i++) u8[p + i] = u8[nameAt + i]!;
    p += nameLength;
    put16(u8, p, type);
    put16(u8, p + 2, klass);
    p += 4;
  }
  if (flags & keyFlag.edns) {
    p = putOpt(u8, p, udpSize, code >> 4, (flags & keyFlag.dnssecOk) !== 0);
    if (ede >= 0) {
      put16(u8, p - 2, 6);
      put16(u8, p, optionEde);
      put16(u8, p + 2, 2);
      put16(u8, p + 4, ede);
      p += 6;
    }
  }
  return p - to;
}

/** Appends a TXT record with one string, owned by the question's name, to an answer of `length` bytes without records. */
export function appendText(
  u8: Uint8Array,
  to: number,
  length: number,
  text: Uint8Array,
  klass: number,
): number {
  const p = to + length;
  put16(u8, p, 0xc00c);
  put16(u8, p + 2, 16);
  put16(u8, p + 4, klass);
  put16(u8, p + 6, 0);
  put16(u8, p + 8, 0);
  put16(u8, p + 10, text.length + 1);
  u8[p + 12] = text.length;
  for (let i = 0; i < text.length; i++) u8[p + 13 + i] = text[i]!;
  put16(u8, to + 6, 1);
  return length + 13 + text.length;
}

/** Appends an OPT record, with the client's DO bit, and counts it. Gives the new length. */
export function appendOpt(
  u8: Uint8Array,
  to: number,
  length: number,
  udpSize: number,
  flags: number,
): number {
  put16(u8, to + 10, ((u8[to + 10]! << 8) | u8[to + 11]!) + 1);
  return putOpt(u8, to + length, udpSize, 0, (flags & keyFlag.dnssecOk) !== 0) - to;
}

/** Appends NSID (RFC 5001) to the OPT at `opt` (offset in the message), if the OPT is last; gives the new length. */
export function appendNsid(
  u8: Uint8Array,
  to: number,
  length: number,
  opt: number,
  identity: Uint8Array,
): number {
  const p = growOpt(u8, to, length, opt, optionNsid, identity.length);
  if (p === 0) return length;
  for (let i = 0; i < identity.length; i++) u8[p + i] = identity[i]!;
  return length + 4 + identity.length;
}

/** Appends an extended error (RFC 8914) to the OPT at `opt` (offset in the message), if the OPT is last; gives the new length. */
export function appendExtendedError(
  u8: Uint8Array,
  to: number,
  length: number,
  opt: number,
  code: number,
): number {
  const p = growOpt(u8, to, length, opt, optionEde, 2);
  if (p === 0) return length;
  put16(u8, p, code);
  return length + 6;
}

/** Adds an option of `size` bytes to the OPT; gives the place of its data, 0 when the OPT is not last. */
function growOpt(
  u8: Uint8Array,
  to: number,
  length: number,
  opt: number,
  option: number,
  size: number,
): number {
  const before = (u8[to + opt + 9]! << 8) | u8[to + opt + 10]!;
  if (opt + 11 + before !== length) return 0;
  put16(u8, to + opt + 9, before + 4 + size);
  put16(u8, to + length, option);
  put16(u8, to + length + 2, size);
  return to + length + 4;
}

/** The first extended error in the OPT record from `opt` to `end` (RFC 8914 2); −1 when there is none. */
export function readExtendedError(u8: Uint8Array, opt: number, end: number): number {
  for (let p = opt + 11; p + 4 <= end; ) {
    const option = (u8[p]! << 8) | u8[p + 1]!;
    const size = (u8[p + 2]! << 8) | u8[p + 3]!;
    p += 4;
    if (option === optionEde && size >= 2 && p + size <= end) return (u8[p]! << 8) | u8[p + 1]!;
    p += size;
  }
  return -1;
}

/**
 * Cuts an answer down to its question and OPT (offset in the message; 0: none), with TC set (RFC 2181 9). The OPT loses its
 * options when it has many. Gives the new length.
 */
export function truncate(u8: Uint8Array, to: number, nameLength: number, opt: number): number {
  u8[to + 2] = u8[to + 2]! | 2;
  put16(u8, to + 6, 0);
  put16(u8, to + 8, 0);
  put16(u8, to + 10, opt > 0 ? 1 : 0);
  const end = to + 12 + (nameLength > 0 ? nameLength + 4 : 0);
  if (opt === 0) return end - to;
  let size = 11 + ((u8[to + opt + 9]! << 8) | u8[to + opt + 10]!);
  if (size > 128) {
    size = 11;
    put16(u8, to + opt + 9, 0);
  }
  for (let i = 0; i < size; i++) u8[end + i] = u8[to + opt + i]!;
  return end - to + size;
}
