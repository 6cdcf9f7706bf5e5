import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RecentRate } from './recent-rate.ts';

test('covers the last second', () => {
  const rate = new RecentRate();
  assert.equal(rate.get(), null);
  let count = 1000;
  for (let at = 0; at <= 3000; at += 100) {
    rate.push(at, count);
    count += at < 2000 ? 10 : 0;
    if (at < 500) assert.equal(rate.get(), null);
    else if (at <= 2000) assert.equal(rate.get(), 100);
  }
  assert.equal(rate.get(), 0);
});

test('samples that crowd, come late, or begin anew', () => {
  const rate = new RecentRate();
  for (let at = 0; at <= 2000; at += 5) rate.push(at, at);
  assert.ok(Math.abs((rate.get() ?? 0) - 1000) < 1);
  rate.push(12_000, 12_000);
  assert.equal(rate.get(), 1000);
  rate.push(12_100, 5);
  assert.equal(rate.get(), null);
});
