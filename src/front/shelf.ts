/** The cache as queries in flight see it: what is put there, and what is taken when nobody answers. */
import type { Cache } from '#cache/cache.ts';
import { longestAnswer } from '#cache/layout.ts';
import { type AnswerScan, keyFlag, QueryScan } from '#wire/scan.ts';
import { appendExtendedError, composeEmpty, extendedError } from './compose.ts';
import { field, type InFlight, mark } from './inflight.ts';
import { answerLifetime, type Lifetime } from './lifetime.ts';
import type { PlanCache } from './plan.ts';
import type { Arena } from './ports.ts';

/** Room for a failure of our own, and behind it for a stale answer with an extended error. */
const failureRoom = 1024;
/** Bytes that this part takes from the arena. */
export const shelfBytes: number = failureRoom + longestAnswer + 64;

export class Shelf {
  readonly #u8: Uint8Array;
  readonly #i32: Int32Array;
  readonly #cache: Cache | null;
  readonly #table: InFlight;
  /** The question of a query in flight, in the form that the cache takes. */
  readonly #asked = new QueryScan();
  readonly #lifetime: Lifetime = { ttl: 0 };
  #rules: PlanCache | undefined;
  /** Where `composeFailure` writes, and where `findStale` does. */
  readonly failureAt: number;
  readonly staleAt: number;
  /** Offset of the OPT in what they wrote last; 0: none. */
  failureOpt = 0;
  staleOpt = 0;

  constructor(arena: Arena, cache: Cache | null, table: InFlight) {
    this.#u8 = arena.u8;
    this.#i32 = arena.i32;
    this.#cache = cache;
    this.#table = table;
    this.failureAt = arena.reserve(shelfBytes);
    this.staleAt = this.failureAt + failureRoom;
  }

  /** Puts rules in force; undefined: nothing is kept. */
  apply(rules: PlanCache | undefined): void {
    this.#rules = rules;
  }

  /** The client-response timer (RFC 8767 5), ms; Infinity where no stale answer is given. */
  get staleAfter(): number {
    return this.#rules && this.#rules.staleFor > 0 ? this.#rules.staleAfter : Infinity;
  }

  /** Keeps the scanned answer of `length` bytes at `at`, if it may be kept. */
  keep(query: number, at: number, length: number, scan: AnswerScan, now: number): void {
    const rules = this.#rules;
    // Without EDNS it is not the answer to the question as it was put.
    if (!rules || (this.#table.get(query, field.marks) & mark.plainDns) !== 0) return;
    if (!answerLifetime(scan, rules, this.#lifetime)) return;
    const seconds = Math.floor(now / 1000);
    this.#cache!.store(
      this.#u8,
      at,
      length,
      scan,
      this.#question(query),
      this.#u8,
      seconds,
      this.#lifetime.ttl,
    );
  }

  /**
   * Keeps a failure of `length` bytes at `at`, its OPT at offset `opt`; whether the question had failed before. `named`: the failure
   * says something of the name.
   */
  keepFailure(query: number, at: number, length: number, opt: number, named: boolean, now: number): boolean {
    const cache = this.#cache;
    if (!cache || !this.#rules || this.#rules.failureTtl <= 0) return false;
    const seconds = Math.floor(now / 1000);
    const asked = this.#question(query);
    const ttl = cache.storeFailure(this.#u8, at, length, opt, asked, this.#u8, seconds, named);
    return ttl > 0 && cache.failuresInRow > 1;
  }

  /** Writes an old answer to the query at `staleAt`, with an extended error that says so; gives its length, 0 when there is none. */
  findStale(query: number, now: number): number {
    const cache = this.#cache;
    if (!cache || this.staleAfter === Infinity) return 0;
    const to = this.staleAt;
    const seconds = Math.floor(now / 1000);
    const length = cache.lookupStale(this.#u8, this.#i32, this.#question(query), seconds, to, longestAnswer);
    if (length === 0) return 0;
    this.staleOpt = cache.hitOpt;
    if (!cache.hitStale || cache.hitOpt === 0) return length;
    const ede = cache.hitNegative ? extendedError.staleNxdomain : extendedError.stale;
    return appendExtendedError(this.#u8, to, length, cache.hitOpt, ede);
  }

  /** Writes a failure of our own at `failureAt`: `code`, with the extended error `ede` (−1: none). Gives its length. */
  composeFailure(query: number, code: number, ede: number, udpSize: number): number {
    const table = this.#table;
    const nameLength = table.get(query, field.nameLength);
    const flags = table.get(query, field.keyFlags);
    this.failureOpt = (flags & keyFlag.edns) === 0 ? 0 : 12 + nameLength + 4;
    return composeEmpty(
      this.#u8,
      this.failureAt,
      0,
      table.get(query, field.opcode),
      flags,
      code,
      table.nameAt(query),
      nameLength,
      table.get(query, field.type),
      table.get(query, field.class),
      udpSize,
      ede,
    );
  }

  #question(query: number): QueryScan {
    const table = this.#table;
    const asked = this.#asked;
    asked.at = table.nameAt(query) - 12;
    asked.nameLength = table.get(query, field.nameLength);
    asked.type = table.get(query, field.type);
    asked.class = table.get(query, field.class);
    asked.keyFlags = table.get(query, field.keyFlags);
    asked.hash = table.get(query, field.hash);
    asked.ecsAt = table.ecsAt(query);
    asked.ecsLength = table.get(query, field.ecsLength);
    return asked;
  }
}
