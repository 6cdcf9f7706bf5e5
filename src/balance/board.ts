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
export const maxBackends = 2048;

const failures = { family: 'backend_failures_total', help: 'Failed queries to the backend, by kind.' };
const blames = {
  family: 'backend_blames_total',
  help: 'Failures that were the backend’s own, by reason: another backend answered the same question well.',
};

/** What a worker counts for each backend. */
export const backendCounters = defineCounters({
  queries: { family: 'backend_queries_total', help: 'Queries sent to the backend.' },
  answers: { family: 'backend_answers_total', help: 'Answers taken from the backend.' },
  nxdomain: { family: 'backend_nxdomain_total', help: 'Answers NXDOMAIN among these.' },
  servfail: { ...failures, labels: { kind: 'servfail' } },
  refused: { ...failures, labels: { kind: 'refused' } },
  timeout: { ...failures, labels: { kind: 'timeout' } },
  network: { ...failures, labels: { kind: 'network' } },
  malformed: { ...failures, labels: { kind: 'malformed' } },
  blamedSilent: { ...blames, labels: { reason: 'silent' } },
  blamedServfail: { ...blames, labels: { reason: 'servfail' } },
  blamedRefused: { ...blames, labels: { reason: 'refused' } },
  blamedMalformed: { ...blames, labels: { reason: 'malformed' } },
  blamedNetwork: { ...blames, labels: { reason: 'network' } },
  hedged: {
    family: 'backend_hedges_total',
    help: 'Queries also asked of another backend because this one took longer than usual.',
  },
  late: {
    family: 'backend_late_answers_total',
    help: 'Answers that came when another backend had already answered.',
  },
  unexpected: {
    family: 'backend_unexpected_answers_total',
    help: 'Answers dropped because no query in flight has their id and question: doubled, forged or far too late.',
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
/** Integers of a worker's view of a backend, and what they are. */
export const viewField = {
  size: 4,
  /** Queries waiting for it. */
  outstanding: 0,
  /** Moving average of its latency, µs; 0: unknown. */
  latency: 1,
  /** Latency that 95% of its answers stay below, as a running estimate, µs; 0: unknown. */
  p95: 2,
  /** Queries in a row that were not answered within the hedge delay; 0 again with any answer. */
  overdue: 3,
} as const;

/** Lays out the board in one SharedArrayBuffer for `workers` workers. */
export class Board {
  readonly memory: SharedArrayBuffer;
  readonly workers: number;
  /** [state, health weight in thousandths, -, -] for each slot. Written by the main thread only. */
  readonly shared: Int32Array;
  readonly #views: Int32Array;
  readonly #doubles: Float64Array;

  constructor(workers: number, memory?: SharedArrayBuffer) {
    const ints = maxBackends * intsPerSlot + workers * maxBackends * viewField.size;
    const doubles = workers * maxBackends * (backendCounters.size + latencyBuckets);
    this.memory = memory ?? new SharedArrayBuffer(ints * 4 + doubles * 8);
    this.workers = workers;
    this.shared = new Int32Array(this.memory, 0, maxBackends * intsPerSlot);
    this.#views = new Int32Array(
      this.memory,
      maxBackends * intsPerSlot * 4,
      workers * maxBackends * viewField.size,
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

  /** One worker's view by slot: index `slot * viewField.size + viewField.x`. */
  view(worker: number): Int32Array {
    const size = maxBackends * viewField.size;
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
      this.view(worker).fill(0, slot * viewField.size, (slot + 1) * viewField.size);
      this.counters(worker).fill(0, slot * backendCounters.size, (slot + 1) * backendCounters.size);
      this.histogram(worker).fill(0, slot * latencyBuckets, (slot + 1) * latencyBuckets);
    }
    this.setState(slot, 'absent');
    this.setHealthWeight(slot, 1000);
  }
}
