/** Zone transfers passed through: a connection of its own to the backend, messages handed on as they are. */
import net, { type Socket } from 'node:net';
import { Frames, prefixBytes, writePrefix } from './stream-framing.ts';
import type { BackendAddress } from './tcp-backend.ts';
import type { TcpConnection } from './tcp-connection.ts';
import { servfail, TransferEnd } from './transfer-end.ts';

/** Transfers at once, in one worker. */
export const maxTransfers = 64;
/** A transfer in which nothing moves for so long is ended, ms. */
const idleTime = 30_000;

/** Why a transfer ended. */
export type TransferResult = 'complete' | 'failed' | 'broken';

/**
 * One transfer. Memory, at most: one chunk and one torn message of the backend (64 KiB each), and what the client's
 * connection holds: the backend is not read while the client has answers to read.
 */
class Transfer {
  lastActive: number;
  readonly client: TcpConnection;
  readonly #query: Uint8Array;
  readonly #backend: Socket;
  readonly #frames = new Frames();
  readonly #end: TransferEnd;
  readonly #clock: () => number;
  readonly #done: (transfer: Transfer, result: TransferResult) => void;
  #messages = 0;
  #over = false;
  readonly #resume = (): void => this.#pass();

  constructor(
    client: TcpConnection,
    backend: BackendAddress,
    query: Uint8Array,
    clock: () => number,
    done: (transfer: Transfer, result: TransferResult) => void,
  ) {
    this.client = client;
    this.#query = query;
    this.#clock = clock;
    this.#done = done;
    this.#end = new TransferEnd(query);
    this.lastActive = clock();
    const { address, port, source } = backend;
    this.#backend = net.connect({
      host: address,
      port,
      noDelay: true,
      ...(source && { localAddress: source }),
    });
    const frame = new Uint8Array(prefixBytes + query.length);
    writePrefix(frame, 0, query.length);
    frame.set(query, prefixBytes);
    this.#backend.write(frame);
    this.#backend.on('data', (chunk: Buffer) => {
      this.lastActive = this.#clock();
      this.#frames.push(chunk);
      this.#pass();
    });
    this.#backend.on('error', () => {});
    this.#backend.on('close', () => this.finish('broken'));
    client.socket.on('drain', this.#resume);
  }

  /** Hands on what has arrived, as long as the client takes it. */
  #pass(): void {
    while (!this.#over) {
      if (this.client.socket.destroyed) {
        this.finish('broken');
        return;
      }
      if (this.client.socket.writableNeedDrain) {
        this.#backend.pause();
        return;
      }
      const length = this.#frames.next();
      if (length < 0) break;
      const { bytes, at } = this.#frames;
      if (length < 12) {
        this.finish('broken');
        return;
      }
      this.lastActive = this.#clock();
      this.#messages++;
      this.client.send(bytes, at, length);
      if (this.#end.after(bytes, at, length)) this.finish('complete');
    }
    if (!this.#over && this.#backend.isPaused()) this.#backend.resume();
  }

  finish(result: TransferResult): void {
    if (this.#over) return;
    this.#over = true;
    this.client.socket.off('drain', this.#resume);
    this.#backend.destroy();
    if (result !== 'complete' && !this.client.socket.destroyed) {
      // Nothing was sent: say so. Something was: only the end of the connection tells the client (RFC 5936 2.2).
      const failure = this.#messages === 0 ? servfail(this.#query) : null;
      if (failure) {
        this.client.send(failure, 0, failure.length);
        result = 'failed';
      } else this.client.end();
    }
    this.client.answered();
    this.#done(this, result);
  }
}

/** All transfers of one worker. */
export class TcpRelay {
  readonly #clock: () => number;
  readonly #count: (result: TransferResult) => void;
  readonly #transfers = new Set<Transfer>();

  constructor(clock: () => number, count: (result: TransferResult) => void = () => {}) {
    this.#clock = clock;
    this.#count = count;
  }

  get size(): number {
    return this.#transfers.size;
  }

  /** Begins a transfer; `query` is kept. False where the bound is reached or no connection can be made. */
  start(client: TcpConnection, backend: BackendAddress, query: Uint8Array): boolean {
    if (this.#transfers.size >= maxTransfers) return false;
    try {
      const transfer = new Transfer(client, backend, query, this.#clock, (over, result) => {
        this.#transfers.delete(over);
        this.#count(result);
      });
      this.#transfers.add(transfer);
      return true;
    } catch {
      return false;
    }
  }

  /** Ends the transfers of a client that has gone. */
  clientGone(client: TcpConnection): void {
    for (const transfer of this.#transfers) if (transfer.client === client) transfer.finish('broken');
  }

  /** Ends transfers in which nothing moves. */
  sweep(now: number): void {
    for (const transfer of this.#transfers)
      if (now - transfer.lastActive > idleTime) transfer.finish('broken');
  }

  destroy(): void {
    for (const transfer of this.#transfers) transfer.finish('broken');
  }
}
