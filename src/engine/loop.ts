/**
 * The loop engine: a front on Node's own event loop, with dgram for UDP and net for TCP. It serves TCP beside the batch
 * engine, and everything where that cannot run.
 *
 * What bounds memory, in the words of the parts: each UDP socket holds the kernel's buffers and 256 KiB; each client
 * connection two times 64 KiB inwards and `sendBuffer` outwards, `connections` of them; each of up to four connections to
 * a backend two times 64 KiB inwards and 1 MiB outwards; each of 64 transfers two times 64 KiB. What is beyond a bound is
 * dropped, closed or not read. The front's tables are of a fixed size.
 */
import type { RemoteInfo } from 'node:dgram';
import os from 'node:os';
import type { RandomInt } from '#balance/policy.ts';
import { type Arena, type Egress, familyOf, origin, originBytes, transport } from '#front/ports.ts';
import { netCounters } from '#net/counters.ts';
import type { DatagramSocket } from '#net/dgram-listener.ts';
import { readAddress, readPort, type SocketAddress, writeSockaddr } from '#net/sockaddr.ts';
import { maxMessage } from '#net/stream-framing.ts';
import type { TcpConnection } from '#net/tcp-connection.ts';
import { TcpRelay } from '#net/tcp-relay.ts';
import { type ServerEvent, type ServerLimits, TcpServer } from '#net/tcp-server.ts';
import { type LoopBackend, LoopBackends } from './loop-backends.ts';
import { type GrantedBuffer, LoopListeners } from './loop-listeners.ts';

/** Between two rounds of housekeeping, ms. */
const sweepEvery = 250;
/** Between two looks at the machine's addresses, ms. */
const refreshEvery = 5_000;
/** Between two looks whether a drain is done, ms. */
const drainEvery = 10;
/** Largest UDP answer that may have to be taken from the front when no client comes over TCP. */
const datagramRoom = 4_096;
const room = maxMessage + 65;

/** Bytes that the engine takes from the arena. */
export const loopArenaBytes = 3 * (room + 64) + 1_024;

/** The front, as the engine drives it. */
export interface DrivenFront {
  query(at: number, length: number, from: number, now: number): void;
  answer(channel: number, slot: number, at: number, length: number, now: number): void;
  expire(now: number): void;
  deadline(): number;
  broken(channel: number, now: number): void;
  idle(channel: number): boolean;
  readonly inFlight: number;
}

/** What a snapshot asks of the engine. */
export type LoopPlan = {
  readonly listeners: readonly SocketAddress[];
  readonly backends: readonly LoopBackend[];
  readonly receiveBuffer: number;
  readonly portsPerBackend: number;
  readonly limits: ServerLimits;
};

export type LoopParts = {
  readonly arena: Arena;
  /** Row of `netCounters`. */
  readonly counters: Float64Array;
  readonly random: RandomInt;
  /** Milliseconds, the same clock in all threads. */
  readonly clock: () => number;
  /** Serves UDP. */
  readonly datagrams: boolean;
  /** Serves TCP. */
  readonly streams: boolean;
  /** Other threads serve UDP on the same ports; TCP is one thread's. */
  readonly shared: boolean;
};

const count = netCounters.at;
const serverCounts = {
  accepted: count.connectionsAccepted,
  refused: count.connectionsRefused,
  shed: count.connectionsShed,
  idle: count.connectionsIdle,
  slow: count.connectionsSlow,
  malformed: count.connectionsMalformed,
} as const satisfies Record<ServerEvent, number>;
const backendCounts = {
  opened: count.backendConnections,
  malformed: count.cutMalformed,
  unasked: count.cutUnasked,
  silent: count.cutSilent,
  dropped: count.droppedToBackends,
} as const;

export class LoopEngine implements Egress {
  readonly replyRoom: number;
  readonly channels: number;
  readonly #u8: Uint8Array;
  readonly #i32: Int32Array;
  readonly #counts: Float64Array;
  readonly #clock: () => number;
  readonly #parts: LoopParts;
  readonly #packet: number;
  readonly #reply: number;
  readonly #query: number;
  readonly #origin: number;
  /** Address text in the origin at the moment. */
  #address = '';
  readonly #backends: LoopBackends;
  readonly #relay: TcpRelay;
  /** UDP sockets by index; an index is used again with another generation. */
  readonly #sockets: (DatagramSocket | undefined)[] = [];
  #generation = 0;
  #server: TcpServer | undefined;
  #listeners: LoopListeners | undefined;
  #front!: DrivenFront;
  #prepared: LoopPlan | undefined;
  #timer: NodeJS.Timeout | undefined;
  /** When `#timer` goes off, ms; Infinity: not set. */
  #timerAt = Infinity;
  /** No query is given less time, ms. */
  #shortest = 0;
  #sweeper: NodeJS.Timeout | undefined;
  #nextRefresh = 0;

  constructor(parts: LoopParts) {
    this.#parts = parts;
    this.#u8 = parts.arena.u8;
    this.#i32 = parts.arena.i32;
    this.#counts = parts.counters;
    this.#clock = parts.clock;
    this.replyRoom = parts.streams ? maxMessage : datagramRoom;
    this.#packet = parts.arena.reserve(room);
    this.#reply = parts.arena.reserve(room);
    this.#query = parts.arena.reserve(room);
    this.#origin = parts.arena.reserve(originBytes);
    this.#backends = new LoopBackends(
      {
        answer: (channel, slot, bytes, at, length) => {
          const now = this.#clock();
          this.#front.answer(channel, slot, this.#take(bytes, at, length), length, now);
          this.#arm(now);
        },
        broken: channel => {
          const now = this.#clock();
          this.#front.broken(channel, now);
          this.#arm(now);
        },
        idle: channel => this.#front.idle(channel),
        count: event => void this.#counts[backendCounts[event]]!++,
      },
      parts.random,
      parts.clock,
    );
    this.channels = this.#backends.size;
    this.#relay = new TcpRelay(parts.clock, result => {
      if (result !== 'complete') this.#counts[count.transfersFailed]!++;
    });
  }

  /** The front to feed. Call once, before `commit`. */
  drive(front: DrivenFront): void {
    this.#front = front;
  }

  /** Opens what the plan needs beyond what is open; gives the UDP listeners. Throws a ChorusError, then nothing changed. */
  async prepare(plan: LoopPlan): Promise<GrantedBuffer[]> {
    if (this.#parts.streams) this.#server ??= this.#makeServer(plan.limits);
    this.#listeners ??= new LoopListeners({
      datagrams: this.#parts.datagrams
        ? {
            query: (socket, packet, from) => this.#fromDatagram(socket, packet, from),
            opened: socket => this.#opened(socket),
            closed: socket => {
              this.#sockets[socket.index] = undefined;
            },
          }
        : undefined,
      streams: this.#server,
      shared: this.#parts.shared,
      clock: this.#clock,
    });
    this.#prepared = undefined;
    const granted = await this.#listeners.prepare(plan.listeners, plan.receiveBuffer);
    this.#prepared = plan;
    return granted;
  }

  /** Undoes `prepare`. */
  abort(): void {
    this.#listeners?.abort();
    this.#prepared = undefined;
  }

  /** Puts the prepared plan in force. The front must have its part already. */
  commit(): void {
    const plan = this.#prepared;
    if (!plan) return;
    this.#prepared = undefined;
    if (this.#server) this.#server.limits = plan.limits;
    this.#shortest = Math.min(...plan.backends.map(backend => backend.timeout), 1_000);
    this.#backends.apply(plan.backends, plan.portsPerBackend);
    this.#listeners?.commit();
    this.#sweeper ??= setInterval(() => this.#sweep(), sweepEvery).unref();
  }

  /** Takes no new connection, answers what is in flight, then closes everything; gives how many queries were given up. */
  async drain(timeout: number): Promise<number> {
    const end = this.#clock() + timeout;
    this.#server?.drain();
    const busy = (): boolean =>
      this.#front.inFlight > 0 || this.#relay.size > 0 || (this.#server?.busy ?? false);
    while (busy() && this.#clock() < end) await new Promise(resolve => setTimeout(resolve, drainEvery));
    const abandoned = this.#front.inFlight + this.#relay.size;
    this.destroy();
    return abandoned;
  }

  /** Closes everything at once. */
  destroy(): void {
    clearInterval(this.#sweeper);
    clearTimeout(this.#timer);
    this.#timerAt = -Infinity;
    this.#listeners?.destroy();
    this.#relay.destroy();
    this.#server?.destroy();
    this.#backends.destroy();
  }

  #makeServer(limits: ServerLimits): TcpServer {
    return new TcpServer(
      limits,
      {
        query: (connection, bytes, at, length) => this.#fromStream(connection, bytes, at, length),
        opened: () => void this.#counts[count.connections]!++,
        closed: connection => {
          this.#counts[count.connections]!--;
          this.#relay.clientGone(connection);
        },
        count: event => void this.#counts[serverCounts[event]]!++,
      },
      this.#clock,
    );
  }

  #opened(socket: DatagramSocket): void {
    const free = this.#sockets.indexOf(undefined);
    socket.index = free < 0 ? this.#sockets.length : free;
    socket.generation = ++this.#generation;
    this.#sockets[socket.index] = socket;
  }

  /** Copies a packet into the arena; gives its place. */
  #take(bytes: Uint8Array, at: number, length: number): number {
    if (at === 0 && length === bytes.length) this.#u8.set(bytes, this.#packet);
    else this.#u8.set(bytes.subarray(at, at + length), this.#packet);
    return this.#packet;
  }

  #fromDatagram(socket: DatagramSocket, packet: Uint8Array, from: RemoteInfo): void {
    this.#counts[count.batches]!++;
    this.#counts[count.packets]!++;
    this.#from(from.address, from.port, transport.udp, socket.index, 0, socket.generation);
    const now = this.#clock();
    this.#front.query(this.#take(packet, 0, packet.length), packet.length, this.#origin, now);
    this.#arm(now);
  }

  #fromStream(connection: TcpConnection, bytes: Uint8Array, at: number, length: number): void {
    const { address, index, generation } = connection;
    this.#from(address, connection.port, transport.tcp, 0, index, generation);
    const now = this.#clock();
    this.#front.query(this.#take(bytes, at, length), length, this.#origin, now);
    this.#arm(now);
  }

  /** Writes the origin. */
  #from(
    address: string,
    port: number,
    by: number,
    listener: number,
    connection: number,
    generation: number,
  ): void {
    const at = this.#origin;
    const i32 = this.#i32;
    if (address !== this.#address) {
      this.#address = address;
      i32[(at + origin.length) >> 2] = writeAddress(this.#u8, at, address);
    }
    this.#u8[at + origin.port] = port >> 8;
    this.#u8[at + origin.port + 1] = port;
    i32[(at + origin.listener) >> 2] = listener;
    i32[(at + origin.transport) >> 2] = by;
    i32[(at + origin.connection) >> 2] = connection;
    i32[(at + origin.generation) >> 2] = generation;
  }

  /** Sets the timer to the front's next deadline, unless it goes off before any new one. */
  #arm(now: number): void {
    if (this.#timerAt <= now + this.#shortest) return;
    const deadline = this.#front.deadline();
    if (deadline >= this.#timerAt) return;
    clearTimeout(this.#timer);
    this.#timerAt = deadline;
    this.#timer = setTimeout(
      () => {
        this.#timerAt = Infinity;
        const then = this.#clock();
        if (this.#front.deadline() <= then) this.#front.expire(then);
        this.#arm(then);
      },
      Math.max(1, Math.ceil(deadline - now)),
    );
  }

  #sweep(): void {
    const now = this.#clock();
    this.#server?.sweep(now);
    this.#relay.sweep(now);
    this.#backends.sweep(now);
    this.#listeners?.sweep(now);
    if (now < this.#nextRefresh) return;
    this.#nextRefresh = now + refreshEvery;
    this.#listeners?.refresh();
  }

  replySpace(): number {
    return this.#reply;
  }

  reply(from: number, length: number): void {
    const i32 = this.#i32;
    const generation = i32[(from + origin.generation) >> 2]!;
    if (i32[(from + origin.transport) >> 2] === transport.tcp) {
      const connection = this.#server?.get(i32[(from + origin.connection) >> 2]!, generation);
      connection?.send(this.#u8, this.#reply, length);
      connection?.answered();
      return;
    }
    const socket = this.#sockets[i32[(from + origin.listener) >> 2]!];
    if (socket?.generation !== generation) return;
    const address = from === this.#origin ? this.#address : addressText(this.#u8, from);
    if (!socket.send(this.#u8, this.#reply, length, readPort(this.#u8, from), address)) {
      this.#counts[count.droppedToClients]!++;
    }
  }

  querySpace(): number {
    return this.#query;
  }

  datagramChannel(slot: number): number {
    return this.#backends.datagram(slot);
  }

  streamChannel(slot: number): number {
    return this.#backends.stream(slot);
  }

  query(channel: number, length: number): void {
    this.#backends.send(channel, this.#u8, this.#query, length);
  }

  relay(from: number, slot: number, at: number, length: number): boolean {
    const i32 = this.#i32;
    const backend = this.#backends.address(slot);
    if (!backend || i32[(from + origin.transport) >> 2] !== transport.tcp) return false;
    const generation = i32[(from + origin.generation) >> 2]!;
    const connection = this.#server?.get(i32[(from + origin.connection) >> 2]!, generation);
    return (
      connection !== undefined && this.#relay.start(connection, backend, this.#u8.slice(at, at + length))
    );
  }
}

const dot = 46;

/** Writes the sockaddr of an address at `at`, port 0; gives its length. */
function writeAddress(u8: Uint8Array, at: number, address: string): number {
  if (address.includes(':')) return writeSockaddr(u8, at, address, 0);
  // Node wrote this text: four numbers below 256.
  u8.fill(0, at, at + 16);
  u8[at] = familyOf.inet;
  let to = at + origin.address4;
  let octet = 0;
  for (let i = 0; i < address.length; i++) {
    const code = address.charCodeAt(i);
    if (code === dot) {
      u8[to++] = octet;
      octet = 0;
    } else octet = octet * 10 + code - 48;
  }
  u8[to] = octet;
  return 16;
}

/** The address text at `at` as dgram takes it: the scope of a link-local address by its interface's name. */
function addressText(u8: Uint8Array, at: number): string {
  const text = readAddress(u8, at);
  const [address, scope] = text.split('%');
  if (scope === undefined) return text;
  for (const [name, addresses] of Object.entries(os.networkInterfaces())) {
    if (addresses?.some(its => its.family === 'IPv6' && its.scopeid === Number(scope)))
      return `${address}%${name}`;
  }
  return text;
}
