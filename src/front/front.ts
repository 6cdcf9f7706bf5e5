/**
 * A query's way, as a synchronous state machine over bytes in an arena: accept → answer from cache → join a twin → ask
 * (asking.ts) → reply. It opens no socket, reads no clock and throws nothing at a client; an engine feeds it packets and the time.
 */
import type { Board } from '#balance/board.ts';
import { type Cache, maxWarm } from '#cache/cache.ts';
import { sameFolded } from '#kit/fold.ts';
import { QueryScan, scanQuery, verdict } from '#wire/scan.ts';
import { Acl } from './acl.ts';
import { Asking } from './asking.ts';
import { appendExtendedError, extendedError, rcode } from './compose.ts';
import { frontCounters } from './counters.ts';
import { Delivery } from './delivery.ts';
import type { Entropy } from './entropy.ts';
import { Identity } from './identity.ts';
import { field, gives, InFlight, inFlightArenaBytes, mark, waiterMark } from './inflight.ts';
import type { Plan, PlanCache, PlanLimits } from './plan.ts';
import { type Arena, type Egress, origin, transport } from './ports.ts';
import { Rates, rate } from './rates.ts';
import { nsidRoom, Replies, unbounded } from './replies.ts';
import { shelfBytes } from './shelf.ts';
import { admission, ending, kindOf, Zones } from './zones.ts';

/** What a front is made of. `worker` is its row on the board. */
export type FrontParts = {
  readonly arena: Arena;
  readonly egress: Egress;
  readonly board: Board;
  readonly worker: number;
  /** This front's row of `frontCounters`. */
  readonly counters: Float64Array;
  readonly cache: Cache | null;
  readonly entropy: Entropy;
  /** Memory of `Rates.create`, shared with the other fronts; absent: its own. */
  readonly rates?: SharedArrayBuffer;
  readonly plan: Plan;
};

/** Bytes that a front takes from the arena. */
export const frontArenaBytes: number = inFlightArenaBytes + shelfBytes;

const count = frontCounters.at;
const typeIxfr = 251;
const typeAxfr = 252;
/** Backends that a message which is passed on is offered to. */
const passTries = 3;

function identityOf(plan: Plan): Identity {
  return new Identity(plan.identity, plan.version);
}

export class Front {
  readonly #u8: Uint8Array;
  readonly #i32: Int32Array;
  readonly #egress: Egress;
  readonly #replies: Replies;
  readonly #counts: Float64Array;
  readonly #cache: Cache | null;
  readonly #seed: number;
  readonly #table: InFlight;
  readonly #asking: Asking;
  readonly #delivery: Delivery;
  readonly #zones: Zones;
  readonly #parts: FrontParts;
  #rates: Rates | undefined;
  /** Whether a rate is in force. */
  #rated = false;
  /** One for each packet of a batch. */
  readonly #scans: readonly QueryScan[] = Array.from({ length: maxWarm }, () => new QueryScan());
  readonly #verdicts = new Uint8Array(maxWarm);
  /** The query at hand. */
  #query: QueryScan = this.#scans[0]!;
  #acl!: Acl;
  #keeping: PlanCache | undefined;
  #generation = 0;

  constructor(parts: FrontParts) {
    this.#u8 = parts.arena.u8;
    this.#i32 = parts.arena.i32;
    this.#egress = parts.egress;
    this.#replies = new Replies(parts.arena, parts.egress, parts.counters, identityOf(parts.plan));
    this.#counts = parts.counters;
    this.#cache = parts.cache;
    this.#seed = parts.cache ? parts.cache.seed : parts.entropy.word();
    this.#parts = parts;
    this.#table = new InFlight(parts.arena, ~this.#seed);
    this.#delivery = new Delivery(parts.arena, parts.egress, this.#table, this.#replies);
    this.#zones = new Zones(this.#seed, () => void this.#counts[count.zoneClosings]!++);
    this.#asking = new Asking({
      ...parts,
      counts: parts.counters,
      table: this.#table,
      replies: this.#replies,
      delivery: this.#delivery,
      zones: this.#zones,
    });
    this.apply(parts.plan);
  }

  /** Puts a snapshot in force. Cache, queries in flight and what was learnt of the backends stay. */
  apply(plan: Plan): void {
    this.#acl = new Acl(plan.allow);
    this.#replies.apply(plan.udpSize, identityOf(plan));
    this.#keeping = this.#cache ? plan.cache : undefined;
    if (this.#keeping) this.#cache!.apply(this.#keeping);
    this.#asking.apply(plan, this.#keeping);
    this.#limit(plan.limits);
    this.#generation = plan.generation;
  }

  #limit(limits: PlanLimits | undefined): void {
    this.#zones.on = limits?.zones ?? true;
    if (limits && (limits.perClient > 0 || limits.perNetwork > 0)) {
      const { entropy, rates } = this.#parts;
      this.#rates ??= new Rates(rates ?? Rates.create(entropy.word(), entropy.word()), entropy.int);
    }
    if (limits) this.#rates?.apply(limits);
    this.#rated = limits !== undefined && (this.#rates?.active ?? false);
  }

  /** Whether nothing is in flight on `channel`. */
  idle(channel: number): boolean {
    return this.#asking.idle(channel);
  }

  /** Of the snapshot in force. */
  get generation(): number {
    return this.#generation;
  }

  /** Queries waiting for a backend. */
  get inFlight(): number {
    return this.#table.count;
  }

  /** When `expire` has something to do at the earliest (ms); Infinity: nothing to wait for. */
  deadline(): number {
    return this.#asking.deadline();
  }

  /** Takes a client's packet of `length` bytes at `at`, from the origin at `from`; `now` in ms. */
  query(at: number, length: number, from: number, now: number): void {
    this.#query = this.#scans[0]!;
    const found = scanQuery(this.#u8, at, length, this.#seed, this.#query);
    this.#take(found, from, now);
  }

  /**
   * Takes a batch of at most 64: packet `i`, skipped when its length is negative, lies at `at + i * stride`, its origin at `from + i * originStride`. Does what
   * `query` does for each, and knows beforehand which parts of the cache will be read.
   */
  queries(
    at: number,
    stride: number,
    lengths: Int32Array,
    from: number,
    originStride: number,
    count: number,
    now: number,
  ): void {
    const scans = this.#scans;
    const verdicts = this.#verdicts;
    for (let i = 0; i < count; i++) {
      verdicts[i] = scanQuery(this.#u8, at + i * stride, lengths[i]!, this.#seed, scans[i]!);
    }
    if (this.#keeping && count > 1) this.#cache!.warm(scans, count);
    for (let i = 0; i < count; i++) {
      if (lengths[i]! < 0) continue;
      this.#query = scans[i]!;
      this.#take(verdicts[i]!, from + i * originStride, now);
    }
  }

  /** Does with `#query` what its verdict asks for. */
  #take(found: number, from: number, now: number): void {
    const query = this.#query;
    const tcp = this.#i32[(from + origin.transport) >> 2] === transport.tcp;
    this.#counts[tcp ? count.queriesTcp : count.queriesUdp]!++;
    if (found === verdict.silence) {
      this.#counts[query.length < 12 ? count.ignoredShort : count.ignoredResponse]!++;
      return;
    }
    if (!this.#acl.allows(this.#u8, from)) {
      this.#counts[count.denied]!++;
      this.#replies.refuse(query, from, rcode.refused, extendedError.prohibited);
      return;
    }
    if (this.#rated && this.#beyond(found, from, tcp, now)) return;
    if (found === verdict.plain) this.#plain(from, tcp, now);
    else if (found === verdict.pass) this.#pass(from, tcp, now);
    else {
      const code = found === verdict.badvers ? rcode.badvers : rcode.formerr;
      this.#replies.refuse(query, from, code, extendedError.none);
    }
  }

  /** Whether `#query` is beyond a rate; then it has got all that it will get. */
  #beyond(found: number, from: number, tcp: boolean, now: number): boolean {
    const query = this.#query;
    const todo = this.#rates!.check(this.#u8, this.#i32, from, tcp, now);
    if (todo === rate.within) return false;
    if (todo === rate.refuse) {
      this.#counts[count.limitedRefused]!++;
      this.#replies.refuse(query, from, rcode.refused, extendedError.prohibited);
    } else if (todo === rate.slip && query.opcode === 0 && found >= verdict.plain) {
      this.#counts[count.limitedTruncated]!++;
      this.#replies.slip(query, from);
    } else this.#counts[count.limitedDropped]!++;
    return true;
  }

  #plain(from: number, tcp: boolean, now: number): void {
    const query = this.#query;
    if (query.class !== 1 && this.#replies.local(query, from, tcp ? unbounded : query.udpSize)) return;
    if (query.type === typeAxfr || query.type === typeIxfr) {
      this.#pass(from, tcp, now);
      return;
    }
    if (this.#keeping && this.#fromCache(from, tcp, now)) return;
    const twin = this.#twin();
    if (twin !== 0) {
      const stale = (this.#table.get(twin, field.marks) & mark.staleGiven) !== 0;
      if (stale && this.#keeping && this.#fromStale(count.staleTimer, from, tcp, now)) return;
      if (this.#table.crowded(twin)) {
        if (!this.#makeRoom(gives.crowd, twin, from, now) && !this.#makeRoom(gives.hog, twin, from, now)) {
          if (!stale && this.#keeping && this.#fromStale(count.staleCrowd, from, tcp, now)) return;
          this.#counts[count.fullQuestion]!++;
          this.#replies.refuse(query, from, rcode.servfail, extendedError.other);
          return;
        }
        this.#counts[count.shedWaiters]!++;
      }
      const first = this.#table.get(twin, field.firstWaiter) === 0;
      if (!this.#wait(twin, from, tcp, now)) return;
      this.#counts[count.joined]!++;
      if (first) this.#asking.awaited(twin);
      return;
    }
    const said = this.#admission(false, now);
    if (said >= admission.failing) {
      if (this.#keeping && this.#fromStale(count.staleZone, from, tcp, now)) return;
      this.#turnAway(said, from);
      return;
    }
    const entry = this.#admit(said === admission.counted ? mark.counted : 0, from, tcp, now);
    if (entry === 0) return;
    this.#table.offer(entry, query.hash);
    this.#asking.ask(entry, now);
  }

  /** What the guard of zones says of `#query`. */
  #admission(passed: boolean, now: number): number {
    const { at, nameLength, type } = this.#query;
    const kind = kindOf(type, this.#query.class, passed);
    return this.#zones.admit(this.#u8, at + 12, nameLength, kind, this.#table.count, now);
  }

  /** `#query`, which the guard has counted, was not asked after all. */
  #notAsked(passed: boolean, now: number): void {
    const { at, nameLength, type } = this.#query;
    const kind = kindOf(type, this.#query.class, passed);
    this.#zones.ended(this.#u8, at + 12, nameLength, kind, true, ending.unknown, now, now);
  }

  /** Answers `#query`, which is not to be asked because of its zone, with a failure. */
  #turnAway(said: number, from: number): void {
    this.#counts[said === admission.failing ? count.zoneFailing : count.zoneCrowded]!++;
    const ede = said === admission.failing ? extendedError.cachedError : extendedError.other;
    this.#replies.refuse(this.#query, from, rcode.servfail, ede);
  }

  /** Of `#query`. */
  get #id(): number {
    return (this.#u8[this.#query.at]! << 8) | this.#u8[this.#query.at + 1]!;
  }

  /** Answers from the cache; false for a miss. */
  #fromCache(from: number, tcp: boolean, now: number): boolean {
    const query = this.#query;
    const cache = this.#cache!;
    const to = this.#egress.replySpace();
    const length = cache.lookup(
      this.#u8,
      this.#i32,
      query,
      Math.floor(now / 1000),
      to,
      this.#egress.replyRoom - nsidRoom,
    );
    if (length === 0) {
      this.#counts[count.cacheMisses]!++;
      return false;
    }
    this.#counts[cache.hitFailure ? count.cacheFailures : count.cacheHits]!++;
    const prefetch = cache.hitPrefetch;
    if (cache.hitStale) this.#counts[count.staleCached]!++;
    this.#give(from, tcp, to, length);
    if (prefetch) this.#prefetch(from, now);
    return true;
  }

  /** Sends what the cache gave at `to` to the client of `#query`. */
  #give(from: number, tcp: boolean, to: number, length: number): void {
    const query = this.#query;
    const cache = this.#cache!;
    let bytes = length;
    if (cache.hitStale && cache.hitOpt > 0) {
      const ede = cache.hitNegative ? extendedError.staleNxdomain : extendedError.stale;
      bytes = appendExtendedError(this.#u8, to, length, cache.hitOpt, ede);
    }
    this.#replies.finish(
      from,
      to,
      bytes,
      cache.hitOpt,
      this.#id,
      query.lower ? 0 : query.at + 12,
      query.nameLength,
      tcp ? unbounded : query.udpSize,
      query.nsid,
    );
  }

  /** Answers from what is past its time, counted by `counter`; false when there is nothing. */
  #fromStale(counter: number, from: number, tcp: boolean, now: number): boolean {
    const to = this.#egress.replySpace();
    const room = this.#egress.replyRoom - nsidRoom;
    const seconds = Math.floor(now / 1000);
    const length = this.#cache!.lookupStale(this.#u8, this.#i32, this.#query, seconds, to, room);
    if (length === 0) return false;
    this.#counts[this.#cache!.hitStale ? counter : count.cacheHits]!++;
    this.#give(from, tcp, to, length);
    return true;
  }

  /** Asks a popular question anew, for nobody yet. */
  #prefetch(from: number, now: number): void {
    if (this.#twin() !== 0) return;
    const said = this.#admission(false, now);
    if (said >= admission.failing) return;
    this.#asking.asked.client(from);
    const entry = this.#enter(mark.prefetch | (said === admission.counted ? mark.counted : 0), now);
    if (entry === 0) return;
    this.#counts[count.prefetches]!++;
    this.#table.offer(entry, this.#query.hash);
    this.#asking.ask(entry, now);
  }

  /** A query in flight with the very question of `#query`; 0 when there is none. */
  #twin(): number {
    const table = this.#table;
    const query = this.#query;
    let entry = table.firstTwin(query.hash);
    for (let i = 0; entry !== 0 && i < table.maxTwins; i++) {
      if (
        table.get(entry, field.hash) === query.hash &&
        (table.get(entry, field.marks) & mark.pass) === 0 &&
        table.get(entry, field.nameLength) === query.nameLength &&
        table.get(entry, field.type) === query.type &&
        table.get(entry, field.class) === query.class &&
        table.get(entry, field.keyFlags) === query.keyFlags &&
        table.get(entry, field.ecsLength) === query.ecsLength &&
        sameFolded(this.#u8, table.nameAt(entry), this.#u8, query.at + 12, query.nameLength) &&
        this.#sameSubnet(table.ecsAt(entry))
      ) {
        return entry;
      }
      entry = table.nextTwin(entry);
    }
    return 0;
  }

  #sameSubnet(at: number): boolean {
    for (let i = 0; i < this.#query.ecsLength; i++) {
      if (this.#u8[at + i] !== this.#u8[this.#query.ecsAt + i]) return false;
    }
    return true;
  }

  /** Enters `#query` with `marks`, without a client; 0 when the table is full. */
  #enter(marks: number, now: number): number {
    const table = this.#table;
    const query = this.#query;
    const entry = table.take();
    if (entry === 0) {
      if ((marks & mark.counted) !== 0) this.#notAsked((marks & mark.pass) !== 0, now);
      return 0;
    }
    table.set(entry, field.marks, marks);
    table.set(entry, field.opcode, query.opcode);
    table.set(entry, field.type, query.type);
    table.set(entry, field.class, query.class);
    table.set(entry, field.nameLength, query.nameLength);
    table.set(entry, field.keyFlags, query.keyFlags);
    table.set(entry, field.ecsLength, query.ecsLength);
    table.set(entry, field.hash, query.hash);
    const nameAt = table.nameAt(entry);
    for (let i = 0; i < query.nameLength; i++) this.#u8[nameAt + i] = this.#u8[query.at + 12 + i]!;
    const ecsAt = table.ecsAt(entry);
    for (let i = 0; i < query.ecsLength; i++) this.#u8[ecsAt + i] = this.#u8[query.ecsAt + i]!;
    this.#counts[count.inFlight] = table.count;
    return entry;
  }

  /** Enters `#query` with `marks` and its client; answers it with a failure and gives 0 when a table is full. */
  #admit(marks: number, from: number, tcp: boolean, now: number): number {
    if (this.#table.full && this.#makeRoom(gives.alone, 0, from, now)) this.#counts[count.shedInFlight]!++;
    const entry = this.#enter(marks, now);
    if (entry === 0) {
      this.#counts[count.fullInFlight]!++;
      this.#replies.refuse(this.#query, from, rcode.servfail, extendedError.other);
      return 0;
    }
    this.#asking.asked.client(from);
    if (!this.#wait(entry, from, tcp, now)) {
      this.#asking.end(entry, now);
      return 0;
    }
    return entry;
  }

  /**
   * Lets the newest work of the heaviest network give way to the client at `from`: one that waits (`gives`), and its query too if nobody
   * else wants it; but never the query `entry`. False when the client itself has to give way.
   */
  #makeRoom(who: number, entry: number, from: number, now: number): boolean {
    const table = this.#table;
    const place = table.giveWay(from, who);
    if (place === 0) return false;
    const query = table.queryOf(place);
    this.#delivery.failOne(query, place, extendedError.other);
    const wanted = table.get(query, field.marks) & (mark.prefetch | mark.staleGiven);
    if (query !== entry && wanted === 0 && table.get(query, field.firstWaiter) === 0) {
      this.#asking.end(query, now);
    }
    return true;
  }

  /** Lets the client of `#query` wait for `entry`; answers with a failure and gives false when the table is full. */
  #wait(entry: number, from: number, tcp: boolean, now: number): boolean {
    const query = this.#query;
    let at = this.#table.addWaiter(entry);
    if (at === 0 && this.#makeRoom(gives.any, entry, from, now)) {
      this.#counts[count.shedWaiters]!++;
      at = this.#table.addWaiter(entry);
    }
    if (at === 0) {
      this.#counts[count.fullWaiters]!++;
      this.#replies.refuse(this.#query, from, rcode.servfail, extendedError.other);
      return false;
    }
    const marks =
      (query.nsid ? waiterMark.nsid : 0) | (query.edns ? waiterMark.edns : 0) | (tcp ? waiterMark.tcp : 0);
    this.#table.fillWaiter(at, from, this.#id, query.udpSize, marks, query.at + 12, query.nameLength);
    return true;
  }

  /**
   * A message in flight with the very bytes of `#query` behind the id, passed on over the same transport; 0 when there is
   * none. Sets `#query.hash` and `#digest`. A client that repeats itself waits for the first answer, and so does a message
   * that comes back: two fronts that ask each other would pass it on for ever.
   */
  #passedTwin(tcp: boolean): number {
    const table = this.#table;
    const query = this.#query;
    const end = query.at + query.length;
    let hash = this.#seed;
    let digest = ~this.#seed;
    for (let i = query.at + 2; i < end; i++) {
      const byte = this.#u8[i]!;
      hash = Math.imul(hash ^ byte, 0x9e3779b1);
      hash ^= hash >>> 15;
      digest = Math.imul(digest ^ byte, 0x85ebca6b);
      digest ^= digest >>> 13;
    }
    query.hash = hash;
    this.#digest = digest;
    const wanted = mark.pass | (tcp ? mark.stream : 0);
    let entry = table.firstTwin(hash);
    for (let i = 0; entry !== 0 && i < table.maxTwins; i++) {
      if (
        table.get(entry, field.hash) === hash &&
        table.get(entry, field.digest) === digest &&
        table.get(entry, field.length) === query.length &&
        (table.get(entry, field.marks) & (mark.pass | mark.stream)) === wanted
      ) {
        return entry;
      }
      entry = table.nextTwin(entry);
    }
    return 0;
  }
  #digest = 0;

  /** Passes a message to a backend as it is, but for its id. */
  #pass(from: number, tcp: boolean, now: number): void {
    const query = this.#query;
    const nameAt = query.nameLength > 0 ? query.at + 12 : this.#rootAt;
    this.#asking.asked.client(from);
    const nameLength = query.nameLength > 0 ? query.nameLength : 1;
    const transfer = tcp && query.opcode === 0 && (query.type === typeAxfr || query.type === typeIxfr);
    const twin = transfer ? 0 : this.#passedTwin(tcp);
    if (twin !== 0) {
      if (this.#wait(twin, from, tcp, now)) this.#counts[count.joined]!++;
      return;
    }
    const asks = query.opcode === 0 && query.nameLength > 0 && !transfer;
    const said = asks ? this.#admission(true, now) : admission.free;
    if (said >= admission.failing) {
      this.#turnAway(said, from);
      return;
    }
    let found = false;
    for (let tries = 0; !found; tries++) {
      const slot = tries < passTries ? this.#asking.pickPass(nameAt, nameLength, tries) : -1;
      if (slot < 0) {
        const ede = tries === 0 ? extendedError.noReachableAuthority : extendedError.networkError;
        this.#replies.refuse(query, from, rcode.servfail, ede);
        if (said === admission.counted) this.#notAsked(true, now);
        return;
      }
      if (!transfer) found = this.#asking.findPass(slot, tcp);
      else if (this.#egress.relay(from, slot, query.at, query.length)) {
        this.#counts[count.transfers]!++;
        return;
      }
    }
    const marks = mark.pass | (tcp ? mark.stream : 0) | (said === admission.counted ? mark.counted : 0);
    const entry = this.#admit(marks, from, tcp, now);
    if (entry === 0) return;
    this.#counts[count.passed]!++;
    const table = this.#table;
    table.set(entry, field.length, query.length);
    table.set(entry, field.digest, this.#digest);
    table.offer(entry, query.hash);
    this.#asking.pass(entry, query.at, query.length, tcp, now);
  }
  /** A zero byte, the root's name: for messages without a question. Nothing is ever written at 0 … 63. */
  readonly #rootAt = 0;

  /** Takes a packet of `length` bytes at `at` that came on `channel`, so from the right address and port of the backend on `slot`. */
  answer(channel: number, slot: number, at: number, length: number, now: number): void {
    this.#asking.answer(channel, slot, at, length, now);
  }

  /** What is in flight on `channel` may be lost: a TCP connection broke, or the network said so. */
  broken(channel: number, now: number): void {
    this.#asking.broken(channel, now);
  }

  /** Does what has become due: hedges, stale answers, timeouts. Call when `deadline` is reached. */
  expire(now: number): void {
    this.#asking.expire(now);
  }
}
