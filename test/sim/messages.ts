/** The farm's messages, byte by byte: queries of clients, answers of backends, and what a client makes of a reply. */

import { outcome } from './backends.ts';
import type { Chance } from './chance.ts';
import { type Names, nameBytes, nameKind, readName, writeName } from './names.ts';

/** What a client's query has besides its name. */
export const queryFlag = {
  edns: 1,
  cd: 2,
  dnssecOk: 4,
  ad: 8,
  /** An UPDATE (RFC 2136): not ours to read, never to be repeated. */
  update: 16,
} as const;

/** A, AAAA and TXT: names have the first two. */
export const queryTypes = [1, 28, 16] as const;
/** Longest query that clients here write. */
export const longestQuery = 12 + nameBytes + 4 + 11;
const clientUdpSize = 1232;
const largeRecords = 100;
const questionEnd = 12 + nameBytes + 4;

function put16(u8: Uint8Array, at: number, value: number): void {
  u8[at] = value >> 8;
  u8[at + 1] = value;
}
function put32(u8: Uint8Array, at: number, value: number): void {
  put16(u8, at, value >>> 16);
  put16(u8, at + 2, value & 0xffff);
}

/** Writes a client's query at `at`; gives its length. `type` is an index of queryTypes. */
export function writeQuery(
  u8: Uint8Array,
  at: number,
  id: number,
  name: number,
  letters: number,
  type: number,
  flags: number,
): number {
  put16(u8, at, id);
  u8[at + 2] = (flags & queryFlag.update) !== 0 ? 5 << 3 : 1;
  u8[at + 3] = ((flags & queryFlag.cd) !== 0 ? 0x10 : 0) | ((flags & queryFlag.ad) !== 0 ? 0x20 : 0);
  put16(u8, at + 4, 1);
  put32(u8, at + 6, 0);
  put16(u8, at + 10, flags & queryFlag.edns);
  let p = at + 12 + writeName(u8, at + 12, name, letters);
  put16(u8, p, queryTypes[type]!);
  put16(u8, p + 2, 1);
  p += 4;
  if ((flags & queryFlag.edns) !== 0) p = putOpt(u8, p, (flags & queryFlag.dnssecOk) !== 0, -1);
  return p - at;
}

function putOpt(u8: Uint8Array, p: number, dnssecOk: boolean, ede: number): number {
  u8[p] = 0;
  put16(u8, p + 1, 41);
  put16(u8, p + 3, clientUdpSize);
  put16(u8, p + 5, 0);
  put16(u8, p + 7, dnssecOk ? 0x8000 : 0);
  put16(u8, p + 9, ede < 0 ? 0 : 6);
  if (ede < 0) return p + 11;
  put16(u8, p + 11, 15);
  put16(u8, p + 13, 2);
  put16(u8, p + 15, ede);
  return p + 17;
}

/** Whether the query at `at` has an OPT: nothing else is ever in its additional section here. */
export function hasEdns(u8: Uint8Array, at: number): boolean {
  return u8[at + 11] === 1;
}
export function hasCd(u8: Uint8Array, at: number): boolean {
  return (u8[at + 3]! & 0x10) !== 0;
}
/** Index into queryTypes of the question of `nameLength` bytes at `at`. */
export function typeIndex(u8: Uint8Array, at: number): number {
  const type = (u8[at + 12 + nameBytes]! << 8) | u8[at + 13 + nameBytes]!;
  return type === 1 ? 0 : type === 28 ? 1 : 2;
}

/** TTL of a name's records, s. */
function ttlOf(names: Names, name: number): number {
  return 1 + Math.floor(names.roll(name, 3) ** 2 * 300);
}

/**
 * Writes at `to` what a backend answers to the query of `length` bytes at `at` in `queries`: `what` is of `outcome`. Gives
 * its length.
 */
export function writeAnswer(
  u8: Uint8Array,
  to: number,
  queries: Uint8Array,
  at: number,
  length: number,
  what: number,
  names: Names,
  chance: Chance,
): number {
  const name = readName(queries, at + 12);
  // Of a question that is not one of ours (a probe's), all but the header is given back.
  const end = name < 0 ? length : questionEnd;
  for (let i = 0; i < end; i++) u8[to + i] = queries[at + i]!;
  u8[to + 2] = u8[to + 2]! | 0x80;
  u8[to + 3] = (u8[to + 3]! & 0x10) | 0x80;
  put16(u8, to + 10, 0);
  const edns = hasEdns(queries, at);
  const dnssecOk = edns && name >= 0 && (queries[at + questionEnd + 7]! & 0x80) !== 0;
  let ede = -1;
  let p = to + end;
  switch (what) {
    case outcome.servfail:
      setRcode(u8, to, 2);
      break;
    case outcome.bogus:
      setRcode(u8, to, 2);
      ede = 6;
      break;
    case outcome.refused:
      setRcode(u8, to, 5);
      break;
    case outcome.formerr:
      // An old server does not know the OPT, and gives none back (RFC 6891 7).
      setRcode(u8, to, 1);
      return p - to;
    case outcome.lie:
      setRcode(u8, to, 3);
      p = name < 0 ? p : putSoa(u8, to, p);
      break;
    case outcome.truncated:
      u8[to + 2] = u8[to + 2]! | 2;
      break;
    case outcome.garbage:
      return putGarbage(u8, to, end, chance);
    case outcome.wrongQuestion:
      if (name >= 0) writeName(u8, to + 12, name ^ 1, 0);
      else u8[to + 13] = u8[to + 13]! ^ 1;
      p = putTruth(u8, to, p, name ^ 1, names);
      break;
    default:
      p = putTruth(u8, to, p, name, names);
  }
  if (what === outcome.wrongId) put16(u8, to, chance.below(65_536));
  if (edns && name >= 0) {
    put16(u8, to + 10, 1);
    p = putOpt(u8, p, dnssecOk, ede);
  }
  return what === outcome.cut ? chance.below(p - to) : p - to;
}

function setRcode(u8: Uint8Array, to: number, code: number): void {
  u8[to + 3] = (u8[to + 3]! & 0xf0) | code;
}

/** Noise behind the right id: all of it, or with the right question before it. */
function putGarbage(u8: Uint8Array, to: number, end: number, chance: Chance): number {
  const from = chance.happens(0.5) ? 2 : end;
  const length = end + chance.below(80);
  for (let i = from; i < length; i++) u8[to + i] = chance.word();
  if (from === end) put16(u8, to + 6, 1 + chance.below(4));
  u8[to + 2] = u8[to + 2]! | 0x80;
  return length;
}

/** The SOA of `sim.` in the authority section. */
function putSoa(u8: Uint8Array, to: number, p: number): number {
  put16(u8, to + 8, 1);
  // "sim" in the question's name.
  put16(u8, p, 0xc000 | (12 + nameBytes - 5));
  put16(u8, p + 2, 6);
  put16(u8, p + 4, 1);
  put32(u8, p + 6, 60);
  put16(u8, p + 10, 22);
  for (let i = 12; i < 34; i++) u8[p + i] = 0;
  u8[p + 33] = 30;
  return p + 34;
}

/** What is true of a name: answers, or their absence. */
function putTruth(u8: Uint8Array, to: number, p: number, name: number, names: Names): number {
  if (name < 0) return p;
  const kind = names.kindOf(name);
  const type = typeIndex(u8, to);
  if (kind === nameKind.nxdomain) {
    setRcode(u8, to, 3);
    return putSoa(u8, to, p);
  }
  if (kind === nameKind.nodata || type > 1) return putSoa(u8, to, p);
  const count = kind === nameKind.large ? largeRecords : 1;
  put16(u8, to + 6, count);
  const size = type === 0 ? 4 : 16;
  const ttl = ttlOf(names, name);
  for (let i = 0; i < count; i++) {
    put16(u8, p, 0xc00c);
    put16(u8, p + 2, queryTypes[type]!);
    put16(u8, p + 4, 1);
    put32(u8, p + 6, ttl);
    put16(u8, p + 10, size);
    for (let j = 12; j < 12 + size - 4; j++) u8[p + j] = 0;
    put32(u8, p + 8 + size, name);
    p += 12 + size;
  }
  return p;
}

/** What a client makes of a reply. */
export const reading = {
  /** What is true of the name. */
  right: 0,
  /** Not an answer to this question: never to be seen. */
  wrong: 1,
  servfail: 2,
  refused: 3,
  formerr: 4,
  otherFailure: 5,
  /** NXDOMAIN for a name that exists. */
  lie: 6,
  truncated: 7,
} as const;
export const readings = Object.keys(reading);

/** The last reply's extended error (−1: none), and TTL (−1: no record). */
export const seen = { ede: -1, ttl: -1 };

/** Reads the reply of `length` bytes at `at` to the query that `writeQuery` wrote with these values; sets `seen`. */
export function readReply(
  u8: Uint8Array,
  at: number,
  length: number,
  id: number,
  name: number,
  letters: number,
  type: number,
  flags: number,
  names: Names,
): number {
  seen.ede = -1;
  seen.ttl = -1;
  if (length < questionEnd || ((u8[at]! << 8) | u8[at + 1]!) !== id) return reading.wrong;
  const opcode = (flags & queryFlag.update) !== 0 ? 5 : 0;
  if ((u8[at + 2]! & 0x80) === 0 || ((u8[at + 2]! >> 3) & 15) !== opcode) return reading.wrong;
  writeName(scratch, 0, name, letters);
  for (let i = 0; i < nameBytes; i++) if (u8[at + 12 + i] !== scratch[i]) return reading.wrong;
  if (typeIndex(u8, at) !== type) return reading.wrong;
  if (u8[at + 11] === 1 && (flags & queryFlag.edns) === 0) return reading.wrong;
  seen.ede = edeOf(u8, at, length);
  const rcode = u8[at + 3]! & 15;
  const answers = (u8[at + 6]! << 8) | u8[at + 7]!;
  if (rcode === 2) return reading.servfail;
  if (rcode === 5) return reading.refused;
  if (rcode === 1) return reading.formerr;
  if (opcode !== 0) return rcode === 0 ? reading.right : reading.otherFailure;
  if ((u8[at + 2]! & 2) !== 0) return reading.truncated;
  const kind = names.kindOf(name);
  if (rcode === 3) return kind === nameKind.nxdomain ? reading.right : reading.lie;
  if (rcode !== 0) return reading.otherFailure;
  if (kind === nameKind.nxdomain) return reading.wrong;
  if (kind === nameKind.nodata || type > 1) return answers === 0 ? reading.right : reading.wrong;
  const size = type === 0 ? 4 : 16;
  const record = at + questionEnd;
  if (answers === 0 || record + 12 + size > at + length) return reading.wrong;
  const data = record + 12 + size - 4;
  const told = (u8[data]! << 24) | (u8[data + 1]! << 16) | (u8[data + 2]! << 8) | u8[data + 3]!;
  seen.ttl = (u8[record + 6]! << 24) | (u8[record + 7]! << 16) | (u8[record + 8]! << 8) | u8[record + 9]!;
  return told === name ? reading.right : reading.wrong;
}
const scratch = new Uint8Array(nameBytes);

/** The extended error in the OPT that ends the reply; −1: none. */
function edeOf(u8: Uint8Array, at: number, length: number): number {
  const p = at + length - 6;
  const known =
    u8[at + 11] === 1 && length >= questionEnd + 17 && u8[p] === 0 && u8[p + 1] === 15 && u8[p + 3] === 2;
  return known ? (u8[p + 4]! << 8) | u8[p + 5]! : -1;
}
