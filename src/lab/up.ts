/** `chorus up`: starts a farm, shows it, and stops it. */
import { randomInt } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ChorusError } from '#kit/errors.ts';
import { type Endpoint, formatEndpoint } from '#net/address.ts';
import { Farm } from './farm.ts';
import { nodeNames } from './farm-config.ts';
import { askStatus, type FarmStatus } from './farm-status.ts';
import { freeTcp, freeUdp } from './free-port.ts';
import { type Load, startLoad } from './load.ts';
import { hasIpv6Loopback } from './loopback.ts';
import { changes, drawScreen, type Paint, type Scene, summary } from './screen.ts';
import { openTerminal, type Terminal } from './terminal.ts';

const v4 = '127.0.0.1';
const v6 = '::1';
const redrawEvery = 1000;
const summaryEvery = 10_000;
/** So often in a row the front may be late with its status. */
const silencesPassed = 2;
/** A tall terminal shows them all, a short one the last of them. */
const eventsShown = 12;

export type UpOptions = {
  /** Port where clients ask. */
  readonly port: number;
  /** Port of the API. */
  readonly apiPort: number;
  /** How many nodes: 1 to as many as there are names. */
  readonly nodes: number;
  /** Queries each second that `up` itself asks; 0: none. */
  readonly load: number;
  /** A dead node starts again after so many ms; null: only on the key r. */
  readonly restartAfter: number | null;
  /** Text of `--fault` by node. */
  readonly faults: ReadonlyMap<string, string>;
  /** Where the configuration is written; absent: a temporary folder, removed at the end. */
  readonly configFile?: string;
  /** The command that started this program, for commands to try. */
  readonly chorus: string;
};

/** The ways in and out of the program. */
export type UpWorld = {
  readonly output: NodeJS.WriteStream;
  readonly input: NodeJS.ReadStream;
  readonly paint: Paint;
  /** Aborted when the user wants to stop. */
  readonly signal: AbortSignal;
  /** Aborts `signal`. */
  readonly stop: () => void;
};

/** Runs a farm until it is stopped. Throws FARM_PORT_IN_USE, FARM_FAILED and the like, with nothing left running. */
export async function runUp(options: UpOptions, world: UpWorld): Promise<void> {
  const { output, signal } = world;
  const addresses = hasIpv6Loopback() ? [v4, v6] : [v4];
  const listen = addresses.map(address => ({ address, port: options.port }));
  const api = { address: v4, port: options.apiPort };
  await requireFree(listen, api);
  const folder = mkdtempSync(join(tmpdir(), 'chorus-up-'));
  const say = (text: string) => output.write(`${text}\n`);
  let show: (text: string) => void = say;
  try {
    const names = nodeNames.slice(0, options.nodes);
    const configFile = options.configFile ?? join(folder, 'chorus.yaml');
    if (addresses.length === 1) say('This machine has no IPv6: the front listens on IPv4 only.');
    say(`Starting ${names.length} nodes and the front; configuration ${configFile}`);
    const farm = await Farm.start(
      {
        listen,
        api,
        names,
        folder,
        configFile,
        faults: options.faults,
        restartAfter: options.restartAfter,
        onEvent: text => show(text),
      },
      signal,
    );
    const load =
      options.load === 0 ? null : startLoad(listen[0]!, options.load, randomRun(), () => randomInt(65_536));
    const shown = new Show(farm, load, options, world);
    show = text => shown.event(text);
    try {
      const broken = await Promise.race([farm.broken, shown.run()]);
      if (broken) throw broken;
    } finally {
      load?.stop();
      shown.close();
      show = () => {};
      say('Stopping.');
      await farm.stop();
    }
  } catch (error) {
    // Stopped by the user before all was up.
    if (!signal.aborted) throw error;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Keeps the terminal or the output up to date until the farm is to stop. */
class Show {
  readonly #farm: Farm;
  readonly #load: Load | null;
  readonly #options: UpOptions;
  readonly #world: UpWorld;
  readonly #terminal: Terminal | null;
  readonly #startedAt = Date.now();
  readonly #events: string[] = [];
  readonly #closed = new AbortController();
  #status: FarmStatus | null = null;
  /** Times in a row that the front did not tell. */
  #silences = 0;

  constructor(farm: Farm, load: Load | null, options: UpOptions, world: UpWorld) {
    this.#farm = farm;
    this.#load = load;
    this.#options = options;
    this.#world = world;
    const { output, input } = world;
    this.#terminal = output.isTTY
      ? openTerminal(
          output,
          input,
          key => this.#key(key),
          () => this.#draw(),
        )
      : null;
    if (!this.#terminal) {
      const { listen, api } = farm.options;
      const say = (text: string) => output.write(`${text}\n`);
      say(
        `front: ${listen.map(formatEndpoint).join(' and ')}, API ${formatEndpoint(api)}, process ${farm.frontPid}`,
      );
      for (const { name, pid, ...at } of farm.nodes)
        say(`node ${name}: ${formatEndpoint(at)}, process ${pid}`);
    }
  }

  /** Something happened. */
  event(text: string): void {
    const line = `${new Date().toTimeString().slice(0, 8)}  ${text}`;
    this.#events.push(line);
    if (this.#events.length > eventsShown) this.#events.shift();
    if (this.#terminal) this.#draw();
    else this.#world.output.write(`${line}\n`);
  }

  /** Resolves when the user wants to stop, or after `close`. */
  async run(): Promise<undefined> {
    const { output } = this.#world;
    const signal = AbortSignal.any([this.#world.signal, this.#closed.signal]);
    let summed = Date.now();
    while (!signal.aborted) {
      const status = await askStatus(this.#farm.options.api).catch(() => null);
      if (signal.aborted) break;
      // A front that does not tell for once keeps the states last seen, so that they are not told twice.
      const before = this.#status;
      this.#status = status ?? before;
      this.#silences = status ? 0 : this.#silences + 1;
      if (status) for (const change of changes(before, status)) this.event(change);
      if (this.#terminal) this.#draw();
      else if (Date.now() - summed >= summaryEvery) {
        summed = Date.now();
        output.write(`${new Date().toTimeString().slice(0, 8)}  ${summary(this.#scene())}\n`);
      }
      await pause(redrawEvery, signal);
    }
    return undefined;
  }

  close(): void {
    this.#closed.abort();
    if (this.#terminal) this.#draw();
    this.#terminal?.close();
  }

  #draw(): void {
    const { output, paint } = this.#world;
    const size = { columns: output.columns ?? 80, rows: output.rows ?? 24 };
    this.#terminal?.draw(drawScreen(this.#scene(), paint, size));
  }

  #scene(): Scene {
    const { listen, api, configFile, folder: logs } = this.#farm.options;
    return {
      now: Date.now(),
      startedAt: this.#startedAt,
      listen,
      api,
      frontPid: this.#farm.frontPid,
      nodes: this.#farm.nodes,
      // Told once too late is no news; a front that stays silent is not shown as it was.
      status: this.#silences < silencesPassed ? this.#status : null,
      client: this.#load?.view() ?? null,
      configFile,
      logs,
      events: this.#events,
      chorus: this.#options.chorus,
    };
  }

  #key(key: string): void {
    if (key === 'r' || key === '\r') {
      if (this.#farm.restartDead() === 0) this.event('no node is dead');
    } else if (key === 'q' || key === '\u0003' || key === '\u0004') {
      this.#world.stop();
    }
  }
}

async function requireFree(listen: readonly Endpoint[], api: Endpoint): Promise<void> {
  const demand = async (at: Endpoint, protocol: string, free: typeof freeTcp, option: string) => {
    if (await free(at)) return;
    throw new ChorusError('FARM_PORT_IN_USE', { address: formatEndpoint(at), protocol, option });
  };
  for (const at of listen) {
    await demand(at, 'UDP', freeUdp, '--port PORT');
    await demand(at, 'TCP', freeTcp, '--port PORT');
  }
  await demand(api, 'TCP', freeTcp, '--api PORT');
}

/** A label that makes the names of this run differ from those of the last. */
function randomRun(): string {
  return `r${randomInt(2 ** 40).toString(36)}`;
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise(resolve => {
    const timer = setTimeout(done, ms);
    function done() {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    }
    signal.addEventListener('abort', done);
  });
}
