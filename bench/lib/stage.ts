/** A stage: the answerers and servers of one case, started on free ports, all gone when the case ends. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { isAbsolute, join } from 'node:path';
import { answererCommand } from '../subjects/answerer.ts';
import type { Subject } from '../subjects/subject.ts';
import { outDir } from './build.ts';
import { Farm } from './farm.ts';
import { firstAnswer, freePort } from './ports.ts';
import { childrenOf, cpuTime, residentSize, type Started, start } from './process.ts';

/** A server that answers. */
export type Server = {
  readonly port: number;
  readonly pid: number;
  /** Its status (the body of GET /metrics). For servers that have one, with `usualChecks`. */
  metrics(): Promise<string>;
  /** From exec to the first answer, in ms. */
  readonly started: number;
  /** Processor time so far in µs, over all threads and child processes. */
  cpu(): { user: number; system: number };
  /** Resident size in bytes. */
  resident(): number;
  stop(): Promise<void>;
};

/** Backends of native/answer.c. */
export type Answerers = { readonly ports: readonly number[]; answered(): number };

export type LaunchOptions = {
  cache: boolean;
  entries?: number;
  pollInterval?: number;
  /** Ports of the backends; the stage's two answerers when left out. */
  backends?: readonly number[];
  /** Health checks as they come with the server; else they are rare. */
  usualChecks?: true;
};

/** How many answers a cache is to hold when a case does not say. */
const usualEntries = 100_000;

export class Stage {
  readonly #name: string;
  readonly #started: Started[] = [];
  readonly #farms: Farm[] = [];
  #answerers: Answerers | undefined;
  #launches = 0;

  constructor(name: string) {
    this.#name = name;
  }

  /** The two backends of this stage, with TTL one day; started when first asked for. */
  async answerers(): Promise<Answerers> {
    if (this.#answerers) return this.#answerers;
    const folder = this.folder('answerers');
    const ports = [await freePort(), await freePort()];
    const counters = ports.map(port => join(folder, `count-${port}`));
    for (const [index, port] of ports.entries()) {
      const { command, args } = answererCommand(port, 86_400, counters[index]!);
      this.#started.push(start('load', command, args, join(folder, 'log')));
      await firstAnswer(port);
    }
    const answered = () =>
      counters.reduce((sum, file) => sum + Number(readFileSync(file).readBigUInt64LE()), 0);
    this.#answerers = { ports, answered };
    return this.#answerers;
  }

  /** So many further backends that can be made ill, with TTL one day. */
  async farm(count: number): Promise<Farm> {
    const farm = await Farm.start(count, 86_400, this.folder(`farm-${this.#farms.length + 1}`));
    this.#farms.push(farm);
    return farm;
  }

  /** Starts a server and waits for its first answer. Throws, with the beginning of its log, when there is none. */
  async launch(subject: Subject, options: LaunchOptions): Promise<Server> {
    const absent = missing(subject);
    if (absent) throw new Error(absent);
    const backends = options.backends ?? (await this.answerers()).ports;
    const folder = this.folder(`${subject.name}-${++this.#launches}`);
    const [port, apiPort] = [await freePort(), await freePort()];
    const { cache, entries = usualEntries, usualChecks = false } = options;
    const setting = { port, apiPort, backends, cache, entries, usualChecks, folder };
    const { command, args, files = {} } = subject.command(setting);
    for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
    const log = join(folder, 'log');
    const since = performance.now();
    const started = start('server', command, args, log, folder);
    this.#started.push(started);
    try {
      const took = await firstAnswer(port, {
        since,
        interval: options.pollInterval ?? 20,
        givenUp: started.exited,
      });
      const metrics = async () => (await fetch(`http://127.0.0.1:${apiPort}/metrics`)).text();
      const { pid, stop } = started;
      return { port, pid, metrics, started: took, ...measures(pid), stop };
    } catch (error) {
      await started.stop();
      const head = readFileSync(log, 'utf8').trim().slice(0, 300);
      const reason = error instanceof Error ? error.message : String(error);
      throw new Error(head ? `${reason}; its log begins: ${head}` : reason);
    }
  }

  /** Stops everything. */
  async clear(): Promise<void> {
    await Promise.all([...this.#started, ...this.#farms].map(started => started.stop()));
  }

  /** An empty folder of that name for logs and state of this stage. */
  folder(name: string): string {
    const folder = join(outDir, this.#name, name);
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder, { recursive: true });
    return folder;
  }
}

function measures(pid: number): Pick<Server, 'cpu' | 'resident'> {
  const all = () => [pid, ...childrenOf(pid)];
  return {
    cpu() {
      const times = all().map(cpuTime);
      return {
        user: times.reduce((sum, time) => sum + time.user, 0),
        system: times.reduce((sum, time) => sum + time.system, 0),
      };
    },
    resident: () => all().reduce((sum, id) => sum + residentSize(id), 0),
  };
}

/** Why a subject cannot be run here, or null. */
export function missing(subject: Subject): string | null {
  try {
    const probe = isAbsolute(subject.needs)
      ? ['test', '-x', subject.needs]
      : ['command', '-v', subject.needs];
    execFileSync('/bin/sh', ['-c', '"$@"', 'sh', ...probe], { stdio: 'ignore' });
    return null;
  } catch {
    return `${subject.needs} is not installed`;
  }
}
