/** The process and its configuration. */
import type { MetricFamily } from '../families.ts';
import type { MetricSource } from '../source.ts';

const build: MetricFamily = {
  name: 'chorus_build_info',
  help: 'Always 1; the labels say what runs.',
  type: 'gauge',
  labels: ['version', 'identity'],
};
const uptime: MetricFamily = {
  name: 'chorus_uptime_seconds',
  help: 'Time since the start.',
  type: 'gauge',
  unit: 'seconds',
  labels: [],
};
const workers: MetricFamily = {
  name: 'chorus_workers',
  help: 'Threads that answer queries, over UDP and TCP.',
  type: 'gauge',
  labels: [],
};
const generation: MetricFamily = {
  name: 'chorus_config_generation',
  help: 'Configurations put in force since the start.',
  type: 'gauge',
  labels: [],
};
const reloads: MetricFamily = {
  name: 'chorus_config_reloads_total',
  help: 'Reloads asked for, by result: applied or refused.',
  type: 'counter',
  labels: ['result'],
};
const reloadGood: MetricFamily = {
  name: 'chorus_config_last_reload_applied',
  help: 'Whether the last reload was applied: 1 or 0. 1 before the first.',
  type: 'gauge',
  labels: [],
};
const memory: MetricFamily = {
  name: 'chorus_process_resident_memory_bytes',
  help: 'Resident memory of the process.',
  type: 'gauge',
  unit: 'bytes',
  labels: [],
};
const heap: MetricFamily = {
  name: 'chorus_process_heap_used_bytes',
  help: 'Memory that JavaScript objects of the main thread take up.',
  type: 'gauge',
  unit: 'bytes',
  labels: [],
};
const processor: MetricFamily = {
  name: 'chorus_process_cpu_seconds_total',
  help: 'Processor time of the process, by mode: user or system.',
  type: 'counter',
  unit: 'seconds',
  labels: ['mode'],
};

export const processSource: MetricSource = {
  families: [build, uptime, workers, generation, reloads, reloadGood, memory, heap, processor],
  collect(reading, samples) {
    samples.set(build, [reading.version, reading.identity], 1);
    samples.set(uptime, [], (reading.at - reading.startedAt) / 1000);
    samples.set(workers, [], reading.workers);
    samples.set(generation, [], reading.generation);
    samples.set(reloads, ['applied'], reading.reloads.applied);
    samples.set(reloads, ['refused'], reading.reloads.refused);
    samples.set(reloadGood, [], reading.reloads.last?.applied === false ? 0 : 1);
    samples.set(memory, [], reading.memory.resident);
    samples.set(heap, [], reading.memory.heapUsed);
    samples.set(processor, ['user'], reading.processor.user);
    samples.set(processor, ['system'], reading.processor.system);
  },
};
