/** The memory that all threads share, and what each worker is given of it. */
import { randomInt } from 'node:crypto';
import { Board } from '#balance/board.ts';
import { Cache } from '#cache/cache.ts';
import type { Snapshot } from '#config/snapshot.ts';
import { Rates } from '#front/rates.ts';
import type { Engine } from '#insight/reading.ts';
import { ChorusError } from '#kit/errors.ts';
import { batchUnavailable, makeDoorbell } from '#net/libc.ts';
import type { WorkerStart } from './protocol.ts';
import { counterBytes } from './rows.ts';

/** The engine for UDP, and why not the other one where that was left to Chorus. Throws ENGINE_UNAVAILABLE. */
export function chooseEngine(
  wanted: Snapshot['engine'],
  unavailable: () => string | null = batchUnavailable,
): { engine: Engine; reason: string | null } {
  if (wanted === 'loop') return { engine: 'loop', reason: null };
  const reason = unavailable();
  if (reason === null) return { engine: 'batch', reason: null };
  if (wanted === 'batch') throw new ChorusError('ENGINE_UNAVAILABLE', { reason });
  return { engine: 'loop', reason };
}

/** Everything shared, and the starts of all workers. */
export type Shared = {
  readonly board: Board;
  readonly counters: SharedArrayBuffer;
  readonly cache: Cache | null;
  readonly starts: readonly WorkerStart[];
};

/**
 * Takes the memory and lays out the workers: with the batch engine one packet worker each and a stream worker for TCP;
 * with the loop engine stream workers that take datagrams, the first of them TCP too. Without a listener there is nothing to
 * move: no worker, no cache.
 */
export function makeShared(snapshot: Snapshot, engine: Engine): Shared {
  if (snapshot.listen.length === 0) {
    return {
      board: new Board(0),
      counters: new SharedArrayBuffer(counterBytes(0)),
      cache: null,
      starts: [],
    };
  }
  const packets = engine === 'batch' ? snapshot.workers : 0;
  const workers = engine === 'batch' ? packets + 1 : snapshot.workers;
  const board = new Board(workers);
  const counters = new SharedArrayBuffer(counterBytes(workers));
  const seed = (): number => randomInt(-(2 ** 31), 2 ** 31);
  const cache = snapshot.cache && Cache.create(snapshot.cache.memory, seed());
  const rates = Rates.create(seed(), seed());
  const starts = Array.from({ length: workers }, (_, worker): WorkerStart => {
    const kind = worker < packets ? 'packet' : 'stream';
    return {
      kind,
      worker,
      workers,
      board: board.memory,
      counters,
      cache,
      rates,
      doorbell: kind === 'packet' ? makeDoorbell() : -1,
      datagrams: engine === 'loop',
      streams: kind === 'stream' && (engine === 'batch' || worker === 0),
    };
  });
  // x86 does not reorder loads; other machines need stronger reads.
  return { board, counters, cache: cache && new Cache(cache, process.arch !== 'x64'), starts };
}
