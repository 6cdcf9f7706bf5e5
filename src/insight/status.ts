/**
 * The answer of GET /api/v1/status: the front at a glance. Names are part of the API: add, do not rename. Times of day
 * are ISO 8601 in UTC, durations and latencies in the unit that the name says.
 */
import { type BackendState, backendCounters, viewField } from '#balance/board.ts';
import type { Family } from '#health/targets.ts';
import type { ServerState } from '#node/states.ts';
import type { AddressState, RoutesStatus } from '#route/report.ts';
import { dropsAt } from './kernel.ts';
import { percentile } from './latency.ts';
import type { Rates } from './rates.ts';
import { type BackendReading, type Engine, type Reading, sumByLabel, sumFamily } from './reading.ts';

export type Status = {
  readonly version: string;
  /** What id.server and NSID say. */
  readonly identity: string;
  readonly startedAt: string;
  readonly uptimeSeconds: number;
  readonly workers: number;
  readonly config: {
    readonly file: string;
    /** Counts the snapshots put in force, from 1. */
    readonly generation: number;
    /** The last reload that was asked for; null before the first. */
    readonly lastReload: { readonly at: string; readonly applied: boolean; readonly message: string } | null;
  };
  /** Seconds that `queriesPerSecond`, `failuresPerSecond` and latencies cover: at most 10, 0 just after the start. */
  readonly overSeconds: number;
  readonly listeners: readonly ListenerStatus[];
  readonly clients: {
    readonly queries: number;
    readonly queriesPerSecond: number;
    /** Queries that wait for a backend now. */
    readonly inFlight: number;
    /** TCP connections now open. */
    readonly connections: number;
    /** Queries since the start: udp, tcp. */
    readonly byTransport: Readonly<Record<string, number>>;
    /** Answers since the start, by response code. */
    readonly byRcode: Readonly<Record<string, number>>;
  };
  /** Null when the cache is off. */
  readonly cache: CacheStatus | null;
  readonly pools: readonly PoolStatus[];
  /** The nameserver that Chorus supervises; null: none. */
  readonly server: ServerStatus | null;
  /** Null without service addresses; `GET /api/v1/routes` has all of it. */
  readonly routes: RoutesSummary | null;
  /** UDP datagrams dropped for full receive buffers in the whole network namespace; null where the kernel does not say. */
  readonly receiveBufferErrors: number | null;
  readonly memory: { readonly residentBytes: number; readonly heapUsedBytes: number };
};

export type RoutesSummary = {
  readonly addresses: readonly {
    readonly address: string;
    readonly state: AddressState;
    readonly reason: string;
    readonly since: string;
    /** Drivers through which it is announced now. */
    readonly announcedBy: readonly string[];
  }[];
  /** Null when it is not drained. */
  readonly drain: {
    readonly who: string;
    readonly reason: string;
    readonly since: string;
    readonly until: string | null;
    /** Withdrawn and settled: it may be stopped. */
    readonly safe: boolean;
  } | null;
  /** Whether all routes are as wanted. */
  readonly agrees: boolean;
  readonly problems: readonly string[];
};

export type ListenerStatus = {
  readonly address: string;
  readonly port: number;
  readonly protocol: 'udp' | 'tcp';
  readonly engine: Engine;
  /** The smallest receive buffer that the kernel granted to one of its sockets; null for TCP. */
  readonly receiveBufferBytes: number | null;
  /** Datagrams that the kernel dropped because a buffer was full; null for TCP and where the kernel does not say. */
  readonly kernelDrops: number | null;
};

export type CacheStatus = {
  readonly memoryBytes: number;
  readonly usedBytes: number;
  readonly entries: number;
  /** Of these, answers past their TTL (an estimate), and failures. */
  readonly staleEntries: number;
  readonly failureEntries: number;
  /** Questions answered from the cache. */
  readonly hits: number;
  /** Questions answered with an answer past its TTL. */
  readonly stale: number;
  /** Questions answered by a kept failure. */
  readonly failures: number;
  readonly misses: number;
  /** (hits + failures) ÷ (hits + failures + misses) since the start; null before the first. */
  readonly hitRatio: number | null;
  readonly stores: number;
  readonly evictions: number;
};

export type PoolStatus = {
  readonly name: string;
  readonly policy: string;
  /** No backend serves, so those that are down are tried. */
  readonly failOpen: boolean;
  /** Why all backends are kept in although all fail, in words; null when that is not so. */
  readonly everybody: string | null;
  readonly backends: readonly BackendStatus[];
};

export type ServerStatus = {
  readonly name: string;
  readonly state: ServerState;
  readonly since: string;
  readonly detail: string;
  /** Null while it does not run. */
  readonly pid: number | null;
  readonly restarts: number;
  /** How it ended last; null: it never did. */
  readonly lastEnd: { readonly at: string; readonly reason: string } | null;
  /** It has answered and is warm since its last start. */
  readonly warm: boolean;
};

export type BackendStatus = {
  readonly name: string;
  readonly address: string;
  readonly port: number;
  readonly family: Family;
  readonly state: BackendState;
  /** Why it is in that state, in words. */
  readonly reason: string;
  readonly since: string;
  /** The operator's word: up, down, draining; auto when there is none. */
  readonly forced: string;
  readonly weight: number;
  /** Factor by which health changes the weight, 0 … 1. */
  readonly healthWeight: number;
  /** Queries that wait for it now. */
  readonly outstanding: number;
  /** Since the start, or since it was configured. */
  readonly queries: number;
  readonly answers: number;
  /** Since the start, by kind: servfail, refused, timeout, network, malformed. */
  readonly failures: Readonly<Record<string, number>>;
  readonly queriesPerSecond: number;
  readonly failuresPerSecond: number;
  /** Over the last seconds, each within a factor of √2; null when there were no answers. */
  readonly latencyMs: { readonly p50: number | null; readonly p99: number | null };
  /** How often evidence of each kind was found against it. */
  readonly evidence: Readonly<Record<string, number>>;
  /** Empty where it is not probed. */
  readonly probes: readonly {
    /** What it asks, over what. */
    readonly label: string;
    readonly kind: string;
    /** Whether its failures speak against the backend. */
    readonly counts: boolean;
    readonly good: number;
    readonly failed: number;
    readonly latencyMs: number | null;
    readonly last: { readonly at: string; readonly good: boolean; readonly detail: string } | null;
  }[];
};

const iso = (ms: number) => new Date(ms).toISOString();
const rounded = (value: number, digits = 2) => Number(value.toFixed(digits));
const ms = (us: number | null) => (us === null ? null : rounded(us / 1000, 3));

/** Builds the status of one moment. */
export function buildStatus(reading: Reading, rates: Rates): Status {
  const { reloads, counters } = reading;
  return {
    version: reading.version,
    identity: reading.identity,
    startedAt: iso(reading.startedAt),
    uptimeSeconds: rounded((reading.at - reading.startedAt) / 1000, 1),
    workers: reading.workers,
    config: {
      file: reading.configFile,
      generation: reading.generation,
      lastReload: reloads.last && { ...reloads.last, at: iso(reloads.last.at) },
    },
    overSeconds: rounded(rates.seconds, 1),
    listeners: reading.listeners.map(listener => listenerStatus(reading, listener)),
    clients: {
      queries: sumFamily(counters, 'client_queries_total'),
      queriesPerSecond: rounded(rates.queries, 1),
      inFlight: sumFamily(counters, 'in_flight_queries'),
      connections: sumFamily(counters, 'tcp_connections'),
      byTransport: sumByLabel(counters, 'client_queries_total', 'transport'),
      byRcode: sumByLabel(counters, 'client_answers_total', 'rcode'),
    },
    cache: cacheStatus(reading),
    pools: reading.pools.map(pool => ({
      name: pool.name,
      policy: pool.policy,
      failOpen: pool.failOpen,
      everybody: pool.everybody,
      backends: reading.backends
        .filter(backend => backend.pool === pool.name)
        .map(backend => backendStatus(reading, backend, rates)),
    })),
    server: serverStatus(reading),
    routes: reading.routes && routesSummary(reading.routes),
    receiveBufferErrors: reading.kernel?.receiveBufferErrors ?? null,
    memory: { residentBytes: reading.memory.resident, heapUsedBytes: reading.memory.heapUsed },
  };
}

function routesSummary({ addresses, routes, drain, safe, problems, drivers }: RoutesStatus): RoutesSummary {
  const stuck = drivers.flatMap(({ name, problem }) => (problem ? [`${name}: ${problem.message}`] : []));
  return {
    addresses: addresses.map(({ address, state, reason, since }) => ({
      address,
      state,
      reason,
      since: iso(since),
      announcedBy: routes
        .filter(route => route.address === address && route.actual !== null)
        .map(({ driver }) => driver),
    })),
    drain: drain && {
      who: drain.who,
      reason: drain.reason,
      since: iso(drain.since),
      until: drain.until === null ? null : iso(drain.until),
      safe,
    },
    agrees: routes.every(route => route.agrees),
    problems: [...problems.map(({ message }) => message), ...stuck],
  };
}

function listenerStatus(reading: Reading, listener: Reading['listeners'][number]): ListenerStatus {
  const { address, port, protocol, engine, receiveBuffers } = listener;
  return {
    address,
    port,
    protocol,
    engine,
    receiveBufferBytes: receiveBuffers.length === 0 ? null : Math.min(...receiveBuffers),
    kernelDrops: protocol === 'udp' && reading.kernel ? dropsAt(reading.kernel, address, port) : null,
  };
}

function cacheStatus({ cache, counters }: Reading): CacheStatus | null {
  if (!cache) return null;
  const {
    hit: hits = 0,
    failure: failures = 0,
    miss: misses = 0,
  } = sumByLabel(counters, 'cache_lookups_total', 'result');
  const lookups = hits + failures + misses;
  return {
    memoryBytes: cache.memory,
    usedBytes: cache.bytes,
    entries: cache.entries,
    staleEntries: cache.stale,
    failureEntries: cache.failures,
    hits,
    stale: sumFamily(counters, 'stale_answers_total'),
    failures,
    misses,
    hitRatio: lookups === 0 ? null : rounded((hits + failures) / lookups, 4),
    stores: cache.stores,
    evictions: cache.evictions,
  };
}

function serverStatus({ server }: Reading): ServerStatus | null {
  if (!server) return null;
  const { name, state, since, detail, pid, restarts, lastEnd, warm } = server;
  return {
    name,
    state,
    since: iso(since),
    detail,
    pid,
    restarts,
    lastEnd: lastEnd && { ...lastEnd, at: iso(lastEnd.at) },
    warm,
  };
}

function backendStatus(reading: Reading, backend: BackendReading, rates: Rates): BackendStatus {
  const { board } = reading;
  const { slot } = backend;
  const counted = (key: keyof typeof backendCounters.at) => {
    let sum = 0;
    for (let worker = 0; worker < board.workers; worker++) {
      sum += board.counters(worker)[slot * backendCounters.size + backendCounters.at[key]]!;
    }
    return sum;
  };
  let outstanding = 0;
  for (let worker = 0; worker < board.workers; worker++)
    outstanding += board.view(worker)[slot * viewField.size + viewField.outstanding]!;
  const recent = rates.backend(backend.pool, backend.backend);
  return {
    name: backend.backend,
    address: backend.address,
    port: backend.port,
    family: backend.family,
    state: backend.state,
    reason: backend.reason,
    since: iso(backend.since),
    forced: backend.forced,
    weight: backend.weight,
    healthWeight: board.healthWeight(slot) / 1000,
    outstanding,
    queries: counted('queries'),
    answers: counted('answers'),
    failures: {
      servfail: counted('servfail'),
      refused: counted('refused'),
      timeout: counted('timeout'),
      network: counted('network'),
      malformed: counted('malformed'),
    },
    queriesPerSecond: rounded(recent?.queries ?? 0, 1),
    failuresPerSecond: rounded(recent?.failures ?? 0, 1),
    latencyMs: {
      p50: recent && ms(percentile(recent.histogram, 0.5)),
      p99: recent && ms(percentile(recent.histogram, 0.99)),
    },
    evidence: backend.evidence,
    probes: backend.probes.map(({ latency, last, ...probe }) => ({
      ...probe,
      latencyMs: latency === null ? null : rounded(latency, 3),
      last: last && { ...last, at: iso(last.at) },
    })),
  };
}
