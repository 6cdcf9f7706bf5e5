/**
 * Puts the control loop of the service addresses together with the rest of the daemon. Loaded only where the configuration
 * has service addresses.
 */
import type { Board } from '#balance/board.ts';
import type { Snapshot } from '#config/snapshot.ts';
import { frontCounters } from '#front/counters.ts';
import type { Clock } from '#health/clock.ts';
import { systemDatagrams } from '#health/datagrams.ts';
import type { Health } from '#health/health.ts';
import { systemStreams } from '#health/streams.ts';
import { ChorusError } from '#kit/errors.ts';
import type { Fields, Log } from '#kit/log.ts';
import { budgetSettings } from '#route/budget-options.ts';
import { makeDriver } from '#route/drivers/load.ts';
import type { DriverChoice } from '#route/drivers/registry.ts';
import type { DrainOrder, PoolView } from '#route/evidence.ts';
import { Recorder } from '#route/recorder.ts';
import type { RoutesStatus } from '#route/report.ts';
import type { WithdrawalBudget } from '#route/withdrawal-budget.ts';
import { AddressClaims } from './address-claims.ts';
import type { Prepared } from './configuration.ts';
import type { Crew } from './crew.ts';
import { DrainFolder, plainText } from './drain-store.ts';
import { BoardReader } from './evidence.ts';
import type { KernelLayer4 } from './layer4.ts';
import { type CheckedAddress, OwnListeners } from './own-listeners.ts';
import { RecentRate } from './recent-rate.ts';
import { type DriverSpec, type PreparedDrivers, Routing, type RoutingPlan } from './routing.ts';
import { frontRow } from './rows.ts';

/** Backends that give no first answer for so long (ms) are not waited for. */
const warmMost = 10_000;
/** How long a claim is waited for when a configuration is put in force, ms. */
const claimPatience = 1000;

/** What of the daemon the loop is made from. */
export type RoutingNeeds = {
  readonly clock: Clock;
  readonly log: Log;
  readonly random: (bound: number) => number;
  readonly health: Health;
  readonly crew: Crew;
  readonly board: Board;
  readonly counters: SharedArrayBuffer;
  readonly workers: number;
  readonly identity: string;
  /** The folder of the drain. */
  readonly state: string;
  /** Whether the nameserver that is supervised is warm; true where there is none. */
  readonly isReady: () => boolean;
  /** The kernel data plane; null: there is none. */
  readonly layer4: () => Pick<KernelLayer4, 'inForce' | 'unserved'> | null;
};

/** The withdrawal budget, and what it was made from. */
type Agreement = { readonly key: string; readonly budget: WithdrawalBudget };

/** Whether the machine has an address only because one of these drivers puts it there. */
function broughtBy(drivers: readonly DriverSpec[]): CheckedAddress['brought'] {
  const lease = drivers.find(({ kind }) => kind === 'lease');
  if (!lease) return 'no';
  const { options } = lease;
  const off =
    typeof options === 'object' && options !== null && 'permanent' in options && options.permanent === 'off';
  return off ? 'leased' : 'kept';
}

export class ServiceRoutes {
  readonly #needs: RoutingNeeds;
  readonly #routing: Routing;
  readonly #own: OwnListeners;
  readonly #claims: AddressClaims;
  readonly #recorder: Recorder;
  readonly #live: BoardReader;
  readonly #queries: readonly Float64Array[];
  readonly #traffic = new RecentRate();
  #loads = new Map<string, RecentRate>();
  #snapshot: Snapshot | null = null;
  #agreement: Agreement | null = null;
  /** Queries of clients so far. */
  #clients = 0;
  #warm = false;
  #startedAt: number;

  constructor(needs: RoutingNeeds) {
    const { clock, log, random, board, counters, workers, identity, state } = needs;
    this.#needs = needs;
    this.#startedAt = clock.now();
    this.#live = new BoardReader(board);
    this.#queries = Array.from({ length: workers }, (_, worker) => frontRow(counters, worker));
    this.#recorder = new Recorder({ dayOffset: clock.wall() - clock.now() });
    const store = new DrainFolder(state);
    this.#claims = new AddressClaims({
      clock,
      self: `pid ${process.pid}, ${identity}`,
      onChange: () => this.#routing.changed(),
    });
    this.#own = new OwnListeners({
      clock,
      random,
      // Node's sockets: each question from a port of its own.
      datagrams: systemDatagrams,
      streams: systemStreams,
      isAnnounced: address => this.#routing.isAnnounced(address),
      onChange: () => this.#routing.changed(),
    });
    this.#routing = new Routing({
      clock,
      log,
      random,
      // The configuration has made sure that kind and options belong together.
      makeDriver: (spec, world) => makeDriver(spec as DriverChoice, world),
      pools: () => this.#pools(),
      listeners: () => [...this.#own.views(), ...(needs.layer4()?.unserved() ?? [])],
      traffic: now => this.#rate(now),
      warm: now => this.#isWarm(now),
      forbidden: () => this.#forbidden(),
      unwell: () => this.#unwell(),
      store,
      record: (now, evidence) => this.#recorder.take(now, evidence),
    });
    const { order, problem } = store.read(clock.wall());
    if (problem) log.error(problem.message, { code: problem.code });
    if (order) {
      const { who, reason } = order;
      log.warn('drained since before the start', { who, reason, since: new Date(order.since).toISOString() });
      this.#routing.resume(order, problem);
    }
  }

  /** Makes a snapshot's drivers ready. Throws what can never work. */
  async prepare(snapshot: Snapshot): Promise<Prepared> {
    const { addresses, drivers, drain } = snapshot.routes;
    const plan: RoutingPlan = { addresses, drivers: addresses.length === 0 ? [] : drivers, drain };
    const mine = addresses.map(({ address }) => address);
    const before = this.#snapshot?.routes.addresses.map(({ address }) => address) ?? [];
    let agreement: Agreement | null = null;
    let made: PreparedDrivers;
    try {
      agreement = await this.#agree(snapshot);
      made = await this.#routing.prepare(plan);
    } catch (error) {
      this.#unagree(agreement);
      throw error;
    }
    this.#claims.apply([...before, ...mine]);
    await this.#claimed();
    const unbring = await this.#bring(snapshot);
    return {
      commit: () => {
        this.#snapshot = snapshot;
        this.#claims.apply(mine);
        this.#recorder.loads = addresses.some(({ capacity }) => capacity !== null);
        this.#own.apply(
          addresses.map(({ address, via }) => ({
            address,
            brought: broughtBy(drivers.filter(({ name }) => via.includes(name))),
          })),
          snapshot.listen,
        );
        const old = this.#agreement;
        this.#agreement = agreement;
        this.#routing.apply(made, agreement?.budget ?? null);
        this.#unagree(old);
      },
      abort: () => {
        this.#claims.apply(before);
        this.#routing.discard(made);
        unbring();
        this.#unagree(agreement);
      },
    };
  }

  /** Lets listeners bind to addresses that a driver brings to this machine, before it does. Gives what takes them away again. */
  async #bring({ routes: { addresses, drivers } }: Snapshot): Promise<() => void> {
    const undo: (() => void)[] = [];
    const alone = this.#snapshot === null && this.#claims.refused() === null;
    for (const driver of drivers) {
      if (driver.kind !== 'lease') continue;
      const { bringAddresses } = await import('#route/drivers/lease/bring.ts');
      const its = addresses.filter(({ via }) => via.includes(driver.name)).map(({ address }) => address);
      const { reason, undo: unbring } = bringAddresses(driver.options, its, undefined, alone);
      undo.push(unbring);
      if (reason !== null)
        this.#needs.log.warn('listeners may not find their service addresses', {
          driver: driver.name,
          reason,
        });
    }
    return () => {
      for (const each of undo) each();
    };
  }

  /** The budget for a snapshot: the one there is where its settings are the same. */
  async #agree({ routes: { budget, addresses }, identity }: Snapshot): Promise<Agreement | null> {
    if (budget === null || addresses.length === 0) return null;
    const settings = budgetSettings(budget, identity);
    const key = JSON.stringify(settings);
    if (this.#agreement?.key === key) return this.#agreement;
    const { clock, log, random } = this.#needs;
    // Loaded only where it is asked for: most have no etcd.
    const { WithdrawalBudget: Budget } = await import('#route/withdrawal-budget.ts');
    const world = {
      now: () => clock.now(),
      wall: () => clock.wall(),
      wait: (ms: number, then: () => void) => clock.wait(ms, then),
      random,
      onNotice: (level: 'info' | 'warn' | 'error', message: string, details?: Fields) =>
        log[level](message, details),
      onChange: () => this.#routing.changed(),
    };
    return { key, budget: new Budget(settings, world) };
  }

  /** Ends one that is not in force. */
  #unagree(agreement: Agreement | null): void {
    if (agreement !== null && agreement !== this.#agreement) void agreement.budget.close();
  }

  /** The health of a backend has changed. */
  changed(): void {
    this.#routing.changed();
  }

  status(): RoutesStatus | null {
    return this.#snapshot?.routes.addresses.length ? this.#routing.status() : null;
  }

  events(): readonly string[] {
    return this.#recorder.lines();
  }

  get drained(): DrainOrder | null {
    return this.#snapshot?.routes.addresses.length ? this.#routing.drained : null;
  }

  drain(who: string, reason: string, ms: number | null): Promise<ChorusError | null> {
    return this.#routing.drain(plainText(who), plainText(reason), ms);
  }

  undrain(who: string): Promise<{ was: boolean; problem: ChorusError | null }> {
    return this.#routing.undrain(plainText(who));
  }

  /** Drains in short, withdraws, and ends the drivers. */
  async leave(): Promise<void> {
    await this.#routing.leave();
    this.#stop();
  }

  /** The same at once: the process ends next. */
  kill(): void {
    this.#routing.kill();
    this.#stop();
  }

  #stop(): void {
    this.#own.stop();
    this.#claims.stop();
  }

  #pools(): PoolView[] {
    const { health, clock } = this.#needs;
    const now = clock.now();
    const listens = (this.#snapshot?.listen.length ?? 0) > 0;
    const members = new Map<string, PoolView['members'][number][]>();
    const asked = new Map<string, number>();
    for (const { pool, backend, slot, family, state, weight, strained } of health.members()) {
      const list = members.get(pool);
      const view = { name: backend, family, state, weight, strained };
      if (list) list.push(view);
      else members.set(pool, [view]);
      asked.set(pool, (asked.get(pool) ?? 0) + this.#live.queries(slot));
    }
    const loads = new Map<string, RecentRate>();
    const views = health.pools().map(({ pool, everybody }): PoolView => {
      const rate = this.#loads.get(pool) ?? new RecentRate();
      loads.set(pool, rate);
      rate.push(now, asked.get(pool) ?? 0);
      const load = listens ? rate.get() : null;
      return { pool, members: members.get(pool) ?? [], everybody: everybody !== null, load };
    });
    this.#loads = loads;
    return views;
  }

  /** Our own questions are no client's. */
  #rate(now: number): number | null {
    // What the kernel passes on never comes to a worker.
    if (!this.#snapshot || this.#snapshot.listen.length === 0 || this.#snapshot.layer4) return null;
    const { queriesUdp, queriesTcp } = frontCounters.at;
    let sum = 0;
    for (const row of this.#queries) sum += row[queriesUdp]! + row[queriesTcp]!;
    // Our own question that is under way may be counted as a client's for a moment: that must not count each time anew.
    this.#clients = Math.max(this.#clients, sum - this.#own.answered);
    this.#traffic.push(now, this.#clients);
    return this.#traffic.get();
  }

  #isWarm(now: number): boolean {
    this.#warm ||=
      now - this.#startedAt > warmMost ||
      this.#needs.health.members().every(({ state }) => state !== 'starting');
    // What the kernel balances serves nobody before its tables are in force.
    return this.#warm && this.#needs.isReady() && (this.#needs.layer4()?.inForce ?? true);
  }

  #forbidden(): ChorusError | null {
    const refused = this.#claims.refused();
    return refused && new ChorusError('ADDRESS_CLAIMED', refused);
  }

  #unwell(): string | null {
    const silent = this.#needs.crew.view().find(({ lives }) => !lives);
    return silent ? `worker ${silent.worker} (${silent.kind}) does not answer` : null;
  }

  /** Waits until it is known whether another process has one of our addresses. */
  #claimed(): Promise<void> {
    const { clock } = this.#needs;
    const end = clock.now() + claimPatience;
    return new Promise(resolve => {
      const look = () => {
        if (this.#claims.settled || clock.now() >= end) resolve();
        else clock.wait(1, look);
      };
      look();
    });
  }
}
