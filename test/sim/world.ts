/**
 * A front in a world of its own: virtual time, a network of arrays, seeded randomness. Queries go in as messages, what the
 * front sends comes out as messages; nothing waits, nothing is random twice.
 */
import { Board } from '#balance/board.ts';
import { Cache } from '#cache/cache.ts';
import { frontCounters } from '#front/counters.ts';
import { Entropy } from '#front/entropy.ts';
import { Front, frontArenaBytes } from '#front/front.ts';
import type { Plan, PlanPool } from '#front/plan.ts';
import { type Egress, origin, originBytes } from '#front/ports.ts';
import { makeArena } from '#kit/arena.ts';
import { writeSockaddr } from '#net/sockaddr.ts';
import { decodeMessage, encodeMessage, type Message } from '#wire/message.ts';

/** A query that the front sent to a backend. */
export type Sent = {
  readonly slot: number;
  readonly channel: number;
  readonly stream: boolean;
  readonly bytes: Uint8Array;
};
/** An answer that the front sent to a client. */
export type Reply = {
  readonly client: number;
  readonly tcp: boolean;
  readonly at: number;
  readonly bytes: Uint8Array;
};

const channelsPerSlot = 8;
/** Of these, this one stands for TCP. */
const streamChannel = channelsPerSlot - 1;

/** A small generator with a seed (G. Marsaglia, "Xorshift RNGs", 2003): repeatable, not secret. */
export function seeded(seed: number): () => number {
  let state = seed | 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state >>> 0;
  };
}

export type WorldOptions = {
  readonly pools?: readonly Partial<PlanPool>[];
  readonly plan?: Partial<Plan>;
  readonly cache?: boolean;
  readonly seed?: number;
};

export const cacheRules = {
  minTtl: 0,
  maxTtl: 86_400,
  maxNegativeTtl: 3600,
  failureTtl: 5,
  maxFailureTtl: 300,
  staleFor: 86_400,
  staleTtl: 30,
  staleAfter: 1800,
  prefetch: true,
} as const;

/** A pool of `count` backends on the slots from `slot` on. */
export function pool(count: number, slot = 0, more: Partial<PlanPool> = {}): PlanPool {
  return {
    name: 'default',
    policy: 'round-robin',
    timeout: 2000,
    tries: 4,
    hedge: null,
    backends: Array.from({ length: count }, (_, i) => ({
      name: `b${slot + i}`,
      slot: slot + i,
      address: `192.0.2.${slot + i + 1}`,
      port: 53,
      weight: 1,
    })),
    ...more,
  };
}

export class World {
  now = 1_000_000;
  readonly sent: Sent[] = [];
  readonly replies: Reply[] = [];
  readonly relayed: { slot: number; client: number; bytes: Uint8Array }[] = [];
  readonly board = new Board(1);
  readonly counters = new Float64Array(frontCounters.size);
  readonly front: Front;
  /** Whether datagrams and TCP can be had. */
  reachable = true;
  streams = true;
  readonly #arena = makeArena(frontArenaBytes + 400_000);
  readonly #in = this.#arena.reserve(65_600);
  readonly #out = this.#arena.reserve(66_000);
  readonly #query = this.#arena.reserve(65_600);
  readonly #origin = this.#arena.reserve(originBytes);
  readonly #random: () => number;

  constructor(options: WorldOptions = {}) {
    this.#random = seeded(options.seed ?? 1);
    const pools = options.pools?.map(each => ({ ...pool(2), ...each })) ?? [pool(2)];
    for (const each of pools) {
      for (const { slot } of each.backends) {
        this.board.clear(slot);
        this.board.setState(slot, 'up');
      }
    }
    this.front = new Front({
      arena: this.#arena,
      egress: this.#egress(),
      board: this.board,
      worker: 0,
      counters: this.counters,
      cache: options.cache === false ? null : new Cache(Cache.create(1 << 20, 7), true),
      entropy: new Entropy(words => {
        for (let i = 0; i < words.length; i++) words[i] = this.#random();
      }),
      plan: this.plan(pools, options.plan),
    });
  }

  plan(pools: readonly PlanPool[], more: Partial<Plan> = {}): Plan {
    return {
      generation: 1,
      allow: [{ bytes: [10, 0, 0, 0], bits: 8 }],
      identity: 'front-1',
      version: 'Chorus',
      udpSize: 1232,
      pools,
      defaultPool: 0,
      domains: [],
      cache: cacheRules,
      ...more,
    };
  }

  #egress(): Egress {
    return {
      replyRoom: 65_535,
      channels: 512 * channelsPerSlot,
      replySpace: () => this.#out,
      reply: (from, length) => {
        const { u8, i32 } = this.#arena;
        this.replies.push({
          client: (u8[from + origin.address4 + 2]! << 8) | u8[from + origin.address4 + 3]!,
          tcp: i32[(from + origin.transport) >> 2] === 1,
          at: this.now,
          bytes: u8.slice(this.#out, this.#out + length),
        });
      },
      querySpace: () => this.#query,
      datagramChannel: slot =>
        this.reachable ? slot * channelsPerSlot + (this.#random() % streamChannel) : -1,
      streamChannel: slot => (this.streams ? slot * channelsPerSlot + streamChannel : -1),
      query: (channel, length) => {
        this.sent.push({
          slot: Math.floor(channel / channelsPerSlot),
          channel,
          stream: channel % channelsPerSlot === streamChannel,
          bytes: this.#arena.u8.slice(this.#query, this.#query + length),
        });
      },
      relay: (from, slot, at, length) => {
        const { u8 } = this.#arena;
        if (!this.streams) return false;
        this.relayed.push({
          slot,
          client: (u8[from + origin.address4 + 2]! << 8) | u8[from + origin.address4 + 3]!,
          bytes: u8.slice(at, at + length),
        });
        return true;
      },
    };
  }

  /** A packet from client number `client` (10.0.x.y, unless another address is given). */
  packet(bytes: Uint8Array, client = 1, tcp = false, address = `10.0.${client >> 8}.${client & 255}`): void {
    const { u8, i32 } = this.#arena;
    u8.set(bytes, this.#in);
    i32[(this.#origin + origin.length) >> 2] = writeSockaddr(u8, this.#origin, address, 40_000);
    i32[(this.#origin + origin.transport) >> 2] = tcp ? 1 : 0;
    this.front.query(this.#in, bytes.length, this.#origin, this.now);
  }

  ask(message: Message, client = 1, tcp = false): void {
    this.packet(encodeMessage(message), client, tcp);
  }

  /** A packet from the backend on the channel of `to`. */
  answerBytes(to: Sent, bytes: Uint8Array, channel = to.channel): void {
    this.#arena.u8.set(bytes, this.#in);
    this.front.answer(channel, Math.floor(channel / channelsPerSlot), this.#in, bytes.length, this.now);
  }

  /** The backend's answer to `to`: its id and question, with `more`. */
  answer(to: Sent, more: Partial<Message> = {}): void {
    const asked = decodeMessage(to.bytes);
    this.answerBytes(to, encodeMessage({ ...asked, qr: true, ra: true, ...more }));
  }

  /** Lets time pass; deadlines on the way are met at their time. */
  advance(ms: number): void {
    const end = this.now + ms;
    for (;;) {
      const due = this.front.deadline();
      if (due > end) break;
      this.now = Math.max(this.now, due);
      const before = this.front.inFlight;
      this.front.expire(this.now);
      // A wheel may look early, never late: go on by a tick when nothing was due.
      if (this.front.inFlight === before) this.now += 1;
    }
    this.now = Math.max(this.now, end);
  }

  /** The last reply, decoded. */
  get last(): Message {
    return decodeMessage(this.replies.at(-1)!.bytes);
  }
  /** The last query sent, as the front sent it. */
  get lastSent(): Sent {
    return this.sent.at(-1)!;
  }
  count(key: keyof typeof frontCounters.at): number {
    return this.counters[frontCounters.at[key]]!;
  }
}
