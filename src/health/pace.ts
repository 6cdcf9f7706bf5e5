/**
 * Latency compared between siblings: a backend whose answers take several times as long as those of the others keeps a
 * smaller share of the queries. Pure. It is never taken out for that: a slow answer is better than none, and the front asks
 * another backend meanwhile. Medians are compared, so that the few slow names that everybody meets do not matter.
 */
import { latencyBound, latencyBuckets } from '#balance/board.ts';

/** Factor by which a sample fades with each new one: about those of the last four seconds count. */
const fade = 0.93;
/** Fewest answers in a faded sample: half of so many are not slow by chance, where one in fifty is. */
const fewest = 12;
/** A median so many times the siblings' is not slow yet, nor is one that is longer by less than so many ms. */
const tolerated = 3;
const toleratedMs = 10;
/** The least share of the weight that is left, and the growth of the share from one look to the next. */
const leastShare = 0.02;
const growth = 1.06;

/** What slowness leaves a backend. */
export type Pace = {
  /** Share of the weight, above 0 and at most 1. */
  readonly share: number;
  /** In words, empty when nothing is held against it. */
  readonly detail: string;
};

const even: Pace = { share: 1, detail: '' };

class Runner {
  readonly before = new Float64Array(latencyBuckets);
  readonly faded = new Float64Array(latencyBuckets);
  fresh = true;
  median = Number.NaN;
  pace: Pace = even;
}

/** The backends of one pool, by their place in the pool. */
export class Paces {
  readonly #runners: readonly Runner[];

  constructor(size: number) {
    this.#runners = Array.from({ length: size }, () => new Runner());
  }

  /** Takes in the cumulative latency histogram of a backend (balance/board.ts), four times a second. */
  observe(index: number, histogram: Float64Array): void {
    const runner = this.#runners[index]!;
    let sum = 0;
    for (let bucket = 0; bucket < latencyBuckets; bucket++) {
      const grown = runner.fresh ? 0 : Math.max(0, histogram[bucket]! - runner.before[bucket]!);
      runner.faded[bucket] = runner.faded[bucket]! * fade + grown;
      sum += runner.faded[bucket]!;
    }
    runner.before.set(histogram);
    runner.fresh = false;
    runner.median = sum < fewest ? Number.NaN : medianMs(runner.faded, sum);
  }

  /** Weighs all against each other, after each was observed. */
  weigh(): void {
    const medians = this.#runners.map(({ median }) => median).filter(median => !Number.isNaN(median));
    medians.sort((a, b) => a - b);
    for (const runner of this.#runners) runner.pace = this.#paceOf(runner, medians);
  }

  /** What the last weighing left a backend. */
  pace(index: number): Pace {
    return this.#runners[index]!.pace;
  }

  #paceOf({ median, pace }: Runner, sorted: readonly number[]): Pace {
    const grown = Math.min(1, pace.share * growth);
    // Too few answers to tell: it is forgiven slowly, and so gets the queries that will tell.
    if (Number.isNaN(median) || sorted.length < 2) return grown === 1 ? even : { ...pace, share: grown };
    // The median of the others: without itself, which stands at or above it.
    const others = sorted.toSpliced(sorted.indexOf(median), 1);
    const usual = others[Math.floor((others.length - 1) / 2)]!;
    const slow = median > tolerated * usual && median > usual + toleratedMs;
    const share = slow ? Math.max(leastShare, usual / median) : 1;
    if (!slow && grown === 1) return even;
    const detail = slow
      ? `slow: half of its answers take ${inMs(median)} or more, ${inMs(usual)} at its siblings`
      : 'slow until lately';
    return { share: Math.min(share, grown), detail };
  }
}

function medianMs(histogram: Float64Array, sum: number): number {
  let below = 0;
  for (let bucket = 0; bucket < latencyBuckets; bucket++) {
    below += histogram[bucket]!;
    // The lower bound of the bucket: it took at least that.
    if (below >= sum / 2) return (bucket === 0 ? 0 : latencyBound(bucket - 1)) / 1000;
  }
  return 0;
}

function inMs(ms: number): string {
  return `${ms < 10 ? ms.toFixed(1) : ms.toFixed(0)}ms`;
}
