/**
 * The zero-copy reader of the packet path: looks at a message where it lies, allocates nothing, throws nothing, reads
 * nothing outside the bounds given (RFC 9267). It tells the front what it needs to know and leaves the rest alone; the
 * full codec is message.ts.
 */
import { fold } from '#kit/fold.ts';

/** What is to be done with a packet that came to a listener. */
export const verdict = {
  /** No answer: shorter than a header, or itself an answer (RFC 1035 4.1.1), so that two servers never loop. */
  silence: 0,
  /** Not to be understood: answer FORMERR. */
  formerr: 1,
  /** EDNS version above 0: answer BADVERS (RFC 6891 6.1.3). */
  badvers: 2,
  /** One question, at most an OPT with options that we know: may be cached, joined and asked again in our words. */
  plain: 3,
  /** Anything else that has an owner behind us (other opcodes, TSIG, unknown options): passed on as it is. */
  pass: 4,
} as const;

/** What makes two questions alike besides name, type and class: one byte of the key. */
export const keyFlag = { rd: 1, cd: 2, ad: 4, dnssecOk: 8, edns: 16 } as const;

const typeOpt = 41;
const typeSoa = 6;
const optionNsid = 3;
const optionEcs = 8;
const optionCookie = 10;
const optionKeepalive = 11;
const optionPadding = 12;
const optionEde = 15;

/** The result of `scanQuery`, reused for each packet. Offsets count from the start of the memory. */
export class QueryScan {
  at = 0;
  length = 0;
  opcode = 0;
  type = 0;
  class = 0;
  /** Bytes of the name, its final zero included; 0 when there is no question. */
  nameLength = 0;
  /** The name has no capital letter. */
  lower = false;
  /** Seeded hash of all that is in the key, and the seeded hash of name, type and class alone it was made from. */
  hash = 0;
  keyFlags = 0;
  /** The client's UDP size from its OPT; 512 without one. */
  udpSize = 512;
  edns = false;
  nsid = false;
  /** Data of the client subnet option (RFC 7871): offset, and length or 0. */
  ecsAt = 0;
  ecsLength = 0;
}

/**
 * Reads a client's packet of `length` bytes at `at` into `out`; gives a verdict. `seed` makes hashes unpredictable to
 * those who choose names.
 */
export function scanQuery(u8: Uint8Array, at: number, length: number, seed: number, out: QueryScan): number {
  out.at = at;
  out.length = length;
  out.nameLength = 0;
  out.type = 0;
  out.class = 0;
  out.hash = seed;
  out.keyFlags = 0;
  out.udpSize = 512;
  out.edns = false;
  out.nsid = false;
  out.ecsLength = 0;
  if (length < 12) return verdict.silence;
  const flags = u8[at + 2]!;
  if (flags & 0x80) return verdict.silence;
  out.opcode = (flags >> 3) & 15;
  const questions = (u8[at + 4]! << 8) | u8[at + 5]!;
  const end = at + length;
  if (questions !== 1) return out.opcode === 0 ? verdict.formerr : verdict.pass;

  // The name. Compression cannot point anywhere in a first name (RFC 1035 4.1.4), so only labels are taken.
  let p = at + 12;
  let hash = seed;
  let capitals = 0;
  for (;;) {
    if (p >= end) return out.opcode === 0 ? verdict.formerr : verdict.pass;
    const label = u8[p]!;
    hash = Math.imul(hash ^ label, 0x9e3779b1);
    hash ^= hash >>> 15;
    p++;
    if (label === 0) break;
    const next = p + label;
    if (label > 63 || next >= end || next - (at + 12) >= 255) {
      return out.opcode === 0 ? verdict.formerr : verdict.pass;
    }
    for (; p < next; p++) {
      const byte = u8[p]!;
      const folded = fold[byte]!;
      capitals |= byte ^ folded;
      hash = Math.imul(hash ^ folded, 0x9e3779b1);
      hash ^= hash >>> 15;
    }
  }
  if (p + 4 > end) return out.opcode === 0 ? verdict.formerr : verdict.pass;
  out.nameLength = p - at - 12;
  out.lower = capitals === 0;
  out.type = (u8[p]! << 8) | u8[p + 1]!;
  out.class = (u8[p + 2]! << 8) | u8[p + 3]!;
  p += 4;
  if (out.opcode !== 0) return verdict.pass;

  const flags2 = u8[at + 3]!;
  let key = (flags & 1) | ((flags2 & 0x10) >> 3) | ((flags2 & 0x20) >> 3);
  out.keyFlags = key;
  // Anything but "no other record" and "one OPT" goes on untouched: TSIG, SIG(0), IXFR's SOA.
  const others = u8[at + 6]! | u8[at + 7]! | u8[at + 8]! | u8[at + 9]!;
  const additional = (u8[at + 10]! << 8) | u8[at + 11]!;
  if (others !== 0 || additional > 1) return passOrFormerr(u8, at, p, end);
  if (additional === 1) {
    if (p + 11 > end) return verdict.formerr;
    if (u8[p] !== 0 || u8[p + 1] !== 0 || u8[p + 2] !== typeOpt) return verdict.pass;
    const size = (u8[p + 3]! << 8) | u8[p + 4]!;
    const rdata = (u8[p + 9]! << 8) | u8[p + 10]!;
    if (p + 11 + rdata !== end) return verdict.formerr;
    out.edns = true;
    out.udpSize = size < 512 ? 512 : size;
    if (u8[p + 6] !== 0) return verdict.badvers;
    key |= keyFlag.edns;
    if (u8[p + 7]! & 0x80) key |= keyFlag.dnssecOk;
    out.keyFlags = key;
    p += 11;
    while (p < end) {
      if (p + 4 > end) return verdict.formerr;
      const option = (u8[p]! << 8) | u8[p + 1]!;
      const size = (u8[p + 2]! << 8) | u8[p + 3]!;
      p += 4;
      if (p + size > end) return verdict.formerr;
      if (option === optionEcs) {
        // Family, prefix lengths, at most 16 bytes of address (RFC 7871 6); a second one is an error.
        if (size < 4 || size > 20 || out.ecsLength !== 0) return verdict.formerr;
        out.ecsAt = p;
        out.ecsLength = size;
        for (let i = 0; i < size; i++) {
          hash = Math.imul(hash ^ u8[p + i]!, 0x9e3779b1);
          hash ^= hash >>> 15;
        }
      } else if (option === optionNsid) {
        out.nsid = true;
      } else if (
        // Hop by hop (RFC 6891 6.1.1), and nothing we must act upon.
        option !== optionCookie &&
        option !== optionPadding &&
        option !== optionKeepalive &&
        option !== optionEde
      ) {
        out.ecsLength = 0;
        out.nsid = false;
        return verdict.pass;
      }
      p += size;
    }
  } else if (p !== end) {
    return verdict.formerr;
  }
  hash = Math.imul(hash ^ ((out.type << 16) | out.class), 0x85ebca6b);
  hash ^= hash >>> 13;
  hash = Math.imul(hash ^ key, 0xc2b2ae35);
  out.hash = hash ^ (hash >>> 16);
  return verdict.plain;
}

/** A query with records beside one OPT is passed on if they are sound and have at most one OPT (RFC 6891 6.1.1). */
function passOrFormerr(u8: Uint8Array, at: number, p: number, end: number): number {
  let left = 0;
  for (let i = 6; i < 12; i += 2) left += (u8[at + i]! << 8) | u8[at + i + 1]!;
  let opts = 0;
  for (; left > 0; left--) {
    p = skipName(u8, at, p, end);
    if (p < 0 || p + 10 > end) return verdict.formerr;
    if (((u8[p]! << 8) | u8[p + 1]!) === typeOpt) opts++;
    p += 10 + ((u8[p + 8]! << 8) | u8[p + 9]!);
    if (p > end) return verdict.formerr;
  }
  return opts > 1 || p !== end ? verdict.formerr : verdict.pass;
}

/** Most records whose TTLs are noted; an answer with more is passed on but not cached. */
export const maxTtls = 256;

/** The result of `scanAnswer`, reused. Offsets `…At` in here count from the start of the message. */
export class AnswerScan {
  rcode = 0;
  truncated = false;
  answers = 0;
  /** Bytes of the question's name with its final zero; 0 when there is no question. */
  nameLength = 0;
  type = 0;
  class = 0;
  /** The OPT record: offset of its first byte and of what follows it; 0 when there is none. */
  optAt = 0;
  optEnd = 0;
  /** Places of the TTL fields of all records but OPT. */
  readonly ttls: Uint16Array = new Uint16Array(maxTtls);
  ttlCount = 0;
  /** Least TTL of these in seconds; Infinity without records. TTLs above 2^31−1 count as 0 (RFC 2181 8). */
  leastTtl = Infinity;
  /** An SOA stands in the authority section: min(its TTL, its minimum) (RFC 2308 5); −1 without one. */
  negativeTtl = -1;
  /** Records in the answer section of the type that was asked (any type for ANY). */
  matching = 0;
  /** All TTLs fit into `ttls`: fit to be cached. */
  regular = true;
}

/** The place after the name at `p`, −1 when it is bad: a pointer must go back, behind the header (RFC 1035 4.1.4). */
function skipName(u8: Uint8Array, at: number, p: number, end: number): number {
  const start = p - at;
  for (;;) {
    if (p >= end) return -1;
    const label = u8[p]!;
    if (label === 0) return p + 1;
    if (label >= 0xc0) {
      if (p + 2 > end) return -1;
      const target = ((label & 0x3f) << 8) | u8[p + 1]!;
      return target >= 12 && target < start ? p + 2 : -1;
    }
    if (label > 63) return -1;
    p += 1 + label;
  }
}

/**
 * Reads a backend's answer of `length` bytes at `at` into `out`; false when it is malformed: cut short, records that run
 * over the end, fewer records than counted, bytes left over, a second OPT or one out of place. RDATA is not looked into but for the SOA's minimum.
 */
export function scanAnswer(u8: Uint8Array, at: number, length: number, out: AnswerScan): boolean {
  out.ttlCount = 0;
  out.leastTtl = Infinity;
  out.negativeTtl = -1;
  out.matching = 0;
  out.optAt = 0;
  out.optEnd = 0;
  out.nameLength = 0;
  out.type = 0;
  out.class = 0;
  out.regular = true;
  if (length < 12) return false;
  const end = at + length;
  out.truncated = (u8[at + 2]! & 2) !== 0;
  out.rcode = u8[at + 3]! & 15;
  const questions = (u8[at + 4]! << 8) | u8[at + 5]!;
  const answers = (u8[at + 6]! << 8) | u8[at + 7]!;
  const authorities = (u8[at + 8]! << 8) | u8[at + 9]!;
  const additionals = (u8[at + 10]! << 8) | u8[at + 11]!;
  out.answers = answers;
  let p = at + 12;
  if (questions > 1) return false;
  if (questions === 1) {
    const start = p;
    for (;;) {
      if (p >= end) return false;
      const label = u8[p]!;
      if (label > 63) return false;
      p += 1 + label;
      if (label === 0) break;
    }
    if (p + 4 > end || p - start > 255) return false;
    out.nameLength = p - start;
    out.type = (u8[p]! << 8) | u8[p + 1]!;
    out.class = (u8[p + 2]! << 8) | u8[p + 3]!;
    p += 4;
  }
  const total = answers + authorities + additionals;
  for (let i = 0; i < total; i++) {
    const start = p;
    p = skipName(u8, at, p, end);
    if (p < 0 || p + 10 > end) return false;
    const type = (u8[p]! << 8) | u8[p + 1]!;
    const rdata = (u8[p + 8]! << 8) | u8[p + 9]!;
    const next = p + 10 + rdata;
    if (next > end) return false;
    if (type === typeOpt) {
      if (i < answers + authorities || out.optAt !== 0 || u8[start] !== 0) return false;
      out.optAt = start - at;
      out.optEnd = next - at;
      out.rcode = (u8[at + 3]! & 15) | (u8[p + 4]! << 4);
    } else {
      let ttl = ((u8[p + 4]! << 24) | (u8[p + 5]! << 16) | (u8[p + 6]! << 8) | u8[p + 7]!) >>> 0;
      if (ttl > 0x7fffffff) ttl = 0;
      if (ttl < out.leastTtl) out.leastTtl = ttl;
      if (out.ttlCount < maxTtls) out.ttls[out.ttlCount++] = p + 4 - at;
      else out.regular = false;
      if (i < answers) {
        if (type === out.type || out.type === 255) out.matching++;
      } else if (type === typeSoa && i < answers + authorities && rdata >= 22) {
        const minimum =
          ((u8[next - 4]! << 24) | (u8[next - 3]! << 16) | (u8[next - 2]! << 8) | u8[next - 1]!) >>> 0;
        out.negativeTtl = minimum < ttl ? minimum : ttl;
      }
    }
    p = next;
  }
  return p === end;
}
