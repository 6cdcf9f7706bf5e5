/** Figures "over the last seconds": samples of the counters, taken each second and kept for ten. */
import { backendCounters, latencyBuckets } from '#balance/board.ts';
import { histogramSince } from './latency.ts';
import { type Reading, sumFamily } from './reading.ts';

/** Samples kept: the last ten seconds when one is taken each second. */
export const samplesKept = 11;

/** Where a backend's numbers are on the board. */
export type BackendPlace = { readonly pool: string; readonly backend: string; readonly slot: number };

/** What a sample is taken of. The list of places is the same one as long as the backends are. */
export type RateSource = Pick<Reading, 'board' | 'counters'> & { readonly places: readonly BackendPlace[] };

/** Numbers of one moment, by the order of `places`; its memory is used again when it falls out. */
class Sample {
  /** Monotonic, in ms. */
  at = 0;
  queries = 0;
  places: readonly BackendPlace[] = [];
  /** Queries and failures of each backend. */
  counts = new Float64Array(0);
  histograms = new Float64Array(0);

  take(at: number, { board, counters, places }: RateSource): void {
    this.at = at;
    this.queries = sumFamily(counters, 'client_queries_total');
    if (this.places.length !== places.length) {
      this.counts = new Float64Array(2 * places.length);
      this.histograms = new Float64Array(latencyBuckets * places.length);
    } else {
      this.counts.fill(0);
      this.histograms.fill(0);
    }
    this.places = places;
    for (let worker = 0; worker < board.workers; worker++) {
      this.#addCounts(board.counters(worker));
      this.#addHistograms(board.histogram(worker));
    }
  }

  #addCounts(row: Float64Array): void {
    const { counts, places } = this;
    for (let i = 0; i < places.length; i++) {
      const base = places[i]!.slot * backendCounters.size;
      counts[2 * i]! += row[base + backendCounters.at.queries]!;
      for (let k = 0; k < failurePlaces.length; k++) counts[2 * i + 1]! += row[base + failurePlaces[k]!]!;
    }
  }

  #addHistograms(row: Float64Array): void {
    const { histograms, places } = this;
    for (let i = 0, to = 0; i < places.length; i++) {
      const base = places[i]!.slot * latencyBuckets;
      for (let bucket = 0; bucket < latencyBuckets; bucket++, to++) histograms[to]! += row[base + bucket]!;
    }
  }

  /** Where a backend is in `places`; −1: nowhere. */
  find(pool: string, backend: string): number {
    let index = indexes.get(this.places);
    if (!index) {
      index = new Map(this.places.map((place, i) => [rateKey(place.pool, place.backend), i]));
      indexes.set(this.places, index);
    }
    return index.get(rateKey(pool, backend)) ?? -1;
  }

  histogram(index: number): Float64Array {
    return this.histograms.subarray(index * latencyBuckets, (index + 1) * latencyBuckets);
  }
}

const indexes = new WeakMap<readonly BackendPlace[], ReadonlyMap<string, number>>();

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

const failurePlaces = (['servfail', 'refused', 'timeout', 'network', 'malformed'] as const).map(
  key => backendCounters.at[key],
);

/** The last samples, and the rates between the oldest and the newest. */
export class Rates {
  readonly #ring: Sample[] = [];
  #next = 0;

  /** Takes a sample of what the board and the counters say now; the oldest falls out. `at` is monotonic, in ms. */
  take(at: number, source: RateSource): void {
    const sample = this.#ring[this.#next] ?? new Sample();
    this.#ring[this.#next] = sample;
    this.#next = (this.#next + 1) % samplesKept;
    sample.take(at, source);
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
    if (!span) return null;
    const { from, to } = span;
    const before = from.find(pool, backend);
    const after = to.find(pool, backend);
    if (before < 0 || after < 0) return null;
    return {
      queries: perSecond(from.counts[2 * before]!, to.counts[2 * after]!, this.seconds),
      failures: perSecond(from.counts[2 * before + 1]!, to.counts[2 * after + 1]!, this.seconds),
      histogram: histogramSince(from.histogram(before), to.histogram(after)),
    };
  }

  #span(): { from: Sample; to: Sample } | null {
    const kept = this.#ring.length;
    const to = this.#ring[(this.#next - 1 + samplesKept) % samplesKept];
    const from = this.#ring[kept < samplesKept ? 0 : this.#next];
    return kept < 2 || !from || !to || to.at <= from.at ? null : { from, to };
  }
}

function perSecond(from: number, to: number, seconds: number): number {
  return to < from || seconds <= 0 ? 0 : (to - from) / seconds;
}
