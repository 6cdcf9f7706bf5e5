/** What happens in a run, as plain data. Times in ms from the start of the run, rates a second, shares 0 … 1. */
import type { BackendState } from '#balance/board.ts';
import type { PlanCache, PlanHedge, PlanLimits, PlanPool } from '#front/plan.ts';
import type { Forcing } from '#health/judge.ts';
import type { ProbeSettings } from '#health/targets.ts';
import { type BackendModel, defaultBackend, type Fault } from './backends.ts';
import type { NameMix } from './names.ts';

/** Who asks, and how. */
export type ClientModel = {
  /** New questions a second: they come whether or not the last ones were answered. */
  readonly rate: number;
  readonly count: number;
  /** Names asked for: each once, or so many with Zipf's law. */
  readonly names: 'unique' | number;
  readonly exponent: number;
  readonly edns: number;
  readonly dnssecOk: number;
  readonly cd: number;
  readonly tcp: number;
  /** Letters in mixed case. */
  readonly mixed: number;
  /** UPDATEs, which must not be repeated. */
  readonly updates: number;
  /** A stub's patience with one server, and how often it asks in all, the next server each time. */
  readonly timeout: number;
  readonly attempts: number;
  readonly servers: number;
  /** Packets lost and doubled between client and front. */
  readonly loss: number;
  readonly doubled: number;
};

/** A crowd that asks for the names of one zone, beside the others. `random`: a new name each time. */
export type Storm = {
  readonly zone: number;
  readonly from: number;
  readonly until: number;
  readonly rate: number;
  readonly names: 'random' | number;
};

/** Something done to the front. */
export type Action = { readonly at: number } & (
  | { readonly do: 'force'; readonly backend: number; readonly forcing: Forcing }
  | { readonly do: 'state'; readonly backend: number; readonly state: BackendState }
  /** Puts a plan in force with these backends. */
  | { readonly do: 'apply'; readonly backends: readonly number[] }
  /** A worker does nothing for so long: a busy machine, a garbage collection. */
  | { readonly do: 'pause'; readonly worker: number; readonly ms: number }
  /** Whether sockets to backends can be had. */
  | { readonly do: 'sockets'; readonly datagrams: boolean; readonly streams: boolean }
);

export type Scenario = {
  readonly name: string;
  readonly duration: number;
  readonly workers: number;
  readonly backends: number;
  readonly pool: Partial<PlanPool>;
  readonly cache: Partial<PlanCache> | null;
  readonly limits: PlanLimits;
  readonly clients: ClientModel;
  readonly mix: NameMix;
  readonly backend: BackendModel;
  /** Between front and backends: packets lost, doubled, and held up by up to `late` ms (so that they overtake each other). */
  readonly network: {
    readonly loss: number;
    readonly doubled: number;
    readonly held: number;
    readonly late: number;
  };
  readonly faults: readonly Fault[];
  readonly storm: Storm | null;
  readonly actions: readonly Action[];
  /** Null: no health, every backend is up. */
  readonly health: { readonly probes: readonly ProbeSettings[]; readonly live: boolean } | null;
};

export const defaultProbe: ProbeSettings = {
  name: 'check.test.',
  type: 1,
  interval: 1000,
  timeout: 500,
  window: { failures: 3, of: 5 },
};

/** As the configuration gives it where it says nothing. */
export const defaultHedge: PlanHedge = { least: 8, most: 500, unknown: 100, budget: 0.01, burst: 400 };

/** The farm of the table: four backends, 2,000 unique names a second, no cache, nothing wrong. */
export const calm: Scenario = {
  name: 'calm',
  duration: 10_000,
  workers: 1,
  backends: 4,
  pool: { policy: 'least-outstanding', hedge: defaultHedge },
  cache: null,
  limits: { perClient: 0, perNetwork: 0, ipv4Bits: 24, ipv6Bits: 56, slip: 2, exempt: [], zones: true },
  clients: {
    rate: 2000,
    count: 2000,
    names: 'unique',
    exponent: 1,
    edns: 0.7,
    dnssecOk: 0.3,
    cd: 0,
    tcp: 0,
    mixed: 0.1,
    updates: 0,
    timeout: 5000,
    attempts: 4,
    servers: 2,
    loss: 0,
    doubled: 0,
  },
  mix: {},
  backend: defaultBackend,
  network: { loss: 0, doubled: 0, held: 0, late: 0 },
  faults: [],
  storm: null,
  actions: [],
  health: { probes: [defaultProbe], live: true },
};

/** What a scenario changes of another. */
export type Change = Partial<Omit<Scenario, 'clients' | 'backend' | 'network'>> & {
  readonly clients?: Partial<ClientModel>;
  readonly backend?: Partial<BackendModel>;
  readonly network?: Partial<Scenario['network']>;
};

/** `base` with `change`. */
export function scenario(change: Change, base: Scenario = calm): Scenario {
  return {
    ...base,
    ...change,
    clients: { ...base.clients, ...change.clients },
    backend: { ...base.backend, ...change.backend },
    network: { ...base.network, ...change.network },
  };
}
