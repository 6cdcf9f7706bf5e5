/** What the parts of the daemon need of a snapshot, in their own terms. */
import type { Plan } from '#front/plan.ts';
import type { HealthTarget, PoolRules } from '#health/targets.ts';
import { version } from '#kit/version.ts';
import { type Endpoint, isIpv6 } from '#net/address.ts';
import type { ReplayPlan } from '#route/events.ts';
import type { Snapshot, SnapshotRoutes, SnapshotTcp } from './snapshot.ts';

/** Gives the place on the board of a pool's backend. */
export type SlotOf = (pool: string, backend: string) => number;

/** Everything about one snapshot that a worker is told. Sizes in bytes. */
export type SnapshotWorkerPlan = {
  readonly plan: Plan;
  readonly listeners: readonly Endpoint[];
  readonly receiveBuffer: number;
  readonly portsPerBackend: number;
  readonly coalesce: boolean;
  readonly realtime: boolean;
  readonly streamLimits: SnapshotTcp;
};

/** A worker's view of a snapshot. `generation` counts the snapshots from 1. */
export function workerPlan(snapshot: Snapshot, slotOf: SlotOf, generation: number): SnapshotWorkerPlan {
  const { listen, receiveBuffer, portsPerBackend, coalesce, realtime, tcp } = snapshot;
  return {
    plan: frontPlan(snapshot, slotOf, generation),
    listeners: listen,
    receiveBuffer,
    portsPerBackend,
    coalesce,
    realtime,
    streamLimits: tcp,
  };
}

/** When a backend of which nothing is known gets company, ms. */
const unknownDelay = 100;

function frontPlan(snapshot: Snapshot, slotOf: SlotOf, generation: number): Plan {
  const indexOf = (pool: string) => snapshot.pools.findIndex(({ name }) => name === pool);
  const root = snapshot.domains.find(({ suffix }) => suffix === '.');
  const { cache } = snapshot;
  return {
    generation,
    allow: snapshot.allow,
    identity: snapshot.identity,
    version: `Chorus ${version}`,
    udpSize: snapshot.udpSize,
    pools: snapshot.pools.map(({ name, policy, timeout, tries, hedge, backends }) => ({
      name,
      policy,
      timeout,
      tries,
      hedge: hedge && { ...hedge, budget: hedge.budget / 100, unknown: Math.min(hedge.most, unknownDelay) },
      backends: backends.map(backend => ({ ...backend, slot: slotOf(name, backend.name) })),
    })),
    defaultPool: indexOf(root?.pool ?? 'default'),
    domains: snapshot.domains
      .filter(({ suffix }) => suffix !== '.')
      .map(({ suffix, pool }) => ({ suffix, pool: indexOf(pool) })),
    limits: snapshot.limits,
    ...(cache && {
      cache: {
        minTtl: cache.minTtl,
        maxTtl: cache.maxTtl,
        maxNegativeTtl: cache.maxNegativeTtl,
        failureTtl: cache.failureTtl,
        maxFailureTtl: cache.maxFailureTtl,
        staleFor: cache.staleFor,
        staleTtl: cache.staleTtl,
        staleAfter: cache.staleAfter,
        prefetch: cache.prefetch,
      },
    }),
  };
}

/** All backends with how they are probed: what health is told. */
export function healthTargets(snapshot: Snapshot, slotOf: SlotOf): HealthTarget[] {
  return snapshot.pools.flatMap(({ name: pool, probes, backends }) =>
    backends.map(({ name, address, port, source, weight }) => ({
      pool,
      name,
      slot: slotOf(pool, name),
      weight,
      address,
      port,
      ...(source !== undefined && { source }),
      probes,
    })),
  );
}

/** What evidence may do in each pool. */
export function healthRules(snapshot: Snapshot): PoolRules[] {
  const balanced = new Set(snapshot.layer4?.services.map(({ pool }) => pool));
  return snapshot.pools.map(({ name, policy, evidence }) => {
    const direct = snapshot.listen.length === 0 && !balanced.has(name);
    return { pool: name, policy, evidence, direct };
  });
}

/** Service addresses and all that announces them; null where there are none, and none of that code is needed. */
export function routePlan(snapshot: Snapshot): SnapshotRoutes | null {
  return snapshot.routes.addresses.length > 0 ? snapshot.routes : null;
}

/** What a replay of events needs. */
export function replayPlan({ routes, pools }: Snapshot): ReplayPlan {
  return {
    addresses: routes.addresses,
    drain: routes.drain,
    pools: pools.map(({ name, backends }) => ({
      pool: name,
      backends: backends.map(backend => ({
        name: backend.name,
        family: isIpv6(backend.address) ? ('ipv6' as const) : ('ipv4' as const),
        weight: backend.weight,
      })),
    })),
  };
}
