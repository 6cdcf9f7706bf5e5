/** Chorus itself as a process of its own, started from a configuration as an operator would. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { stringify } from 'yaml';
import { poll } from './poll.ts';
import { freePort } from './ports.ts';
import { Program, type Result, run, type StartOptions, temporaryFolder } from './process.ts';
import { type Address, askUdp, header, packet } from './raw.ts';

/** The start script of this checkout, or what the environment variable CHORUS names. */
export const chorusCommand =
  process.env.CHORUS ?? fileURLToPath(new URL('../../bin/chorus', import.meta.url));

/** A configuration file's content, as YAML text or as the value that it means. */
export type ConfigText = string | Readonly<Record<string, unknown>>;

/** A backend's line in a configuration. */
export function backend(
  name: string,
  { address, port }: Address,
  more: Readonly<Record<string, unknown>> = {},
) {
  return { name, address: address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`, ...more };
}

/** Both engines, for tests that run once with each. */
export const engines = ['batch', 'loop'] as const;
export type Engine = (typeof engines)[number];

/** `chorus serve` with a configuration file that tests may change. */
export class Chorus implements Address {
  /** Where it listens when the test does not say otherwise; on ::1 the same port. */
  readonly address = '127.0.0.1';
  readonly port: number;
  readonly apiPort: number;
  readonly file: string;
  readonly program: Program;

  private constructor(port: number, apiPort: number, file: string, program: Program) {
    this.port = port;
    this.apiPort = apiPort;
    this.file = file;
    this.program = program;
  }

  /**
   * Starts it. `config` lacks `listen` and `api` as a rule: they are added with free ports.
   * Does not wait for anything: see `ready` and `ended`.
   */
  static async launch(
    config: Readonly<Record<string, unknown>>,
    options: StartOptions = {},
  ): Promise<Chorus> {
    const [port, apiPort] = [await freePort(), await freePort()];
    const file = join(temporaryFolder('front'), 'chorus.yaml');
    writeFileSync(file, stringify({ ...basics(port, apiPort), ...config }));
    return new Chorus(port, apiPort, file, new Program(chorusCommand, ['serve', '--config', file], options));
  }

  /** Starts it and waits until it answers. */
  static async start(config: Readonly<Record<string, unknown>>, options: StartOptions = {}): Promise<Chorus> {
    const chorus = await Chorus.launch(config, options);
    await chorus.ready();
    return chorus;
  }

  get v4(): Address {
    return { address: '127.0.0.1', port: this.port };
  }
  get v6(): Address {
    return { address: '::1', port: this.port };
  }

  /** Waits until it answers a question for its own version. */
  async ready(at: Address = this.v4): Promise<void> {
    const question = packet({ name: 'version.bind', type: 16, class: 3 });
    await this.program.until('an answer for version.bind', async () => {
      const answer = await askUdp(at, question, 300);
      return answer !== undefined && header(answer).rcode === 0;
    });
  }

  /** Writes a new configuration; nothing reads it before a reload. */
  write(config: ConfigText): void {
    const text =
      typeof config === 'string' ? config : stringify({ ...basics(this.port, this.apiPort), ...config });
    writeFileSync(this.file, text);
  }

  /** Runs another chorus command against its API, such as `reload`. */
  command(...args: readonly string[]): Promise<Result> {
    return chorus(...args, '--api', `127.0.0.1:${this.apiPort}`);
  }

  /** GET on its API: status code and body. */
  async get(path: string): Promise<{ readonly code: number; readonly body: string }> {
    // Never by a connection that is kept: Chorus may be closing it just now.
    const headers = { connection: 'close' };
    const response = await fetch(`http://127.0.0.1:${this.apiPort}${path}`, { headers });
    return { code: response.status, body: await response.text() };
  }

  /** The state of a backend as `chorus backend list --json` or the API tells it. */
  async state(name: string): Promise<string> {
    const { body } = await this.get('/api/v1/status');
    const found = findBackend(JSON.parse(body), name);
    if (found === undefined) throw new Error(`no backend ${name} in ${body}`);
    return found;
  }

  /** Waits until a backend is in one of these states. */
  async reaches(name: string, states: readonly string[], deadline = 20_000): Promise<void> {
    await poll(`${name} to be ${states.join(' or ')}`, async () => states.includes(await this.state(name)), {
      deadline,
      explain: () => this.program.log,
    });
  }

  /** The sum of a metric family over the samples whose labels contain `label`; 0 when there is none. */
  async metric(family: string, label = ''): Promise<number> {
    const { body } = await this.get('/metrics');
    let sum = 0;
    for (const line of body.split('\n')) {
      const [, name, labels = '', value] = /^(\w+)(\{[^}]*\})? (\S+)/.exec(line) ?? [];
      if (name === family && labels.includes(label)) sum += Number(value);
    }
    return sum;
  }

  /** Ends it by SIGTERM; gives its exit code, and fails with the log when that is not 0 or it had ended before. */
  async stop(): Promise<number | null> {
    if (this.program.end !== undefined) throw new Error(`Chorus had ended before:\n${this.program.log}`);
    const { code } = await this.program.stop(15_000);
    if (code !== 0) throw new Error(`Chorus ended with ${code}\n${this.program.log}`);
    return code;
  }
}

/** Runs one chorus command to its end. */
export function chorus(...args: readonly string[]): Promise<Result> {
  return run(chorusCommand, args);
}

function basics(port: number, apiPort: number) {
  return { listen: [`127.0.0.1:${port}`, `[::1]:${port}`], api: `127.0.0.1:${apiPort}`, workers: 1 };
}

/** Finds a backend's state in the status, wherever pools stand in it. */
function findBackend(value: unknown, name: string): string | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  if ('name' in value && value.name === name && 'state' in value && typeof value.state === 'string') {
    return value.state;
  }
  for (const inner of Object.values(value)) {
    const found = findBackend(inner, name);
    if (found !== undefined) return found;
  }
  return undefined;
}
