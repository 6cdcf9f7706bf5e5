import assert from 'node:assert/strict';
import { test } from 'node:test';
import { backendCounters } from '#balance/board.ts';
import { someReading } from './fixture.ts';
import { Rates, samplesKept } from './rates.ts';
import { buildStatus } from './status.ts';

test('the status tells what the reading holds', () => {
  const status = buildStatus(someReading(), new Rates());
  assert.equal(status.uptimeSeconds, 60);
  assert.deepEqual(status.clients.byTransport, { udp: 20, tcp: 2 });
  assert.equal(status.clients.byRcode.NOERROR, 18);
  assert.equal(status.cache?.hitRatio, 0.75);
  assert.deepEqual(
    [status.cache?.entries, status.cache?.staleEntries, status.cache?.failureEntries, status.cache?.stale],
    [5, 2, 1, 6],
  );
  assert.deepEqual(status.config.lastReload, {
    at: '1970-01-01T00:00:05.000Z',
    applied: false,
    message: 'line 3',
  });
  assert.deepEqual(
    status.listeners.map(({ kernelDrops, receiveBufferBytes }) => [kernelDrops, receiveBufferBytes]),
    [
      [5, 4096],
      [null, null],
    ],
  );
  const [kai, nika] = status.pools[0]!.backends;
  assert.equal(kai?.queries, 201);
  assert.equal(kai?.outstanding, 8);
  assert.equal(kai?.failures.timeout, 6);
  assert.equal(kai?.latencyMs.p50, null, 'no samples yet');
  assert.equal(nika?.state, 'down');
  assert.deepEqual(nika?.probes, []);
  assert.deepEqual(JSON.parse(JSON.stringify(status)), status, 'plain JSON');
});

test('rates and latencies cover the samples that are kept', () => {
  const reading = someReading();
  const rates = new Rates();
  const { board } = reading;
  for (let second = 0; second < 30; second++) {
    rates.take(second * 1000, { ...reading, places: reading.backends });
    board.counters(1)[backendCounters.at.queries]! += second < 15 ? 1 : 50;
    board.counters(0)[backendCounters.at.servfail]! += 2;
    board.histogram(1)[14]! += 50;
  }
  assert.equal(rates.seconds, samplesKept - 1);
  const status = buildStatus(reading, rates);
  const [kai, nika] = status.pools[0]!.backends;
  assert.equal(kai?.queriesPerSecond, 50);
  assert.equal(kai?.failuresPerSecond, 2);
  assert.ok(kai.latencyMs.p50! >= 1.448 && kai.latencyMs.p50! <= 2.048, String(kai.latencyMs.p50));
  assert.equal(nika?.queriesPerSecond, 0);
  assert.equal(nika?.latencyMs.p50, null);
});

test('a backend that has just come has no rates, one that was cleared has none below zero', () => {
  const reading = someReading();
  const rates = new Rates();
  rates.take(0, { ...reading, places: reading.backends.slice(0, 1) });
  reading.board.clear(0);
  rates.take(1000, { ...reading, places: reading.backends });
  assert.equal(rates.backend('default', 'nika'), null);
  assert.equal(rates.backend('default', 'kai')?.queries, 0);
});
