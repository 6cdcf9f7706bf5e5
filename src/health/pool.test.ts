import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Everybody, mostOut, type Standing } from './pool.ts';

test('live traffic may keep out a share, never all, and one of two', () => {
  const at = (share: number) => [1, 2, 3, 4, 5, 10].map(size => mostOut(size, share));
  assert.deepEqual(at(0.5), [0, 1, 2, 2, 3, 5]);
  assert.deepEqual(at(0), [0, 1, 1, 1, 1, 1]);
  assert.deepEqual(at(1), [0, 1, 2, 3, 4, 9]);
});

const well: Standing = { auto: true, forcedUp: false, condemned: false, own: false };
const bad = { ...well, condemned: true };

test('everybody fails when each backend is condemned, and for a while after the first is good again', () => {
  const verdict = new Everybody();
  assert.equal(verdict.look([bad, well], 0), false);
  assert.equal(verdict.look([bad, bad], 1000), true);
  assert.equal(verdict.since, 1000);
  assert.equal(verdict.look([bad, bad], 60_000), true);
  assert.equal(verdict.look([bad, well], 62_000), true, 'the other gets time to show it too');
  assert.equal(verdict.look([bad, well], 63_000), false);
  assert.equal(verdict.since, null);
});

test('it is no verdict on one backend, on their own faults, nor where an operator holds one up', () => {
  const sees = (...standings: Standing[]) => new Everybody().look(standings, 0);
  assert.equal(sees(bad), false);
  assert.equal(sees({ ...bad, own: true }, { ...bad, own: true }), false);
  assert.equal(sees({ ...bad, own: true }, bad), true);
  assert.equal(sees(bad, bad, { ...well, auto: false, forcedUp: true }), false);
  assert.equal(sees(bad, bad, { ...well, auto: false }), true, 'one that is drained is not asked');
});
