/**
 * Programs that are started, told and ended: by tests (`process.ts`, which ends them with the test file) and by the benchmark.
 * Their output is kept, and the kernel ends them when the process that started them dies.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { poll } from './poll.ts';
import { findProgram, searchPath } from './requires.ts';

/** Most characters kept of a program's output; the middle is dropped beyond it. */
const outputLimit = 400_000;

export type StartOptions = {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Run in the network namespace of the process with this pid. */
  readonly namespace?: number;
  /** In its mount namespace too; the working folder is / then, unless `cwd` says another. */
  readonly mounts?: boolean;
  /** Text for its standard input. */
  readonly input?: string;
  /** Leaves its standard input open until `endInput`. */
  readonly keepInput?: boolean;
};

/** How a program ended. `code` is null when a signal ended it. */
export type Ended = { readonly code: number | null; readonly signal: string | null };

const running = new Set<Program>();
const folders = new Set<string>();

/** Ends all programs that still run, and removes all temporary folders. */
export async function endPrograms(): Promise<void> {
  await Promise.all([...running].map(program => program.stop()));
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
  folders.clear();
}

/** A new folder under the system's temporary folder, removed by `endPrograms`. */
export function temporaryFolder(name: string): string {
  const folder = mkdtempSync(join(tmpdir(), `chorus-${name}-`));
  folders.add(folder);
  return folder;
}

/** One started program. */
export class Program {
  readonly name: string;
  readonly command: string;
  readonly ended: Promise<Ended>;
  readonly #child: ChildProcess;
  #stdout = '';
  #stderr = '';
  #end: Ended | undefined;

  constructor(command: string, args: readonly string[], options: StartOptions = {}) {
    this.name = command.split('/').at(-1) ?? command;
    let line = [findProgram(command) ?? command, ...args];
    if (options.namespace !== undefined) {
      const space = `/proc/${options.namespace}/ns`;
      // The mount namespace last: /proc is looked up in the one that is left.
      const mounts = options.mounts === true ? [`--mount=${space}/mnt`] : [];
      const wd = options.mounts === true && options.cwd !== undefined ? [`--wd=${options.cwd}`] : [];
      line = ['nsenter', `--net=${space}/net`, ...mounts, ...wd, ...line];
    }
    // The kernel ends it when the test process dies without having a chance to.
    if (findProgram('setpriv') !== undefined) line = ['setpriv', '--pdeathsig', 'KILL', ...line];
    this.command = line.join(' ');
    this.#child = spawn(line[0]!, line.slice(1), {
      stdio: ['pipe', 'pipe', 'pipe'],
      env: { ...process.env, ...options.env, PATH: searchPath.join(':') },
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    });
    this.#child.stdin?.on('error', () => {});
    if (options.keepInput !== true) this.#child.stdin?.end(options.input ?? '');
    this.#child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.#stdout = bounded(this.#stdout + text);
    });
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr = bounded(this.#stderr + text);
    });
    running.add(this);
    this.ended = new Promise(resolve => {
      const finish = (end: Ended) => {
        this.#end = end;
        running.delete(this);
        resolve(end);
      };
      this.#child.on('error', error => {
        this.#stderr += String(error);
        finish({ code: 127, signal: null });
      });
      this.#child.on('close', (code, signal) => finish({ code, signal }));
      // A program's own children may hold its output open after its end: that is not waited for.
      this.#child.on('exit', (code, signal) => {
        setTimeout(
          // What has come by then is read first, however late this process is.
          () =>
            setImmediate(() => {
              this.#child.stdout?.destroy();
              this.#child.stderr?.destroy();
              finish({ code, signal });
            }),
          500,
        ).unref();
      });
    });
  }

  get pid(): number {
    if (this.#child.pid === undefined) throw new Error(`did not start: ${this.command}`);
    return this.#child.pid;
  }
  get stdout(): string {
    return this.#stdout;
  }
  get stderr(): string {
    return this.#stderr;
  }
  /** How it ended; undefined while it runs. */
  get end(): Ended | undefined {
    return this.#end;
  }
  /** All that it said, for a failure message. */
  get log(): string {
    const end = this.#end === undefined ? 'running' : `ended: ${this.#end.code ?? this.#end.signal}`;
    return `--- ${this.command} (${end})\n${this.#stdout}${this.#stderr}---`;
  }

  /** Sends a signal to it, if it still runs. */
  signal(name: NodeJS.Signals): void {
    if (this.#end === undefined) this.#child.kill(name);
  }

  /** Ends its standard input, where that was kept open. */
  endInput(): void {
    this.#child.stdin?.end();
  }

  /** Closes the near ends of its output, as a log reader does that dies. */
  closeOutput(): void {
    this.#child.stdout?.destroy();
    this.#child.stderr?.destroy();
  }

  /** Ends it: asks first, and kills it when it has not ended after `patience` ms. */
  async stop(patience = 3000): Promise<Ended> {
    this.signal('SIGTERM');
    const timer = setTimeout(() => this.signal('SIGKILL'), patience);
    const end = await this.ended;
    clearTimeout(timer);
    return end;
  }

  /** Kills it at once and waits until it is gone. */
  async kill(): Promise<void> {
    this.signal('SIGKILL');
    await this.ended;
  }

  /** Waits until `look` gives something; fails with the log when the program ends first or the time is up. */
  async until<T>(what: string, look: () => T | Promise<T>, deadline = 30_000) {
    let over = false;
    const seen = await poll(
      `${this.name}: ${what}`,
      async () => {
        if (this.#end !== undefined) {
          over = true;
          return true;
        }
        return await look();
      },
      { deadline, explain: () => this.log },
    );
    if (over) throw new Error(`${this.name} ended while waiting for: ${what}\n${this.log}`);
    return seen as Exclude<T, undefined | false | null>;
  }
}

/** What a finished program gave. */
export type Result = { readonly code: number | null; readonly stdout: string; readonly stderr: string };

/** Runs a program to its end; kills it after `timeout` ms. Never throws for an exit code. */
export async function run(
  command: string,
  args: readonly string[],
  options: StartOptions & { readonly timeout?: number } = {},
): Promise<Result> {
  const program = new Program(command, args, options);
  const timer = setTimeout(() => program.signal('SIGKILL'), options.timeout ?? 30_000);
  const { code } = await program.ended;
  clearTimeout(timer);
  return { code, stdout: program.stdout, stderr: program.stderr };
}

/** Runs a program that must succeed; gives its standard output. */
export async function must(
  command: string,
  args: readonly string[],
  options: StartOptions = {},
): Promise<string> {
  const result = await run(command, args, options);
  if (result.code !== 0) {
    throw new Error(`${command} ${args.join(' ')}: exit ${result.code}\n${result.stdout}${result.stderr}`);
  }
  return result.stdout;
}

function bounded(text: string): string {
  if (text.length <= outputLimit) return text;
  const half = outputLimit / 2 - 100;
  return `${text.slice(0, half)}\n[…]\n${text.slice(-half)}`;
}
