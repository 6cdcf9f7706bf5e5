/** Gathers one moment of the running daemon, for status and metrics. */
import { readFileSync } from 'node:fs';
import type { Board } from '#balance/board.ts';
import type { Cache } from '#cache/cache.ts';
import type { Snapshot } from '#config/snapshot.ts';
import { frontCounters } from '#front/counters.ts';
import type { Health } from '#health/health.ts';
import { readKernelUdp } from '#insight/kernel.ts';
import type { Engine, ListenerReading, Reading } from '#insight/reading.ts';
import { version } from '#kit/version.ts';
import { now } from '#net/clock.ts';
import { netCounters } from '#net/counters.ts';
import type { ServiceRoutes } from './compose-routing.ts';
import type { Configuration } from './configuration.ts';
import type { Crew } from './crew.ts';
import type { KernelLayer4 } from './layer4.ts';
import type { NodeServer } from './node-server.ts';
import { frontRow, netRow } from './rows.ts';

/** The parts of the daemon that a reading is gathered from. */
export type Parts = {
  /** Time of day in ms since 1970. */
  readonly startedAt: number;
  readonly engine: Engine;
  readonly workers: number;
  readonly board: Board;
  readonly counters: SharedArrayBuffer;
  readonly cache: Cache | null;
  readonly crew: Crew;
  readonly health: Health;
  readonly configuration: Configuration;
  /** The nameserver that is supervised; null: none. */
  readonly server: NodeServer | null;
  /** Null where there have been no service addresses since the start. */
  readonly routes: () => ServiceRoutes | null;
  /** Null where the kernel has balanced nothing since the start. */
  readonly layer4: () => KernelLayer4 | null;
};

/** What is true now. Throws before the first snapshot is in force. */
export function takeReading(parts: Parts): Reading {
  const { configuration, health, crew, workers } = parts;
  const snapshot = configuration.running;
  if (!snapshot) throw new Error('no configuration is in force yet');
  const { generation, applied, refused, lastReload } = configuration;
  const processor = process.cpuUsage();
  const memory = process.memoryUsage.rss();
  const pools = new Map(health.pools().map(pool => [pool.pool, pool]));
  return {
    at: Date.now(),
    startedAt: parts.startedAt,
    version,
    identity: snapshot.identity,
    workers,
    generation,
    configFile: snapshot.file,
    reloads: { applied, refused, last: lastReload },
    listeners: listenersOf(snapshot, crew, parts.engine),
    pools: snapshot.pools.map(({ name, policy }) => ({
      name,
      policy,
      failOpen: pools.get(name)?.failOpen ?? false,
      everybody: pools.get(name)?.everybody ?? null,
    })),
    backends: backendsOf(snapshot, health),
    board: parts.board,
    counters: takeCounters(parts),
    cache: snapshot.cache ? (parts.cache?.stats(Math.floor(now() / 1000)) ?? null) : null,
    server: serverOf(parts),
    routes: parts.routes()?.status() ?? null,
    kernel: readKernelUdp(path => readFileSync(path, 'latin1')),
    memory: { resident: memory, heapUsed: process.memoryUsage().heapUsed },
    processor: { user: processor.user / 1e6, system: processor.system / 1e6 },
  };
}

/** The counters of all workers. */
export function takeCounters({ counters, workers }: Parts): Reading['counters'] {
  const each = Array.from({ length: workers }, (_, worker) => worker);
  return [
    { set: frontCounters, rows: each.map(worker => frontRow(counters, worker)) },
    { set: netCounters, rows: each.map(worker => netRow(counters, worker, workers)) },
  ];
}

function listenersOf(snapshot: Snapshot, crew: Crew, engine: Engine): ListenerReading[] {
  const granted = crew.granted();
  return snapshot.listen.flatMap(({ address, port }): ListenerReading[] => {
    const receiveBuffers = granted
      .filter(at => at.address === address && at.port === port)
      .map(at => at.receiveBuffer);
    return [
      { address, port, protocol: 'udp', engine, receiveBuffers },
      { address, port, protocol: 'tcp', engine: 'loop', receiveBuffers: [] },
    ];
  });
}

function serverOf({ server }: Parts): Reading['server'] {
  if (!server) return null;
  const past = Date.now() - performance.now();
  const report = server.report();
  const { since, startedAt, lastEnd } = report;
  return {
    ...report,
    since: past + since,
    startedAt: past + startedAt,
    lastEnd: lastEnd && { ...lastEnd, at: past + lastEnd.at },
  };
}

/** Health's report in the order of the configuration, with configured weights. */
function backendsOf(snapshot: Snapshot, health: Health): Reading['backends'] {
  const reports = new Map(health.report().map(report => [`${report.pool}/${report.backend}`, report]));
  return snapshot.pools.flatMap(pool =>
    pool.backends.flatMap(({ name, weight }) => {
      const report = reports.get(`${pool.name}/${name}`);
      return report ? [{ ...report, weight }] : [];
    }),
  );
}
