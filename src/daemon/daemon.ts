/** The running service: makes the parts, joins them, starts and stops them in order. */
import { randomInt } from 'node:crypto';
import type { ApiServer } from '#api/server.ts';
import { viewField } from '#balance/board.ts';
import { loadConfigFile } from '#config/load.ts';
import { healthRules } from '#config/plan.ts';
import type { Snapshot } from '#config/snapshot.ts';
import { warningsOf } from '#config/warnings.ts';
import { systemClock } from '#health/clock.ts';
import { Health, type HealthEvent, type HealthNotice } from '#health/health.ts';
import { SystemPrograms } from '#health/programs.ts';
import { systemStreams } from '#health/streams.ts';
import type { ChorusError } from '#kit/errors.ts';
import type { Log } from '#kit/log.ts';
import { version } from '#kit/version.ts';
import { formatEndpoint } from '#net/address.ts';
import { yieldToWorkers } from '#net/scheduling.ts';
import { type Account, become, resolveAccount } from './account.ts';
import type { ServiceRoutes } from './compose-routing.ts';
import { Configuration } from './configuration.ts';
import { DaemonControl } from './control.ts';
import { Crew } from './crew.ts';
import { type DescriptorWorld, descriptorLimit, fitDescriptors } from './descriptors.ts';
import { BoardReader, probeDatagrams } from './evidence.ts';
import type { KernelLayer4 } from './layer4.ts';
import type { LogSettings } from './log-sink.ts';
import { chooseEngine, makeShared } from './memory.ts';
import type { NodeServer } from './node-server.ts';
import type { WorkerPlan } from './protocol.ts';
import type { Parts } from './reading.ts';
import { clearGauges } from './rows.ts';
import { Slots } from './slots.ts';
import { type SpawnThread, spawnThread } from './thread.ts';

export type DaemonOptions = {
  readonly file: string;
  readonly log: Log;
  readonly setLog: (settings: LogSettings) => void;
  /** Called when the daemon cannot go on; the process must end with the error's exit code. */
  readonly onFatal: (error: ChorusError) => void;
  readonly spawn?: SpawnThread;
};

/** How often slots are swept and rates are sampled, in ms. */
const tickEvery = 1000;

export class Daemon {
  readonly #log: Log;
  readonly #parts: Parts;
  readonly control: DaemonControl;
  #api: ApiServer | null = null;
  #timer: NodeJS.Timeout | null = null;

  private constructor(parts: Parts, log: Log) {
    this.#parts = parts;
    this.#log = log;
    this.control = new DaemonControl(parts, log);
  }

  /** Starts the service; clients are answered when this returns. Throws what stands in the way, as a ChorusError. */
  static async start(options: DaemonOptions): Promise<Daemon> {
    const { log, file } = options;
    const startedAt = Date.now();
    const snapshot = loadConfigFile(file);
    options.setLog(snapshot.log);
    for (const warning of warningsOf(snapshot)) log.warn('configuration', { warning });
    const account = resolveAccount(snapshot.user, snapshot.group);
    // Without a listener there is nothing to move in batches, and libc is not loaded.
    const { engine, reason } =
      snapshot.listen.length === 0
        ? ({ engine: 'loop', reason: null } as const)
        : chooseEngine(snapshot.engine);
    if (reason !== null) log.warn('the batch engine cannot run here, using the loop engine', { reason });

    // Before there are workers, which then put themselves first.
    yieldToWorkers();
    const shared = makeShared(snapshot, engine);
    const slots = new Slots(shared.board);
    const crew = new Crew({
      starts: shared.starts,
      spawn: options.spawn ?? spawnThread,
      clock: systemClock,
      log,
      onDeath: worker => {
        forgetInFlight(shared.board.view(worker));
        clearGauges(shared.counters, worker, shared.starts.length);
        shared.cache?.repair();
      },
      onFatal: options.onFatal,
    });
    const random = (bound: number) => randomInt(bound);
    let server: NodeServer | null = null;
    let routes: ServiceRoutes | null = null;
    let layer4: KernelLayer4 | null = null;
    const health = new Health({
      clock: systemClock,
      random,
      datagrams: probeDatagrams(engine, systemClock, random),
      streams: systemStreams,
      programs: new SystemPrograms(),
      setState: (slot, state) => shared.board.setState(slot, state),
      setWeight: (slot, weight) => shared.board.setHealthWeight(slot, weight),
      live: new BoardReader(shared.board),
      onChange: event => {
        // Routes follow before the event loop goes on.
        routes?.changed();
        layer4?.changed();
        tellChange(log, event);
        server?.look();
      },
      onNotice: notice => tellNotice(log, notice),
    });
    if (snapshot.server) {
      const { NodeServer: Supervised } = await import('./node-server.ts');
      const world = { clock: systemClock, random, health, log, onChange: () => routes?.changed() };
      server = new Supervised(snapshot, snapshot.server, world);
    }
    const workers = shared.starts.length;
    const fit = descriptorFitting(
      { engine, workers, api: snapshot.api !== null, limit: descriptorLimit() },
      log,
    );
    const { board, counters, cache } = shared;
    const { identity, routes: routesPlan } = snapshot;
    const { state } = routesPlan;
    const configuration = new Configuration({
      load: () => loadConfigFile(file),
      slots,
      applyPlan: (plan, bound) => crew.apply(fit(plan), bound),
      prepare: async wanted => {
        // Loaded here, put in force below.
        if (wanted.layer4 && !layer4) {
          const { KernelLayer4: Layer4 } = await import('./layer4.ts');
          layer4 = new Layer4({ clock: systemClock, log, health });
        }
        if (wanted.routes.addresses.length === 0 && !routes) return null;
        const { ServiceRoutes: Routes } = await import('./compose-routing.ts');
        routes ??= new Routes({
          clock: systemClock,
          log,
          random,
          health,
          crew,
          board,
          counters,
          workers,
          identity,
          state,
          isReady: () => server?.warm ?? true,
          layer4: () => layer4,
        });
        return routes.prepare(wanted);
      },
      onApplied: (applied, targets) => {
        options.setLog(applied.log);
        health.apply(targets, healthRules(applied));
        layer4?.apply(applied);
      },
      log,
      wall: () => Date.now(),
    });
    const daemon = new Daemon(
      {
        startedAt,
        engine,
        workers,
        board,
        counters,
        cache,
        crew,
        health,
        configuration,
        server,
        routes: () => routes,
        layer4: () => layer4,
      },
      log,
    );
    try {
      const started = crew.start();
      // Loaded while the threads start.
      const apiServer = snapshot.api && import('#api/server.ts');
      if (routesPlan.addresses.length > 0) await import('./compose-routing.ts');
      await started;
      await configuration.begin(snapshot, async () => {
        if (snapshot.api && apiServer) {
          const { startApi } = await apiServer;
          daemon.#api = await startApi(snapshot.api, daemon.control, log);
        }
        if (routesPlan.addresses.length > 0) {
          const { prepareFolder } = await import('./drain-store.ts');
          const problem = prepareFolder(state, account);
          if (problem) log.warn(problem.message, { code: problem.code });
        }
        if (account && !(await becomeFor(snapshot, account))) {
          log.warn('not started as root, so `user` has no effect', { user: account.user });
        }
      });
      await server?.start();
    } catch (error) {
      await daemon.#end();
      throw error;
    }
    daemon.#timer = setInterval(() => {
      slots.sweep();
      daemon.control.sample();
    }, tickEvery);
    daemon.control.sample();
    daemon.#tellReady(snapshot);
    return daemon;
  }

  /** Lets what is in flight finish, within `drain-timeout`, and ends all parts. */
  async stop(): Promise<void> {
    const { crew, configuration } = this.#parts;
    this.control.stopping();
    // No reload begins any more. Withdrawn before anything else ends: one that is under way is not waited for.
    const closed = configuration.close();
    await this.#parts.routes()?.leave();
    await this.#parts.layer4()?.stop();
    await closed;
    const timeout = configuration.running?.drainTimeout ?? 0;
    const abandoned = await crew.drain(timeout);
    if (abandoned > 0) this.#log.warn('queries given up at the end of drain-timeout', { queries: abandoned });
    // What it served is withdrawn and answered.
    await this.#parts.server?.stop();
    await this.#end();
    this.#log.info('stopped');
  }

  /** Ends all threads at once. Synchronous, so that the process can exit next. */
  kill(): void {
    this.#parts.routes()?.kill();
    this.#parts.crew.kill();
    this.#parts.server?.kill();
  }

  async #end(): Promise<void> {
    if (this.#timer) clearInterval(this.#timer);
    this.#parts.routes()?.kill();
    this.#parts.health.stop();
    this.#parts.crew.kill();
    this.#parts.server?.kill();
    await this.#api?.close();
  }

  #tellReady(snapshot: Snapshot): void {
    for (const granted of this.#parts.crew.granted()) {
      if (granted.receiveBuffer >= snapshot.receiveBuffer) continue;
      this.#log.warn('the kernel granted a smaller receive buffer; raise net.core.rmem_max', {
        listener: formatEndpoint(granted),
        granted: granted.receiveBuffer,
        wanted: snapshot.receiveBuffer,
      });
    }
    this.#log.info('ready', {
      version,
      listen: snapshot.listen.map(formatEndpoint).join(',') || 'off',
      engine: this.#parts.engine,
      workers: this.#parts.workers,
      api: this.#api ? formatEndpoint(this.#api.endpoint) : 'off',
      pid: process.pid,
      // Since the process began, not this code.
      ms: Math.round(process.uptime() * 1000),
    });
  }
}

/** Becomes another user. Where addresses are leased the main thread, and it alone, goes on commanding the network. */
async function becomeFor({ routes, layer4 }: Snapshot, account: Account): Promise<boolean> {
  const leases = routes.drivers.some(({ kind }) => needsNetAdmin.includes(kind));
  if (!leases && !layer4) return become(account);
  const { keepNetAdmin } = await import('#net/capabilities.ts');
  return become(account, process, keepNetAdmin);
}

/** Kinds of route drivers that change addresses of this machine. */
const needsNetAdmin: readonly string[] = ['lease'];

/** Zeroes the queries in flight of a dead worker; its latencies stay as a first guess. */
function forgetInFlight(view: Int32Array): void {
  for (let at = 0; at < view.length; at += viewField.size) view[at + viewField.outstanding] = 0;
}

/** Fits plans to the descriptors that there are, and says so when they are too few. */
function descriptorFitting(world: DescriptorWorld, log: Log): (plan: WorkerPlan) => WorkerPlan {
  let told = '';
  return wanted => {
    const { plan, shortage } = fitDescriptors(wanted, world);
    const now = JSON.stringify(shortage);
    if (shortage && now !== told) {
      log.warn(
        'too few file descriptors for tcp.connections, fewer are taken; raise LimitNOFILE or ulimit -n',
        {
          ...shortage,
        },
      );
    }
    told = now;
    return plan;
  };
}

function tellChange(log: Log, { pool, backend, from, to, reason }: HealthEvent): void {
  const level = to === 'down' ? 'warn' : 'info';
  log[level]('backend changed', { pool, backend, from, to, reason });
}

function tellNotice(log: Log, { pool, backend, message }: HealthNotice): void {
  log.warn(message, { pool, ...(backend !== undefined && { backend }) });
}
