/** What one worker has seen of each backend: its rows on the board. */
import { type Board, backendCounters, latencyBuckets, maxBackends, viewField } from '#balance/board.ts';

const seen = backendCounters.at;
/** Weight of a new latency in the moving average: 1/8, as in RFC 6298 2. */
const latencyShift = 3;
/** Step of the running estimate of the 95th percentile, as a share of it. */
const quantileStep = 1 / 32;
const quantile = 0.95;
/** A first latency says little of the slow ones: the estimate begins at so many times it. */
const quantileStart = 3;
/** Two blames within so many ms make a backend suspicious. */
const blameMemory = 2000;

/** What may be wrong with a backend, by its counter. */
export type Trouble = 'servfail' | 'refused' | 'timeout' | 'network' | 'malformed' | 'unexpected';
/** Whose fault a failure was, by its counter. */
export type Blame = 'blamedSilent' | 'blamedServfail' | 'blamedRefused' | 'blamedMalformed' | 'blamedNetwork';

export class Ledger {
  /** viewField.size integers by slot. */
  readonly #view: Int32Array;
  readonly #counts: Float64Array;
  readonly #histogram: Float64Array;
  /** The 95th percentile of each backend's latencies, µs. */
  readonly #p95 = new Float64Array(maxBackends);
  /** When each backend was blamed last, and the time before, ms. */
  readonly #blamed = new Float64Array(maxBackends).fill(-Infinity);
  readonly #blamedBefore = new Float64Array(maxBackends).fill(-Infinity);

  constructor(board: Board, worker: number) {
    this.#view = board.view(worker);
    this.#counts = board.counters(worker);
    this.#histogram = board.histogram(worker);
  }

  /** A query is outstanding from now on. */
  began(slot: number): void {
    this.#view[slot * viewField.size + viewField.outstanding]!++;
  }

  /** A query goes to the backend, and is outstanding. */
  sent(slot: number): void {
    this.began(slot);
    this.#counts[slot * backendCounters.size + seen.queries]!++;
  }

  /** A query is outstanding no more, however it ended. */
  ended(slot: number): void {
    this.#view[slot * viewField.size + viewField.outstanding]!--;
  }

  /** The backend answered, after `ms`. A failure, however fast, does not make it look fast. */
  answered(slot: number, ms: number, failure: boolean): void {
    const us = Math.max(1, Math.floor(ms * 1000));
    const at = slot * backendCounters.size;
    const view = slot * viewField.size;
    this.#counts[at + seen.answers]!++;
    this.#counts[at + seen.latencySum]! += us;
    this.#histogram[slot * latencyBuckets + latencyBucket(us)]!++;
    this.#view[view + viewField.overdue] = 0;
    if (failure) return;
    const average = this.#view[view + viewField.latency]!;
    // The slot may have been given to another backend since: then the board says 0.
    if (average === 0) this.#p95[slot] = us * quantileStart;
    this.#view[view + viewField.latency] =
      average === 0 ? us : Math.max(1, average + ((us - average) >> latencyShift));
    // Stochastic approximation (H. Robbins, S. Monro, 1951): at rest, one in twenty is above.
    const p95 = this.#p95[slot]!;
    const step = p95 * quantileStep;
    this.#p95[slot] = us > p95 ? p95 + step * quantile : p95 - step * (1 - quantile);
    this.#view[view + viewField.p95] = this.#p95[slot]!;
  }

  /** A query was not answered within the hedge delay. */
  overdue(slot: number): void {
    this.#view[slot * viewField.size + viewField.overdue]!++;
  }

  /** Something was wrong. */
  note(slot: number, trouble: Trouble): void {
    this.#counts[slot * backendCounters.size + seen[trouble]]!++;
  }

  /** Another backend answered well what this one failed at. */
  blame(slot: number, blame: Blame, now: number): void {
    this.#counts[slot * backendCounters.size + seen[blame]]!++;
    this.#blamedBefore[slot] = this.#blamed[slot]!;
    this.#blamed[slot] = now;
  }

  /** Adds one to a counter of the backend. */
  count(slot: number, what: 'nxdomain' | 'hedged' | 'late'): void {
    this.#counts[slot * backendCounters.size + seen[what]]!++;
  }

  /** Whether this worker has fresh reason to doubt the backend: several queries in a row unanswered, or two blames. */
  doubts(slot: number, now: number): boolean {
    return (
      this.#view[slot * viewField.size + viewField.overdue]! >= 3 ||
      now - this.#blamedBefore[slot]! < blameMemory
    );
  }
}

/** Histogram bucket of a latency in µs: two to an octave, from 16 µs (board.ts). */
function latencyBucket(us: number): number {
  if (us < 16) return 0;
  const octave = 31 - Math.clz32(us);
  const half = us >= 2 ** octave * Math.SQRT2 ? 2 : 1;
  const bucket = (octave - 4) * 2 + half;
  return bucket < latencyBuckets ? bucket : latencyBuckets - 1;
}
