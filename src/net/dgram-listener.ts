/**
 * Clients over UDP. Node's dgram cannot choose the address that a packet leaves from, so a listener on all addresses has
 * a socket for each of them, and looks every few seconds for addresses that came or went. Replies so come from the address
 * that was asked.
 */
import type { RemoteInfo, Socket } from 'node:dgram';
import { isWildcard } from './address.ts';
import { grantedBuffer, openDatagram, outgoing } from './dgram-socket.ts';
import { localAddresses } from './local-addresses.ts';

/** One bound socket. Memory: the kernel's buffers and what Node queues for a full one (256 KiB). */
export class DatagramSocket {
  readonly address: string;
  readonly port: number;
  /** Receive buffer granted, bytes. */
  readonly receiveBuffer: number;
  /** Given by the owner, to find it again. */
  index = -1;
  generation = 0;
  readonly #socket: Socket;
  #closed = false;

  /** Throws Node's system error. `query` is called for each packet. */
  constructor(
    address: string,
    port: number,
    options: ListenerOptions,
    query: (socket: DatagramSocket, packet: Uint8Array, from: RemoteInfo) => void,
  ) {
    this.#socket = openDatagram({ address, port, ...options });
    this.address = address;
    this.port = this.#socket.address().port;
    this.receiveBuffer = grantedBuffer(this.#socket);
    this.#socket.on('message', (packet: Buffer, from: RemoteInfo) => query(this, packet, from));
    // News about an answer that could not be delivered: nothing to be done.
    this.#socket.on('error', () => {});
  }

  /** Sends an answer, copied now; false when it was dropped because the socket's queue is full. */
  send(u8: Uint8Array, at: number, length: number, port: number, address: string): boolean {
    if (this.#closed) return false;
    const packet = outgoing(this.#socket, u8, at, length);
    if (!packet) return false;
    try {
      this.#socket.send(packet, port, address);
      return true;
    } catch {
      // A client's port 0, to which nothing can be sent.
      return false;
    }
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#socket.close();
  }
}

export type ListenerOptions = { readonly reusePort: boolean; readonly receiveBuffer: number };

export type ListenerEvents = {
  query(socket: DatagramSocket, packet: Uint8Array, from: RemoteInfo): void;
  opened(socket: DatagramSocket): void;
  closed(socket: DatagramSocket): void;
};

/** A listener: one socket, or one for each address of the machine. */
export class DatagramListener {
  readonly address: string;
  readonly port: number;
  /** Packets are dropped before it is put in force. */
  active = false;
  readonly #options: ListenerOptions;
  readonly #events: ListenerEvents;
  readonly #local: (wildcard: string) => string[];
  readonly #sockets = new Map<string, DatagramSocket>();

  /** Throws Node's system error, then nothing stays open. `local` gives the machine's addresses. */
  constructor(
    address: string,
    port: number,
    options: ListenerOptions,
    events: ListenerEvents,
    local: (wildcard: string) => string[] = localAddresses,
  ) {
    this.address = address;
    this.#options = options;
    this.#events = events;
    this.#local = local;
    this.port = port;
    try {
      if (isWildcard(address)) this.#follow(true);
      else this.port = this.#open(address).port;
    } catch (thrown) {
      this.close();
      throw thrown;
    }
  }

  #open(address: string): DatagramSocket {
    const socket = new DatagramSocket(address, this.port, this.#options, (from, packet, info) => {
      if (this.active) this.#events.query(from, packet, info);
    });
    this.#sockets.set(address, socket);
    this.#events.opened(socket);
    return socket;
  }

  /** Receive buffer granted to each socket, the smallest; bytes. 0 while there is none. */
  get receiveBuffer(): number {
    const sizes = [...this.#sockets.values()].map(socket => socket.receiveBuffer);
    return sizes.length === 0 ? 0 : Math.min(...sizes);
  }

  get sockets(): readonly DatagramSocket[] {
    return [...this.#sockets.values()];
  }

  /** Follows the machine's addresses, if it listens on all of them. Call every few seconds. */
  refresh(): void {
    if (isWildcard(this.address)) this.#follow(false);
  }

  #follow(strict: boolean): void {
    const wanted = new Set(this.#local(this.address));
    for (const address of wanted) {
      if (this.#sockets.has(address)) continue;
      try {
        this.#open(address);
      } catch (thrown) {
        // An address may not be ready yet (IPv6 still looks for doubles); one in use is the operator's business.
        if (strict && !notThere(thrown)) throw thrown;
      }
    }
    for (const [address, socket] of this.#sockets) {
      if (wanted.has(address)) continue;
      this.#sockets.delete(address);
      this.#drop(socket);
    }
  }

  #drop(socket: DatagramSocket): void {
    socket.close();
    this.#events.closed(socket);
  }

  close(): void {
    for (const socket of this.#sockets.values()) this.#drop(socket);
    this.#sockets.clear();
  }
}

function notThere(thrown: unknown): boolean {
  return thrown instanceof Error && 'code' in thrown && thrown.code === 'EADDRNOTAVAIL';
}
