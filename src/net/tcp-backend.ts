/** Queries to backends over TCP: persistent connections, many queries on each at once (RFC 7766 6.2, RFC 9210 4). */
import net, { type Socket } from 'node:net';
import { Frames, prefixBytes, writePrefix } from './stream-framing.ts';

/** Where a backend answers. `source`: the local address to ask from. `timeout`: how long it may take to answer, ms. */
export type BackendAddress = {
  readonly address: string;
  readonly port: number;
  readonly source?: string | undefined;
  readonly timeout: number;
};

/** Connections to one backend, at most. */
export const maxConnections = 4;
/** Queries that are sent on the one connection before another is opened. */
const busy = 32;
/** Queries on one connection that may wait for answers. */
const maxWaiting = 4_096;
/** Bytes of queries that may wait to be sent on one connection. */
const maxBacklog = 1 << 20;
/** Messages beyond the queries sent before a connection counts as gone mad. */
const maxUnasked = 64;
/** A connection unused for so long is closed, ms; servers commonly allow 10 s and more (RFC 7766 6.2.3). */
const idleTime = 8_000;
/** After a failed attempt to connect, time until the next one, ms. */
const holdOff = 200;
/** A backend that takes queries but has said nothing for its timeout and this, ms, has gone: the connection is replaced. */
const grace = 500;

export type ConnectionEvent = 'opened' | 'malformed' | 'unasked' | 'silent';

export type BackendEvents<Connection> = {
  /** An answer of `length` bytes lies at `at` in `bytes`, valid during the call. */
  answer(connection: Connection, bytes: Uint8Array, at: number, length: number): void;
  /** The connection is gone, with all that waited on it. Never called from inside `pick` or `send`. */
  broken(connection: Connection): void;
  count?(event: ConnectionEvent): void;
};

/**
 * One connection to a backend. Memory, at most: one chunk that Node read (64 KiB) and one torn message (64 KiB) inwards,
 * 1 MiB and one query outwards. What arrives is handled as it arrives; a backend that sends more messages than it was
 * asked for, or no messages, is cut off.
 */
export class BackendConnection {
  /** Its number among the channels. */
  channel = -1;
  /** Queries sent less messages received. */
  waiting = 0;
  /** When it was last used, ms. */
  lastActive: number;
  connected = false;
  readonly socket: Socket;
  /** When the first query that no message has followed was sent; Infinity: none. */
  #silentSince = Infinity;
  readonly #frames = new Frames();
  readonly #clock: () => number;

  constructor(
    backend: BackendAddress,
    events: BackendEvents<BackendConnection>,
    closed: (connection: BackendConnection) => void,
    clock: () => number,
  ) {
    this.#clock = clock;
    this.lastActive = clock();
    const { address, port, source } = backend;
    this.socket = net.connect({
      host: address,
      port,
      noDelay: true,
      ...(source && { localAddress: source }),
    });
    const { socket } = this;
    socket.on('connect', () => {
      this.connected = true;
      events.count?.('opened');
    });
    socket.on('data', (chunk: Buffer) => this.#received(chunk, events));
    // The reason does not matter; 'close' follows.
    socket.on('error', () => {});
    socket.on('close', () => closed(this));
  }

  get open(): boolean {
    return !this.socket.destroyed && !this.socket.writableEnded && !this.socket.readableEnded;
  }
  /** Whether it may take another query. */
  get free(): boolean {
    return this.open && this.waiting < maxWaiting && this.socket.writableLength < maxBacklog;
  }

  #received(chunk: Uint8Array, events: BackendEvents<BackendConnection>): void {
    this.lastActive = this.#clock();
    this.#frames.push(chunk);
    for (;;) {
      const length = this.#frames.next();
      if (length < 0 || this.socket.destroyed) return;
      this.#silentSince = Infinity;
      this.waiting--;
      if (length < 12) this.#cut('malformed', events);
      else if (this.waiting < -maxUnasked) this.#cut('unasked', events);
      else events.answer(this, this.#frames.bytes, this.#frames.at, length);
    }
  }

  #cut(why: ConnectionEvent, events: BackendEvents<BackendConnection>): void {
    events.count?.(why);
    this.socket.destroy();
  }

  /** Sends a query, copied now. */
  send(u8: Uint8Array, at: number, length: number): void {
    if (!this.open) return;
    const frame = Buffer.allocUnsafe(prefixBytes + length);
    writePrefix(frame, 0, length);
    frame.set(u8.subarray(at, at + length), prefixBytes);
    this.lastActive = this.#clock();
    if (this.#silentSince === Infinity) this.#silentSince = this.lastActive;
    // What was never asked for does not pay for what is.
    this.waiting = Math.max(0, this.waiting) + 1;
    this.socket.write(frame);
  }

  /** Whether it has left a query without any word for `time` ms. */
  silent(now: number, time: number): boolean {
    return now - this.#silentSince > time;
  }
}

/** The connections to one backend, opened when needed. `number` gives each a channel, −1: none is left. */
export class TcpBackend {
  /** Where it answers; a new timeout may be set. */
  backend: BackendAddress;
  readonly #events: BackendEvents<BackendConnection>;
  readonly #number: (connection: BackendConnection) => number;
  readonly #clock: () => number;
  #connections: BackendConnection[] = [];
  #notBefore = -Infinity;

  constructor(
    backend: BackendAddress,
    events: BackendEvents<BackendConnection>,
    number: (connection: BackendConnection) => number,
    clock: () => number,
  ) {
    this.backend = backend;
    this.#events = events;
    this.#number = number;
    this.#clock = clock;
  }

  get size(): number {
    return this.#connections.length;
  }

  /** The channel for the next query: the least busy connection, or a new one; −1 when none can be had. */
  pick(): number {
    let best: BackendConnection | undefined;
    let quiet = true;
    const now = this.#clock();
    for (const connection of this.#connections) {
      if (!connection.free) continue;
      // One that has let a query wait this long is about to be given up: a last resort.
      const mute = connection.silent(now, this.backend.timeout / 2);
      if (best === undefined || (mute === quiet ? connection.waiting < best.waiting : quiet)) {
        best = connection;
        quiet = mute;
      }
    }
    if (quiet) return this.#open() ?? best?.channel ?? -1;
    if (best && (best.waiting < busy || this.#connections.length >= maxConnections)) return best.channel;
    return this.#open() ?? best?.channel ?? -1;
  }

  #open(): number | undefined {
    if (this.#connections.length >= maxConnections || this.#clock() < this.#notBefore) return undefined;
    let connection: BackendConnection;
    try {
      connection = new BackendConnection(this.backend, this.#events, gone => this.#closed(gone), this.#clock);
    } catch {
      // An address that Node will not take; the configuration's check comes before this.
      return undefined;
    }
    connection.channel = this.#number(connection);
    if (connection.channel < 0) {
      connection.socket.destroy();
      return undefined;
    }
    this.#connections.push(connection);
    return connection.channel;
  }

  #closed(connection: BackendConnection): void {
    if (connection.channel < 0) return;
    this.#connections = this.#connections.filter(other => other !== connection);
    if (!connection.connected) this.#notBefore = this.#clock() + holdOff;
    this.#events.broken(connection);
  }

  /** Closes connections that are idle, and those whose backend has gone without a word. */
  sweep(now: number): void {
    for (const connection of this.#connections) {
      if (connection.silent(now, this.backend.timeout + grace)) {
        this.#events.count?.('silent');
        connection.socket.destroy();
      } else if (now - connection.lastActive > Math.max(idleTime, this.backend.timeout + grace)) {
        connection.socket.destroy();
      }
    }
  }

  /** Closes all connections on which `idle` says that nothing waits; gives how many are left. */
  retire(idle: (channel: number) => boolean): number {
    for (const connection of this.#connections) if (idle(connection.channel)) connection.socket.destroy();
    return this.#connections.filter(connection => !connection.socket.destroyed).length;
  }

  /** Closes all connections. */
  destroy(): void {
    for (const connection of this.#connections) connection.socket.destroy();
  }
}
