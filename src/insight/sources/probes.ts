/** Results of the active probes. */
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

export const probeSource: MetricSource = {
  families: [runs, latency],
  collect({ backends }, samples) {
    for (const { pool, backend, family, probe } of backends) {
      if (!probe) continue;
      const labels = [pool, backend, family, probe.kind];
      samples.set(runs, [...labels, 'good'], probe.good);
      samples.set(runs, [...labels, 'failed'], probe.failed);
      if (probe.latency !== null) samples.set(latency, labels, probe.latency / 1000);
    }
  },
};
