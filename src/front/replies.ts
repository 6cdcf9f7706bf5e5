/** Answers to clients: what the front says itself, and the last touch to what backends and cache say. */
import { keyFlag, type QueryScan } from '#wire/scan.ts';
import {
  appendNsid,
  appendOpt,
  appendText,
  composeEmpty,
  extendedError,
  rcode,
  truncate,
} from './compose.ts';
import { frontCounters } from './counters.ts';
import type { Identity } from './identity.ts';
import type { Arena, Egress } from './ports.ts';

const count = frontCounters.at;
/** The limit of an answer over TCP: more than any UDP size that a client can name. */
export const unbounded = 65_536;
/** Kept free behind an answer for NSID: 4 bytes and an identity of at most 255. */
export const nsidRoom = 259;

export class Replies {
  /** EDNS size that is granted over UDP, in bytes. */
  udpSize = 1232;
  readonly #u8: Uint8Array;
  readonly #egress: Egress;
  readonly #counts: Float64Array;
  #identity: Identity;

  constructor(arena: Arena, egress: Egress, counts: Float64Array, identity: Identity) {
    this.#u8 = arena.u8;
    this.#egress = egress;
    this.#counts = counts;
    this.#identity = identity;
  }

  apply(udpSize: number, identity: Identity): void {
    this.udpSize = udpSize;
    this.#identity = identity;
  }

  /** Answers `query` at once, without records. `ede`: an extended error, or none (−1). */
  refuse(query: QueryScan, from: number, code: number, ede: number): void {
    const to = this.#egress.replySpace();
    // Flags may not have been read when the packet was bad.
    const flags =
      (this.#u8[query.at + 2]! & 1) | (query.keyFlags & ~keyFlag.rd) | (query.edns ? keyFlag.edns : 0);
    const length = this.#empty(query, to, flags, code, ede);
    this.countRcode(code);
    this.#egress.reply(from, length);
  }

  /** Answers `query` with nothing but TC set, so that its client asks again over TCP. */
  slip(query: QueryScan, from: number): void {
    const to = this.#egress.replySpace();
    const flags = query.keyFlags & ~keyFlag.edns;
    const length = this.#empty(query, to, flags | (query.edns ? keyFlag.edns : 0), rcode.noerror, -1);
    this.#u8[to + 2]! |= 2;
    this.#egress.reply(from, length);
  }

  /** Answers CH TXT id.server and its like; false when the question is not about us. */
  local(query: QueryScan, from: number, limit: number): boolean {
    const text = this.#identity.textFor(this.#u8, query.at + 12, query.nameLength, query.type, query.class);
    if (!text) return false;
    this.#counts[count.local]!++;
    const to = this.#egress.replySpace();
    let length = this.#empty(query, to, query.keyFlags & ~keyFlag.edns, rcode.noerror, extendedError.none);
    if (text.length > 0) length = appendText(this.#u8, to, length, text, query.class);
    let opt = 0;
    if (query.edns) {
      opt = length;
      length = appendOpt(this.#u8, to, length, this.udpSize, query.keyFlags);
    }
    const id = (this.#u8[query.at]! << 8) | this.#u8[query.at + 1]!;
    this.finish(from, to, length, opt, id, 0, query.nameLength, limit, query.nsid);
    return true;
  }

  #empty(query: QueryScan, to: number, flags: number, code: number, ede: number): number {
    return composeEmpty(
      this.#u8,
      to,
      (this.#u8[query.at]! << 8) | this.#u8[query.at + 1]!,
      query.opcode,
      flags,
      code,
      query.at + 12,
      query.nameLength,
      query.type,
      query.class,
      this.udpSize,
      ede,
    );
  }

  /**
   * Makes the answer of `length` bytes at `to` (given by `replySpace`) this client's own and sends it: id, letter case of the
   * name at `nameAt` (0: leave it), NSID if asked for, cut to `limit`. `opt` is the offset of the OPT in the message, 0: none.
   */
  finish(
    from: number,
    to: number,
    length: number,
    opt: number,
    id: number,
    nameAt: number,
    nameLength: number,
    limit: number,
    nsid: boolean,
  ): void {
    const u8 = this.#u8;
    u8[to] = id >> 8;
    u8[to + 1] = id;
    if (nameAt !== 0) for (let i = 0; i < nameLength; i++) u8[to + 12 + i] = u8[nameAt + i]!;
    if (nsid && opt > 0) length = appendNsid(u8, to, length, opt, this.#identity.id);
    // What we grant over UDP is bounded by what we think safe from fragmentation, whatever the client says.
    const bound = limit === unbounded || limit < this.udpSize ? limit : this.udpSize;
    if (length > bound) {
      length = truncate(u8, to, nameLength, opt);
      this.#counts[count.truncated]!++;
    }
    this.countRcode(u8[to + 3]! & 15);
    this.#egress.reply(from, length);
  }

  /** Counts an answer to a client by its response code. */
  countRcode(code: number): void {
    this.#counts[code < rcodeCounters.length ? rcodeCounters[code]! : count.otherRcode]!++;
  }
}

const rcodeCounters = [
  count.noerror,
  count.formerr,
  count.servfail,
  count.nxdomain,
  count.notimp,
  count.refused,
] as const;
