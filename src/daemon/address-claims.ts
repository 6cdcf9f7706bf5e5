/**
 * One Chorus announces a service address on a machine. Each address is claimed by an abstract Unix socket named after it: the
 * kernel gives a name to one process of a network namespace, and takes it back when that process ends, however it ends.
 * Whoever connects to it is told who holds it.
 */
import { connect, createServer, type Server } from 'node:net';
import type { Clock } from '#health/clock.ts';

/** How often a claim that somebody else holds is tried again, ms. */
const againEvery = 500;
/** How long the holder is given to say who it is, ms, and how much of it is read. */
const askPatience = 500;
const tellLimit = 80;

const nameOf = (address: string) => `\0chorus/service-address/${address}`;

type Claim = { server: Server | null; holder: string | null; unwait: (() => void) | null; over: boolean };

export type ClaimsOptions = {
  readonly clock: Clock;
  /** What is told to others: `pid 12, front-1`. */
  readonly self: string;
  /** Claims were won or lost. */
  readonly onChange: () => void;
};

export class AddressClaims {
  readonly #options: ClaimsOptions;
  readonly #claims = new Map<string, Claim>();

  constructor(options: ClaimsOptions) {
    this.#options = options;
  }

  /** Claims these addresses and gives the others back. What is held by another process is tried again and again. */
  apply(addresses: readonly string[]): void {
    const wanted = new Set(addresses);
    for (const [address, claim] of this.#claims) {
      if (wanted.has(address)) continue;
      this.#claims.delete(address);
      release(claim);
    }
    for (const address of wanted) {
      if (this.#claims.has(address)) continue;
      const claim: Claim = { server: null, holder: 'not claimed yet', unwait: null, over: false };
      this.#claims.set(address, claim);
      this.#try(address, claim);
    }
  }

  /** The first address that is not ours, and who holds it; null when all are ours. */
  refused(): { readonly address: string; readonly holder: string } | null {
    for (const [address, { holder }] of this.#claims) if (holder !== null) return { address, holder };
    return null;
  }

  /** Whether the outcome of every first try is known. */
  get settled(): boolean {
    return [...this.#claims.values()].every(({ holder, unwait }) => holder === null || unwait !== null);
  }

  /** Gives all back. */
  stop(): void {
    this.apply([]);
  }

  #try(address: string, claim: Claim): void {
    claim.unwait = null;
    const server = createServer({ pauseOnConnect: true }, socket => {
      socket.on('error', () => {});
      socket.end(this.#options.self.slice(0, tellLimit), () => socket.destroy());
    });
    server.maxConnections = 8;
    server.on('error', (error: NodeJS.ErrnoException) => {
      if (claim.over) return;
      if (error.code === 'EADDRINUSE') askHolder(address, told => this.#lost(address, claim, told));
      // Where there is no such thing as an abstract socket nobody can be told apart: then nobody is in the way.
      else this.#won(claim, null);
    });
    server.listen(nameOf(address), () => {
      server.unref();
      if (claim.over) server.close();
      else this.#won(claim, server);
    });
  }

  #won(claim: Claim, server: Server | null): void {
    claim.server = server;
    claim.holder = null;
    this.#options.onChange();
  }

  #lost(address: string, claim: Claim, told: string): void {
    if (claim.over) return;
    const holder = told === '' ? 'another process' : `another Chorus (${told})`;
    claim.unwait = this.#options.clock.wait(againEvery, () => this.#try(address, claim));
    if (claim.holder === holder) return;
    claim.holder = holder;
    this.#options.onChange();
  }
}

function release(claim: Claim): void {
  claim.over = true;
  claim.unwait?.();
  claim.server?.close();
}

/** Asks the holder who it is; tells the empty text where it does not say. */
function askHolder(address: string, tell: (text: string) => void): void {
  let told = '';
  const socket = connect(nameOf(address));
  const timer = setTimeout(() => socket.destroy(), askPatience);
  socket.setEncoding('utf8');
  socket.on('data', (text: string) => {
    told += text;
    if (told.length > tellLimit) socket.destroy();
  });
  socket.on('error', () => {});
  socket.on('close', () => {
    clearTimeout(timer);
    tell(told.replace(/[^\x20-\x7e]/g, '').slice(0, tellLimit));
  });
}
