/**
 * Finds the end of a zone transfer in the messages that pass by (RFC 5936 2.2, RFC 1995 4), without changing them. It
 * reads only names' lengths, types and SOA serials; what it does not understand it leaves to the idle timeout.
 */

const typeSoa = 6;
export const transferType = { ixfr: 251, axfr: 252 } as const;
const headerBytes = 12;

function u16(u8: Uint8Array, at: number): number {
  return (u8[at]! << 8) | u8[at + 1]!;
}

/** Where the name at `at` ends; −1 when it does not end before `end`. Pointers are not followed. */
function skipName(u8: Uint8Array, at: number, end: number): number {
  while (at < end) {
    const label = u8[at]!;
    if (label === 0) return at + 1;
    if (label >= 0xc0) return at + 2 <= end ? at + 2 : -1;
    if (label > 63) return -1;
    at += 1 + label;
  }
  return -1;
}

/** Where the questions of the message end; −1 when it is malformed. */
function skipQuestions(u8: Uint8Array, at: number, end: number): number {
  let position = at + headerBytes;
  for (let left = u16(u8, at + 4); left > 0 && position >= 0; left--) {
    const nameEnd = skipName(u8, position, end);
    position = nameEnd < 0 || nameEnd + 4 > end ? -1 : nameEnd + 4;
  }
  return position;
}

/** Serial of the SOA whose data lie at `at` … `end`; −1 when they are malformed. */
function serialOf(u8: Uint8Array, at: number, end: number): number {
  const mname = skipName(u8, at, end);
  const rname = mname < 0 ? -1 : skipName(u8, mname, end);
  if (rname < 0 || rname + 20 > end) return -1;
  return ((u16(u8, rname) << 16) | u16(u8, rname + 2)) >>> 0;
}

/**
 * The failure that answers a query which cannot be served: SERVFAIL, with the question if it can be read. Gives its
 * bytes, or null for what is no query.
 */
export function servfail(query: Uint8Array): Uint8Array | null {
  if (query.length < headerBytes) return null;
  const end = u16(query, 4) === 1 ? skipQuestions(query, 0, query.length) : -1;
  const answer = Uint8Array.from(query.subarray(0, end < 0 ? headerBytes : end));
  answer[2] = (query[2]! & 0x79) | 0x80;
  answer[3] = 2;
  answer.fill(0, 4, headerBytes);
  if (end >= 0) answer[5] = 1;
  return answer;
}

/** Follows one transfer. `query` is the query that began it. */
export class TransferEnd {
  readonly #incremental: boolean;
  /** The client's serial in an IXFR query; −1: not known. */
  readonly #held: number;
  /** Serial of the first SOA; −1 before it. */
  #serial = -1;
  #records = 0;
  /** An incremental answer, told by its second record being an SOA. */
  #differences = false;
  /** In the part of a difference that lists what was removed. */
  #removing = false;
  #lost = false;

  constructor(query: Uint8Array) {
    const end = query.length < headerBytes ? -1 : skipQuestions(query, 0, query.length);
    this.#incremental = end >= 0 && u16(query, end - 4) === transferType.ixfr;
    this.#held = -1;
    if (!this.#incremental || u16(query, 8) === 0) return;
    const nameEnd = skipName(query, end, query.length);
    if (nameEnd < 0 || nameEnd + 10 > query.length || u16(query, nameEnd) !== typeSoa) return;
    this.#held = serialOf(query, nameEnd + 10, query.length);
  }

  /** Whether the transfer is complete with the message of `length` bytes at `at`. */
  after(u8: Uint8Array, at: number, length: number): boolean {
    if (this.#lost) return false;
    const end = at + length;
    // A failure is one message; so is "ask me by AXFR or over TCP" without records.
    if (length < headerBytes || (u8[at + 3]! & 15) !== 0) return true;
    let position = skipQuestions(u8, at, end);
    const answers = u16(u8, at + 6);
    if (answers === 0 && this.#records === 0) return true;
    for (let left = answers; left > 0; left--) {
      const nameEnd = position < 0 ? -1 : skipName(u8, position, end);
      const data = nameEnd + 10;
      if (nameEnd < 0 || data > end || data + u16(u8, nameEnd + 8) > end) {
        this.#lost = true;
        return false;
      }
      position = data + u16(u8, nameEnd + 8);
      const serial = u16(u8, nameEnd) === typeSoa ? serialOf(u8, data, position) : -1;
      if (this.#record(serial)) return true;
    }
    // An IXFR answered by the SOA alone: the client is up to date (RFC 1995 4).
    return this.#incremental && this.#records === 1 && this.#serial === this.#held;
  }

  /** Takes one record: its serial if it is an SOA, else −1. Whether it is the last. */
  #record(serial: number): boolean {
    this.#records++;
    if (this.#records === 1) {
      this.#serial = serial;
      if (serial < 0) this.#lost = true;
      return false;
    }
    if (serial < 0) return false;
    if (this.#records === 2 && this.#incremental && serial !== this.#serial) {
      this.#differences = true;
      this.#removing = true;
      return false;
    }
    if (!this.#differences) return true;
    if (this.#removing) {
      this.#removing = false;
      return false;
    }
    if (serial === this.#serial) return true;
    this.#removing = true;
    return false;
  }
}
