/** What goes to backends, seen on the wire: native/watch.c. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { binDir } from './build.ts';
import { type Started, start } from './process.ts';

/** One query on its way to a backend. */
export type Sighting = {
  /** ms since the epoch. */
  readonly at: number;
  /** Which of the watched ports. */
  readonly backend: number;
  /** The number of its name. */
  readonly name: number;
};

const bytesEach = 16;
const fromClient = 1;

/** Watches queries to some ports. Where this user may not (CAP_NET_RAW), it sees nothing and says why. */
export class Watch {
  readonly #process: Started;
  readonly #file: string;
  readonly #log: string;

  private constructor(process: Started, file: string, log: string) {
    this.#process = process;
    this.#file = file;
    this.#log = log;
  }

  static async start(ports: readonly number[], folder: string): Promise<Watch> {
    const [file, log] = [join(folder, 'watched'), join(folder, 'watch.log')];
    const process = start('load', join(binDir, 'watch'), [file, ...ports.map(String)], log);
    const watch = new Watch(process, file, log);
    for (let waited = 0; waited < 2000 && !process.exited() && !watch.#ready; waited += 5) await sleep(5);
    return watch;
  }

  get #ready(): boolean {
    return readFileSync(this.#log, 'utf8').startsWith('ready');
  }

  /** Ends the watch; gives the clients' queries it saw, in order, or undefined when it could not see all. */
  async stop(): Promise<readonly Sighting[] | undefined> {
    if (!this.#ready || this.#process.exited()) return undefined;
    await this.#process.stop();
    if (!/^ready\s*$/.test(readFileSync(this.#log, 'utf8'))) return undefined;
    const bytes = readFileSync(this.#file);
    const sightings: Sighting[] = [];
    for (let at = 0; at + bytesEach <= bytes.length; at += bytesEach) {
      if (!(bytes.readUInt16LE(at + 14) & fromClient)) continue;
      sightings.push({
        at: Number(bytes.readBigInt64LE(at)) / 1e6,
        name: bytes.readUInt32LE(at + 8),
        backend: bytes.readUInt16LE(at + 12),
      });
    }
    return sightings;
  }
}
