/** Clients over TCP: listeners, the table of connections, and their bounds. */
import net, { type Server, type Socket } from 'node:net';
import { clientOf } from './address.ts';
import { TcpConnection } from './tcp-connection.ts';

/** Bounds for all clients; times in ms. What a client is: `clientOf` of address.ts. */
export type ServerLimits = {
  /** A connection on which nothing happens for so long is closed (RFC 7766 6.2.3). */
  readonly idle: number;
  readonly connections: number;
  readonly connectionsPerClient: number;
  readonly pipeline: number;
  readonly sendBuffer: number;
};

/** Why the server did what; for counting. */
export type ServerEvent = 'accepted' | 'refused' | 'shed' | 'idle' | 'slow' | 'malformed';

export type ServerEvents = {
  query(connection: TcpConnection, bytes: Uint8Array, at: number, length: number): void;
  opened?(connection: TcpConnection): void;
  closed?(connection: TcpConnection): void;
  count?(event: ServerEvent): void;
};

/** Connections that wait, unread, for a listener to be put in force. */
const maxHeld = 64;

/** A bound port. It accepts at once and serves once `activate` was called. */
export type TcpListener = {
  readonly address: string;
  readonly port: number;
  activate(): void;
  /** Accepts no more; connections end as soon as what is in flight is answered. */
  close(): void;
};

/**
 * Memory: `connections` times what one connection may hold (tcp-connection.ts), and the kernel's buffers. A connection
 * beyond a bound is reset at once, so that neither a port nor memory stays behind. When all are taken, the client that has most gives
 * one to a client that has fewer.
 */
export class TcpServer {
  limits: ServerLimits;
  readonly #events: ServerEvents;
  readonly #clock: () => number;
  readonly #table: (TcpConnection | undefined)[] = [];
  readonly #generations: number[] = [];
  readonly #free: number[] = [];
  /** Connections of each client. */
  readonly #clients = new Map<string, Set<TcpConnection>>();
  readonly #listeners = new Map<TcpListener, Set<TcpConnection>>();
  #open = 0;
  #draining = false;

  constructor(limits: ServerLimits, events: ServerEvents, clock: () => number) {
    this.limits = limits;
    this.#events = events;
    this.#clock = clock;
  }

  /** Connections now open. */
  get size(): number {
    return this.#open;
  }

  /** Whether a client waits for an answer, or has not taken one. */
  get busy(): boolean {
    return this.#table.some(connection => connection && (connection.inFlight > 0 || connection.backlog > 0));
  }

  /** The connection with this index and generation; undefined when it has gone. */
  get(index: number, generation: number): TcpConnection | undefined {
    const found = this.#table[index];
    return found?.generation === generation ? found : undefined;
  }

  /** Binds a port (0: any free one). Rejects with Node's system error. */
  async listen(address: string, port: number, reusePort: boolean): Promise<TcpListener> {
    const held: Socket[] = [];
    const connections = new Set<TcpConnection>();
    let active = false;
    const highWaterMark = Math.min(65_536, Math.max(4_096, this.limits.sendBuffer >> 2));
    const server = net.createServer({ allowHalfOpen: true, highWaterMark }, socket => {
      if (active) this.#admit(socket, connections);
      else if (held.length < maxHeld) {
        socket.on('error', ignore);
        held.push(socket);
      } else socket.resetAndDestroy();
    });
    const options = { host: address, port, reusePort, exclusive: true, ipv6Only: true, backlog: 1024 };
    const bound = await listening(server, options);
    // Running out of descriptors while accepting: the connection is lost, the listener stays.
    server.on('error', () => this.#events.count?.('refused'));
    const listener: TcpListener = {
      address,
      port: bound,
      activate: () => {
        active = true;
        for (const socket of held.splice(0)) if (!socket.destroyed) this.#admit(socket, connections);
      },
      close: () => {
        server.close();
        for (const socket of held.splice(0)) socket.destroy();
        for (const connection of connections) connection.end();
        this.#listeners.delete(listener);
      },
    };
    this.#listeners.set(listener, connections);
    return listener;
  }

  #admit(socket: Socket, connections: Set<TcpConnection>): void {
    const address = socket.remoteAddress;
    const client = address === undefined ? '' : clientOf(address);
    const mine = this.#clients.get(client)?.size ?? 0;
    if (
      address === undefined ||
      this.#draining ||
      mine >= this.limits.connectionsPerClient ||
      (this.#open >= this.limits.connections && !this.#makeRoom(mine))
    ) {
      this.#events.count?.('refused');
      socket.on('error', ignore);
      socket.resetAndDestroy();
      return;
    }
    const index = this.#free.pop() ?? this.#table.length;
    const generation = this.#generations[index] ?? 0;
    const limits = () => this.limits;
    const connection = new TcpConnection(
      socket,
      index,
      generation,
      {
        get pipeline() {
          return limits().pipeline;
        },
        get sendBuffer() {
          return limits().sendBuffer;
        },
      },
      {
        query: this.#events.query,
        slow: () => this.#events.count?.('slow'),
        malformed: () => this.#events.count?.('malformed'),
        closed: gone => {
          connections.delete(gone);
          this.#remove(gone);
        },
      },
      this.#clock,
    );
    this.#table[index] = connection;
    this.#open++;
    const others = this.#clients.get(client);
    if (others) others.add(connection);
    else this.#clients.set(client, new Set([connection]));
    connections.add(connection);
    this.#events.count?.('accepted');
    this.#events.opened?.(connection);
  }

  /** Closes a connection of the client that has most, for one that has `mine`; false when that is not fewer. */
  #makeRoom(mine: number): boolean {
    let most: Set<TcpConnection> | undefined;
    for (const each of this.#clients.values()) if (!most || each.size > most.size) most = each;
    if (!most || most.size <= mine + 1) return false;
    let chosen: TcpConnection | undefined;
    for (const each of most) {
      // The one idle for longest; when none is idle, the newest.
      if (!chosen || chosen.inFlight > 0 || (each.inFlight === 0 && each.lastActive < chosen.lastActive)) {
        chosen = each;
      }
    }
    if (!chosen) return false;
    this.#events.count?.('shed');
    this.#remove(chosen);
    chosen.socket.resetAndDestroy();
    return true;
  }

  #remove(connection: TcpConnection): void {
    const { index, address } = connection;
    // It may have given way before it was closed.
    if (this.#table[index] !== connection) return;
    this.#table[index] = undefined;
    // A late answer finds another generation and goes nowhere.
    this.#generations[index] = (connection.generation + 1) | 0;
    this.#free.push(index);
    this.#open--;
    const client = clientOf(address);
    const others = this.#clients.get(client);
    others?.delete(connection);
    if (others?.size === 0) this.#clients.delete(client);
    this.#events.closed?.(connection);
  }

  /** Closes connections on which nothing has happened for `idle`. Call a few times in that span. */
  sweep(now: number): void {
    for (const connection of this.#table) {
      if (!connection?.quiet(now, this.limits.idle)) continue;
      if (connection.backlog > 0) {
        this.#events.count?.('slow');
        connection.socket.destroy();
      } else {
        this.#events.count?.('idle');
        connection.socket.destroySoon();
      }
    }
  }

  /** Takes no new connection; the others end as soon as what is in flight is answered. */
  drain(): void {
    this.#draining = true;
    for (const listener of [...this.#listeners.keys()]) listener.close();
  }

  /** Cuts all connections; gives how many queries were still waiting. */
  destroy(): number {
    this.drain();
    let waiting = 0;
    for (const connection of this.#table) {
      if (!connection) continue;
      waiting += connection.inFlight;
      connection.socket.destroy();
    }
    return waiting;
  }
}

function ignore(): void {}

/** Starts listening; gives the port. */
function listening(server: Server, options: net.ListenOptions): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(options, () => {
      server.off('error', reject);
      const address = server.address();
      resolve(typeof address === 'object' && address ? address.port : 0);
    });
  });
}
