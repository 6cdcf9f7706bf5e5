/** What health needs of the rest of the daemon: the board's numbers of live traffic, and sockets for its probes. */
import { type Board, backendCounters, latencyBuckets, viewField } from '#balance/board.ts';
import type { Clock } from '#health/clock.ts';
import { systemDatagrams } from '#health/datagrams.ts';
import type { Exchanger } from '#health/exchange.ts';
import type { LiveBoard } from '#health/health.ts';
import { LibcDatagrams } from '#health/libc-datagrams.ts';
import { liveField } from '#health/siblings.ts';
import type { Engine } from '#insight/reading.ts';

const { at } = backendCounters;
/** Counters of the board by their place in `liveField`. */
const places = Object.entries({
  queries: at.queries,
  answers: at.answers,
  nxdomain: at.nxdomain,
  timeout: at.timeout,
  silent: at.blamedSilent,
  servfail: at.blamedServfail,
  refused: at.blamedRefused,
  malformed: at.blamedMalformed,
  network: at.blamedNetwork,
  late: at.late,
} satisfies Record<Exclude<keyof typeof liveField, 'size'>, number>);

/** Sums the board over its workers. */
export class BoardReader implements LiveBoard {
  readonly #counters: readonly Float64Array[];
  readonly #views: readonly Int32Array[];
  readonly #histograms: readonly Float64Array[];
  readonly #from: Int32Array;

  constructor(board: Board) {
    const workers = Array.from({ length: board.workers }, (_, worker) => worker);
    this.#counters = workers.map(worker => board.counters(worker));
    this.#views = workers.map(worker => board.view(worker));
    this.#histograms = workers.map(worker => board.histogram(worker));
    this.#from = new Int32Array(liveField.size);
    for (const [name, place] of places) this.#from[liveField[name as keyof typeof liveField]] = place;
  }

  queries(slot: number): number {
    let sum = 0;
    for (let worker = 0; worker < this.#counters.length; worker++) {
      sum += this.#counters[worker]![slot * backendCounters.size + at.queries]!;
    }
    return sum;
  }

  counts(slot: number, into: Float64Array): number {
    into.fill(0);
    const base = slot * backendCounters.size;
    let overdue = 0;
    for (let worker = 0; worker < this.#counters.length; worker++) {
      const row = this.#counters[worker]!;
      for (let field = 0; field < liveField.size; field++) into[field]! += row[base + this.#from[field]!]!;
      overdue += this.#views[worker]![slot * viewField.size + viewField.overdue]!;
    }
    return overdue;
  }

  histogram(slot: number, into: Float64Array): void {
    into.fill(0);
    const base = slot * latencyBuckets;
    for (const row of this.#histograms) {
      for (let bucket = 0; bucket < latencyBuckets; bucket++) into[bucket]! += row[base + bucket]!;
    }
  }
}

/** Sockets for probes: those of libc where they can be had, as for queries; else Node's. */
export function probeDatagrams(engine: Engine, clock: Clock, random: (bound: number) => number): Exchanger {
  return engine === 'batch' ? new LibcDatagrams(clock, random) : systemDatagrams;
}
