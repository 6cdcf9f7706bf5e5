import assert from 'node:assert/strict';
import { test } from 'node:test';
import { frontCounters } from '#front/counters.ts';
import { netCounters } from '#net/counters.ts';
import { clearGauges, counterBytes, frontRow, netRow } from './rows.ts';

test('of a worker that died nothing is open or in flight, and what it counted stays', () => {
  const memory = new SharedArrayBuffer(counterBytes(2));
  for (const worker of [0, 1]) {
    frontRow(memory, worker).fill(5);
    netRow(memory, worker, 2).fill(7);
  }
  clearGauges(memory, 1, 2);
  assert.equal(frontRow(memory, 1)[frontCounters.at.inFlight], 0);
  assert.equal(netRow(memory, 1, 2)[netCounters.at.connections], 0);
  assert.equal(frontRow(memory, 1)[frontCounters.at.queriesUdp], 5);
  assert.equal(netRow(memory, 1, 2)[netCounters.at.connectionsAccepted], 7);
  assert.equal(frontRow(memory, 0)[frontCounters.at.inFlight], 5);
  assert.equal(netRow(memory, 0, 2)[netCounters.at.connections], 7);
});
