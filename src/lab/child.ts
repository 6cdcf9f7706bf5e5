/** Processes of the farm: each runs a command of this program, logs to a file, and ends when this process ends. */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { reasonOf } from '#kit/errors.ts';

const leash = new URL('./leash.ts', import.meta.url).href;
const main = fileURLToPath(new URL('../cli/main.ts', import.meta.url));

/** How a child ended: `SIGKILL`, `exit code 1`. */
export type Ended = string;

export class Child {
  readonly log: string;
  /** Resolves when the process has ended. */
  readonly ended: Promise<Ended>;
  /** Undefined while it runs. */
  end: Ended | undefined;
  readonly #child: ChildProcess;

  /** Starts `chorus ARGS`. What it prints goes to the end of the file `log`. */
  constructor(args: readonly string[], log: string) {
    this.log = log;
    const file = openSync(log, 'a');
    // A session of its own: Ctrl-C on the terminal reaches `up` alone, which stops its children in order.
    this.#child = spawn(
      process.execPath,
      ['--disable-warning=ExperimentalWarning', '--import', leash, main, ...args],
      {
        stdio: ['pipe', file, file],
        detached: true,
      },
    );
    closeSync(file);
    this.#child.stdin?.on('error', () => {});
    this.ended = new Promise(resolve => {
      const ending = (how: Ended) => {
        this.end ??= how;
        resolve(this.end);
      };
      this.#child.once('error', error => ending(reasonOf(error)));
      this.#child.once('exit', (code, signal) => ending(signal ?? `exit code ${code}`));
    });
  }

  /** 0 where the process could not be started. */
  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** Asks it to end; after `patience` ms makes it end. */
  async stop(patience: number): Promise<Ended> {
    if (this.end === undefined) {
      this.#child.kill('SIGTERM');
      const timer = setTimeout(() => this.#child.kill('SIGKILL'), patience);
      await this.ended;
      clearTimeout(timer);
    }
    return await this.ended;
  }

  /** The last lines of its log. */
  lastLines(count: number): string[] {
    try {
      return readFileSync(this.log, 'utf8').trimEnd().split('\n').slice(-count);
    } catch {
      return [];
    }
  }
}
