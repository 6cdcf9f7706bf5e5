/**
 * A query's way, as a synchronous state machine over bytes in an arena: accept → answer from cache → join a twin → pick →
 * ask → reply. It opens no socket, reads no clock and throws nothing at a client; an engine feeds it packets and the time.
 */
import type { Board } from '#balance/board.ts';
import type { Question } from '#balance/policy.ts';
import { type Cache, maxWarm } from '#cache/cache.ts';
import { foldedHash, sameFolded } from '#kit/fold.ts';
import { Wheel } from '#kit/wheel.ts';
import { AnswerScan, QueryScan, scanAnswer, scanQuery, verdict } from '#wire/scan.ts';
import { Acl } from './acl.ts';
import { composeQuery, copy, extendedError, rcode } from './compose.ts';
import { frontCounters } from './counters.ts';
import { Delivery } from './delivery.ts';
import { Domains } from './domains.ts';
import type { Entropy } from './entropy.ts';
import { Identity } from './identity.ts';
import { field, InFlight, mark, maxInFlight, waiterMark } from './inflight.ts';
import { Ledger } from './ledger.ts';
import { answerLifetime, type Lifetime } from './lifetime.ts';
import type { Plan, PlanCache } from './plan.ts';
import { Pool } from './pool.ts';
import { type Arena, type Egress, familyOf, origin, transport } from './ports.ts';
import { nsidRoom, Replies, unbounded } from './replies.ts';

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
  readonly plan: Plan;
};

const count = frontCounters.at;
const typeIxfr = 251;
const typeAxfr = 252;
/** How often one question is sent at most, over UDP and TCP, when the network refuses it. */
const maxTries = 6;
/** All tries together may last so many timeouts. */
const maxTimeouts = 2;
/** Ids tried before a channel counts as full. */
const idTries = 16;

function identityOf(plan: Plan): Identity {
  return new Identity(plan.identity, plan.version);
}

export class Front {
  readonly #u8: Uint8Array;
  readonly #i32: Int32Array;
  readonly #egress: Egress;
  readonly #board: Board;
  readonly #worker: number;
  readonly #ledger: Ledger;
  readonly #replies: Replies;
  readonly #delivery: Delivery;
  readonly #counts: Float64Array;
  readonly #cache: Cache | null;
  readonly #entropy: Entropy;
  readonly #seed: number;
  readonly #table: InFlight;
  readonly #wheel: Wheel;
  /** One for each packet of a batch. */
  readonly #scans: readonly QueryScan[] = Array.from({ length: maxWarm }, () => new QueryScan());
  readonly #verdicts = new Uint8Array(maxWarm);
  /** The query at hand. */
  #query: QueryScan = this.#scans[0]!;
  /** The question of a query in flight, in the form that the cache takes. */
  readonly #asked = new QueryScan();
  readonly #answer = new AnswerScan();
  readonly #lifetime: Lifetime = { ttl: 0, failure: false };
  readonly #question: Question = { nameHash: 0, clientHash: 0 };
  #acl!: Acl;
  #domains!: Domains;
  #pools: readonly Pool[] = [];
  #keeping: PlanCache | undefined;
  #generation = 0;

  constructor(parts: FrontParts) {
    this.#u8 = parts.arena.u8;
    this.#i32 = parts.arena.i32;
    this.#egress = parts.egress;
    this.#board = parts.board;
    this.#worker = parts.worker;
    this.#ledger = new Ledger(parts.board, parts.worker);
    this.#replies = new Replies(parts.arena, parts.egress, parts.counters, identityOf(parts.plan));
    this.#counts = parts.counters;
    this.#cache = parts.cache;
    this.#entropy = parts.entropy;
    this.#seed = parts.cache ? parts.cache.seed : parts.entropy.word();
    this.#table = new InFlight(parts.arena, parts.egress.channels);
    this.#delivery = new Delivery(parts.arena, parts.egress, this.#table, this.#replies);
    this.#wheel = new Wheel(maxInFlight);
    this.apply(parts.plan);
  }

  /** Puts a snapshot in force. Cache, queries in flight and what was learnt of the backends stay. */
  apply(plan: Plan): void {
    this.#acl = new Acl(plan.allow);
    this.#domains = new Domains(plan);
    this.#replies.apply(plan.udpSize, identityOf(plan));
    this.#pools = plan.pools.map(pool => new Pool(pool, this.#board, this.#worker, this.#entropy.int));
    this.#keeping = this.#cache ? plan.cache : undefined;
    if (plan.cache) this.#cache?.apply(plan.cache);
    this.#generation = plan.generation;
  }

  /** Whether nothing is in flight on `channel`. */
  idle(channel: number): boolean {
    return this.#table.anyOf(channel) === 0;
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
    return this.#wheel.next();
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
    if (found === verdict.plain) this.#plain(from, tcp, now);
    else if (found === verdict.pass) this.#pass(from, tcp, now);
    else {
      const code = found === verdict.badvers ? rcode.badvers : rcode.formerr;
      this.#replies.refuse(query, from, code, extendedError.none);
    }
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
      if (this.#wait(twin, from, tcp)) this.#counts[count.joined]!++;
      return;
    }
    const entry = this.#admit(from, tcp);
    if (entry === 0) return;
    this.#table.offer(entry, query.hash);
    this.#ask(entry, now);
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
    const id = (this.#u8[query.at]! << 8) | this.#u8[query.at + 1]!;
    const prefetch = cache.hitPrefetch;
    this.#replies.finish(
      from,
      to,
      length,
      cache.hitOpt,
      id,
      query.lower ? 0 : query.at + 12,
      query.nameLength,
      tcp ? unbounded : query.udpSize,
      query.nsid,
    );
    if (prefetch) this.#prefetch(from, now);
    return true;
  }

  /** Asks a popular question anew, for nobody yet. */
  #prefetch(from: number, now: number): void {
    if (this.#twin() !== 0) return;
    this.#question.clientHash = this.#clientHash(from);
    const entry = this.#enter();
    if (entry === 0) return;
    this.#counts[count.prefetches]!++;
    this.#table.set(entry, field.marks, mark.prefetch);
    this.#table.offer(entry, this.#query.hash);
    this.#ask(entry, now);
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

  /** Enters `#query` in the table, without a client; 0 when it is full. */
  #enter(): number {
    const table = this.#table;
    const query = this.#query;
    const entry = table.take();
    if (entry === 0) return 0;
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

  /** Enters `#query` with its client; answers it with a failure and gives 0 when a table is full. */
  #admit(from: number, tcp: boolean): number {
    const entry = this.#enter();
    if (entry === 0) {
      this.#counts[count.fullInFlight]!++;
      this.#replies.refuse(this.#query, from, rcode.servfail, extendedError.other);
      return 0;
    }
    this.#question.clientHash = this.#clientHash(from);
    if (!this.#wait(entry, from, tcp)) {
      this.#drop(entry);
      return 0;
    }
    return entry;
  }

  #clientHash(from: number): number {
    return this.#u8[from] === familyOf.inet
      ? foldedHash(this.#u8, from + origin.address4, 4)
      : foldedHash(this.#u8, from + origin.address6, 16);
  }

  /** Lets the client of `#query` wait for `entry`; answers with a failure and gives false when the table is full. */
  #wait(entry: number, from: number, tcp: boolean): boolean {
    const query = this.#query;
    const at = this.#table.addWaiter(entry);
    if (at === 0) {
      this.#counts[count.fullWaiters]!++;
      this.#replies.refuse(this.#query, from, rcode.servfail, extendedError.other);
      return false;
    }
    const marks =
      (query.nsid ? waiterMark.nsid : 0) | (query.edns ? waiterMark.edns : 0) | (tcp ? waiterMark.tcp : 0);
    const id = (this.#u8[query.at]! << 8) | this.#u8[query.at + 1]!;
    this.#table.fillWaiter(at, from, id, query.udpSize, marks, query.at + 12, query.nameLength);
    return true;
  }

  /** Removes an entry that no client waits for. */
  #drop(entry: number): void {
    const table = this.#table;
    this.#leave(entry);
    table.withdraw(entry);
    this.#wheel.clear(entry);
    table.release(entry);
    this.#counts[count.inFlight] = table.count;
  }

  /** Takes the entry off the backend that it was asked of. */
  #leave(entry: number): void {
    const table = this.#table;
    const slot = table.get(entry, field.slot);
    if (slot >= 0) this.#ledger.ended(slot);
    table.set(entry, field.slot, -1);
    table.unlink(entry);
  }

  /** An id that is free on the channel; −1 when none was found. */
  #freeId(channel: number): number {
    for (let i = 0; i < idTries; i++) {
      const id = this.#entropy.id();
      if (this.#table.find(channel, id) === 0) return id;
    }
    return -1;
  }

  #pick(nameAt: number, nameLength: number, excluded: number, excludedToo: number): number {
    const pool = this.#pools[this.#domains.poolOf(this.#u8, nameAt, nameLength)];
    if (!pool) return -1;
    this.#timeout = pool.timeout;
    this.#question.nameHash = foldedHash(this.#u8, nameAt, nameLength);
    const slot = pool.pick(this.#question, excluded, excludedToo);
    if (slot < 0) this.#counts[count.noBackend]!++;
    else if (pool.failedOpen) this.#counts[count.failOpen]!++;
    return slot;
  }
  /** Of the pool that `#pick` picked from, ms. */
  #timeout = 0;

  /** Asks a backend; fails the entry when there is none. */
  #ask(entry: number, now: number): void {
    const table = this.#table;
    const slot = this.#pick(table.nameAt(entry), table.get(entry, field.nameLength), -1, -1);
    if (slot < 0) this.#fail(entry, extendedError.noReachableAuthority);
    else this.#send(entry, slot, this.#egress.datagramChannel(slot), now);
  }

  /** Sends the question of `entry` on a channel to the backend on `slot`. */
  #send(entry: number, slot: number, channel: number, now: number): void {
    const table = this.#table;
    const id = channel < 0 ? -1 : this.#freeId(channel);
    if (id < 0) {
      this.#ledger.note(slot, 'network');
      table.set(entry, field.slot, slot);
      table.set(entry, field.tries, table.get(entry, field.tries) + 1);
      this.#ledger.began(slot);
      this.#askElsewhere(entry, true, now);
      return;
    }
    this.#start(entry, slot, channel, id, now);
    const to = this.#egress.querySpace();
    const length = composeQuery(
      this.#u8,
      to,
      id,
      table.get(entry, field.keyFlags),
      table.nameAt(entry),
      table.get(entry, field.nameLength),
      table.get(entry, field.type),
      table.get(entry, field.class),
      this.#replies.udpSize,
      table.ecsAt(entry),
      table.get(entry, field.ecsLength),
    );
    this.#egress.query(channel, length);
  }

  #start(entry: number, slot: number, channel: number, id: number, now: number): void {
    const table = this.#table;
    table.link(entry, channel, id);
    table.set(entry, field.slot, slot);
    table.set(entry, field.tries, table.get(entry, field.tries) + 1);
    table.sent[entry] = now;
    this.#ledger.sent(slot);
    if (table.begun[entry] === 0) {
      table.begun[entry] = now;
      table.set(entry, field.timeout, this.#timeout);
    }
    const timeout = table.get(entry, field.timeout);
    this.#wheel.set(entry, Math.min(now + timeout, table.begun[entry]! + timeout * maxTimeouts));
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
    const u8 = this.#u8;
    const nameAt = query.nameLength > 0 ? query.at + 12 : this.#rootAt;
    this.#question.clientHash = this.#clientHash(from);
    const nameLength = query.nameLength > 0 ? query.nameLength : 1;
    const transfer = tcp && query.opcode === 0 && (query.type === typeAxfr || query.type === typeIxfr);
    const twin = transfer ? 0 : this.#passedTwin(tcp);
    if (twin !== 0) {
      if (this.#wait(twin, from, tcp)) this.#counts[count.joined]!++;
      return;
    }
    let slot = -1;
    let channel = -1;
    let id = -1;
    for (let tries = 0, before = -1; id < 0 && tries < 3; tries++) {
      const failed = slot;
      slot = this.#pick(nameAt, nameLength, failed, before);
      before = failed;
      if (slot < 0) {
        const ede = tries === 0 ? extendedError.noReachableAuthority : extendedError.networkError;
        this.#replies.refuse(query, from, rcode.servfail, ede);
        return;
      }
      if (transfer) {
        if (!this.#egress.relay(from, slot, query.at, query.length)) continue;
        this.#counts[count.transfers]!++;
        return;
      }
      channel = tcp ? this.#egress.streamChannel(slot) : this.#egress.datagramChannel(slot);
      if (channel >= 0) id = this.#freeId(channel);
      if (id < 0) this.#ledger.note(slot, 'network');
    }
    if (id < 0) {
      this.#replies.refuse(query, from, rcode.servfail, extendedError.networkError);
      return;
    }
    const entry = this.#admit(from, tcp);
    if (entry === 0) return;
    this.#counts[count.passed]!++;
    const table = this.#table;
    table.set(entry, field.marks, mark.pass | (tcp ? mark.stream : 0));
    table.set(entry, field.length, query.length);
    table.set(entry, field.digest, this.#digest);
    table.offer(entry, query.hash);
    this.#start(entry, slot, channel, id, now);
    const to = this.#egress.querySpace();
    copy(u8, this.#i32, query.at, to, query.length);
    u8[to] = id >> 8;
    u8[to + 1] = id;
    this.#egress.query(channel, query.length);
  }
  /** A zero byte, the root's name: for messages without a question. Nothing is ever written at 0 … 63. */
  readonly #rootAt = 0;

  /**
   * Takes a packet of `length` bytes at `at` that came on `channel` (so from the right address and port). It is an answer
   * only if a query in flight has its id and its question; anything else is counted and dropped.
   */
  answer(channel: number, slot: number, at: number, length: number, now: number): void {
    const u8 = this.#u8;
    const table = this.#table;
    const entry =
      length < 12 || (u8[at + 2]! & 0x80) === 0 ? 0 : table.find(channel, (u8[at]! << 8) | u8[at + 1]!);
    if (entry === 0) {
      this.#ledger.note(slot, 'unexpected');
      return;
    }
    const scan = this.#answer;
    const sound = scanAnswer(u8, at, length, scan);
    if (!this.#answersQuestion(entry, at)) {
      this.#ledger.note(slot, 'unexpected');
      return;
    }
    const failure = !sound || scan.rcode === rcode.servfail || scan.rcode === rcode.refused;
    this.#ledger.answered(slot, now - table.sent[entry]!, failure);
    const marks = table.get(entry, field.marks);
    if (marks & mark.pass) {
      this.#delivery.asItIs(entry, at, length);
      this.#drop(entry);
      return;
    }
    if (!sound || scan.nameLength === 0) {
      this.#ledger.note(slot, 'malformed');
      this.#fail(entry, extendedError.networkError);
      return;
    }
    if (scan.rcode === rcode.servfail) this.#ledger.note(slot, 'servfail');
    else if (scan.rcode === rcode.refused) this.#ledger.note(slot, 'refused');
    if (scan.optAt > 0) {
      // What is said there is the size of packets that we take, not the backend's.
      u8[at + scan.optAt + 3] = this.#replies.udpSize >> 8;
      u8[at + scan.optAt + 4] = this.#replies.udpSize;
    }
    if (scan.truncated) {
      this.#truncated(entry, slot, at, length, now);
      return;
    }
    this.#keep(entry, at, length, now);
    this.#delivery.answer(entry, at, length, scan.optAt);
    this.#drop(entry);
  }

  /** Whether the scanned answer at `at` repeats the opcode and question of `entry`; servers leave it out of some failures. */
  #answersQuestion(entry: number, at: number): boolean {
    const scan = this.#answer;
    const table = this.#table;
    const nameLength = table.get(entry, field.nameLength);
    if (((this.#u8[at + 2]! >> 3) & 15) !== table.get(entry, field.opcode)) return false;
    if (scan.nameLength === 0) {
      const code = this.#u8[at + 3]! & 15;
      return (
        nameLength === 0 ||
        code === rcode.formerr ||
        code === rcode.servfail ||
        code === rcode.notimp ||
        code === rcode.refused
      );
    }
    return (
      scan.nameLength === nameLength &&
      scan.type === table.get(entry, field.type) &&
      scan.class === table.get(entry, field.class) &&
      sameFolded(this.#u8, table.nameAt(entry), this.#u8, at + 12, nameLength)
    );
  }

  /** Keeps the scanned answer in the cache, if it may be kept. */
  #keep(entry: number, at: number, length: number, now: number): void {
    const keeping = this.#keeping;
    if (!keeping || !answerLifetime(this.#answer, keeping, this.#lifetime)) return;
    this.#cache!.store(
      this.#u8,
      at,
      length,
      this.#answer,
      this.#askedOf(entry),
      this.#u8,
      Math.floor(now / 1000),
      this.#lifetime.ttl,
      this.#lifetime.failure,
    );
  }

  #askedOf(entry: number): QueryScan {
    const table = this.#table;
    const asked = this.#asked;
    asked.at = table.nameAt(entry) - 12;
    asked.nameLength = table.get(entry, field.nameLength);
    asked.type = table.get(entry, field.type);
    asked.class = table.get(entry, field.class);
    asked.keyFlags = table.get(entry, field.keyFlags);
    asked.hash = table.get(entry, field.hash);
    asked.ecsAt = table.ecsAt(entry);
    asked.ecsLength = table.get(entry, field.ecsLength);
    return asked;
  }

  /** A truncated answer goes to UDP clients as it is; for TCP clients the backend is asked again over TCP. */
  #truncated(entry: number, slot: number, at: number, length: number, now: number): void {
    const table = this.#table;
    const streaming = (table.get(entry, field.marks) & mark.stream) !== 0;
    const waiting = this.#delivery.truncated(entry, at, length, this.#answer.optAt, streaming);
    // A prefetch goes on for those who will ask, where this engine has TCP.
    const prefetching = !streaming && (table.get(entry, field.marks) & mark.prefetch) !== 0;
    const channel = waiting > 0 || prefetching ? this.#egress.streamChannel(slot) : -1;
    if (waiting === 0 && channel < 0) {
      this.#drop(entry);
      return;
    }
    this.#counts[count.overTcp]!++;
    this.#leave(entry);
    table.set(entry, field.marks, table.get(entry, field.marks) | mark.stream);
    this.#send(entry, slot, channel, now);
  }

  /** Ends an entry with SERVFAIL for all who wait. */
  #fail(entry: number, ede: number): void {
    this.#delivery.fail(entry, ede);
    this.#drop(entry);
  }

  /**
   * What is in flight on `channel` may be lost. A TCP connection that broke is certain. Over UDP it is the network's word
   * (ICMP), which anybody can forge and which may be old news: the question is asked of another backend if there is one,
   * else the wait goes on.
   */
  broken(channel: number, now: number): void {
    const table = this.#table;
    let next = 0;
    for (let entry = table.anyOf(channel); entry !== 0; entry = next) {
      next = table.get(entry, field.nextOfChannel);
      const marks = table.get(entry, field.marks);
      const stream = (marks & mark.stream) !== 0;
      this.#ledger.note(table.get(entry, field.slot), 'network');
      if ((marks & mark.pass) !== 0) {
        if (stream) this.#fail(entry, extendedError.networkError);
      } else if (stream && (marks & mark.reconnected) === 0) {
        // A server may close an idle connection at any time (RFC 7766 6.2.4): once more, on a new one.
        table.set(entry, field.marks, marks | mark.reconnected);
        const slot = table.get(entry, field.slot);
        this.#leave(entry);
        this.#send(entry, slot, this.#egress.streamChannel(slot), now);
      } else this.#askElsewhere(entry, stream, now);
    }
  }

  /**
   * Asks another backend than those that failed the entry. When there is none, or too many were tried, the entry stays as it
   * is; `lost`: it fails, because nothing can come any more.
   */
  #askElsewhere(entry: number, lost: boolean, now: number): void {
    const table = this.#table;
    const slot = table.get(entry, field.slot);
    const failed = table.get(entry, field.failed) - 1;
    const first = table.get(entry, field.firstWaiter);
    if (first !== 0) this.#question.clientHash = this.#clientHash(first);
    let other = -1;
    if (table.get(entry, field.tries) < maxTries) {
      other = this.#pick(table.nameAt(entry), table.get(entry, field.nameLength), slot, failed);
    }
    if (other < 0) {
      if (lost) this.#fail(entry, extendedError.networkError);
      return;
    }
    this.#counts[count.again]!++;
    table.set(entry, field.failed, slot + 1);
    table.set(entry, field.marks, table.get(entry, field.marks) & ~mark.stream);
    this.#leave(entry);
    this.#send(entry, other, this.#egress.datagramChannel(other), now);
  }

  /** Ends what has waited too long. Call when `deadline` is reached. */
  expire(now: number): void {
    for (;;) {
      const entry = this.#wheel.take(now);
      if (entry === 0) return;
      const slot = this.#table.get(entry, field.slot);
      if (slot >= 0) this.#ledger.note(slot, 'timeout');
      this.#counts[count.timeouts]!++;
      this.#fail(entry, extendedError.noReachableAuthority);
    }
  }
}
