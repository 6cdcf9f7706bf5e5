/** The channels of the loop engine: UDP sockets and TCP connections to each backend of a snapshot. */
import type { RandomInt } from '#balance/policy.ts';
import { Channels } from '#net/channels.ts';
import { DatagramBackend, type DatagramChannel } from '#net/dgram-backend.ts';
import {
  type BackendAddress,
  type BackendConnection,
  type ConnectionEvent,
  TcpBackend,
} from '#net/tcp-backend.ts';

/** Channels in all: sockets and connections to all backends, those being retired included. */
const maxChannels = 8_192;

/** A backend with its place on the board; `timeout`: how long an answer may take, ms. */
export type LoopBackend = BackendAddress & { readonly slot: number };

export type BackendsEvents = {
  /** A packet or message of `length` bytes lies at `at` in `bytes`. */
  answer(channel: number, slot: number, bytes: Uint8Array, at: number, length: number): void;
  /** All that waits on the channel is lost. */
  broken(channel: number): void;
  /** Whether nothing waits on the channel. */
  idle(channel: number): boolean;
  count(event: ConnectionEvent | 'dropped'): void;
};

type Sender = DatagramChannel | BackendConnection;
type Pair = { address: LoopBackend; readonly datagrams: DatagramBackend; readonly streams: TcpBackend };

export class LoopBackends {
  readonly size = maxChannels;
  readonly #events: BackendsEvents;
  readonly #random: RandomInt;
  readonly #clock: () => number;
  readonly #channels = new Channels<Sender>(maxChannels);
  readonly #slots: (Pair | undefined)[] = [];
  /** No longer asked; closed when nothing waits for them. */
  readonly #retired = new Set<Pair>();

  constructor(events: BackendsEvents, random: RandomInt, clock: () => number) {
    this.#events = events;
    this.#random = random;
    this.#clock = clock;
  }

  /** Asks these backends from now on, and no others, each over UDP from up to `ports` source ports. */
  apply(backends: readonly LoopBackend[], ports: number): void {
    const wanted = new Map(backends.map(backend => [backend.slot, backend]));
    for (const [slot, pair] of this.#slots.entries()) {
      const next = wanted.get(slot);
      if (pair && !(next && sameTarget(pair.address, next))) {
        this.#slots[slot] = undefined;
        this.#retired.add(pair);
      }
    }
    for (const backend of backends) {
      const pair = this.#slots[backend.slot];
      if (pair) {
        pair.address = backend;
        pair.datagrams.ports = ports;
        pair.streams.backend = backend;
      } else this.#slots[backend.slot] = this.#make(backend, ports);
    }
  }

  #make(backend: LoopBackend, ports: number): Pair {
    const { slot } = backend;
    const events = this.#events;
    const number = (sender: Sender): number => this.#channels.take(() => sender);
    const datagrams = new DatagramBackend(
      backend,
      ports,
      {
        answer: (from, packet) => events.answer(from.channel, slot, packet, 0, packet.length),
        broken: from => events.broken(from.channel),
        dropped: () => events.count('dropped'),
      },
      number,
      this.#random,
      this.#clock,
    );
    const streams = new TcpBackend(
      backend,
      {
        answer: (from, bytes, at, length) => events.answer(from.channel, slot, bytes, at, length),
        broken: from => {
          events.broken(from.channel);
          this.#channels.release(from.channel);
        },
        count: event => events.count(event),
      },
      number,
      this.#clock,
    );
    return { address: backend, datagrams, streams };
  }

  /** Where the backend on `slot` answers; undefined when there is none. */
  address(slot: number): BackendAddress | undefined {
    return this.#slots[slot]?.address;
  }

  /** The channel for the next query over UDP; −1 when none can be had. */
  datagram(slot: number): number {
    return this.#slots[slot]?.datagrams.pick() ?? -1;
  }

  /** The channel for the next query over TCP; −1 when none can be had. */
  stream(slot: number): number {
    return this.#slots[slot]?.streams.pick() ?? -1;
  }

  /** Sends a query, copied now. */
  send(channel: number, u8: Uint8Array, at: number, length: number): void {
    this.#channels.get(channel)?.send(u8, at, length);
  }

  /** Replaces, closes and cuts what is due. Call a few times a second. */
  sweep(now: number): void {
    const idle = (channel: number): boolean => this.#events.idle(channel);
    const closed = (from: DatagramChannel): void => this.#channels.release(from.channel);
    for (const pair of this.#slots) {
      pair?.datagrams.sweep(now, idle, closed);
      pair?.streams.sweep(now);
    }
    for (const pair of this.#retired) {
      pair.streams.sweep(now);
      if (pair.datagrams.retire(idle, closed) + pair.streams.retire(idle) === 0) this.#retired.delete(pair);
    }
  }

  /** Closes everything. */
  destroy(): void {
    for (const pair of [...this.#slots, ...this.#retired]) {
      pair?.datagrams.destroy();
      pair?.streams.destroy();
    }
  }
}

function sameTarget(a: LoopBackend, b: LoopBackend): boolean {
  return a.address === b.address && a.port === b.port && a.source === b.source;
}
