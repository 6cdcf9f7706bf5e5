/**
 * Queries on their way to backends, and the clients that wait for them: tables of a fixed size, made once. A query is a
 * number from 1; its fields are in columns; it is found by (channel, id), by question, and by channel.
 */
import type { Arena } from './ports.ts';

/** Queries in flight at once, in one worker. */
export const maxInFlight = 65_536;
/** Clients waiting at once, in one worker. */
export const maxWaiters = 65_536;
/** A chain of questions with one hash value is not followed further: no client may make it long. */
const maxChain = 64;

/** Fields of a query; index `query * fields + field`. */
export const field = {
  /** Free list; then the chain of questions that may be joined. */
  next: 0,
  /** Chain of (channel, id). */
  nextId: 1,
  nextOfChannel: 2,
  previousOfChannel: 3,
  channel: 4,
  id: 5,
  hash: 6,
  slot: 7,
  type: 8,
  class: 9,
  nameLength: 10,
  keyFlags: 11,
  ecsLength: 12,
  marks: 13,
  tries: 14,
  firstWaiter: 15,
  lastWaiter: 16,
  opcode: 17,
  /** Slot of the backend before this one, plus 1; 0: none. */
  failed: 18,
  /** Of its pool when it was first sent, ms. */
  timeout: 19,
  /** A message that is passed on: its length, and a second hash of all of it but the id. */
  length: 20,
  digest: 21,
} as const;
const fields = 22;
/** Chains of each hash table: few enough to stay in the processor's cache, which counts more than their length. */
const buckets = 32_768;
const bucketShift = 17;

/** Marks of a query. */
export const mark = { pass: 1, stream: 2, prefetch: 4, joinable: 8, reconnected: 16 } as const;

/** Where a query keeps its name, and the client subnet behind it, in the arena. */
const nameRoom = 256;
const textStride = nameRoom + 32;

/** Fields of a waiter in the arena: an origin (80 bytes), then these, then the name as the client wrote it. */
export const waiter = { next: 80, id: 84, udpSize: 88, marks: 92, name: 96 } as const;
const waiterStride = waiter.name + nameRoom;
export const waiterMark = { nsid: 1, edns: 2, tcp: 4 } as const;

/** Bytes that the tables take from the arena. */
export const inFlightArenaBytes = (maxInFlight + 1) * textStride + (maxWaiters + 1) * waiterStride + 256;

export class InFlight {
  /** Columns of all queries. */
  readonly f: Int32Array = new Int32Array((maxInFlight + 1) * fields);
  /** When each query was sent, ms. */
  readonly sent: Float64Array = new Float64Array(maxInFlight + 1);
  /** When each was first sent, ms; 0 before. */
  readonly begun: Float64Array = new Float64Array(maxInFlight + 1);
  count = 0;
  readonly #text: number;
  readonly #waiters: number;
  readonly #u8: Uint8Array;
  readonly #i32: Int32Array;
  readonly #byId: Int32Array = new Int32Array(buckets);
  readonly #byQuestion: Int32Array = new Int32Array(buckets);
  readonly #byChannel: Int32Array;
  #free = 0;
  #used = 0;
  #freeWaiter = 0;
  #usedWaiters = 0;

  constructor(arena: Arena, channels: number) {
    this.#u8 = arena.u8;
    this.#i32 = arena.i32;
    this.#text = arena.reserve((maxInFlight + 1) * textStride);
    this.#waiters = arena.reserve((maxWaiters + 1) * waiterStride);
    this.#byChannel = new Int32Array(channels);
  }

  get(query: number, name: number): number {
    return this.f[query * fields + name]!;
  }
  set(query: number, name: number, value: number): void {
    this.f[query * fields + name] = value;
  }

  /** A fresh query, all its fields 0; 0 when the table is full. */
  take(): number {
    let query = this.#free;
    if (query !== 0) this.#free = this.get(query, field.next);
    else if (this.#used < maxInFlight) query = ++this.#used;
    else return 0;
    this.f.fill(0, query * fields, (query + 1) * fields);
    this.set(query, field.channel, -1);
    this.set(query, field.slot, -1);
    this.begun[query] = 0;
    this.count++;
    return query;
  }

  /** Gives a query back; it must be unlinked and without waiters. */
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

  #idBucket(channel: number, id: number): number {
    return (Math.imul(channel, 0x9e3779b1) ^ Math.imul(id, 0x85ebca6b)) >>> bucketShift;
  }

  /** The query that waits on `channel` with this id; 0 when there is none. */
  find(channel: number, id: number): number {
    let query = this.#byId[this.#idBucket(channel, id)]!;
    while (query !== 0 && (this.get(query, field.id) !== id || this.get(query, field.channel) !== channel)) {
      query = this.get(query, field.nextId);
    }
    return query;
  }

  /** Makes the query findable by channel and id. */
  link(query: number, channel: number, id: number): void {
    this.set(query, field.channel, channel);
    this.set(query, field.id, id);
    const bucket = this.#idBucket(channel, id);
    this.set(query, field.nextId, this.#byId[bucket]!);
    this.#byId[bucket] = query;
    const head = this.#byChannel[channel]!;
    this.set(query, field.nextOfChannel, head);
    this.set(query, field.previousOfChannel, 0);
    if (head !== 0) this.set(head, field.previousOfChannel, query);
    this.#byChannel[channel] = query;
  }

  /** Undoes `link`; a query that is not linked is left as it is. */
  unlink(query: number): void {
    const channel = this.get(query, field.channel);
    if (channel < 0) return;
    const bucket = this.#idBucket(channel, this.get(query, field.id));
    let at = this.#byId[bucket]!;
    if (at === query) this.#byId[bucket] = this.get(query, field.nextId);
    else {
      while (this.get(at, field.nextId) !== query) at = this.get(at, field.nextId);
      this.set(at, field.nextId, this.get(query, field.nextId));
    }
    const next = this.get(query, field.nextOfChannel);
    const previous = this.get(query, field.previousOfChannel);
    if (previous === 0) this.#byChannel[channel] = next;
    else this.set(previous, field.nextOfChannel, next);
    if (next !== 0) this.set(next, field.previousOfChannel, previous);
    this.set(query, field.channel, -1);
  }

  /** One of the queries that wait on `channel`; 0 when none does. */
  anyOf(channel: number): number {
    return this.#byChannel[channel] ?? 0;
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

  /** Adds a client to those that wait for `query`: its place in the arena, or 0 when the table is full. */
  addWaiter(query: number): number {
    let at = this.#freeWaiter;
    if (at !== 0) this.#freeWaiter = this.#i32[(at + waiter.next) >> 2]!;
    else if (this.#usedWaiters < maxWaiters) at = this.#waiters + ++this.#usedWaiters * waiterStride;
    else return 0;
    this.#i32[(at + waiter.next) >> 2] = 0;
    const last = this.get(query, field.lastWaiter);
    if (last === 0) this.set(query, field.firstWaiter, at);
    else this.#i32[(last + waiter.next) >> 2] = at;
    this.set(query, field.lastWaiter, at);
    return at;
  }

  /** Takes the first waiter off the query: its place, or 0. It must be given to `freeWaiter` or `putBack`. */
  shiftWaiter(query: number): number {
    const at = this.get(query, field.firstWaiter);
    if (at === 0) return 0;
    const next = this.#i32[(at + waiter.next) >> 2]!;
    this.set(query, field.firstWaiter, next);
    if (next === 0) this.set(query, field.lastWaiter, 0);
    return at;
  }

  /** Lets a waiter that was taken off wait again, at the end. */
  putBack(query: number, at: number): void {
    this.#i32[(at + waiter.next) >> 2] = 0;
    const last = this.get(query, field.lastWaiter);
    if (last === 0) this.set(query, field.firstWaiter, at);
    else this.#i32[(last + waiter.next) >> 2] = at;
    this.set(query, field.lastWaiter, at);
  }

  freeWaiter(at: number): void {
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
  }
}
