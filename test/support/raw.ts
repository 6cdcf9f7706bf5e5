/** Packets made by hand, sent as they are: for input that no decent client would send. */
import { createSocket, type Socket } from 'node:dgram';
import { connect, type Socket as TcpSocket } from 'node:net';

export type Address = { readonly address: string; readonly port: number };

/** What a test sets in a header and question; the rest has the values of a plain query. */
export type PacketParts = {
  readonly id?: number;
  /** The 16 bits of flags as they go on the wire. Default: RD. */
  readonly flags?: number;
  readonly name?: string;
  readonly type?: number;
  readonly class?: number;
  /** Counts in the header, when they shall lie. */
  readonly counts?: readonly [number, number, number, number];
  /** Questions, all alike. */
  readonly questions?: number;
  /** Bytes after the questions. */
  readonly rest?: Uint8Array;
};

/** Wire form of a name; `\.` and the like are not understood. */
export function wireName(name: string): Buffer {
  const labels = name.split('.').filter(label => label !== '');
  return Buffer.concat([
    ...labels.flatMap(l => [Buffer.of(l.length), Buffer.from(l, 'latin1')]),
    Buffer.of(0),
  ]);
}

/** Builds a packet from parts. */
export function packet(parts: PacketParts = {}): Buffer {
  const questions = parts.questions ?? 1;
  const [qd, an, ns, ar] = parts.counts ?? [questions, 0, 0, 0];
  const header = Buffer.alloc(12);
  header.writeUInt16BE(parts.id ?? 0x1234, 0);
  header.writeUInt16BE(parts.flags ?? 0x0100, 2);
  [qd, an, ns, ar].forEach((count, index) => {
    header.writeUInt16BE(count, 4 + index * 2);
  });
  const tail = Buffer.alloc(4);
  tail.writeUInt16BE(parts.type ?? 1, 0);
  tail.writeUInt16BE(parts.class ?? 1, 2);
  const question = Buffer.concat([wireName(parts.name ?? 'www.lab.example'), tail]);
  return Buffer.concat([header, ...Array<Buffer>(questions).fill(question), parts.rest ?? Buffer.alloc(0)]);
}

/** An OPT record with the given size, flags (DO is 0x8000) and options. */
export function opt(size = 1232, flags = 0, options: Uint8Array = Buffer.alloc(0), version = 0): Buffer {
  const record = Buffer.alloc(11);
  record.writeUInt16BE(41, 1);
  record.writeUInt16BE(size, 3);
  record.writeUInt8(version, 6);
  record.writeUInt16BE(flags, 7);
  record.writeUInt16BE(options.length, 9);
  return Buffer.concat([record, options]);
}

/** The fields of a header that tests look at. */
export type Header = {
  readonly id: number;
  readonly qr: boolean;
  readonly opcode: number;
  readonly tc: boolean;
  readonly rcode: number;
  readonly counts: readonly [number, number, number, number];
};

export function header(bytes: Buffer): Header {
  const flags = bytes.readUInt16BE(2);
  return {
    id: bytes.readUInt16BE(0),
    qr: (flags & 0x8000) !== 0,
    opcode: (flags >> 11) & 15,
    tc: (flags & 0x0200) !== 0,
    rcode: flags & 15,
    counts: [4, 6, 8, 10].map(at => bytes.readUInt16BE(at)) as [number, number, number, number],
  };
}

/** A UDP client that keeps every datagram it gets. */
export class UdpClient {
  readonly received: { readonly bytes: Buffer; readonly from: string }[] = [];
  readonly #socket: Socket;
  readonly #server: Address;
  #wake: () => void = () => {};

  constructor(server: Address) {
    this.#server = server;
    this.#socket = createSocket(server.address.includes(':') ? 'udp6' : 'udp4');
    this.#socket.on('message', (bytes, from) => {
      this.received.push({ bytes, from: `${from.address}#${from.port}` });
      this.#wake();
    });
    this.#socket.on('error', () => {});
    // A test that failed before it closed this does not hold the process.
    this.#socket.unref();
  }

  send(...packets: readonly Uint8Array[]): void {
    for (const bytes of packets) this.#socket.send(bytes, this.#server.port, this.#server.address);
  }

  /** The first datagram for which `match` holds, also one that came before; undefined after `timeout` ms. */
  async take(match: (bytes: Buffer) => boolean, timeout = 3000): Promise<Buffer | undefined> {
    const end = Date.now() + timeout;
    for (;;) {
      const at = this.received.findIndex(({ bytes }) => match(bytes));
      if (at >= 0) return this.received.splice(at, 1)[0]!.bytes;
      const left = end - Date.now();
      if (left <= 0) return undefined;
      await new Promise<void>(resolve => {
        const timer = setTimeout(resolve, left);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }

  close(): Promise<void> {
    return new Promise(resolve => this.#socket.close(() => resolve()));
  }
}

/** Sends one packet over UDP and gives the answer with its id; undefined when none comes in `timeout` ms. */
export async function askUdp(
  server: Address,
  bytes: Uint8Array,
  timeout = 3000,
): Promise<Buffer | undefined> {
  const client = new UdpClient(server);
  client.send(bytes);
  const answer = await client.take(
    got => got.length >= 2 && got[0] === bytes[0] && got[1] === bytes[1],
    timeout,
  );
  await client.close();
  return answer;
}

/** A TCP client that writes what it is told and takes length-framed messages. */
export class TcpClient {
  readonly socket: TcpSocket;
  #buffer = Buffer.alloc(0);
  #frames: Buffer[] = [];
  #wake: () => void = () => {};
  #closed = false;

  constructor(server: Address) {
    this.socket = connect({ host: server.address, port: server.port, noDelay: true });
    this.socket.unref();
    this.socket.on('data', (chunk: Buffer) => {
      this.#buffer = Buffer.concat([this.#buffer, chunk]);
      while (this.#buffer.length >= 2 && this.#buffer.length >= 2 + this.#buffer.readUInt16BE(0)) {
        const end = 2 + this.#buffer.readUInt16BE(0);
        this.#frames.push(this.#buffer.subarray(2, end));
        this.#buffer = this.#buffer.subarray(end);
      }
      this.#wake();
    });
    this.socket.on('error', () => {});
    this.socket.on('close', () => {
      this.#closed = true;
      this.#wake();
    });
  }

  /** Whether the connection has ended. */
  get closed(): boolean {
    return this.#closed;
  }

  /** Writes bytes without a frame. */
  write(bytes: Uint8Array): void {
    this.socket.write(bytes);
  }
  /** Writes messages, each with its length before it. */
  send(...messages: readonly Uint8Array[]): void {
    this.write(Buffer.concat(messages.map(frame)));
  }

  /** The next message; undefined when the connection ends or `timeout` ms pass before it is whole. */
  async next(timeout = 3000): Promise<Buffer | undefined> {
    await this.#until(() => this.#frames.length > 0, timeout);
    return this.#frames.shift();
  }

  /** Whether the other side closes the connection within `timeout` ms. */
  async ends(timeout = 3000): Promise<boolean> {
    await this.#until(() => false, timeout);
    return this.#closed;
  }

  close(): void {
    this.socket.destroy();
  }

  async #until(done: () => boolean, timeout: number): Promise<void> {
    const end = Date.now() + timeout;
    while (!done() && !this.#closed) {
      const left = end - Date.now();
      if (left <= 0) return;
      await new Promise<void>(resolve => {
        const timer = setTimeout(resolve, left);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }
}

/** A message with its length before it (RFC 1035, section 4.2.2). */
export function frame(message: Uint8Array): Buffer {
  const length = Buffer.alloc(2);
  length.writeUInt16BE(message.length);
  return Buffer.concat([length, message]);
}

/** Asks over a TCP connection of its own. */
export async function askTcp(
  server: Address,
  bytes: Uint8Array,
  timeout = 3000,
): Promise<Buffer | undefined> {
  const client = new TcpClient(server);
  client.send(bytes);
  const answer = await client.next(timeout);
  client.close();
  return answer;
}
