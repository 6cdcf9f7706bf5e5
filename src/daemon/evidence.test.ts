import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Board, backendCounters, latencyBuckets, viewField } from '#balance/board.ts';
import { liveField } from '#health/siblings.ts';
import { BoardReader } from './evidence.ts';

test('each number of live traffic is the right one of the board, summed over the workers', () => {
  const board = new Board(3);
  const slot = 5;
  const of = {
    queries: 'queries',
    answers: 'answers',
    nxdomain: 'nxdomain',
    timeout: 'timeout',
    silent: 'blamedSilent',
    servfail: 'blamedServfail',
    refused: 'blamedRefused',
    malformed: 'blamedMalformed',
    network: 'blamedNetwork',
    late: 'late',
  } as const;
  const keys = Object.keys(of) as (keyof typeof of)[];
  for (let worker = 0; worker < 3; worker++) {
    for (const [index, key] of keys.entries()) {
      board.counters(worker)[slot * backendCounters.size + backendCounters.at[of[key]]] =
        10 ** worker * (index + 1);
    }
    board.view(worker)[slot * viewField.size + viewField.overdue] = 10 ** worker;
    board.histogram(worker)[slot * latencyBuckets + 7] = 10 ** worker;
  }
  const reader = new BoardReader(board);
  const counts = new Float64Array(liveField.size);
  assert.equal(reader.counts(slot, counts), 111);
  for (const [index, key] of keys.entries()) assert.equal(counts[liveField[key]], 111 * (index + 1), key);
  assert.equal(reader.queries(slot), 111);
  const histogram = new Float64Array(latencyBuckets);
  reader.histogram(slot, histogram);
  assert.equal(histogram[7], 111);
  assert.equal(reader.counts(slot + 1, counts), 0);
  assert.ok(counts.every(count => count === 0));
});
