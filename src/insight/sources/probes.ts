/** Health: results of the active probes, and what speaks against backends. */
import { evidenceKinds } from '#health/evidence.ts';
import type { MetricFamily } from '../families.ts';
import type { MetricSource } from '../source.ts';

const where = ['pool', 'backend', 'family', 'probe'];

const runs: MetricFamily = {
  name: 'chorus_probe_runs_total',
  help: 'Probes that ended, by outcome: good or failed.',
  type: 'counter',
  labels: [...where, 'outcome'],
};
const latency: MetricFamily = {
  name: 'chorus_probe_latency_seconds',
  help: 'Time to the last answer that a probe was given.',
  type: 'gauge',
  unit: 'seconds',
  labels: where,
};
const evidence: MetricFamily = {
  name: 'chorus_backend_evidence_total',
  help: `Evidence found against the backend, by kind (${Object.keys(evidenceKinds).join(', ')}).`,
  type: 'counter',
  labels: ['pool', 'backend', 'kind'],
};
const everybody: MetricFamily = {
  name: 'chorus_pool_everybody_fails',
  help: 'Whether all backends of the pool fail alike, so that the way to them or to the Internet is suspected and all are kept in: 1 or 0.',
  type: 'gauge',
  labels: ['pool'],
};

export const probeSource: MetricSource = {
  families: [runs, latency, evidence, everybody],
  collect({ backends, pools }, samples) {
    for (const { pool, backend, family, probes, evidence: found } of backends) {
      for (const probe of probes) {
        const labels = [pool, backend, family, probe.label];
        samples.set(runs, [...labels, 'good'], probe.good);
        samples.set(runs, [...labels, 'failed'], probe.failed);
        if (probe.latency !== null) samples.set(latency, labels, probe.latency / 1000);
      }
      for (const [kind, count] of Object.entries(found)) samples.set(evidence, [pool, backend, kind], count);
    }
    for (const pool of pools) samples.set(everybody, [pool.name], pool.everybody === null ? 0 : 1);
  },
};
