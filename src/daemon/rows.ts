/** Where each worker's counters lie in the memory that all threads share: the fronts' rows, then the engines' rows. */
import { frontCounters } from '#front/counters.ts';
import { type CounterSet, counterRow, rowBytes } from '#kit/counters.ts';
import { netCounters } from '#net/counters.ts';

/** Bytes for the counters of `workers` workers. */
export function counterBytes(workers: number): number {
  return workers * (rowBytes(frontCounters) + rowBytes(netCounters));
}

/** A worker's row of `frontCounters`. */
export function frontRow(memory: SharedArrayBuffer, worker: number): Float64Array {
  return counterRow(memory, 0, frontCounters, worker);
}

/** A worker's row of `netCounters`. */
export function netRow(memory: SharedArrayBuffer, worker: number, workers: number): Float64Array {
  return counterRow(memory, workers * rowBytes(frontCounters), netCounters, worker);
}

/** Zeroes what a worker counted as being so now: it has died, and its connections and queries with it. Counts of what was stay. */
export function clearGauges(memory: SharedArrayBuffer, worker: number, workers: number): void {
  const rows: [CounterSet, Float64Array][] = [
    [frontCounters, frontRow(memory, worker)],
    [netCounters, netRow(memory, worker, workers)],
  ];
  for (const [set, row] of rows) {
    set.keys.forEach((key, at) => {
      if (set.declarations[key]?.kind === 'gauge') row[at] = 0;
    });
  }
}
