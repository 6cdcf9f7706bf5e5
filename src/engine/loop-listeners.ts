/** The listeners of the loop engine, in two steps: bound first, then put in force or closed again. */
import { ChorusError, type ErrorCode, reasonOf } from '#kit/errors.ts';
import { formatEndpoint } from '#net/address.ts';
import { DatagramListener, type ListenerEvents } from '#net/dgram-listener.ts';
import type { SocketAddress } from '#net/sockaddr.ts';
import type { TcpListener, TcpServer } from '#net/tcp-server.ts';

/**
 * A UDP listener that a snapshot dropped stays open so long, ms, that what is in flight is answered through it. It serves on:
 * a socket that is open and not read would swallow what the kernel gives it.
 */
const lingerTime = 10_000;

type Pair = { readonly datagrams: DatagramListener | undefined; readonly streams: TcpListener | undefined };

/** A UDP listener and the receive buffer that the kernel granted, bytes. */
export type GrantedBuffer = SocketAddress & { readonly receiveBuffer: number };

export type ListenersParts = {
  /** Absent: UDP is not served. */
  readonly datagrams: ListenerEvents | undefined;
  /** Absent: TCP is not served. */
  readonly streams: TcpServer | undefined;
  /** Other threads serve UDP on the same ports; TCP is one thread's. */
  readonly shared: boolean;
  readonly clock: () => number;
};

export class LoopListeners {
  readonly #parts: ListenersParts;
  readonly #open = new Map<string, Pair>();
  #fresh = new Map<string, Pair>();
  #wanted: ReadonlySet<string> = new Set();
  readonly #lingering = new Map<string, { readonly listener: DatagramListener; readonly until: number }>();

  constructor(parts: ListenersParts) {
    this.#parts = parts;
  }

  /** Binds what is not open yet; gives what the kernel granted. Throws a ChorusError, then nothing new stays open. */
  async prepare(listeners: readonly SocketAddress[], receiveBuffer: number): Promise<GrantedBuffer[]> {
    this.abort();
    const granted: GrantedBuffer[] = [];
    try {
      for (const at of listeners) {
        const key = formatEndpoint(at);
        const pair =
          this.#open.get(key) ?? this.#fresh.get(key) ?? (await this.#bind(key, at, receiveBuffer));
        if (pair.datagrams) granted.push({ ...at, receiveBuffer: pair.datagrams.receiveBuffer });
      }
    } catch (thrown) {
      this.abort();
      throw thrown;
    }
    this.#wanted = new Set(listeners.map(formatEndpoint));
    return granted;
  }

  async #bind(key: string, at: SocketAddress, receiveBuffer: number): Promise<Pair> {
    const { datagrams: events, streams: server, shared } = this.#parts;
    // Asked for again while the last answers were awaited: those are given up.
    this.#lingering.get(key)?.listener.close();
    this.#lingering.delete(key);
    let datagrams: DatagramListener | undefined;
    try {
      datagrams =
        events && new DatagramListener(at.address, at.port, { reusePort: shared, receiveBuffer }, events);
    } catch (thrown) {
      throw listenError(at, 'UDP', thrown);
    }
    try {
      const pair = { datagrams, streams: await server?.listen(at.address, at.port, false) };
      this.#fresh.set(key, pair);
      return pair;
    } catch (thrown) {
      datagrams?.close();
      throw listenError(at, 'TCP', thrown);
    }
  }

  /** Closes what `prepare` bound. */
  abort(): void {
    for (const { datagrams, streams } of this.#fresh.values()) {
      datagrams?.close();
      streams?.close();
    }
    this.#fresh = new Map();
  }

  /** Puts in force what was prepared; listeners that are not in it take no new connection, and packets for a while. */
  commit(): void {
    for (const [key, pair] of this.#open) {
      if (this.#wanted.has(key)) continue;
      this.#open.delete(key);
      pair.streams?.close();
      if (!pair.datagrams) continue;
      this.#lingering.set(key, { listener: pair.datagrams, until: this.#parts.clock() + lingerTime });
    }
    for (const [key, pair] of this.#fresh) {
      this.#open.set(key, pair);
      if (pair.datagrams) pair.datagrams.active = true;
      pair.streams?.activate();
    }
    this.#fresh = new Map();
  }

  /** Closes what has lingered. */
  sweep(now: number): void {
    for (const [key, { listener, until }] of this.#lingering) {
      if (now < until) continue;
      listener.close();
      this.#lingering.delete(key);
    }
  }

  /** Follows the machine's addresses. Call every few seconds. */
  refresh(): void {
    for (const { datagrams } of this.#open.values()) datagrams?.refresh();
  }

  /** Closes everything. */
  destroy(): void {
    this.abort();
    for (const { datagrams, streams } of this.#open.values()) {
      datagrams?.close();
      streams?.close();
    }
    for (const { listener } of this.#lingering.values()) listener.close();
    this.#open.clear();
    this.#lingering.clear();
  }
}

const codes: Readonly<Record<string, ErrorCode>> = {
  EADDRINUSE: 'ADDRESS_IN_USE',
  EADDRNOTAVAIL: 'ADDRESS_NOT_AVAILABLE',
  EACCES: 'PERMISSION',
  EPERM: 'PERMISSION',
};

/** The error of the table for Node's error of a failed bind. */
function listenError(at: SocketAddress, protocol: 'UDP' | 'TCP', thrown: unknown): ChorusError {
  const code = thrown instanceof Error && 'code' in thrown ? codes[String(thrown.code)] : undefined;
  return new ChorusError(code ?? 'LISTEN_FAILED', {
    address: formatEndpoint(at),
    protocol,
    reason: reasonOf(thrown),
  });
}
