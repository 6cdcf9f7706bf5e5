/** A backend made by hand: a test decides what it answers, byte by byte, however wrong that is. */
import { createSocket, type Socket } from 'node:dgram';
import { createServer, type Server, type Socket as TcpSocket } from 'node:net';
import { after } from 'node:test';
import { freePort } from './ports.ts';
import { type Address, frame } from './raw.ts';

/** One query that came over UDP. */
export type Asked = {
  readonly query: Buffer;
  /** Sends bytes to the asker from the port that was asked. */
  readonly reply: (bytes: Uint8Array) => void;
  /** Sends bytes to the asker from another port. */
  readonly replyElsewhere: (bytes: Uint8Array) => void;
};

export type HandBackendOptions = {
  readonly udp?: (asked: Asked) => void;
  /** One message over TCP; write to the socket what shall be read, frames included. */
  readonly tcp?: (query: Buffer, socket: TcpSocket) => void;
  /** Default: a free one. */
  readonly port?: number;
};

const running = new Set<HandBackend>();

after(() => Promise.all([...running].map(backend => backend.stop())));

/** Ends with the test file, when no test stops it before. */
export class HandBackend implements Address {
  readonly address = '127.0.0.1';
  readonly port: number;
  /** All queries that came, over UDP and TCP. */
  readonly queries: Buffer[] = [];
  /** Ports and addresses that queries over UDP came from. */
  readonly sourcePorts = new Set<number>();
  readonly sources = new Set<string>();
  readonly #udp: Socket;
  readonly #stranger: Socket;
  readonly #tcp: Server;
  readonly #connections = new Set<TcpSocket>();
  /** May be exchanged while it runs. */
  options: HandBackendOptions;

  private constructor(port: number, options: HandBackendOptions) {
    this.port = port;
    this.options = options;
    this.#udp = createSocket({ type: 'udp4', recvBufferSize: 1 << 20 });
    this.#stranger = createSocket('udp4');
    this.#tcp = createServer({ noDelay: true });
    this.#udp.on('message', (query, from) => {
      this.queries.push(query);
      this.sourcePorts.add(from.port);
      this.sources.add(from.address);
      this.options.udp?.({
        query,
        reply: bytes => this.#udp.send(bytes, from.port, from.address),
        replyElsewhere: bytes => this.#stranger.send(bytes, from.port, from.address),
      });
    });
    this.#tcp.on('connection', socket => {
      this.#connections.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => this.#connections.delete(socket));
      let buffer = Buffer.alloc(0);
      socket.on('data', (chunk: Buffer) => {
        buffer = Buffer.concat([buffer, chunk]);
        while (buffer.length >= 2 && buffer.length >= 2 + buffer.readUInt16BE(0)) {
          const query = buffer.subarray(2, 2 + buffer.readUInt16BE(0));
          buffer = buffer.subarray(2 + query.length);
          this.queries.push(query);
          this.options.tcp?.(query, socket);
        }
      });
    });
  }

  static async start(options: HandBackendOptions = {}): Promise<HandBackend> {
    const backend = new HandBackend(options.port ?? (await freePort()), options);
    await new Promise<void>(resolve => backend.#udp.bind(backend.port, backend.address, resolve));
    await new Promise<void>(resolve => backend.#stranger.bind(0, backend.address, resolve));
    await new Promise<void>(resolve => backend.#tcp.listen(backend.port, backend.address, resolve));
    running.add(backend);
    return backend;
  }

  async stop(): Promise<void> {
    if (!running.delete(this)) return;
    for (const socket of this.#connections) socket.destroy();
    await Promise.all([
      new Promise<void>(resolve => this.#udp.close(() => resolve())),
      new Promise<void>(resolve => this.#stranger.close(() => resolve())),
      new Promise<void>(resolve => this.#tcp.close(() => resolve())),
    ]);
  }
}

/** Where the first question of a message ends. */
export function questionEnd(message: Buffer): number {
  let at = 12;
  while (at < message.length && message[at] !== 0) at += 1 + message[at]!;
  return at + 5;
}

/** The name of the first question, in lower case without its final dot. */
export function questionName(message: Buffer): string {
  const labels: string[] = [];
  for (let at = 12; at < message.length && message[at] !== 0; at += 1 + message[at]!) {
    labels.push(message.toString('latin1', at + 1, at + 1 + message[at]!));
  }
  return labels.join('.').toLowerCase();
}

export type AnswerParts = {
  readonly rcode?: number;
  /** Sets TC. */
  readonly truncated?: boolean;
  /** Addresses of A records for the name asked. */
  readonly addresses?: readonly string[];
  readonly ttl?: number;
  /** Bytes after the question instead of records for `addresses`. */
  readonly records?: { readonly count: number; readonly bytes: Uint8Array };
};

/** A right answer to a query: same id and question, QR RD RA, A records. */
export function answerTo(query: Buffer, parts: AnswerParts = {}): Buffer {
  const addresses = parts.addresses ?? [];
  const bodies = addresses.map(address => {
    const record = Buffer.alloc(16);
    record.writeUInt16BE(0xc00c, 0);
    record.writeUInt16BE(1, 2);
    record.writeUInt16BE(1, 4);
    record.writeUInt32BE(parts.ttl ?? 60, 6);
    record.writeUInt16BE(4, 10);
    record.set(address.split('.').map(Number), 12);
    return record;
  });
  const answer = Buffer.concat([
    query.subarray(0, questionEnd(query)),
    ...(parts.records === undefined ? bodies : [parts.records.bytes]),
  ]);
  answer.writeUInt16BE(0x8180 | (parts.truncated === true ? 0x0200 : 0) | (parts.rcode ?? 0), 2);
  answer.writeUInt16BE(1, 4);
  answer.writeUInt16BE(parts.records?.count ?? addresses.length, 6);
  answer.writeUInt16BE(0, 8);
  answer.writeUInt16BE(0, 10);
  return answer;
}

/** A copy with another id. */
export function withId(message: Buffer, id: number): Buffer {
  const copy = Buffer.from(message);
  copy.writeUInt16BE(id, 0);
  return copy;
}

/** Sends a message over TCP with its length before it. */
export function sendFramed(socket: TcpSocket, message: Uint8Array): void {
  socket.write(frame(message));
}
