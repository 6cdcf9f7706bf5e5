/** Backends of native/answer.c that fall ill, die and come back while a front depends on them. */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { answererCommand } from '../subjects/answerer.ts';
import { firstAnswer, freePort } from './ports.ts';
import { type Started, start } from './process.ts';

/** What a backend can be told to do with queries; see native/answer.c. */
export type Illness =
  | 'none'
  | 'silent'
  | 'servfail'
  | 'refused'
  | 'wrongid'
  | 'garbage'
  | 'nxdomain'
  | 'slow';

export type Order = {
  readonly illness: Illness;
  /** Of so many queries, in percent; 100 when left out. */
  readonly percent?: number;
  /** How slow `slow` is. */
  readonly ms?: number;
  /** Only names under storm.test. */
  readonly stormOnly?: true;
};

/** Queries that backends heard, by what they asked for. */
export type Heard = {
  /** xxxxxxxx.bench.test */
  readonly bench: number;
  /** Names under storm.test. */
  readonly storm: number;
  /** Health checks. */
  readonly other: number;
};

/** One backend, which keeps its port through deaths. */
export class Backend {
  readonly port: number;
  readonly #folder: string;
  readonly #ttl: number;
  readonly #counters: string[] = [];
  #process: Started | undefined;

  constructor(port: number, ttl: number, folder: string) {
    this.port = port;
    this.#ttl = ttl;
    this.#folder = folder;
  }

  /** Starts it, for the first time or again, and waits until it answers. */
  async start(): Promise<void> {
    const counters = join(this.#folder, `count-${this.port}-${this.#counters.length}`);
    const { command, args } = answererCommand(this.port, this.#ttl, counters);
    this.#process = start('load', command, args, join(this.#folder, 'log'));
    await firstAnswer(this.port, { interval: 5, givenUp: this.#process.exited });
    this.#counters.push(counters);
  }

  /** Kills it, which closes its port; gives when that began, in ms since the epoch. */
  async kill(): Promise<number> {
    const began = Date.now();
    await this.#process?.kill();
    return began;
  }

  /** Makes it ill or well; gives when that began, in ms since the epoch. */
  async order({ illness, percent = 100, ms = 0, stormOnly }: Order): Promise<number> {
    const socket = createSocket('udp4');
    try {
      const text = `fault ${illness} ${percent} ${ms}${stormOnly ? ' storm' : ''}`;
      const signal = AbortSignal.timeout(2000);
      socket.send(text, this.port, '127.0.0.1');
      const [reply]: unknown[] = await once(socket, 'message', { signal });
      const began = /^ok (\d+)$/.exec(String(reply))?.[1];
      if (!began) throw new Error(`a backend did not take the order "${text}": ${reply}`);
      return Number(BigInt(began) / 1000n) / 1000;
    } finally {
      socket.close();
    }
  }

  get heard(): Heard {
    const all = this.#counters.map(file => readFileSync(file));
    const sum = (at: number) => all.reduce((total, bytes) => total + Number(bytes.readBigUInt64LE(at)), 0);
    return { bench: sum(8), storm: sum(16), other: sum(24) };
  }
}

export class Farm {
  readonly backends: readonly Backend[];

  private constructor(backends: readonly Backend[]) {
    this.backends = backends;
  }

  /** So many backends, whose answers have a TTL of `ttl` seconds, with their files in `folder`. */
  static async start(count: number, ttl: number, folder: string): Promise<Farm> {
    mkdirSync(folder, { recursive: true });
    const backends: Backend[] = [];
    for (let made = 0; made < count; made++) {
      const backend = new Backend(await freePort(), ttl, folder);
      await backend.start();
      backends.push(backend);
    }
    return new Farm(backends);
  }

  get ports(): readonly number[] {
    return this.backends.map(({ port }) => port);
  }

  /** The `count` backends that heard most of bench.test. */
  busiest(count: number): Backend[] {
    const heard = this.backends.map(backend => ({ backend, queries: backend.heard.bench }));
    return heard
      .toSorted((a, b) => b.queries - a.queries)
      .slice(0, count)
      .map(({ backend }) => backend);
  }

  /** What all of them heard. */
  get heard(): Heard {
    const all = this.backends.map(({ heard }) => heard);
    const sum = (key: keyof Heard) => all.reduce((total, heard) => total + heard[key], 0);
    return { bench: sum('bench'), storm: sum('storm'), other: sum('other') };
  }

  async stop(): Promise<void> {
    await Promise.all(this.backends.map(backend => backend.kill()));
  }
}
