/**
 * The shared table of backends. The main thread gives each backend a slot that it keeps across reloads, and writes its
 * state and health weight; each worker writes what it has seen into its own rows. Everyone reads without asking.
 */
import { defineCounters } from '#kit/counters.ts';

/** State of a backend (failure.md). `starting` counts as fit: a new backend serves until evidence speaks against it. */
export const backendStates = ['absent', 'starting', 'up', 'suspect', 'down', 'draining', 'disabled'] as const;
export type BackendState = (typeof backendStates)[number];
export const stateCode = {
  absent: 0,
  starting: 1,
  up: 2,
  suspect: 3,
  down: 4,
  draining: 5,
  disabled: 6,
} as const satisfies Record<BackendState, number>;

/** Backends that can be known at once, over all pools, including those that a reload just removed. */
export const maxBackends = 512;

/** What a worker counts for each backend. */
export const backendCounters = defineCounters({
  queries: { family: 'backend_queries_total', help: 'Queries sent to the backend.' },
  answers: { family: 'backend_answers_total', help: 'Answers taken from the backend.' },
  servfail: {
    family: 'backend_failures_total',
    labels: { kind: 'servfail' },
    help: 'Failed queries to the backend, by kind.',
  },
  refused: {
    family: 'backend_failures_total',
    labels: { kind: 'refused' },
    help: 'Failed queries to the backend, by kind.',
  },
  timeout: {
    family: 'backend_failures_total',
    labels: { kind: 'timeout' },
    help: 'Failed queries to the backend, by kind.',
  },
  network: {
    family: 'backend_failures_total',
    labels: { kind: 'network' },
    help: 'Failed queries to the backend, by kind.',
  },
  malformed: {
    family: 'backend_failures_total',
    labels: { kind: 'malformed' },
    help: 'Failed queries to the backend, by kind.',
  },
  unexpected: {
    family: 'backend_unexpected_answers_total',
    help: 'Answers dropped because no query in flight has their id and question: late, doubled or forged.',
  },
  latencySum: { family: 'backend_latency_microseconds_total', help: 'Sum of the latencies of answers.' },
});

/** Latency histogram: bucket b holds answers below 2^(b/2 + 4) µs; the last bucket holds the rest. */
export const latencyBuckets = 40;

/** Upper bound of a latency bucket in µs; Infinity for the last. */
export function latencyBound(bucket: number): number {
  return bucket >= latencyBuckets - 1 ? Infinity : 2 ** (bucket / 2 + 4);
}

const intsPerSlot = 4; // state, health weight in thousandths, unused, unused
const intsPerView = 2; // outstanding, latency average in µs

/** Lays out the board in one SharedArrayBuffer for `workers` workers. */
export class Board {
  readonly memory: SharedArrayBuffer;
  readonly workers: number;
  /** [state, health weight in thousandths, -, -] for each slot. Written by the main thread only. */
  readonly shared: Int32Array;
  readonly #views: Int32Array;
  readonly #doubles: Float64Array;

  constructor(workers: number, memory?: SharedArrayBuffer) {
    const ints = maxBackends * intsPerSlot + workers * maxBackends * intsPerView;
    const doubles = workers * maxBackends * (backendCounters.size + latencyBuckets);
    this.memory = memory ?? new SharedArrayBuffer(ints * 4 + doubles * 8);
    this.workers = workers;
    this.shared = new Int32Array(this.memory, 0, maxBackends * intsPerSlot);
    this.#views = new Int32Array(
      this.memory,
      maxBackends * intsPerSlot * 4,
      workers * maxBackends * intsPerView,
    );
    this.#doubles = new Float64Array(this.memory, ints * 4, doubles);
  }

  state(slot: number): BackendState {
    return backendStates[Atomics.load(this.shared, slot * intsPerSlot)] ?? 'absent';
  }
  setState(slot: number, state: BackendState): void {
    Atomics.store(this.shared, slot * intsPerSlot, stateCode[state]);
  }
  /** State as a number, for the packet path. */
  stateCode(slot: number): number {
    return this.shared[slot * intsPerSlot]!;
  }
  /** Factor by which health changes the configured weight, in thousandths (1000: unchanged). */
  healthWeight(slot: number): number {
    return this.shared[slot * intsPerSlot + 1]!;
  }
  setHealthWeight(slot: number, thousandths: number): void {
    Atomics.store(this.shared, slot * intsPerSlot + 1, thousandths);
  }

  /** One worker's Int32 pairs [outstanding, latency average in µs] by slot: index `slot * 2`. */
  view(worker: number): Int32Array {
    const size = maxBackends * intsPerView;
    return this.#views.subarray(worker * size, (worker + 1) * size);
  }
  /** One worker's counters by slot: index `slot * backendCounters.size + backendCounters.at.x`. */
  counters(worker: number): Float64Array {
    const size = maxBackends * backendCounters.size;
    return this.#doubles.subarray(worker * size, (worker + 1) * size);
  }
  /** One worker's latency histograms by slot: index `slot * latencyBuckets + bucket`. */
  histogram(worker: number): Float64Array {
    const size = maxBackends * latencyBuckets;
    const start = this.workers * maxBackends * backendCounters.size + worker * size;
    return this.#doubles.subarray(start, start + size);
  }
  /** Forgets a slot's numbers in every row: when a slot is given to another backend. */
  clear(slot: number): void {
    for (let worker = 0; worker < this.workers; worker++) {
      this.view(worker).fill(0, slot * intsPerView, (slot + 1) * intsPerView);
      this.counters(worker).fill(0, slot * backendCounters.size, (slot + 1) * backendCounters.size);
      this.histogram(worker).fill(0, slot * latencyBuckets, (slot + 1) * latencyBuckets);
    }
    this.setState(slot, 'absent');
    this.setHealthWeight(slot, 1000);
  }
}
