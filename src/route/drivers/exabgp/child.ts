/**
 * ExaBGP as a child: a configuration in a folder of its own, the helper that ends it when Chorus dies or hangs (relay.ts), and
 * one command after the other. Where setpriv is at hand the kernel ends it too when Chorus dies.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { accessSync, constants, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { ChorusError, reasonOf } from '#kit/errors.ts';
import type { DriverWorld } from '../../driver.ts';
import { inOneLine } from '../program.ts';
import { AnswerReader, type ChildConfiguration, childConfiguration } from './answers.ts';

const daemon = 'ExaBGP';
/** Characters kept of what ExaBGP says for people, for the day it ends. */
const kept = 4_000;
/** How long it may take to end when asked to, ms. */
const patience = 1_000;

export type ChildOptions = {
  readonly program: string;
  /** ms */
  readonly lifetime: number;
  /** ms */
  readonly timeout: number;
  readonly configuration: Omit<ChildConfiguration, 'helper'>;
};

type Waiting = {
  readonly command: string;
  readonly resolve: (lines: readonly string[]) => void;
  readonly reject: (error: ChorusError) => void;
};

export class Child {
  /** Neighbours with an established session. */
  readonly up = new Set<string>();
  /** A session came or went, or all of it has ended. */
  onChange: () => void = () => {};
  readonly #world: DriverWorld;
  readonly #options: ChildOptions;
  readonly #folder: string;
  readonly #server: Server;
  readonly #process: ChildProcess;
  #link: Socket | undefined;
  #reader = new AnswerReader();
  #waiting: Waiting | undefined;
  #said = '';
  #ended: ChorusError | undefined;
  readonly #gone: Promise<void>;

  /** Starts ExaBGP; resolves when its helper has called back; `signal` calls that off. Rejects with ROUTE_PROGRAM, ROUTE_CHILD or ROUTE_DAEMON_SILENT. */
  static async start(options: ChildOptions, world: DriverWorld, signal: AbortSignal): Promise<Child> {
    const program = locate(options.program);
    if (program === undefined)
      throw new ChorusError('ROUTE_PROGRAM', {
        daemon,
        program: options.program,
        reason: 'there is no such program',
      });
    const child = new Child(program, options, world);
    try {
      await child.#called(signal);
      return child;
    } catch (error) {
      await child.stop();
      throw error;
    }
  }

  private constructor(program: string, options: ChildOptions, world: DriverWorld) {
    this.#world = world;
    this.#options = options;
    this.#folder = mkdtempSync(join(tmpdir(), 'chorus-exabgp-'));
    const socket = join(this.#folder, 'api');
    const helper = [
      process.execPath,
      join(import.meta.dirname, 'relay.ts'),
      socket,
      String(options.lifetime),
      this.#folder,
    ];
    const file = join(this.#folder, 'exabgp.conf');
    writeFileSync(file, childConfiguration({ ...options.configuration, helper }), { mode: 0o600 });
    this.#server = createServer(link => this.#take(link));
    this.#server.on('error', error => this.#end(`its helper cannot be heard: ${reasonOf(error)}`));
    this.#server.listen(socket);
    const line = [program, file];
    const setpriv = locate('setpriv');
    if (setpriv !== undefined) line.unshift(setpriv, '--pdeathsig', 'KILL', '--');
    this.#process = spawn(line[0] ?? program, line.slice(1), {
      cwd: this.#folder,
      // A session of its own: Ctrl-C in a terminal is for Chorus, which withdraws in its own order.
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...environment() },
    });
    for (const stream of [this.#process.stdout, this.#process.stderr])
      stream?.setEncoding('utf8').on('data', (text: string) => {
        this.#said = (this.#said + text).slice(-kept);
      });
    this.#gone = new Promise(resolve => {
      this.#process.once('error', error => {
        this.#end(reasonOf(error));
        resolve();
      });
      this.#process.once('exit', (code, signal) => {
        this.#end(code === null ? `ended by ${signal}` : `exit ${code}`);
        resolve();
      });
    });
  }

  /** What is wrong when it has ended; undefined while it lives. */
  get ended(): ChorusError | undefined {
    return this.#ended;
  }

  /** The control loop is well. */
  beat(): void {
    // Where it does not read, what is written would pile up.
    if (this.#link && this.#link.writableLength < 65_536) this.#link.write('beat\n');
  }

  /** Gives the lines of its answer. One at a time. Rejects when it says "error", ends, or says nothing in time. */
  ask(command: string): Promise<readonly string[]> {
    return new Promise((resolve, reject) => {
      if (this.#ended || !this.#link) {
        reject(this.#ended ?? new ChorusError('ROUTE_CHILD', { daemon, reason: 'its helper is away' }));
        return;
      }
      const callOff = this.#world.wait(this.#options.timeout, () => {
        const seconds = this.#options.timeout / 1000;
        this.#fail(new ChorusError('ROUTE_DAEMON_SILENT', { daemon, where: this.#options.program, seconds }));
        this.#process.kill('SIGKILL');
      });
      this.#waiting = {
        command,
        resolve: lines => {
          callOff();
          resolve(lines);
        },
        reject: error => {
          callOff();
          reject(error);
        },
      };
      this.#link.write(`${command}\n`);
    });
  }

  /** Ends it and leaves nothing behind. */
  async stop(): Promise<void> {
    this.onChange = () => {};
    const kill = this.#world.wait(patience, () => this.#process.kill('SIGKILL'));
    this.#process.kill('SIGTERM');
    await this.#gone;
    kill();
    this.#clear();
  }

  /** Waits for the first call of the helper. */
  #called(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const { timeout, program } = this.#options;
      const settle = (error?: ChorusError) => {
        callOff();
        signal.removeEventListener('abort', abort);
        this.onChange = () => {};
        if (error) reject(error);
        else resolve();
      };
      const abort = () =>
        settle(new ChorusError('ROUTE_CHILD', { daemon, reason: 'it is not needed any more' }));
      signal.addEventListener('abort', abort);
      const callOff = this.#world.wait(timeout, () =>
        settle(new ChorusError('ROUTE_DAEMON_SILENT', { daemon, where: program, seconds: timeout / 1000 })),
      );
      this.onChange = () => {
        if (this.#ended) settle(this.#ended);
        else if (this.#link) settle();
      };
      this.onChange();
    });
  }

  #take(link: Socket): void {
    // ExaBGP starts its helper anew when it has ended: the newest counts.
    this.#link?.destroy();
    this.#fail(new ChorusError('ROUTE_CHILD', { daemon, reason: 'its helper was started anew' }));
    this.#link = link;
    this.#reader = new AnswerReader();
    link.setEncoding('utf8');
    link.on('error', () => {});
    link.on('data', (text: string) => {
      const all = this.#reader.feed(text);
      if (all === undefined) {
        this.#end('its answers are beyond all bounds');
        this.#process.kill('SIGKILL');
      }
      for (const said of all ?? []) {
        if (said.kind === 'state') {
          if (said.up) this.up.add(said.peer);
          else this.up.delete(said.peer);
          this.onChange();
        } else {
          const waiting = this.#waiting;
          this.#waiting = undefined;
          if (said.good) waiting?.resolve(said.lines);
          else if (waiting) waiting.reject(refused(waiting.command, said.lines));
        }
      }
    });
    link.on('close', () => {
      if (this.#link === link) this.#link = undefined;
    });
    this.onChange();
  }

  #end(how: string): void {
    if (this.#ended) return;
    const said = inOneLine(this.#said.split('\n').filter(Boolean).slice(-3).join('; '));
    this.#ended = new ChorusError('ROUTE_CHILD', { daemon, reason: said === '' ? how : `${how}: ${said}` });
    this.up.clear();
    this.#fail(this.#ended);
    this.#clear();
    this.onChange();
  }

  #fail(error: ChorusError): void {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    waiting?.reject(error);
  }

  #clear(): void {
    this.#link?.destroy();
    this.#server.close();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

function refused(command: string, lines: readonly string[]): ChorusError {
  return new ChorusError('ROUTE_DAEMON_REFUSED', {
    daemon,
    command,
    said: inOneLine(lines.join('; ')) || 'error',
  });
}

/** ExaBGP's own settings, whatever the machine's are: as our user, without its command line's pipes, ending never by itself. */
function environment(): Record<string, string> {
  return {
    'exabgp.daemon.user': userName(),
    'exabgp.daemon.daemonize': 'false',
    'exabgp.api.ack': 'true',
    'exabgp.api.cli': 'false',
    'exabgp.api.respawn': 'true',
    'exabgp.tcp.bind': '',
    'exabgp.tcp.once': 'false',
    'exabgp.log.enable': 'true',
    'exabgp.log.level': 'WARNING',
    'exabgp.log.destination': 'stdout',
  };
}

/** Our own user, whom ExaBGP shall go on as where it is started as root. */
function userName(): string {
  try {
    return userInfo().username;
  } catch {
    // A user without a name, who is not root: ExaBGP has nothing to give up.
    return 'nobody';
  }
}

/** The path of a program; undefined where there is none that may be run. */
function locate(program: string): string | undefined {
  const folders = program.includes('/')
    ? ['']
    : `${process.env.PATH ?? ''}:/usr/sbin:/usr/bin:/sbin:/bin`.split(':');
  return folders
    .map(folder => (folder === '' ? program : join(folder, program)))
    .find(path => {
      try {
        accessSync(path, constants.X_OK);
        return true;
      } catch {
        return false;
      }
    });
}
