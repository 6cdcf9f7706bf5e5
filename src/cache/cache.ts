/** Answers and failures in shared memory: any number of threads look up and store at once. Layout: layout.ts. */
import { fold } from '#kit/fold.ts';
import { AnswerScan, type QueryScan } from '#wire/scan.ts';
import {
  entry,
  failureBytes,
  head,
  headerBytes,
  slot as inSlot,
  longestAnswer,
  longestFailure,
  magic,
  page,
  pageBytes,
  slotBytes,
  slotsPerPage,
} from './layout.ts';

/** A reader that meets a writer this often in a row takes it as a miss. */
const readTries = 4;
/** A writer that cannot get a page within so many looks lets it be: the next answer will be kept. */
const writeTries = 100;
/** A flush waits for a busy page so often, so long (ms). */
const flushTries = 50;
const flushWait = 1;

/** Queries that `warm` takes at most. */
export const maxWarm = 64;
/** Pages that are looked through for what is stale, about. */
const sampledPages = 256;

/** While a stale answer stands in, its question is asked again so often at most (s): RFC 8767 5. */
const recheck = 30;

/** What the cache is told of the configuration, in seconds. */
export type CacheRules = {
  /** How long past its TTL an answer may stand in when no backend gives one (RFC 8767 5); 0: not at all. */
  readonly staleFor: number;
  /** TTL of the records of an answer that stands in (RFC 8767 4), above 0. */
  readonly staleTtl: number;
  /** How long the first failure of a question is kept (RFC 9520 3.2), at least 1. */
  readonly failureTtl: number;
  /** How long the last of many in a row is kept, at least `failureTtl`. */
  readonly maxFailureTtl: number;
};

const defaultRules: CacheRules = { staleFor: 0, staleTtl: 30, failureTtl: 5, maxFailureTtl: 300 };

export type CacheStats = {
  readonly memory: number;
  /** Answers, stale ones too, and failures. */
  readonly entries: number;
  /** Of these, failures. */
  readonly failures: number;
  /** Of these, answers past their TTL: an estimate where the memory is large. */
  readonly stale: number;
  /** Bytes of live entries. */
  readonly bytes: number;
  readonly stores: number;
  readonly evictions: number;
  readonly expired: number;
  /** Answers not kept because the page was busy. */
  readonly skipped: number;
};

const nxdomain = 3;
/** An OPT record without options. */
const optBytes = 11;
/** Worth of what is in its time, at least. */
const inTime = 2 ** 32;

/** Bytes of the entry of an answer. */
function sizeOf(length: number, scan: AnswerScan, query: QueryScan): number {
  return (entry.answer + length + scan.ttlCount * 2 + query.ecsLength + 7) & ~7;
}

/** Where slot `slot` of the page at `base` lies. */
function slotAt(base: number, slot: number): number {
  return base + page.slots + slot * slotBytes;
}

export class Cache {
  /** Unpredictable start of every hash; the same in all threads. */
  readonly seed: number;
  /** Set by a hit: where the OPT record begins in the reply, 0: none. */
  hitOpt = 0;
  /** Set by a hit: the caller should ask anew. The name is popular and its time nearly over (given once in a while), or a failure of it is. */
  hitPrefetch = false;
  /** Set by `storeFailure` when it keeps something: failures of the question in a row, this one included. */
  failuresInRow = 0;
  /** Set by a hit: the answer is a kept failure. */
  hitFailure = false;
  /** Set by a hit: the answer is past its TTL and stands in for one that no backend gives. */
  hitStale = false;
  /** Set with `hitStale`: the answer is NXDOMAIN. */
  hitNegative = false;

  readonly #u8: Uint8Array;
  readonly #i32: Int32Array;
  readonly #u16: Uint16Array;
  readonly #pages: number;
  // Reading the sequence once more must not overtake the reads before it: a plain atomic load does on arm64.
  readonly #strongRead: boolean;
  readonly #order = new Int32Array(slotsPerPage);
  readonly #worth = new Float64Array(slotsPerPage);
  /** The failure that is to be kept. */
  readonly #message = new Uint8Array(longestFailure);
  readonly #failure = new AnswerScan();
  #rules = defaultRules;

  /** The memory to give to a cache within `budget` bytes (at least one page). */
  static bytes(budget: number): number {
    return headerBytes + Math.max(1, Math.floor((budget - headerBytes) / pageBytes)) * pageBytes;
  }

  /** Memory for a cache within `budget` bytes, ready to be shared. `seed`: 32 unpredictable bits. */
  static create(budget: number, seed: number): SharedArrayBuffer {
    const memory = new SharedArrayBuffer(Cache.bytes(budget));
    const i32 = new Int32Array(memory);
    const pages = (memory.byteLength - headerBytes) / pageBytes;
    i32[head.magic] = magic;
    i32[head.pages] = pages;
    i32[head.seed] = seed;
    return memory;
  }

  /** A view of memory made by `create`. `strongRead`: whether the machine reorders loads (all but x86). */
  constructor(memory: SharedArrayBuffer, strongRead = false) {
    this.#u8 = new Uint8Array(memory);
    this.#i32 = new Int32Array(memory);
    this.#u16 = new Uint16Array(memory);
    if (this.#i32[head.magic] !== magic) throw new RangeError('not the memory of a cache');
    this.#pages = this.#i32[head.pages]!;
    this.seed = this.#i32[head.seed]!;
    this.#strongRead = strongRead;
  }

  /** Puts rules in force, for this view of the memory: each thread tells its own. What is kept stays. */
  apply(rules: CacheRules): void {
    this.#rules = rules;
  }

  /** Place in its page of the entry that slot `slot` holds. */
  #placeOf(base: number, slot: number): number {
    return this.#u16[(slotAt(base, slot) + inSlot.place) >> 1]!;
  }

  #pageOf(hash: number): number {
    return headerBytes + ((hash >>> 0) % this.#pages) * pageBytes;
  }

  /** The sequence, read after everything before it. */
  #again(at: number): number {
    return this.#strongRead ? Atomics.add(this.#i32, at >> 2, 0) : Atomics.load(this.#i32, at >> 2);
  }

  /** Whether the entry at `e` answers the query; the hash is known to agree. */
  #matches(e: number, u8: Uint8Array, query: QueryScan): boolean {
    const mine = this.#u8;
    const nameLength = this.#u16[(e + entry.nameLength) >> 1]!;
    if (nameLength !== query.nameLength || mine[e + entry.keyFlags] !== query.keyFlags) return false;
    if (mine[e + entry.subnetLength] !== query.ecsLength) return false;
    const from = query.at + 12;
    const to = e + entry.answer + 12;
    for (let i = 0; i < nameLength; i++) if (fold[u8[from + i]!] !== mine[to + i]) return false;
    const tail = to + nameLength;
    if (
      ((mine[tail]! << 8) | mine[tail + 1]!) !== query.type ||
      ((mine[tail + 2]! << 8) | mine[tail + 3]!) !== query.class
    ) {
      return false;
    }
    if (query.ecsLength > 0) {
      const subnet =
        e + entry.answer + this.#u16[(e + entry.length) >> 1]! + this.#u16[(e + entry.ttlCount) >> 1]! * 2;
      for (let i = 0; i < query.ecsLength; i++) {
        if (u8[query.ecsAt + i] !== mine[subnet + i]) return false;
      }
    }
    return true;
  }

  /**
   * Touches what `lookup` will read for the first `count` of these queries. A lookup waits for two or three lines of memory
   * one after the other; here the processor fetches those of a whole batch at once. Changes nothing.
   */
  warm(queries: readonly QueryScan[], count: number): void {
    const words = this.#i32;
    const pages = this.#warmPages;
    let sum = 0;
    for (let i = 0; i < count; i++) {
      const at = this.#pageOf(queries[i]!.hash);
      pages[i] = at;
      sum ^= words[at >> 2]!;
    }
    for (let i = 0; i < count; i++) {
      const at = pages[i]!;
      const hash = queries[i]!.hash;
      const end = at + page.slots + Math.min(words[(at >> 2) + page.used]!, slotsPerPage) * slotBytes;
      for (let s = at + page.slots; s < end; s += slotBytes) {
        if (words[s >> 2] !== hash) continue;
        // The page is not locked: this is a hint, kept within the page.
        const e = at + (this.#u16[(s + inSlot.place) >> 1]! & (pageBytes - 1) & ~63);
        sum ^= words[e >> 2]! ^ words[(e >> 2) + 16]!;
        break;
      }
    }
    this.warmth = sum;
  }
  readonly #warmPages = new Int32Array(maxWarm);
  /** What `warm` read, of no meaning: kept where others could see it, so that the reads are not optimised away. */
  warmth = 0;

  /**
   * Writes the answer to `query` (read from `u8`) at `to` in `u32`'s memory: gives its length, or 0 for a miss. `now` in s,
   * monotonic, the same clock in all threads. `to` is a multiple of 4; `room` bytes are there. The id and the letter case of
   * the name are those of the entry: the caller sets them.
   *
   * - An answer in its time: TTLs counted down.
   * - Else, while a failure of the question is kept: an answer that may stand in (`hitStale`, its TTLs those of the rules),
   *   or without one that failure (`hitFailure`). The question need not be asked again yet.
   * - Else, soon after a failure: an answer that may stand in, with `hitPrefetch`: nobody should wait for what will likely fail again.
   */
  lookup(u8: Uint8Array, i32: Int32Array, query: QueryScan, now: number, to: number, room: number): number {
    return this.#look(u8, i32, query, now, to, room, false);
  }

  /**
   * As `lookup`, but gives answers only, and one that may stand in (`hitStale`) whether or not a failure is kept: for
   * a question that no backend has answered (in time).
   */
  lookupStale(
    u8: Uint8Array,
    i32: Int32Array,
    query: QueryScan,
    now: number,
    to: number,
    room: number,
  ): number {
    return this.#look(u8, i32, query, now, to, room, true);
  }

  #look(
    u8: Uint8Array,
    i32: Int32Array,
    query: QueryScan,
    now: number,
    to: number,
    room: number,
    stale: boolean,
  ): number {
    const at = this.#pageOf(query.hash);
    for (let tries = 0; tries < readTries; tries++) {
      const sequence = Atomics.load(this.#i32, at >> 2);
      if (sequence & 1) continue;
      const length = this.#read(at, u8, i32, query, now, to, room, stale);
      if (this.#again(at) === sequence) return length;
    }
    return 0;
  }

  // What is read here may be torn by a writer: every offset taken from the page is kept within bounds, and the caller
  // drops the result when the sequence has moved.
  #read(
    at: number,
    u8: Uint8Array,
    i32: Int32Array,
    query: QueryScan,
    now: number,
    to: number,
    room: number,
    stale: boolean,
  ): number {
    const mine = this.#u8;
    const words = this.#i32;
    const used = words[(at >> 2) + page.used]!;
    const hash = query.hash;
    const end = at + page.slots + Math.min(used, slotsPerPage) * slotBytes;
    // Slots and places of what may be given if nothing in its time is found; 0: none.
    let failure = 0;
    let failurePlace = 0;
    let old = 0;
    let oldPlace = 0;
    let justFailed = false;
    for (let s = at + page.slots; s < end; s += slotBytes) {
      if (words[s >> 2] !== hash) continue;
      const place = this.#u16[(s + inSlot.place) >> 1]!;
      if (place > pageBytes - entry.answer) return 0;
      const e = at + place;
      if (!this.#matches(e, u8, query)) continue;
      const age = now - words[(e + entry.stored) >> 2]!;
      const ttl = words[(e + entry.ttl) >> 2]!;
      if (age < 0) continue;
      if (mine[s + inSlot.failures] !== 0) {
        if (age >= ttl) {
          justFailed ||= age - ttl < recheck;
          continue;
        }
        failure = s;
        failurePlace = place;
      } else if (age < ttl) {
        const length = this.#copy(e, place, u8, i32, to, room, age, 0);
        const useAt = s + inSlot.use;
        const use = mine[useAt]!;
        this.hitFailure = false;
        this.hitStale = false;
        // In the last tenth of its time, asked for at least three times since it was last thought of, and not in vain.
        this.hitPrefetch =
          use >= 3 && ttl >= 10 && (ttl - age) * 10 <= ttl && !this.#fails(at, end, u8, query, now);
        if (this.hitPrefetch) mine[useAt] = 0;
        else if (use < 255) mine[useAt] = use + 1;
        return length;
      } else if (age - ttl < this.#rules.staleFor) {
        old = s;
        oldPlace = place;
      }
    }
    if (failure !== 0) this.#used(failure);
    this.hitPrefetch = false;
    if (old !== 0 && (stale || failure !== 0 || justFailed)) {
      this.hitPrefetch = !stale && failure === 0;
      this.hitFailure = false;
      this.hitStale = true;
      this.#used(old);
      const length = this.#copy(at + oldPlace, oldPlace, u8, i32, to, room, 0, this.#rules.staleTtl);
      this.hitNegative = (u8[to + 3]! & 15) === nxdomain;
      return length;
    }
    if (stale || failure === 0) return 0;
    this.hitFailure = true;
    this.hitStale = false;
    return this.#copy(at + failurePlace, failurePlace, u8, i32, to, room, 0, 0);
  }

  /**
   * Copies the answer of the entry at `e`, its TTLs less `age`, or all `staleTtl` where that is not 0. Gives its length, 0
   * when the page is torn.
   */
  #copy(
    e: number,
    place: number,
    u8: Uint8Array,
    i32: Int32Array,
    to: number,
    room: number,
    age: number,
    staleTtl: number,
  ): number {
    const mine = this.#u8;
    const words = this.#i32;
    const length = this.#u16[(e + entry.length) >> 1]!;
    const ttlCount = this.#u16[(e + entry.ttlCount) >> 1]!;
    if (length > room || place + entry.answer + length + ttlCount * 2 > pageBytes) return 0;
    const from = (e + entry.answer) >> 2;
    const target = to >> 2;
    const count = (length + 3) >> 2;
    for (let i = 0; i < count; i++) i32[target + i] = words[from + i]!;
    const ttls = e + entry.answer + length;
    for (let i = 0; i < ttlCount; i++) {
      const field = mine[ttls + i * 2]! | (mine[ttls + i * 2 + 1]! << 8);
      if (field + 4 > length) return 0;
      const f = to + field;
      const left =
        staleTtl !== 0
          ? staleTtl
          : ((u8[f]! << 24) | (u8[f + 1]! << 16) | (u8[f + 2]! << 8) | u8[f + 3]!) - age;
      u8[f] = left >> 24;
      u8[f + 1] = left >> 16;
      u8[f + 2] = left >> 8;
      u8[f + 3] = left;
    }
    this.hitOpt = this.#u16[(e + entry.opt) >> 1]!;
    return length;
  }

  /** Counts a use of what the slot at `s` holds. */
  #used(s: number): void {
    const use = this.#u8[s + inSlot.use]!;
    if (use < 255) this.#u8[s + inSlot.use] = use + 1;
  }

  /** Whether the page, its slots ending at `end`, keeps a failure of the query: one more torn read. */
  #fails(at: number, end: number, u8: Uint8Array, query: QueryScan, now: number): boolean {
    for (let s = at + page.slots; s < end; s += slotBytes) {
      if (this.#i32[s >> 2] !== query.hash || this.#u8[s + inSlot.failures] === 0) continue;
      const place = this.#u16[(s + inSlot.place) >> 1]!;
      if (place > pageBytes - entry.answer) return false;
      if (this.#matches(at + place, u8, query) && !this.#isPast(at + place, now, 0)) return true;
    }
    return false;
  }

  /**
   * Keeps an answer of `length` bytes at `at` in `u8` for `ttl` seconds from `now`, in place of all that is kept of its
   * question. `query` gives the key, and its name lies in `queryBytes` (the answer's own question may be in another case); `scan`
   * is the answer's scan. An answer that does not fit, or with a TTL of 0, is not kept but makes the cache forget the
   * question all the same: it is newer than what was kept.
   */
  store(
    u8: Uint8Array,
    at: number,
    length: number,
    scan: AnswerScan,
    query: QueryScan,
    queryBytes: Uint8Array,
    now: number,
    ttl: number,
  ): void {
    if (scan.nameLength !== query.nameLength) return;
    const words = this.#i32;
    const base = this.#pageOf(query.hash);
    const fits = length <= longestAnswer && ttl > 0;
    if (!fits && !this.#mayHold(base, query.hash)) return;
    const sequence = this.#lock(base);
    if (sequence < 0) {
      Atomics.add(words, head.skipped, 1);
      return;
    }
    let use = 0;
    for (let slot = words[(base >> 2) + page.used]! - 1; slot >= 0; slot--) {
      const s = slotAt(base, slot);
      if (words[s >> 2] !== query.hash) continue;
      if (!this.#matches(base + this.#placeOf(base, slot), queryBytes, query)) continue;
      use = Math.max(use, this.#u8[s + inSlot.use]!);
      this.#remove(base, slot);
    }
    if (fits) {
      const size = sizeOf(length, scan, query);
      this.#makeRoom(base, size, true, query.hash, now);
      this.#write(base, size, u8, at, length, scan, query, queryBytes, now, ttl, 0, use);
      Atomics.add(words, head.stores, 1);
    }
    this.#unlock(base, sequence);
  }

  /**
   * Keeps a failure of `query` from `now` on, beside an answer to it: header and OPT of the message of `length` bytes at `at` in
   * `u8`, its OPT at offset `optAt` (0: none), and the question, whose name lies in `queryBytes`. Gives how long it is kept (s), 0
   * when it could not be: `failureTtl`, doubled with each failure in a row up to `maxFailureTtl` (RFC 9520 3.2), and at
   * least 30 s where an answer can stand in (RFC 8767 5). An answer ends the row, and so does `maxFailureTtl` without a
   * failure; failures that come while one is kept are one with it. `grows`: false where the failure says nothing
   * of the name, as when the uplink is gone: it is kept no longer than the one before.
   */
  storeFailure(
    u8: Uint8Array,
    at: number,
    length: number,
    optAt: number,
    query: QueryScan,
    queryBytes: Uint8Array,
    now: number,
    grows = true,
  ): number {
    const scan = this.#failure;
    const bytes = this.#composeFailure(u8, at, length, optAt, query, queryBytes);
    const { failureTtl, maxFailureTtl, staleFor } = this.#rules;
    const words = this.#i32;
    const base = this.#pageOf(query.hash);
    const sequence = this.#lock(base);
    if (sequence < 0) {
      Atomics.add(words, head.skipped, 1);
      return 0;
    }
    let use = 0;
    let failures = 1;
    let answered = false;
    for (let slot = words[(base >> 2) + page.used]! - 1; slot >= 0; slot--) {
      const s = slotAt(base, slot);
      if (words[s >> 2] !== query.hash) continue;
      const e = base + this.#placeOf(base, slot);
      if (!this.#matches(e, queryBytes, query)) continue;
      const before = this.#u8[s + inSlot.failures]!;
      if (before === 0) {
        answered ||= !this.#isPast(e, now, staleFor);
        continue;
      }
      if (!this.#isPast(e, now, 0)) failures = before;
      else if (!this.#isPast(e, now, maxFailureTtl)) failures = Math.min(before + (grows ? 1 : 0), 255);
      use = this.#u8[s + inSlot.use]!;
      this.#remove(base, slot);
    }
    this.failuresInRow = failures;
    let ttl = failureTtl * 2 ** Math.min(failures - 1, 16);
    if (answered && ttl < recheck) ttl = recheck;
    ttl = Math.min(ttl, maxFailureTtl);
    const size = sizeOf(bytes, scan, query);
    this.#limitFailures(base, size, now);
    this.#makeRoom(base, size, false, query.hash, now);
    this.#write(base, size, this.#message, 0, bytes, scan, query, queryBytes, now, ttl, failures, use);
    this.#unlock(base, sequence);
    Atomics.add(words, head.stores, 1);
    return ttl;
  }

  /** Writes what is kept of a failure to `#message` and `#failure`; gives its length. An OPT that is too long loses its options. */
  #composeFailure(
    u8: Uint8Array,
    at: number,
    length: number,
    optAt: number,
    query: QueryScan,
    queryBytes: Uint8Array,
  ): number {
    const message = this.#message;
    const { nameLength } = query;
    message.fill(0, 0, 12);
    // Neither authoritative nor cut short.
    message[2] = u8[at + 2]! & ~6;
    message[3] = u8[at + 3]!;
    message[5] = 1;
    for (let i = 0; i < nameLength; i++) message[12 + i] = queryBytes[query.at + 12 + i]!;
    let p = 12 + nameLength;
    message[p++] = query.type >> 8;
    message[p++] = query.type;
    message[p++] = query.class >> 8;
    message[p++] = query.class;
    this.#failure.nameLength = nameLength;
    this.#failure.optAt = 0;
    if (optAt === 0 || optAt + optBytes > length) return p;
    const options = (u8[at + optAt + 9]! << 8) | u8[at + optAt + 10]!;
    const whole = p + optBytes + options <= longestFailure && optAt + optBytes + options <= length;
    const size = whole ? optBytes + options : optBytes;
    for (let i = 0; i < size; i++) message[p + i] = u8[at + optAt + i]!;
    if (!whole) message[p + 9] = message[p + 10] = 0;
    message[11] = 1;
    this.#failure.optAt = p;
    return p + size;
  }

  /** Whether a slot of the page has the tag: a look without a lock. */
  #mayHold(base: number, hash: number): boolean {
    const end = base + page.slots + slotsPerPage * slotBytes;
    for (let s = base + page.slots; s < end; s += slotBytes) if (this.#i32[s >> 2] === hash) return true;
    return false;
  }

  #lock(base: number): number {
    for (let tries = 0; tries < writeTries; tries++) {
      const sequence = Atomics.load(this.#i32, base >> 2);
      if (
        (sequence & 1) === 0 &&
        Atomics.compareExchange(this.#i32, base >> 2, sequence, sequence + 1) === sequence
      ) {
        // Where the machine reorders, what follows must not be seen before the odd sequence is.
        if (this.#strongRead) Atomics.load(this.#i32, base >> 2);
        return sequence;
      }
    }
    return -1;
  }

  /** Ends a write that began at `sequence`; a writer whose page was taken from it changes nothing more. */
  #unlock(base: number, sequence: number): void {
    Atomics.compareExchange(this.#i32, base >> 2, sequence + 1, (sequence + 2) | 0);
  }

  /** Whether the entry's time has been over for `more` seconds. */
  #isPast(e: number, now: number, more: number): boolean {
    return now - this.#i32[(e + entry.stored) >> 2]! >= this.#i32[(e + entry.ttl) >> 2]! + more;
  }

  #isFailure(base: number, slot: number): boolean {
    return this.#u8[slotAt(base, slot) + inSlot.failures] !== 0;
  }

  /** How long after its time what the slot holds is still of use: an answer to stand in, a failure to count those in a row. */
  #afterlife(base: number, slot: number): number {
    return this.#isFailure(base, slot) ? this.#rules.maxFailureTtl : this.#rules.staleFor;
  }

  /** Takes a slot out of a page that is locked. */
  #remove(base: number, slot: number): void {
    const words = this.#i32;
    const size = this.#sizeAt(base, slot);
    if (this.#isFailure(base, slot)) Atomics.sub(words, head.failures, 1);
    const last = words[(base >> 2) + page.used]! - 1;
    const from = slotAt(base, last) >> 2;
    const to = slotAt(base, slot) >> 2;
    words[to] = words[from]!;
    words[to + 1] = words[from + 1]!;
    words[(base >> 2) + page.used] = last;
    words[(base >> 2) + page.live] = words[(base >> 2) + page.live]! - size;
    Atomics.sub(words, head.entries, 1);
    Atomics.sub(words, head.bytes, size);
  }

  /**
   * Sees to a free slot and `size` free bytes behind the last entry. What is of no more use goes, then answers past their time
   * and failures past theirs, then the least useful of the others; `spare`: not those with this tag, if it can be helped.
   * `amply`: once it comes to that, more than needed is freed, so that a full page is not tidied up for every answer.
   */
  #makeRoom(base: number, size: number, amply: boolean, spare: number, now: number): void {
    const words = this.#i32;
    const header = base >> 2;
    if (words[header + page.used] === 0) words[header + page.top] = page.data;
    if (words[header + page.used]! < slotsPerPage && pageBytes - words[header + page.top]! >= size) return;
    for (let slot = words[header + page.used]! - 1; slot >= 0; slot--) {
      if (this.#isPast(base + this.#placeOf(base, slot), now, this.#afterlife(base, slot))) {
        this.#remove(base, slot);
        Atomics.add(words, head.expired, 1);
      }
    }
    if (!this.#fits(base, size, 1)) {
      const worth = this.#worth;
      for (let slot = 0; slot < words[header + page.used]!; slot++) {
        worth[slot] = this.#worthOf(base, slot, spare, now);
      }
      const room = pageBytes - page.data;
      // Past their time, a quarter of the page; in their time, an eighth, and only where it cannot be helped.
      let goal = amply ? size + (room >> 2) : size;
      let slots = amply ? slotsPerPage >> 2 : 1;
      let live = false;
      while (words[header + page.used]! > 0 && !this.#fits(base, goal, slots)) {
        const slot = this.#least(base);
        if (!live && worth[slot]! >= inTime) {
          if (this.#fits(base, size, 1)) break;
          live = true;
          if (amply) {
            goal = size + (room >> 3);
            slots = slotsPerPage / 10;
          }
          continue;
        }
        this.#evict(base, slot);
      }
      this.#fade(base);
    }
    this.#compact(base);
  }

  #fits(base: number, size: number, slots: number): boolean {
    const header = base >> 2;
    return (
      this.#i32[header + page.used]! <= slotsPerPage - slots &&
      pageBytes - page.data - this.#i32[header + page.live]! >= size
    );
  }

  /** Removes a slot to make room; `#worth` stays true. */
  #evict(base: number, slot: number): void {
    const words = this.#i32;
    const header = base >> 2;
    const worth = this.#worth;
    Atomics.add(words, worth[slot]! < inTime ? head.expired : head.evictions, 1);
    words[header + page.evicted] = words[header + page.evicted]! + 1;
    worth[slot] = worth[words[header + page.used]! - 1]!;
    this.#remove(base, slot);
  }

  /** Makes a page's failures, with one of `size` to come, fit in the share of the page that they may have. */
  #limitFailures(base: number, size: number, now: number): void {
    const worth = this.#worth;
    const used = this.#i32[(base >> 2) + page.used]!;
    let sum = size;
    for (let slot = 0; slot < used; slot++) {
      // Answers are out of the question.
      worth[slot] = Infinity;
      if (!this.#isFailure(base, slot)) continue;
      worth[slot] = this.#worthOf(base, slot, 0, now);
      sum += this.#sizeAt(base, slot);
    }
    while (sum > failureBytes) {
      const slot = this.#least(base);
      sum -= this.#sizeAt(base, slot);
      this.#evict(base, slot);
    }
  }

  #sizeAt(base: number, slot: number): number {
    return this.#u16[(base + this.#placeOf(base, slot) + entry.size) >> 1]!;
  }

  /** Halves all use once in a page's worth of evictions, so that what was popular once does not stay for ever. */
  #fade(base: number): void {
    const header = base >> 2;
    const used = this.#i32[header + page.used]!;
    if (this.#i32[header + page.evicted]! < used) return;
    this.#i32[header + page.evicted] = 0;
    for (let slot = 0; slot < used; slot++) {
      const use = slotAt(base, slot) + inSlot.use;
      this.#u8[use] = this.#u8[use]! >> 1;
    }
  }

  /** What is to go first is worth least: what is past its time, then what is used less, then what ends first. */
  #worthOf(base: number, slot: number, spare: number, now: number): number {
    const s = slotAt(base, slot);
    const e = (base + this.#placeOf(base, slot)) >> 2;
    const left = this.#i32[e + entry.stored / 4]! + this.#i32[e + entry.ttl / 4]! - now;
    const rank = this.#i32[s >> 2] === spare ? 2 : left > 0 ? 1 : 0;
    const still = left > 0 ? left : left + this.#afterlife(base, slot);
    return rank * inTime + this.#u8[s + inSlot.use]! * 2 ** 24 + Math.min(still, 2 ** 24 - 1);
  }

  /** The slot worth least. */
  #least(base: number): number {
    const worth = this.#worth;
    const used = this.#i32[(base >> 2) + page.used]!;
    let least = 0;
    for (let slot = 1; slot < used; slot++) if (worth[slot]! < worth[least]!) least = slot;
    return least;
  }

  /** Moves the entries together at the start of the page's data. */
  #compact(base: number): void {
    const used = this.#i32[(base >> 2) + page.used]!;
    const order = this.#order;
    // Sorted by place, the slot in the low bits.
    for (let slot = 0; slot < used; slot++) {
      const key = (this.#placeOf(base, slot) << 8) | slot;
      let j = slot - 1;
      while (j >= 0 && order[j]! > key) {
        order[j + 1] = order[j]!;
        j--;
      }
      order[j + 1] = key;
    }
    // Entries that lie together move together: bytes `from` … `end` go to where those before them ended.
    let top: number = page.data;
    let from: number = page.data;
    let end: number = page.data;
    for (let i = 0; i < used; i++) {
      const slot = order[i]! & 255;
      const place = order[i]! >> 8;
      const size = this.#sizeAt(base, slot);
      if (place !== end) {
        top = this.#move(base, from, end, top);
        from = place;
      }
      end = place + size;
      this.#u16[(slotAt(base, slot) + inSlot.place) >> 1] = top + place - from;
    }
    this.#i32[(base >> 2) + page.top] = this.#move(base, from, end, top);
  }

  /** Moves a page's bytes down; gives where they end then. */
  #move(base: number, from: number, end: number, to: number): number {
    if (to !== from && end !== from) this.#u8.copyWithin(base + to, base + from, base + end);
    return to + end - from;
  }

  #write(
    base: number,
    size: number,
    u8: Uint8Array,
    at: number,
    length: number,
    scan: AnswerScan,
    query: QueryScan,
    queryBytes: Uint8Array,
    now: number,
    ttl: number,
    failures: number,
    use: number,
  ): void {
    const words = this.#i32;
    const mine = this.#u8;
    const header = base >> 2;
    const slot = words[header + page.used]!;
    const place = words[header + page.top]!;
    const e = base + place;
    const s = slotAt(base, slot);
    words[header + page.top] = place + size;
    words[header + page.used] = slot + 1;
    words[header + page.live] = words[header + page.live]! + size;
    words[s >> 2] = query.hash;
    this.#u16[(s + inSlot.place) >> 1] = place;
    mine[s + inSlot.use] = use;
    mine[s + inSlot.failures] = failures;

    words[(e + entry.stored) >> 2] = now;
    words[(e + entry.ttl) >> 2] = ttl;
    this.#u16[(e + entry.size) >> 1] = size;
    this.#u16[(e + entry.length) >> 1] = length;
    mine[e + entry.keyFlags] = query.keyFlags;
    mine[e + entry.subnetLength] = query.ecsLength;
    this.#u16[(e + entry.ttlCount) >> 1] = scan.ttlCount;
    this.#u16[(e + entry.nameLength) >> 1] = scan.nameLength;
    this.#u16[(e + entry.opt) >> 1] = scan.optAt;
    const answer = e + entry.answer;
    for (let i = 0; i < length; i++) mine[answer + i] = u8[at + i]!;
    for (let i = 0; i < scan.nameLength; i++) mine[answer + 12 + i] = fold[u8[at + 12 + i]!]!;
    // A kept answer is not authoritative (RFC 1034 4.3.2 step 4, RFC 2181 5.4.1).
    mine[answer + 2] = mine[answer + 2]! & ~4;
    // A negative answer's SOA says how long it holds (RFC 2308 5); other records keep their own TTLs.
    const most = scan.matching === 0 ? ttl : 0x7fffffff;
    let p = answer + length;
    for (let i = 0; i < scan.ttlCount; i++) {
      const field = scan.ttls[i]!;
      mine[p++] = field & 255;
      mine[p++] = field >> 8;
      const f = answer + field;
      const own = ((mine[f]! << 24) | (mine[f + 1]! << 16) | (mine[f + 2]! << 8) | mine[f + 3]!) >>> 0;
      // Below `ttl` only when a least TTL is configured; above 2^31−1 it means 0 (RFC 2181 8).
      if (own < ttl || own > most) this.#putTtl(f, ttl);
    }
    for (let i = 0; i < query.ecsLength; i++) mine[p + i] = queryBytes[query.ecsAt + i]!;
    Atomics.add(words, head.entries, 1);
    if (failures > 0) Atomics.add(words, head.failures, 1);
    Atomics.add(words, head.bytes, size);
  }

  #putTtl(f: number, ttl: number): void {
    this.#u8[f] = ttl >> 24;
    this.#u8[f + 1] = ttl >> 16;
    this.#u8[f + 2] = ttl >> 8;
    this.#u8[f + 3] = ttl;
  }

  /**
   * Forgets everything, or what is kept for `name` (wire format, lower case), or with `subtree` for all names at and below
   * it. Gives the number of entries removed. Walks all pages: for the main thread.
   */
  flush(name?: Uint8Array, subtree = false): number {
    let removed = 0;
    for (let index = 0; index < this.#pages; index++) {
      const base = headerBytes + index * pageBytes;
      if (this.#i32[(base >> 2) + page.used] === 0) continue;
      let sequence = this.#lock(base);
      // A writer holds a page for microseconds, unless its thread was put to sleep in it. One that died in it holds it
      // for ever, but then nobody reads it either.
      for (let tries = 0; sequence < 0 && tries < flushTries; tries++) {
        this.#waitFor(base, flushWait);
        sequence = this.#lock(base);
      }
      if (sequence < 0) continue;
      for (let slot = this.#i32[(base >> 2) + page.used]! - 1; slot >= 0; slot--) {
        const e = base + this.#placeOf(base, slot);
        if (name === undefined || this.#isAtOrBelow(e, name, subtree)) {
          this.#remove(base, slot);
          removed++;
        }
      }
      this.#unlock(base, sequence);
    }
    return removed;
  }

  #isAtOrBelow(e: number, name: Uint8Array, subtree: boolean): boolean {
    const length = this.#u16[(e + entry.nameLength) >> 1]!;
    const from = e + entry.answer + 12;
    const extra = length - name.length;
    if (extra < 0 || (extra > 0 && !subtree)) return false;
    // The suffix must begin where a label begins.
    let p = 0;
    while (p < extra) p += 1 + this.#u8[from + p]!;
    if (p !== extra) return false;
    for (let i = 0; i < name.length; i++) if (this.#u8[from + extra + i] !== name[i]) return false;
    return true;
  }

  /** Takes over a page whose writer is gone, and empties it: what stands there may be half written. */
  #breakLock(base: number): void {
    const header = base >> 2;
    const held = Atomics.load(this.#i32, header);
    Atomics.sub(this.#i32, head.entries, this.#i32[header + page.used]!);
    Atomics.sub(this.#i32, head.bytes, this.#i32[header + page.live]!);
    for (let slot = 0; slot < this.#i32[header + page.used]!; slot++) {
      if (this.#isFailure(base, slot)) Atomics.sub(this.#i32, head.failures, 1);
    }
    this.#i32[header + page.used] = 0;
    this.#i32[header + page.live] = 0;
    // Further than the writer would have gone: no reader may take the two for one.
    Atomics.store(this.#i32, header, (held + 3) | 0);
  }

  /** Waits until the page's sequence moves, `ms` at most; gives whether it did. */
  #waitFor(base: number, ms: number): boolean {
    return Atomics.wait(this.#i32, base >> 2, Atomics.load(this.#i32, base >> 2), ms) !== 'timed-out';
  }

  /** Empties pages that a dead thread left locked: those that stay so for `ms`, far longer than a writer needs. Gives their number. */
  repair(ms = 250): number {
    const held = new Map<number, number>();
    for (let index = 0; index < this.#pages; index++) {
      const base = headerBytes + index * pageBytes;
      const sequence = Atomics.load(this.#i32, base >> 2);
      if (sequence & 1) held.set(base, sequence);
    }
    let broken = 0;
    for (const [base, sequence] of held) {
      Atomics.wait(this.#i32, base >> 2, sequence, ms);
      if (Atomics.load(this.#i32, base >> 2) !== sequence) continue;
      this.#breakLock(base);
      broken++;
    }
    return broken;
  }

  /** What the cache holds, and has done since the start. `now` (s): for what is stale then. */
  stats(now = 0): CacheStats {
    const word = (at: number) => Atomics.load(this.#i32, at) >>> 0;
    return {
      memory: this.#u8.length,
      entries: word(head.entries),
      failures: word(head.failures),
      stale: this.#stale(now),
      bytes: word(head.bytes),
      stores: word(head.stores),
      evictions: word(head.evictions),
      expired: word(head.expired),
      skipped: word(head.skipped),
    };
  }

  /** Answers past their TTL, from a look at some pages evenly apart. */
  #stale(now: number): number {
    const step = Math.max(1, Math.floor(this.#pages / sampledPages));
    let looked = 0;
    let stale = 0;
    for (let index = 0; index < this.#pages; index += step) {
      const base = headerBytes + index * pageBytes;
      const used = Math.min(this.#i32[(base >> 2) + page.used]!, slotsPerPage);
      for (let slot = 0; slot < used; slot++) {
        // The page is not locked: a place may be torn, and then the count is off by one.
        const e = base + (this.#placeOf(base, slot) & (pageBytes - 1) & ~7);
        if (!this.#isFailure(base, slot) && this.#isPast(e, now, 0)) stale++;
      }
      looked++;
    }
    return Math.round((stale * this.#pages) / looked);
  }
}
