/** One client over TCP: queries in, answers out in any order (RFC 7766 6.2.1.1), bounded both ways. */
import type { Socket } from 'node:net';
import { Frames, prefixBytes, writePrefix } from './stream-framing.ts';

/** Shorter than a header: no DNS message (RFC 1035 4.1.1). */
const headerBytes = 12;

/** Bounds of a connection; read at each use, so that a reload may change them. */
export type ConnectionLimits = {
  /** Queries that may wait for answers. */
  readonly pipeline: number;
  /** Bytes that may wait to be sent. */
  readonly sendBuffer: number;
};

/** What a connection tells its owner. */
export type ConnectionEvents = {
  /** A query of `length` bytes lies at `at` in `bytes`, valid during the call. */
  query(connection: TcpConnection, bytes: Uint8Array, at: number, length: number): void;
  /** The client does not read; the connection is being cut off. */
  slow(connection: TcpConnection): void;
  /** The client sent what is no query; the connection is being closed. */
  malformed(connection: TcpConnection): void;
  closed(connection: TcpConnection): void;
};

/**
 * Memory, at most: one chunk that Node read (64 KiB) and one torn message (64 KiB) inwards, `sendBuffer` and one answer
 * outwards. Reading stops while `pipeline` queries wait for answers or the client leaves answers unread.
 */
export class TcpConnection {
  /** Index among the connections of its owner, and how often that index was used before. */
  readonly index: number;
  readonly generation: number;
  readonly socket: Socket;
  /** The client's. */
  readonly address: string;
  readonly port: number;
  /** Queries that wait for an answer. */
  inFlight = 0;
  /** When a query came or an answer went, ms. */
  lastActive: number;
  /** Bytes that had left at the last look. */
  #sent = 0;
  readonly #limits: ConnectionLimits;
  readonly #events: ConnectionEvents;
  readonly #clock: () => number;
  readonly #frames = new Frames();
  /** Inside the loop that takes queries out of a chunk. */
  #taking = false;
  /** A chunk is not used up. */
  #stopped = false;
  #scheduled = false;
  /** The client has sent all it will. */
  #heardAll = false;
  /** No further query is taken. */
  #ending = false;

  constructor(
    socket: Socket,
    index: number,
    generation: number,
    limits: ConnectionLimits,
    events: ConnectionEvents,
    clock: () => number,
  ) {
    this.socket = socket;
    this.index = index;
    this.generation = generation;
    this.address = socket.remoteAddress ?? '';
    this.port = socket.remotePort ?? 0;
    this.#limits = limits;
    this.#events = events;
    this.#clock = clock;
    this.lastActive = clock();
    socket.setNoDelay(true);
    // One for each transfer that waits for this client to read.
    socket.setMaxListeners(0);
    socket.on('data', (chunk: Buffer) => {
      this.#frames.push(chunk);
      this.#take();
    });
    socket.on('drain', () => {
      this.lastActive = this.#clock();
      if (this.#stopped) this.#take();
    });
    socket.on('end', () => {
      this.#heardAll = true;
      this.#finish();
    });
    // A reset by the client needs no word; 'close' follows.
    socket.on('error', () => {});
    socket.on('close', () => events.closed(this));
  }

  /** Bytes of answers that the client has not taken. */
  get backlog(): number {
    return this.socket.writableLength;
  }

  /**
   * Whether nothing has happened for `idle` ms: no query came, none waits for an answer, and of the answers that wait to be
   * sent none went. Looks at what was sent since the last call.
   */
  quiet(now: number, idle: number): boolean {
    const sent = this.socket.bytesWritten - this.backlog;
    if (sent !== this.#sent) {
      this.#sent = sent;
      this.lastActive = now;
    }
    return now - this.lastActive >= idle && (this.inFlight === 0 || this.backlog > 0);
  }

  #take(): void {
    this.#taking = true;
    this.#stopped = false;
    const socket = this.socket;
    socket.cork();
    while (!socket.destroyed) {
      if (!this.#ending && (this.inFlight >= this.#limits.pipeline || socket.writableNeedDrain)) {
        this.#stopped = true;
        break;
      }
      const length = this.#frames.next();
      if (length < 0) break;
      if (this.#ending) continue;
      const { bytes, at } = this.#frames;
      // Nothing shorter than a header, and no answer, is ever replied to: it would wait for ever.
      if (length < headerBytes || (bytes[at + 2]! & 0x80) !== 0) {
        this.#events.malformed(this);
        socket.destroy();
        break;
      }
      this.inFlight++;
      this.lastActive = this.#clock();
      this.#events.query(this, bytes, at, length);
    }
    socket.uncork();
    this.#taking = false;
    if (this.#stopped) socket.pause();
    else if (socket.isPaused()) socket.resume();
    this.#finish();
  }

  /** Sends the message of `length` bytes at `at`, copied now. */
  send(u8: Uint8Array, at: number, length: number): void {
    if (this.socket.destroyed || this.socket.writableEnded) return;
    if (this.socket.writableLength > this.#limits.sendBuffer) {
      this.#events.slow(this);
      this.socket.destroy();
      return;
    }
    const frame = Buffer.allocUnsafe(prefixBytes + length);
    writePrefix(frame, 0, length);
    frame.set(u8.subarray(at, at + length), prefixBytes);
    this.lastActive = this.#clock();
    this.socket.write(frame);
  }

  /** One query less waits: after its answer was sent, or when there will be none. */
  answered(): void {
    if (this.inFlight > 0) this.inFlight--;
    if (this.#taking) return;
    if (!this.#stopped) this.#finish();
    else if (!this.#scheduled) {
      // Not at once: this may be called from inside the front, which must not be given a query then.
      this.#scheduled = true;
      queueMicrotask(() => {
        this.#scheduled = false;
        if (this.#stopped && !this.socket.destroyed) this.#take();
      });
    }
  }

  /** Takes no further query; closes when all that were taken are answered. */
  end(): void {
    this.#ending = true;
    if (this.#stopped && !this.#taking) this.#take();
    else this.#finish();
  }

  /** Ends our side once nothing is owed and nothing more can come. */
  #finish(): void {
    if (this.inFlight > 0 || this.#stopped || this.#taking) return;
    if ((this.#heardAll || this.#ending) && !this.socket.writableEnded) this.socket.end();
  }
}
