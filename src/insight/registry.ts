/** All metrics: every source, and so every family. The reference page and the lint of names are made from it. */
import { frontCounters } from '#front/counters.ts';
import type { CounterSet } from '#kit/counters.ts';
import { netCounters } from '#net/counters.ts';
import type { MetricFamily } from './families.ts';
import type { MetricSource } from './source.ts';
import { backendSource } from './sources/backends.ts';
import { cacheSource } from './sources/cache.ts';
import { counterSource } from './sources/counters.ts';
import { probeSource } from './sources/probes.ts';
import { processSource } from './sources/process.ts';
import { routeSource } from './sources/routes.ts';
import { serverSource } from './sources/server.ts';
import { socketSource } from './sources/sockets.ts';

/** Sets of counters that the workers keep, each in rows of its own. */
export const counterSets: readonly CounterSet[] = [frontCounters, netCounters];

/** Everything that gives metrics, in the order of /metrics. */
export const metricSources: readonly MetricSource[] = [
  processSource,
  ...counterSets.map(counterSource),
  cacheSource,
  backendSource,
  probeSource,
  socketSource,
  serverSource,
  routeSource,
];

/** Every family that /metrics can show. */
export const metricFamilies: readonly MetricFamily[] = metricSources.flatMap(source => source.families);
