/** What one worker has seen of each backend: its rows on the board. */
import { type Board, backendCounters, latencyBuckets, viewField } from '#balance/board.ts';

const seen = backendCounters.at;
/** Weight of a new latency in the moving average: 1/8, as in RFC 6298 2. */
const latencyShift = 3;

/** What may be wrong with a backend, by its counter. */
export type Trouble = 'servfail' | 'refused' | 'timeout' | 'network' | 'malformed' | 'unexpected';

export class Ledger {
  /** viewField.size integers by slot. */
  readonly #view: Int32Array;
  readonly #counts: Float64Array;
  readonly #histogram: Float64Array;

  constructor(board: Board, worker: number) {
    this.#view = board.view(worker);
    this.#counts = board.counters(worker);
    this.#histogram = board.histogram(worker);
  }

  /** A query is outstanding from now on. */
  began(slot: number): void {
    this.#view[slot * viewField.size]!++;
  }

  /** A query goes to the backend, and is outstanding. */
  sent(slot: number): void {
    this.began(slot);
    this.#counts[slot * backendCounters.size + seen.queries]!++;
  }

  /** A query is outstanding no more, however it ended. */
  ended(slot: number): void {
    this.#view[slot * viewField.size]!--;
  }

  /** The backend answered, after `ms`. A failure, however fast, does not make it look fast. */
  answered(slot: number, ms: number, failure: boolean): void {
    const us = Math.max(1, Math.floor(ms * 1000));
    const at = slot * backendCounters.size;
    this.#counts[at + seen.answers]!++;
    this.#counts[at + seen.latencySum]! += us;
    this.#histogram[slot * latencyBuckets + latencyBucket(us)]!++;
    if (failure) return;
    const average = this.#view[slot * viewField.size + viewField.latency]!;
    this.#view[slot * viewField.size + viewField.latency] =
      average === 0 ? us : Math.max(1, average + ((us - average) >> latencyShift));
  }

  /** Something was wrong. */
  note(slot: number, trouble: Trouble): void {
    this.#counts[slot * backendCounters.size + seen[trouble]]!++;
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
