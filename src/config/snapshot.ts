/** A configuration snapshot: one complete picture of what was configured, in the units the code uses. Plain data. */
import { parseDomain } from '#front/schema.ts';
import { evidenceOf, settingsOf } from '#health/schema.ts';
import type { EvidenceRules, ProbeSettings } from '#health/targets.ts';
import type { LogLevel } from '#kit/log.ts';
import type { Layer4Options } from '#layer4/schema.ts';
import type { Block, Endpoint } from '#net/address.ts';
import type { ServerOptions } from '#node/schema.ts';
import type { BudgetOptions } from '#route/budget-options.ts';
import type { AddressPlan, DrainPlan } from '#route/plan.ts';
import { addressPlanOf, type DriverPlan, drainPlanOf, driverPlanOf } from '#route/schema.ts';
import type { Config, logFormats } from './schema.ts';

/** Where a snapshot takes what the file leaves to the machine. */
export type Machine = {
  /** Processor cores, for `workers: auto`. */
  readonly cores: number;
  /** For `identity`. */
  readonly hostname: string;
};

export type SnapshotBackend = {
  readonly name: string;
  /** An IPv4 or IPv6 literal, IPv6 without brackets, a scope after `%` allowed. */
  readonly address: string;
  readonly port: number;
  readonly weight: number;
  readonly capacity?: number;
  readonly source?: string;
};

export type SnapshotHedge = {
  readonly least: number;
  readonly most: number;
  readonly budget: number;
  readonly burst: number;
};

export type SnapshotPool = {
  readonly name: string;
  readonly policy: string;
  /** How long an answer may take, in ms. */
  readonly timeout: number;
  readonly tries: number;
  /** Null: off. Times in ms, `budget` in percent. */
  readonly hedge: SnapshotHedge | null;
  readonly backends: readonly SnapshotBackend[];
  /** Empty: not probed. */
  readonly probes: readonly ProbeSettings[];
  readonly evidence: EvidenceRules;
};

/** Memory in bytes, times in seconds but for `staleAfter` (ms). */
export type SnapshotCache = {
  readonly memory: number;
  readonly minTtl: number;
  readonly maxTtl: number;
  readonly maxNegativeTtl: number;
  readonly failureTtl: number;
  readonly maxFailureTtl: number;
  readonly staleFor: number;
  readonly staleTtl: number;
  readonly staleAfter: number;
  readonly prefetch: boolean;
};

/** Bounds for clients over TCP. Times in ms, sizes in bytes. */
export type SnapshotTcp = {
  readonly idle: number;
  readonly connections: number;
  readonly connectionsPerClient: number;
  readonly pipeline: number;
  readonly sendBuffer: number;
};

/** Bounds on what clients may ask. Rates in queries/s, 0: none. */
export type SnapshotLimits = {
  readonly perClient: number;
  readonly perNetwork: number;
  readonly ipv4Bits: number;
  readonly ipv6Bits: number;
  readonly slip: number;
  readonly exempt: readonly Block[];
  readonly zones: boolean;
};

/** Service addresses and all that announces them. */
export type SnapshotRoutes = {
  /** In the order of the file. */
  readonly drivers: readonly DriverPlan[];
  /** In the order of the file. */
  readonly addresses: readonly AddressPlan[];
  readonly drain: DrainPlan;
  /** Null: each front decides for itself. */
  readonly budget: BudgetOptions | null;
  /** Folder where a drain survives a restart. */
  readonly state: string;
};

export type Snapshot = {
  /** The file it came from, as it was named. */
  readonly file: string;
  /** Empty: no listener, for a node without a balancer. */
  readonly listen: readonly Endpoint[];
  readonly allow: readonly Block[];
  /** In the order of the file. */
  readonly pools: readonly SnapshotPool[];
  /** Suffixes in lower case without final dot (the root is "."), and the name of a pool. */
  readonly domains: readonly { readonly suffix: string; readonly pool: string }[];
  /** Null: off. */
  readonly cache: SnapshotCache | null;
  /** Null: off. */
  readonly api: Endpoint | null;
  /** Threads that move packets; `auto` is resolved. */
  readonly workers: number;
  readonly engine: 'auto' | 'batch' | 'loop';
  readonly user?: string;
  readonly group?: string;
  readonly identity: string;
  /** Bytes. */
  readonly udpSize: number;
  /** Bytes. */
  readonly receiveBuffer: number;
  readonly portsPerBackend: number;
  readonly coalesce: boolean;
  /** Packet workers run in real time. */
  readonly realtime: boolean;
  readonly tcp: SnapshotTcp;
  readonly limits: SnapshotLimits;
  readonly routes: SnapshotRoutes;
  /** Null: Chorus starts no nameserver. */
  readonly server: ServerOptions | null;
  /** Null: the kernel does not balance. */
  readonly layer4: Layer4Options | null;
  /** ms. */
  readonly drainTimeout: number;
  readonly log: { readonly level: LogLevel; readonly format: (typeof logFormats)[number] };
};

/** The snapshot of a checked configuration. */
export function snapshotOf(config: Config, file: string, machine: Machine, maxWorkers: number): Snapshot {
  const { cache, tcp, limits } = config;
  return {
    file,
    listen: config.listen ?? [],
    allow: config.allow,
    pools: Object.entries(config.pools).map(([name, pool]) => ({
      name,
      policy: pool.policy,
      timeout: pool.timeout,
      tries: pool.tries,
      hedge: pool.hedge,
      backends: pool.backends.map(({ address: { address, port }, name, weight, capacity, source }) => ({
        name,
        address,
        port,
        weight,
        ...(capacity !== undefined && { capacity }),
        ...(source !== undefined && { source }),
      })),
      probes: (pool.probes ?? (pool.probe ? [pool.probe] : [])).map(settingsOf),
      evidence: evidenceOf(pool.evidence),
    })),
    domains: Object.entries(config.domains).map(([domain, pool]) => ({
      suffix: parseDomain(domain) ?? domain,
      pool,
    })),
    cache: cache && {
      memory: cache.memory,
      minTtl: cache['min-ttl'],
      maxTtl: cache['max-ttl'],
      maxNegativeTtl: cache['max-negative-ttl'],
      failureTtl: cache['failure-ttl'],
      maxFailureTtl: cache['max-failure-ttl'],
      staleFor: cache['stale-for'],
      staleTtl: cache['stale-ttl'],
      staleAfter: cache['stale-after'],
      prefetch: cache.prefetch,
    },
    api: config.api,
    workers: config.workers === 'auto' ? Math.min(maxWorkers, Math.max(1, machine.cores)) : config.workers,
    engine: config.engine,
    ...(config.user !== undefined && { user: config.user }),
    ...(config.group !== undefined && { group: config.group }),
    identity: config.identity ?? machine.hostname,
    udpSize: config['udp-size'],
    receiveBuffer: config['receive-buffer'],
    portsPerBackend: config['ports-per-backend'],
    coalesce: config.coalesce,
    realtime: config.realtime,
    tcp: {
      idle: tcp.idle,
      connections: tcp.connections,
      connectionsPerClient: tcp['connections-per-client'],
      pipeline: tcp.pipeline,
      sendBuffer: tcp['send-buffer'],
    },
    limits: {
      perClient: limits['per-client'] ?? 0,
      perNetwork: limits['per-network'] ?? 0,
      ipv4Bits: limits.networks[0],
      ipv6Bits: limits.networks[1],
      slip: limits.slip,
      exempt: limits.exempt,
      zones: limits['failing-zones'],
    },
    routes: routesOf(config),
    server: config.server,
    layer4: config.layer4,
    drainTimeout: config['drain-timeout'],
    log: config.log,
  };
}

function routesOf(config: Config): SnapshotRoutes {
  const drivers = Object.entries(config['route-drivers']).map(([name, driver]) => driverPlanOf(name, driver));
  return {
    drivers,
    addresses: config['service-addresses'].map(entry =>
      addressPlanOf(entry, drivers, Object.keys(config.pools)),
    ),
    drain: drainPlanOf(config.drain),
    budget: config['withdrawal-budget'],
    state: config.state,
  };
}
