/**
 * How many descriptors the process may open, and how many a plan may need. Where they are too few, fewer TCP clients are
 * taken: without a bound these would use up what UDP and the probes need.
 */
import { readFileSync } from 'node:fs';
import { runsAtOnce } from '#health/prober.ts';
import { mostProbes } from '#health/schema.ts';
import { isWildcard } from '#net/address.ts';
import { localAddresses } from '#net/local-addresses.ts';
import { maxConnections } from '#net/tcp-backend.ts';
import { maxTransfers } from '#net/tcp-relay.ts';
import type { WorkerPlan } from './protocol.ts';

/** The process itself, and each of its threads. */
const ofProcess = 48;
const ofThread = 12;
/** To each backend beyond `ports-per-backend`: sockets that are being replaced. */
const spare = 2;
/** The API's connections. */
const ofApi = 256;
/** Connections of TCP clients that are taken however few descriptors there are. */
const fewestConnections = 16;

/** What does not change while the process runs. */
export type DescriptorWorld = {
  readonly engine: 'batch' | 'loop';
  /** Threads, the stream worker included. */
  readonly workers: number;
  readonly api: boolean;
  /** Descriptors that the process may open; null: not known. */
  readonly limit: number | null;
};

/** RLIMIT_NOFILE of this process in force; null where the system does not say. Node raises it to the hard limit at its start. */
export function descriptorLimit(
  read: (path: string) => string = path => readFileSync(path, 'latin1'),
): number | null {
  try {
    const [, soft] = /^Max open files\s+(\d+|unlimited)/m.exec(read('/proc/self/limits')) ?? [];
    return soft === undefined || soft === 'unlimited' ? null : Number(soft);
  } catch {
    return null;
  }
}

/** The most descriptors that the plan may need beside those of TCP clients. */
export function descriptorsBesideClients(
  plan: WorkerPlan,
  { engine, workers, api }: DescriptorWorld,
): number {
  const backends = plan.plan.pools.reduce((sum, pool) => sum + pool.backends.length, 0);
  const receivers = engine === 'batch' ? workers - 1 : workers;
  const listeners = plan.listeners.reduce((sum, { address }) => {
    // The loop engine has a socket for each address of the machine.
    const each = engine === 'loop' && isWildcard(address) ? localAddresses(address).length : 1;
    return sum + each * receivers + 1;
  }, 0);
  return (
    ofProcess +
    ofThread * workers +
    listeners +
    backends * workers * (plan.portsPerBackend + spare) +
    backends * maxConnections +
    maxTransfers +
    (api ? ofApi : 0) +
    // A socket that is kept for the next probe of each backend, and what is under way.
    backends +
    Math.min(runsAtOnce, backends * mostProbes)
  );
}

/** What of a plan can be had. */
export type Fit = {
  /** The plan, with fewer `connections` where there are too few descriptors. */
  readonly plan: WorkerPlan;
  /** Null: there are enough. */
  readonly shortage: { readonly limit: number; readonly wanted: number; readonly connections: number } | null;
};

/** Fits a plan to the descriptors that there are. */
export function fitDescriptors(plan: WorkerPlan, world: DescriptorWorld): Fit {
  const { limit } = world;
  const beside = descriptorsBesideClients(plan, world);
  const wanted = beside + plan.streamLimits.connections;
  if (limit === null || wanted <= limit) return { plan, shortage: null };
  const most = Math.max(fewestConnections, limit - beside);
  const connections = Math.min(most, plan.streamLimits.connections);
  const streamLimits = { ...plan.streamLimits, connections };
  return { plan: { ...plan, streamLimits }, shortage: { limit, wanted, connections } };
}
