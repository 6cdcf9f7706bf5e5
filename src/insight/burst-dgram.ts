/** Burst sockets over Node's dgram: for machines where libc cannot be called. Sends slower than libc does. */
import dgram from 'node:dgram';
import { once } from 'node:events';
import { type Endpoint, isIpv6 } from '#net/address.ts';
import {
  type BurstQueries,
  type BurstSockets,
  bufferWanted,
  type Sent,
  type TakeAnswer,
} from './burst-sockets.ts';

/** Opens connected sockets. Rejects with an Error where one cannot be opened. */
export async function openDgramSockets(server: Endpoint, count: number): Promise<BurstSockets> {
  const sockets: dgram.Socket[] = [];
  try {
    for (let i = 0; i < count; i++) {
      const socket = dgram.createSocket(isIpv6(server.address) ? 'udp6' : 'udp4');
      sockets.push(socket);
      socket.connect(server.port, server.address);
      await once(socket, 'connect');
      for (const set of ['setRecvBufferSize', 'setSendBufferSize'] as const) socket[set](bufferWanted);
    }
  } catch (error) {
    for (const socket of sockets) socket.close();
    throw error;
  }
  return new DgramSockets(sockets);
}

class DgramSockets implements BurstSockets {
  readonly kind = 'dgram';
  readonly ports: readonly number[];
  readonly receiveBuffer: number;
  unreachable = 0;
  readonly #sockets: readonly dgram.Socket[];
  readonly #came: [socket: number, bytes: Uint8Array][] = [];

  constructor(sockets: readonly dgram.Socket[]) {
    this.#sockets = sockets;
    this.ports = sockets.map(socket => socket.address().port);
    this.receiveBuffer = Math.min(...sockets.map(socket => socket.getRecvBufferSize()));
    for (const [index, socket] of sockets.entries()) {
      socket.on('message', bytes => this.#came.push([index, bytes]));
      socket.on('error', () => this.unreachable++);
    }
  }

  async send({ count, starts, bytes }: BurstQueries): Promise<Sent> {
    let unsent = 0;
    const started = performance.now();
    const sent: Promise<void>[] = [];
    for (let i = 0; i < count; i++) {
      const socket = this.#sockets[i % this.#sockets.length]!;
      const { promise, resolve } = Promise.withResolvers<void>();
      sent.push(promise);
      socket.send(bytes, starts[i]!, starts[i + 1]! - starts[i]!, error => {
        if (error) unsent++;
        resolve();
      });
    }
    await Promise.all(sent);
    return { unsent, started };
  }

  take(answer: TakeAnswer): boolean {
    const came = this.#came.splice(0);
    for (const [socket, bytes] of came) answer(socket, bytes, 0, bytes.length);
    return came.length > 0;
  }

  close(): void {
    for (const socket of this.#sockets) socket.close();
  }
}
