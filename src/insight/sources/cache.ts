/** The answer cache: what it holds. Hits and misses are counted by the workers. */
import type { CacheStats } from '#cache/cache.ts';
import type { MetricFamily } from '../families.ts';
import type { MetricSource } from '../source.ts';

const told: readonly { readonly key: keyof CacheStats; readonly family: MetricFamily }[] = [
  {
    key: 'memory',
    family: {
      name: 'chorus_cache_memory_bytes',
      help: 'Memory of the cache, taken at the start.',
      type: 'gauge',
      unit: 'bytes',
      labels: [],
    },
  },
  {
    key: 'bytes',
    family: {
      name: 'chorus_cache_used_bytes',
      help: 'Memory of the cache that answers take up.',
      type: 'gauge',
      unit: 'bytes',
      labels: [],
    },
  },
  {
    key: 'entries',
    family: {
      name: 'chorus_cache_entries',
      help: 'Answers in the cache, stale ones too, and failures.',
      type: 'gauge',
      labels: [],
    },
  },
  {
    key: 'failures',
    family: {
      name: 'chorus_cache_failure_entries',
      help: 'Failures in the cache, kept so that failing names do not load the backends.',
      type: 'gauge',
      labels: [],
    },
  },
  {
    key: 'stale',
    family: {
      name: 'chorus_cache_stale_entries',
      help: 'Answers in the cache that are past their TTL, kept for when no backend answers (an estimate).',
      type: 'gauge',
      labels: [],
    },
  },
  {
    key: 'stores',
    family: {
      name: 'chorus_cache_stores_total',
      help: 'Answers put into the cache.',
      type: 'counter',
      labels: [],
    },
  },
  {
    key: 'evictions',
    family: {
      name: 'chorus_cache_evictions_total',
      help: 'Answers and failures removed in their time to make room for others.',
      type: 'counter',
      labels: [],
    },
  },
  {
    key: 'expired',
    family: {
      name: 'chorus_cache_expired_total',
      help: 'Answers and failures removed when their time was over, stale ones that made room for others among them.',
      type: 'counter',
      labels: [],
    },
  },
  {
    key: 'skipped',
    family: {
      name: 'chorus_cache_skipped_total',
      help: 'Answers not kept because another worker was writing to the same place.',
      type: 'counter',
      labels: [],
    },
  },
];

export const cacheSource: MetricSource = {
  families: told.map(({ family }) => family),
  collect({ cache }, samples) {
    if (cache) for (const { key, family } of told) samples.set(family, [], cache[key]);
  },
};
