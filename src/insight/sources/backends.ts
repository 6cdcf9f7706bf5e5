/** Backends: what the workers count of each, and what health says. */
import { backendCounters, backendStates, latencyBound, latencyBuckets, viewField } from '#balance/board.ts';
import { serves } from '#health/judge.ts';
import type { MetricFamily } from '../families.ts';
import { slotHistogram } from '../latency.ts';
import type { MetricSource } from '../source.ts';
import { collectColumns, columnsOf } from './counters.ts';

const where = ['pool', 'backend'];
const counted = columnsOf(backendCounters, where, ['latencySum']);
const shownStates = backendStates.filter(state => state !== 'absent');
const bounds = Array.from({ length: latencyBuckets }, (_, bucket) => latencyBound(bucket) / 1e6);

const latency: MetricFamily = {
  name: 'chorus_backend_latency_seconds',
  help: 'Time from the query to the answer of the backend.',
  type: 'histogram',
  unit: 'seconds',
  labels: where,
};
const state: MetricFamily = {
  name: 'chorus_backend_state',
  help: 'State of the backend: 1 for the one that it is in, 0 for the others.',
  type: 'gauge',
  labels: [...where, 'state'],
};
const serving: MetricFamily = {
  name: 'chorus_backend_serving',
  help: 'Whether the backend is in a state in which it is given queries (starting, up, suspect): 1 or 0.',
  type: 'gauge',
  labels: where,
};
const outstanding: MetricFamily = {
  name: 'chorus_backend_outstanding_queries',
  help: 'Queries that wait for an answer of the backend.',
  type: 'gauge',
  labels: where,
};
const weight: MetricFamily = {
  name: 'chorus_backend_weight',
  help: 'Weight of the backend in force: the configured one times the factor of health.',
  type: 'gauge',
  labels: where,
};
const poolFailOpen: MetricFamily = {
  name: 'chorus_pool_fail_open',
  help: 'Whether no backend of the pool serves, so that those that are down are tried: 1 or 0.',
  type: 'gauge',
  labels: ['pool'],
};

export const backendSource: MetricSource = {
  families: [...counted.families, latency, state, serving, outstanding, weight, poolFailOpen],
  collect({ board, backends, pools }, samples) {
    const rows = Array.from({ length: board.workers }, (_, worker) => board.counters(worker));
    const views = Array.from({ length: board.workers }, (_, worker) => board.view(worker));
    for (const backend of backends) {
      const { slot } = backend;
      const labels = [backend.pool, backend.backend];
      const base = slot * backendCounters.size;
      collectColumns(counted, rows, base, labels, samples);
      let sum = 0;
      for (const row of rows) sum += row[base + backendCounters.at.latencySum]!;
      samples.histogram(latency, labels, bounds, slotHistogram(board, slot), sum / 1e6);
      for (const name of shownStates) samples.set(state, [...labels, name], backend.state === name ? 1 : 0);
      samples.set(serving, labels, serves(backend.state) ? 1 : 0);
      let waiting = 0;
      for (const view of views) waiting += view[slot * viewField.size + viewField.outstanding]!;
      samples.set(outstanding, labels, waiting);
      samples.set(weight, labels, (backend.weight * board.healthWeight(slot)) / 1000);
    }
    for (const pool of pools) samples.set(poolFailOpen, [pool.name], pool.failOpen ? 1 : 0);
  },
};
