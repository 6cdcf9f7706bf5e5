/**
 * Questions that wait for backends, and the clients that wait for them: tables of a fixed size, made once. A query is a
 * number from 1; it is found by its question. What was sent for it is in attempts.ts.
 */
import { Fairness } from './fairness.ts';
import { type Arena, networkHigh, networkLow } from './ports.ts';

/** Queries in flight at once, in one worker. */
export const maxInFlight = 65_536;
/** Clients waiting at once, in one worker. */
export const maxWaiters = 65_536;
/** From so many queries or clients on, books are kept of who has how many; below the other, no more. */
const crowdedFrom = maxInFlight / 2;
const crowdedTo = maxInFlight / 4;
/**
 * Who may have to give way: any waiter; only one that is the only one of its query; only one of many where places are scarce; any one of
 * a network that has an eighth of all that wait.
 */
export const gives = { any: 0, alone: 1, crowd: 2, hog: 3 } as const;
const hogShare = 1 / 8;
/**
 * While fewer places than this are free, a query gets one more client only while it has less than one for each `placesToShare` that are
 * free: names that are slow and much asked must not keep all others out.
 */
const scarce = maxWaiters / 4;
const placesToShare = 256;
/** Waiters of the heaviest network that are looked at for one that is alone. */
const maxGivingWay = 8;
/** A chain of questions with one hash value is not followed further: no client may make it long. */
const maxChain = 64;

/** Fields of a query; index `query * fields + field`. */
export const field = {
  /** Free list; then the chain of questions that may be joined. */
  next: 0,
  /** The newest of its attempts; 0: none is under way. */
  attempt: 1,
  /** Messages sent to backends, and among them hedges. */
  sends: 2,
  hedges: 3,
  hash: 4,
  type: 5,
  class: 6,
  nameLength: 7,
  keyFlags: 8,
  ecsLength: 9,
  marks: 10,
  firstWaiter: 11,
  lastWaiter: 12,
  opcode: 13,
  /** Of its pool when it was first sent, ms; and the pool's `tries`. */
  timeout: 14,
  tries: 15,
  /** A message that is passed on: its length, and a second hash of all of it but the id. */
  length: 16,
  digest: 17,
  /** When it is hedged if nothing comes, ms after it was first sent; 0: not at all. And the delay that led to it. */
  hedgeAt: 18,
  delay: 19,
  /** Extended error of the last failure, plus 1; 0: none. */
  ede: 20,
  /** Backends tried, and the slot of each with what became of it: `slot * outcomes + outcome`. */
  triedCount: 21,
  /** How many wait for it. */
  waiters: 22,
  tried: 23,
} as const;
/** Backends that one query remembers having tried. */
export const maxTried = 8;
const fields = field.tried + maxTried;
/** What became of a try, so far. */
export const outcome = {
  open: 0,
  servfail: 1,
  refused: 2,
  malformed: 3,
  network: 4,
  formerr: 5,
  /** NOTIMP, and codes that answer no query. */
  unfit: 6,
  /** It could not be sent for want of room on our side: nobody's fault. */
  unsent: 7,
  count: 8,
} as const;

/** Chains of the hash table of questions: few enough to stay in the processor's cache, which counts more than their length. */
const buckets = 32_768;
const bucketShift = 17;

/** Marks of a query. */
export const mark = {
  /** Passed on as it is: never sent twice. */
  pass: 1,
  /** Asked over TCP. */
  stream: 2,
  /** Nobody waits for it: the cache does. */
  prefetch: 4,
  joinable: 8,
  /** Its TCP connection broke once and was made again. */
  reconnected: 16,
  /** The client-response timer went off: those who waited got a stale answer, if there was one. */
  timerOver: 32,
  staleGiven: 64,
  /** Asked without EDNS, which backends did not understand. */
  plainDns: 128,
  /** Asked with CD=1 to learn whose fault a failure is. */
  diagnosis: 256,
  /** The guard of zones counts it as outstanding. */
  counted: 512,
} as const;

/** The fields that make a question. */
const question = [
  field.hash,
  field.type,
  field.class,
  field.nameLength,
  field.keyFlags,
  field.ecsLength,
  field.opcode,
] as const;

/** Where a query keeps its name, and the client subnet behind it, in the arena. */
const nameRoom = 256;
const textStride = nameRoom + 32;

/** Fields of a waiter in the arena: an origin (80 bytes), then these, then the name as the client wrote it. */
export const waiter = {
  next: 80,
  id: 84,
  udpSize: 88,
  marks: 92,
  query: 96,
  previous: 100,
  name: 104,
} as const;
const waiterStride = waiter.name + nameRoom;
export const waiterMark = { nsid: 1, edns: 2, tcp: 4 } as const;

/** Bytes that the tables take from the arena. */
export const inFlightArenaBytes = (maxInFlight + 1) * textStride + (maxWaiters + 1) * waiterStride + 256;

export class InFlight {
  /** Columns of all queries. */
  readonly f: Int32Array = new Int32Array((maxInFlight + 1) * fields);
  /** When each query was last sent, ms. */
  readonly sent: Float64Array = new Float64Array(maxInFlight + 1);
  /** When each was first sent, ms; 0 before. */
  readonly begun: Float64Array = new Float64Array(maxInFlight + 1);
  count = 0;
  /** Clients that wait. */
  waiting = 0;
  readonly #fairness: Fairness;
  readonly #text: number;
  readonly #waiters: number;
  readonly #u8: Uint8Array;
  readonly #i32: Int32Array;
  readonly #byQuestion: Int32Array = new Int32Array(buckets);
  #free = 0;
  #used = 0;
  #freeWaiter = 0;
  #usedWaiters = 0;

  /** `seed`: 32 unpredictable bits. */
  constructor(arena: Arena, seed: number) {
    this.#fairness = new Fairness(maxWaiters, seed);
    this.#u8 = arena.u8;
    this.#i32 = arena.i32;
    this.#text = arena.reserve((maxInFlight + 1) * textStride);
    this.#waiters = arena.reserve((maxWaiters + 1) * waiterStride);
  }

  get(query: number, name: number): number {
    return this.f[query * fields + name]!;
  }
  set(query: number, name: number, value: number): void {
    this.f[query * fields + name] = value;
  }

  /** Whether no query can be taken. */
  get full(): boolean {
    return this.#free === 0 && this.#used === maxInFlight;
  }

  /** A fresh query, all its fields 0; 0 when the table is full. */
  take(): number {
    let query = this.#free;
    if (query !== 0) this.#free = this.get(query, field.next);
    else if (this.#used < maxInFlight) query = ++this.#used;
    else return 0;
    this.f.fill(0, query * fields, (query + 1) * fields);
    this.begun[query] = 0;
    this.count++;
    return query;
  }

  /** A fresh query with the same question; 0 when the table is full. */
  copyOf(query: number): number {
    const twin = this.take();
    if (twin === 0) return 0;
    for (const name of question) this.set(twin, name, this.get(query, name));
    const from = this.nameAt(query);
    const to = this.nameAt(twin);
    for (let i = 0; i < textStride; i++) this.#u8[to + i] = this.#u8[from + i]!;
    return twin;
  }

  /** Gives a query back; it must be withdrawn, without attempts and without waiters. */
  release(query: number): void {
    this.set(query, field.next, this.#free);
    this.#free = query;
    this.count--;
  }

  /** Where the query's name lies in the arena. */
  nameAt(query: number): number {
    return this.#text + query * textStride;
  }
  /** Where its client subnet lies. */
  ecsAt(query: number): number {
    return this.#text + query * textStride + nameRoom;
  }

  /** Notes that the backend on `slot` is tried; one that was tried before stays where it is. */
  trying(query: number, slot: number): void {
    const count = this.get(query, field.triedCount);
    const at = query * fields + field.tried;
    for (let i = 0; i < count; i++) {
      if (Math.floor(this.f[at + i]! / outcome.count) !== slot) continue;
      this.f[at + i] = slot * outcome.count;
      return;
    }
    if (count === maxTried) return;
    this.f[at + count] = slot * outcome.count;
    this.set(query, field.triedCount, count + 1);
  }
  /** The slot of try `i`. */
  triedSlot(query: number, i: number): number {
    return Math.floor(this.f[query * fields + field.tried + i]! / outcome.count);
  }
  /** What became of try `i`. */
  outcomeOf(query: number, i: number): number {
    return this.f[query * fields + field.tried + i]! % outcome.count;
  }
  /** Notes what became of the try of `slot`. */
  setOutcome(query: number, slot: number, value: number): void {
    const count = this.get(query, field.triedCount);
    for (let i = 0; i < count; i++) {
      if (this.triedSlot(query, i) === slot)
        this.f[query * fields + field.tried + i] = slot * outcome.count + value;
    }
  }
  /** How many tries ended with `value`. */
  outcomes(query: number, value: number): number {
    const count = this.get(query, field.triedCount);
    let sum = 0;
    for (let i = 0; i < count; i++) if (this.outcomeOf(query, i) === value) sum++;
    return sum;
  }

  /** First query with this question hash; follow with `nextTwin`. */
  firstTwin(hash: number): number {
    return this.#byQuestion[hash >>> bucketShift]!;
  }
  nextTwin(query: number): number {
    return this.get(query, field.next);
  }
  get maxTwins(): number {
    return maxChain;
  }

  /** Lets identical questions join the query. */
  offer(query: number, hash: number): void {
    this.set(query, field.hash, hash);
    this.set(query, field.next, this.#byQuestion[hash >>> bucketShift]!);
    this.#byQuestion[hash >>> bucketShift] = query;
    this.set(query, field.marks, this.get(query, field.marks) | mark.joinable);
  }

  /** Undoes `offer`; a query that was not offered is left as it is. */
  withdraw(query: number): void {
    const marks = this.get(query, field.marks);
    if ((marks & mark.joinable) === 0) return;
    this.set(query, field.marks, marks & ~mark.joinable);
    const bucket = this.get(query, field.hash) >>> bucketShift;
    let at = this.#byQuestion[bucket]!;
    if (at === query) this.#byQuestion[bucket] = this.get(query, field.next);
    else {
      while (this.get(at, field.next) !== query) at = this.get(at, field.next);
      this.set(at, field.next, this.get(query, field.next));
    }
  }

  /** Whether places are scarce and this query has its share of them. */
  crowded(query: number): boolean {
    const free = maxWaiters - this.waiting;
    return free < scarce && this.get(query, field.waiters) * placesToShare >= free;
  }

  /** Adds a client to those that wait for `query`: its place in the arena, or 0 when the table is full. */
  addWaiter(query: number): number {
    let at = this.#freeWaiter;
    if (at !== 0) this.#freeWaiter = this.#i32[(at + waiter.next) >> 2]!;
    else if (this.#usedWaiters < maxWaiters) at = this.#waiters + ++this.#usedWaiters * waiterStride;
    else return 0;
    this.waiting++;
    this.putBack(query, at);
    return at;
  }

  /** Takes the first waiter off the query: its place, or 0. It must be given to `freeWaiter` or `putBack`. */
  shiftWaiter(query: number): number {
    const at = this.get(query, field.firstWaiter);
    if (at === 0) return 0;
    const next = this.#i32[(at + waiter.next) >> 2]!;
    this.f[query * fields + field.waiters]!--;
    this.set(query, field.firstWaiter, next);
    if (next === 0) this.set(query, field.lastWaiter, 0);
    else this.#i32[(next + waiter.previous) >> 2] = 0;
    return at;
  }

  /** Takes a waiter off its query, wherever it stands. It must be given to `freeWaiter`. */
  #takeWaiter(at: number): void {
    const i32 = this.#i32;
    const query = i32[(at + waiter.query) >> 2]!;
    const next = i32[(at + waiter.next) >> 2]!;
    const previous = i32[(at + waiter.previous) >> 2]!;
    this.f[query * fields + field.waiters]!--;
    if (previous === 0) this.set(query, field.firstWaiter, next);
    else i32[(previous + waiter.next) >> 2] = next;
    if (next === 0) this.set(query, field.lastWaiter, previous);
    else i32[(next + waiter.previous) >> 2] = previous;
  }

  /** Lets a waiter that was taken off wait again, at the end. */
  putBack(query: number, at: number): void {
    this.#i32[(at + waiter.next) >> 2] = 0;
    this.#i32[(at + waiter.query) >> 2] = query;
    this.f[query * fields + field.waiters]!++;
    const last = this.get(query, field.lastWaiter);
    this.#i32[(at + waiter.previous) >> 2] = last;
    if (last === 0) this.set(query, field.firstWaiter, at);
    else this.#i32[(last + waiter.next) >> 2] = at;
    this.set(query, field.lastWaiter, at);
  }

  freeWaiter(at: number): void {
    this.waiting--;
    if (this.#fairness.on) {
      this.#fairness.remove((at - this.#waiters) / waiterStride);
      if (this.waiting < crowdedTo && this.count < crowdedTo) this.#fairness.end();
    }
    this.#i32[(at + waiter.next) >> 2] = this.#freeWaiter;
    this.#freeWaiter = at;
  }

  /** Writes a waiter: origin at `from`, and the name of `nameLength` bytes at `nameAt` as the client wrote it. */
  fillWaiter(
    at: number,
    from: number,
    id: number,
    udpSize: number,
    marks: number,
    nameAt: number,
    nameLength: number,
  ): void {
    for (let i = 0; i < 20; i++) this.#i32[(at >> 2) + i] = this.#i32[(from >> 2) + i]!;
    this.#i32[(at + waiter.id) >> 2] = id;
    this.#i32[(at + waiter.udpSize) >> 2] = udpSize;
    this.#i32[(at + waiter.marks) >> 2] = marks;
    for (let i = 0; i < nameLength; i++) this.#u8[at + waiter.name + i] = this.#u8[nameAt + i]!;
    if (this.#fairness.on) this.#book(at);
    else if (this.waiting >= crowdedFrom || this.count >= crowdedFrom) this.#keepBooks();
  }

  #book(at: number): void {
    const high = networkHigh(this.#u8, this.#i32, at);
    this.#fairness.add((at - this.#waiters) / waiterStride, high, networkLow(this.#u8, this.#i32, at));
  }

  #keepBooks(): void {
    this.#fairness.begin();
    for (let query = 1; query <= this.#used; query++) {
      for (let at = this.get(query, field.firstWaiter); at !== 0; at = this.#i32[(at + waiter.next) >> 2]!) {
        this.#book(at);
      }
    }
  }

  /**
   * When a table is full: takes the newest waiter of the network that has most off its query, if the client at `from` is of another
   * network that has less. Gives its place, which must be given to `freeWaiter` once it has been answered; 0 when the client itself has
   * to give way.
   */
  giveWay(from: number, who: number): number {
    const books = this.#fairness;
    if (!books.on) return 0;
    const mine = books.of(networkHigh(this.#u8, this.#i32, from), networkLow(this.#u8, this.#i32, from));
    if (mine + 1 >= books.most) return 0;
    if (who === gives.hog && books.most < this.waiting * hogShare) return 0;
    let thing = books.first;
    for (let i = 0; i < maxGivingWay && thing !== 0; i++, thing = books.after(thing)) {
      const at = this.#waiters + thing * waiterStride;
      const query = this.queryOf(at);
      if (who === gives.alone && this.get(query, field.waiters) !== 1) continue;
      if (who === gives.crowd && !this.crowded(query)) continue;
      this.#takeWaiter(at);
      return at;
    }
    return 0;
  }

  /** The query that the waiter waits for. */
  queryOf(at: number): number {
    return this.#i32[(at + waiter.query) >> 2]!;
  }
}
