import assert from 'node:assert/strict';
import { it } from 'node:test';
import { outAfter } from './faults.ts';

/** `count` times, evenly from `from` on, 2 ms apart. */
const every2ms = (from: number, count: number) => Array.from({ length: count }, (_, at) => from + at * 2);

it('finds when a backend is out of traffic', () => {
  const before = every2ms(2, 1500);
  assert.equal(outAfter(3001, before, 0), 0, 'at once');
  assert.equal(
    outAfter(3001, [...before, ...every2ms(3002, 50)], 0),
    91,
    'after 50 queries; the last 4 of them are few',
  );
  const trickle = [3400, 3700, 4100, 4500, 4900, 5300];
  assert.equal(outAfter(3001, [...before, ...every2ms(3002, 50), ...trickle], 0), 95, 'less than 1% is out');
  const again = every2ms(8000, 30);
  assert.equal(outAfter(3001, [...before, ...every2ms(3002, 50), ...again], 0), 91, 'tried again is later');
  assert.equal(outAfter(3001, [...before, ...every2ms(3002, 3500)], 0), 6991, 'never');
  const seldom = [3100, 3200, 3300, 3400, 3500, 3600];
  assert.equal(
    outAfter(3001, [...before, ...seldom], 0),
    199,
    'a query that less than 1% follow is the last',
  );
});
