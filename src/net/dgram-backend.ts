/**
 * Queries to backends over UDP: several sockets to each backend, each on a source port of the kernel's random choice, one
 * taken at random for each query and replaced now and then, so that nobody learns them for long (RFC 5452 9.2).
 */
import type { RemoteInfo, Socket } from 'node:dgram';
import { openDatagram, outgoing } from './dgram-socket.ts';

/** A socket is replaced after so many queries or so long (ms), give or take a half. */
const lifeQueries = 200_000;
const lifeTime = 120_000;
/** After a socket could not be had, time until the next attempt, ms. */
const holdOff = 200;
const receiveBuffer = 1 << 20;

/** Uniform integers: `random(n)` is in 0 … n−1. */
type RandomInt = (bound: number) => number;

export type DatagramTarget = {
  readonly address: string;
  readonly port: number;
  readonly source?: string | undefined;
};

export type DatagramEvents = {
  /** A packet came from the backend. */
  answer(channel: DatagramChannel, packet: Uint8Array): void;
  /** The network says that nobody listens there, or that there is no way: what waits on the channel is lost. */
  broken(channel: DatagramChannel): void;
  /** A packet could not be sent. */
  dropped?(): void;
};

/** One socket. Memory: the kernel's buffer (1 MiB) and what Node queues for a full one (256 KiB). */
export class DatagramChannel {
  /** Its number among the channels. */
  channel = -1;
  readonly #socket: Socket;
  readonly #events: DatagramEvents;
  #closed = false;
  #queriesLeft: number;
  readonly #dies: number;

  /** Throws Node's system error when no socket can be had. */
  constructor(target: DatagramTarget, events: DatagramEvents, random: RandomInt, now: number) {
    const any = target.address.includes(':') ? '::' : '0.0.0.0';
    this.#socket = openDatagram({ address: target.source ?? any, port: 0, receiveBuffer, to: target });
    this.#events = events;
    this.#queriesLeft = lifeQueries / 2 + random(lifeQueries);
    this.#dies = now + lifeTime / 2 + random(lifeTime);
    const peer = this.#socket.remoteAddress();
    this.#socket.on('message', (packet: Buffer, from: RemoteInfo) => {
      // The kernel looks at this too, but not at what came between bind and connect.
      if (from.port === peer.port && from.address === peer.address) events.answer(this, packet);
    });
    this.#socket.on('error', () => this.#failed());
  }

  #failed(): void {
    if (!this.#closed) this.#events.broken(this);
  }

  /** Whether it has served long enough. */
  worn(now: number): boolean {
    return this.#queriesLeft <= 0 || now >= this.#dies;
  }

  /** Sends a query, copied now. A failure is told later. */
  send(u8: Uint8Array, at: number, length: number): void {
    this.#queriesLeft--;
    const packet = this.#closed ? null : outgoing(this.#socket, u8, at, length);
    if (packet) this.#socket.send(packet, this.#sent);
    else this.#events.dropped?.();
  }

  readonly #sent = (error: Error | null): void => {
    // Linux gives the news of an earlier packet to whoever calls next, here instead of as an event.
    if (!error) return;
    this.#events.dropped?.();
    this.#failed();
  };

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#socket.close();
  }
}

/** The sockets to one backend, at most `ports`, opened when first chosen. `number` gives each a channel, −1: none left. */
export class DatagramBackend {
  ports: number;
  readonly #target: DatagramTarget;
  readonly #events: DatagramEvents;
  readonly #number: (channel: DatagramChannel) => number;
  readonly #random: RandomInt;
  readonly #clock: () => number;
  readonly #channels: (DatagramChannel | undefined)[] = [];
  /** Not chosen any more; closed when nothing waits on them. */
  readonly #retired = new Set<DatagramChannel>();
  #notBefore = -Infinity;

  constructor(
    target: DatagramTarget,
    ports: number,
    events: DatagramEvents,
    number: (channel: DatagramChannel) => number,
    random: RandomInt,
    clock: () => number,
  ) {
    this.#target = target;
    this.ports = ports;
    this.#events = events;
    this.#number = number;
    this.#random = random;
    this.#clock = clock;
  }

  /** The channel for the next query; −1 when no socket can be had. */
  pick(): number {
    const index = this.#random(this.ports);
    const found = this.#channels[index];
    return found ? found.channel : this.#open(index);
  }

  #open(index: number): number {
    const now = this.#clock();
    // No descriptor, no route: one that is open does as well.
    const other = (): number => this.#channels.find(channel => channel !== undefined)?.channel ?? -1;
    if (now < this.#notBefore) return other();
    let channel: DatagramChannel;
    try {
      channel = new DatagramChannel(this.#target, this.#events, this.#random, now);
    } catch {
      this.#notBefore = now + holdOff;
      return other();
    }
    channel.channel = this.#number(channel);
    if (channel.channel < 0) {
      channel.close();
      return other();
    }
    this.#channels[index] = channel;
    return channel.channel;
  }

  /** Replaces sockets that have served long enough; closes replaced ones on which nothing waits (`idle`). */
  sweep(now: number, idle: (channel: number) => boolean, closed: (channel: DatagramChannel) => void): void {
    for (const [index, channel] of this.#channels.entries()) {
      if (!channel || (!channel.worn(now) && index < this.ports)) continue;
      this.#channels[index] = undefined;
      this.#retired.add(channel);
    }
    for (const channel of this.#retired) {
      if (!idle(channel.channel)) continue;
      this.#retired.delete(channel);
      channel.close();
      closed(channel);
    }
  }

  /** Chooses none of its sockets any more; gives how many are left after those on which nothing waits were closed. */
  retire(idle: (channel: number) => boolean, closed: (channel: DatagramChannel) => void): number {
    this.ports = 0;
    this.sweep(Infinity, idle, closed);
    return this.#retired.size;
  }

  /** Closes all sockets. */
  destroy(): void {
    for (const channel of this.#channels) channel?.close();
    for (const channel of this.#retired) channel.close();
  }
}
