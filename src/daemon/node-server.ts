/** The nameserver of this machine that Chorus supervises: its supervisor, joined to health, the system and the log. */
import { chownSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Snapshot } from '#config/snapshot.ts';
import type { Clock } from '#health/clock.ts';
import { systemDatagrams } from '#health/datagrams.ts';
import type { BackendHealth, Health } from '#health/health.ts';
import { serves } from '#health/judge.ts';
import { reasonOf } from '#kit/errors.ts';
import type { Log } from '#kit/log.ts';
import { formatEndpoint } from '#net/address.ts';
import { commandOf, configOf } from '#node/kinds.ts';
import { Output } from '#node/output.ts';
import { endLeftBehind, type LaunchPlan, launch } from '#node/process.ts';
import { mostNames, parseWarmName, type ServerOptions } from '#node/schema.ts';
import { type Answers, type ServerReport, Supervisor } from '#node/supervisor.ts';
import { isTaken } from '#node/taken.ts';
import { parseNames, type WarmName, warmUp } from '#node/warm-up.ts';
import { resolveAccount } from './account.ts';

/** Between two looks at how it answers, ms; changes of health come at once. */
const lookEvery = 200;
/** Bytes of a file of names that are read. */
const mostNameBytes = 2 ** 20;

export type NodeServerWorld = {
  readonly clock: Clock;
  readonly random: (bound: number) => number;
  readonly health: Pick<Health, 'report' | 'ended'>;
  readonly log: Log;
  /** Whether it is warm, or its state, has changed. */
  readonly onChange: () => void;
};

export class NodeServer {
  readonly #options: ServerOptions;
  readonly #world: NodeServerWorld;
  readonly #supervisor: Supervisor;
  /** Where it is asked. */
  readonly #places: readonly { readonly address: string; readonly port: number }[];
  readonly #plan: LaunchPlan;
  #unwait: (() => void) | null = null;
  #toldUntied = false;

  /** Prepares it; nothing is started. @throws ChorusError USER_UNKNOWN */
  constructor(snapshot: Snapshot, options: ServerOptions, world: NodeServerWorld) {
    const { clock, log, health } = world;
    this.#options = options;
    this.#world = world;
    this.#places = snapshot.pools.find(({ name }) => name === options.pool)?.backends ?? [];
    this.#plan = {
      command: options.command ?? commandOf(options.kind, options.config),
      config: options.command ? null : configOf(options.kind, options.config),
      environment: options.environment,
      account: resolveAccount(options.user, undefined),
      folder: join(snapshot.routes.state, 'server'),
      pidFile: join(snapshot.routes.state, 'server.pid'),
    };
    const name = options.kind;
    const output = new Output(
      () => clock.now(),
      line => {
        if (options.output !== 'off') log[options.output](line, { server: name });
      },
      lines => {
        if (options.output !== 'off') log.warn('lines of the server left out', { server: name, lines });
      },
    );
    this.#supervisor = new Supervisor(
      {
        name,
        stopSignal: options['stop-signal'],
        stopTimeout: options['stop-timeout'],
        startTimeout: options['start-timeout'],
        restartAfter: options['restart-after'],
      },
      {
        clock,
        launch: ended =>
          launch(this.#plan, output, ended, { taken: () => this.#taken(), onUntied: () => this.#untied() }),
        lastLines: () => output.last,
        warmUp: this.#warms() ? done => this.#warmUp(done) : null,
        onEnded: detail => {
          for (const { slot } of this.#members()) health.ended(slot, detail);
        },
        onChange: () => world.onChange(),
        onNotice: (level, message, details) => log[level](message, details),
      },
    );
  }

  /** It answers and is warm since its last start. */
  get warm(): boolean {
    return this.#supervisor.warm;
  }

  report(): ServerReport {
    return this.#supervisor.report();
  }

  /** Ends what an earlier Chorus left behind, and starts the server; does not wait until it answers. */
  async start(): Promise<void> {
    const { clock, log } = this.#world;
    const { pidFile } = this.#plan;
    if (pidFile !== null) {
      const left = await endLeftBehind(pidFile, this.#options['stop-timeout'], clock);
      if (left !== null)
        log.warn('ended the server that an earlier Chorus left behind', {
          server: this.#options.kind,
          pid: left,
        });
    }
    this.#makeFolder();
    this.#supervisor.start();
    const again = () => {
      this.#unwait = clock.wait(lookEvery, again);
      this.look();
    };
    again();
  }

  /** Makes the folder where the server may write, and gives it to its user. */
  #makeFolder(): void {
    const { folder, account } = this.#plan;
    try {
      mkdirSync(folder, { recursive: true, mode: 0o755 });
      if (account && process.geteuid?.() === 0) chownSync(folder, account.uid, account.gid);
    } catch (error) {
      this.#world.log.warn('the folder of the server cannot be made', { folder, reason: reasonOf(error) });
    }
  }

  /** Looks at what health knows of it. */
  look(): void {
    this.#supervisor.hear(this.#answers());
  }

  /** Stops it for good. */
  async stop(): Promise<void> {
    await this.#supervisor.stop();
    this.#unwait?.();
    this.#unwait = null;
  }

  /** Kills it at once. Synchronous, so that the process can exit next. */
  kill(): void {
    this.#unwait?.();
    this.#unwait = null;
    this.#supervisor.kill();
  }

  #members(): BackendHealth[] {
    return this.#world.health.report().filter(({ pool }) => pool === this.#options.pool);
  }

  #answers(): Answers {
    const { clock } = this.#world;
    const since = clock.wall() - clock.now() + this.#supervisor.report().startedAt;
    return answersOf(this.#members(), since);
  }

  #warms(): boolean {
    const { names, file } = this.#options['warm-up'];
    return this.#places.length > 0 && (names.length > 0 || file !== undefined);
  }

  #warmUp(done: (result: string) => void): () => void {
    const { clock, random } = this.#world;
    const { within } = this.#options['warm-up'];
    const world = { clock, random, datagrams: systemDatagrams };
    return warmUp(this.#places[0]!, this.#names(), within, world, done);
  }

  #names(): readonly WarmName[] {
    const { names, file } = this.#options['warm-up'];
    const own = names.flatMap(line => parseWarmName(line) ?? []);
    if (file === undefined) return own;
    const { log } = this.#world;
    try {
      const { names: more, wrong } = parseNames(readFileSync(file, 'utf8').slice(0, mostNameBytes));
      if (wrong > 0) log.warn('lines of the warm-up that are no name', { file, lines: wrong });
      return [...own, ...more].slice(0, mostNames);
    } catch (error) {
      log.warn('the names of the warm-up cannot be read', { file, reason: reasonOf(error) });
      return own;
    }
  }

  /** Why it may not be started: another server listens where it is to. */
  #taken(): string | null {
    const place = this.#places.find(({ address, port }) => isTaken(address, port));
    if (!place) return null;
    return `another server listens at ${formatEndpoint(place)} already (ss -lnptu names it), and the two would share its queries: stop it`;
  }

  #untied(): void {
    if (this.#toldUntied) return;
    this.#toldUntied = true;
    this.#world.log.warn('setpriv is missing: the server would outlive a Chorus that is killed', {
      server: this.#options.kind,
    });
  }
}

/** How a server answers, by what is known of the backends that it is. `since`: its start, a time of day in ms since 1970. */
export function answersOf(members: readonly BackendHealth[], since: number): Answers {
  const fresh = (last: BackendHealth['probes'][number]['last']) => last !== null && last.at >= since;
  const probes = members.flatMap(({ state, probes: all }) =>
    all.filter(({ counts, last }) => counts && fresh(last)).map(({ last }) => ({ state, ...last! })),
  );
  if (probes.some(({ state, good }) => serves(state) && good)) return 'well';
  return probes.some(({ answered }) => answered) ? 'badly' : 'not';
}
