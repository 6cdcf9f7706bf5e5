/**
 * Made-up live traffic for tests, at the level of the board's counters: what the front would write of backends that behave in
 * a given way. Seeded, so that a run can be had again.
 */
import { latencyBound, latencyBuckets } from '#balance/board.ts';
import type { LiveBoard } from './health.ts';
import { liveField } from './siblings.ts';

/** A generator that is the same in each run (xorshift), uniform in 0 … 1. */
export function seeded(seed: number): () => number {
  let x = seed | 1;
  return () => {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    return (x >>> 0) / 2 ** 32;
  };
}

/** A draw from a Poisson distribution, by a normal one where the mean is large. */
export function poisson(mean: number, random: () => number): number {
  if (mean > 30) {
    const normal = Math.sqrt(-2 * Math.log(random() + 1e-12)) * Math.cos(2 * Math.PI * random());
    return Math.max(0, Math.round(mean + Math.sqrt(mean) * normal));
  }
  let count = 0;
  for (let left = Math.exp(-mean), product = random(); product > left; product *= random()) count++;
  return count;
}

/** What becomes of the queries to one backend, as shares of them. */
export type Behaviour = {
  /** Nothing is answered at all. */
  readonly silent?: boolean;
  /** SERVFAIL where another backend answers well. */
  readonly servfail?: number;
  /** Never answered, while another backend answers. */
  readonly drops?: number;
  readonly nxdomain?: number;
  /** Median latency of answers, ms. */
  readonly latency?: number;
};

/** How long a query that is never answered is waited for, ms. */
const timeout = 2000;

/** The counters of some backends, by slot. */
export class MadeUpTraffic implements LiveBoard {
  readonly rows: readonly Float64Array[];
  readonly overdue: number[];
  readonly #histograms: readonly Float64Array[];
  readonly #random: () => number;
  /** Queries that were lost, by time, until they time out. */
  readonly #lost: { readonly at: number; readonly slot: number; readonly count: number }[] = [];

  constructor(size: number, seed: number) {
    this.#random = seeded(seed);
    this.rows = Array.from({ length: size }, () => new Float64Array(liveField.size));
    this.#histograms = Array.from({ length: size }, () => new Float64Array(latencyBuckets));
    this.overdue = Array.from({ length: size }, () => 0);
  }

  /** About `mean` queries go to each backend in a moment that ends at `now`. */
  pass(now: number, mean: (slot: number) => number, of: (slot: number) => Behaviour): void {
    while (this.#lost[0] && this.#lost[0].at <= now - timeout) {
      const { slot, count } = this.#lost.shift()!;
      this.rows[slot]![liveField.timeout]! += count;
    }
    for (const [slot, row] of this.rows.entries()) {
      const { silent = false, servfail = 0, drops = 0, nxdomain = 0, latency = 1 } = of(slot);
      const queries = poisson(mean(slot), this.#random);
      const share = (part: number) =>
        part === 0 ? 0 : Math.min(queries, poisson(queries * part, this.#random));
      const lost = silent ? queries : share(drops);
      const failed = Math.min(queries - lost, share(servfail));
      row[liveField.queries]! += queries;
      row[liveField.answers]! += queries - lost;
      row[liveField.servfail]! += failed;
      row[liveField.nxdomain]! += Math.min(queries - lost - failed, share(nxdomain));
      row[liveField.silent]! += lost;
      if (lost > 0) this.#lost.push({ at: now, slot, count: lost });
      this.overdue[slot] = queries > lost ? 0 : this.overdue[slot]! + lost;
      let bucket = 0;
      while (latencyBound(bucket) <= latency * 1000) bucket++;
      this.#histograms[slot]![bucket]! += queries - lost;
    }
  }

  queries(slot: number): number {
    return this.rows[slot]![liveField.queries]!;
  }
  counts(slot: number, into: Float64Array): number {
    into.set(this.rows[slot]!);
    return this.overdue[slot]!;
  }
  histogram(slot: number, into: Float64Array): void {
    into.set(this.#histograms[slot]!);
  }
}
