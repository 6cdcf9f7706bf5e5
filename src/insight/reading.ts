/**
 * One moment of a running front: what metrics and status are made from. The daemon gathers it; everything after that is
 * pure. Times of day in ms since 1970.
 */
import type { Board } from '#balance/board.ts';
import type { CacheStats } from '#cache/cache.ts';
import type { BackendHealth } from '#health/health.ts';
import type { CounterSet } from '#kit/counters.ts';
import type { ServerReport } from '#node/supervisor.ts';
import type { RoutesStatus } from '#route/report.ts';
import type { KernelUdp } from './kernel.ts';

/** How packets are moved: batch (libc) or loop (Node). */
export type Engine = 'batch' | 'loop';

/** An address and protocol where clients ask. */
export type ListenerReading = {
  readonly address: string;
  readonly port: number;
  readonly protocol: 'udp' | 'tcp';
  readonly engine: Engine;
  /** UDP: the receive buffer that the kernel granted to each of its sockets, in bytes. Empty for TCP. */
  readonly receiveBuffers: readonly number[];
};

/** A reload that was asked for. */
export type ReloadReading = { readonly at: number; readonly applied: boolean; readonly message: string };

/** Counters of one owner: a row for each worker. */
export type CounterReading = { readonly set: CounterSet; readonly rows: readonly Float64Array[] };

export type PoolReading = {
  readonly name: string;
  readonly policy: string;
  /** No backend serves, so those that are down are tried. */
  readonly failOpen: boolean;
  /** Why all backends are kept in although all fail, in words; null when that is not so. */
  readonly everybody: string | null;
};

/** Health's report of a backend, and its configured weight. */
export type BackendReading = BackendHealth & { readonly weight: number };

export type Reading = {
  readonly at: number;
  readonly startedAt: number;
  readonly version: string;
  readonly identity: string;
  readonly workers: number;
  /** Counts the snapshots put in force, from 1. */
  readonly generation: number;
  readonly configFile: string;
  readonly reloads: {
    readonly applied: number;
    readonly refused: number;
    readonly last: ReloadReading | null;
  };
  readonly listeners: readonly ListenerReading[];
  readonly pools: readonly PoolReading[];
  readonly backends: readonly BackendReading[];
  readonly board: Board;
  readonly counters: readonly CounterReading[];
  /** Null when the cache is off. */
  readonly cache: CacheStats | null;
  /** The nameserver that Chorus supervises; null: none. Times of day in ms since 1970. */
  readonly server: ServerReport | null;
  /** Null without service addresses. */
  readonly routes: RoutesStatus | null;
  /** Null where the kernel does not say. */
  readonly kernel: KernelUdp | null;
  /** Of the whole process, in bytes. */
  readonly memory: { readonly resident: number; readonly heapUsed: number };
  /** Processor time of the whole process, in seconds. */
  readonly processor: { readonly user: number; readonly system: number };
};

/** The sum of one counter over the rows. */
function sumAt(rows: readonly Float64Array[], at: number): number {
  let sum = 0;
  for (const row of rows) sum += row[at] ?? 0;
  return sum;
}

/** Sums a family over all workers by the value of one of its labels: `{ udp: 12, tcp: 3 }`. */
export function sumByLabel(
  counters: readonly CounterReading[],
  family: string,
  label: string,
): Record<string, number> {
  const sums: Record<string, number> = {};
  for (const { set, rows } of counters) {
    for (const key of set.keys) {
      const declaration = set.declarations[key];
      const value = declaration?.family === family ? declaration.labels?.[label] : undefined;
      if (value !== undefined) sums[value] = (sums[value] ?? 0) + sumAt(rows, set.at[key]!);
    }
  }
  return sums;
}

/** Sums a family over all workers and labels; 0 when nobody counts it. */
export function sumFamily(counters: readonly CounterReading[], family: string): number {
  let sum = 0;
  for (const { set, rows } of counters) {
    for (const key of set.keys)
      if (set.declarations[key]?.family === family) sum += sumAt(rows, set.at[key]!);
  }
  return sum;
}
