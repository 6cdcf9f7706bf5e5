/** Figures "over the last seconds": samples of the counters, taken each second and kept for ten. */
import { backendCounters } from '#balance/board.ts';
import { histogramSince, slotHistogram } from './latency.ts';
import { type Reading, sumFamily } from './reading.ts';

/** Samples kept: the last ten seconds when one is taken each second. */
export const samplesKept = 11;

type BackendSample = {
  readonly queries: number;
  readonly failures: number;
  readonly histogram: Float64Array;
};

/** What the rates need of one moment. */
export type RateSample = {
  /** Monotonic, in ms. */
  readonly at: number;
  readonly queries: number;
  /** By `rateKey`. */
  readonly backends: ReadonlyMap<string, BackendSample>;
};

/** What happened at one backend over the last seconds. */
export type BackendRates = {
  /** Queries sent to it, each second. */
  readonly queries: number;
  /** Queries that failed at it, each second. */
  readonly failures: number;
  /** Latencies of its answers. */
  readonly histogram: Float64Array;
};

/** A backend's name in samples. */
export function rateKey(pool: string, backend: string): string {
  return `${pool}/${backend}`;
}

const failureKeys = ['servfail', 'refused', 'timeout', 'network', 'malformed'] as const;

/** Takes a sample of what the reading's board and counters say now; `at` is monotonic, in ms. */
export function takeSample(
  at: number,
  reading: Pick<Reading, 'board' | 'backends' | 'counters'>,
): RateSample {
  const { board } = reading;
  const rows = Array.from({ length: board.workers }, (_, worker) => board.counters(worker));
  const backends = new Map<string, BackendSample>();
  for (const { pool, backend, slot } of reading.backends) {
    const base = slot * backendCounters.size;
    let queries = 0;
    let failures = 0;
    for (const row of rows) {
      queries += row[base + backendCounters.at.queries]!;
      for (const key of failureKeys) failures += row[base + backendCounters.at[key]]!;
    }
    backends.set(rateKey(pool, backend), { queries, failures, histogram: slotHistogram(board, slot) });
  }
  return { at, queries: sumFamily(reading.counters, 'client_queries_total'), backends };
}

/** The last samples, and the rates between the oldest and the newest. */
export class Rates {
  readonly #ring: RateSample[] = [];
  #next = 0;

  /** Takes a sample in; the oldest falls out. */
  push(sample: RateSample): void {
    this.#ring[this.#next] = sample;
    this.#next = (this.#next + 1) % samplesKept;
  }

  /** Seconds that the rates cover; 0 before the second sample. */
  get seconds(): number {
    const span = this.#span();
    return span ? (span.to.at - span.from.at) / 1000 : 0;
  }

  /** Queries from clients, each second. */
  get queries(): number {
    const span = this.#span();
    return span ? perSecond(span.from.queries, span.to.queries, this.seconds) : 0;
  }

  /** Rates of one backend; null when it was not there in both samples. */
  backend(pool: string, backend: string): BackendRates | null {
    const span = this.#span();
    const key = rateKey(pool, backend);
    const from = span?.from.backends.get(key);
    const to = span?.to.backends.get(key);
    if (!from || !to) return null;
    return {
      queries: perSecond(from.queries, to.queries, this.seconds),
      failures: perSecond(from.failures, to.failures, this.seconds),
      histogram: histogramSince(from.histogram, to.histogram),
    };
  }

  #span(): { from: RateSample; to: RateSample } | null {
    const kept = this.#ring.length;
    const to = this.#ring[(this.#next - 1 + samplesKept) % samplesKept];
    const from = this.#ring[kept < samplesKept ? 0 : this.#next];
    return kept < 2 || !from || !to || to.at <= from.at ? null : { from, to };
  }
}

function perSecond(from: number, to: number, seconds: number): number {
  return to < from || seconds <= 0 ? 0 : (to - from) / seconds;
}
