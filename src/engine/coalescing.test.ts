import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Coalescing } from './coalescing.ts';

/** Waits told over `ms`, one batch of `size` each, with `perMs` packets arriving in each. */
function told(coalescing: Coalescing, perMs: number, size: number, ms = 100): number[] {
  const waits: number[] = [];
  const batches = (ms * perMs) / size;
  for (let i = 0; i < batches; i++) waits.push(coalescing.wait((i * size) / perMs, (i + 1) * size, size));
  // The first two periods hold what came before.
  return waits.slice(Math.ceil((8 * perMs) / size) + 1);
}

function coalescing(): Coalescing {
  const it = new Coalescing();
  it.on = true;
  return it;
}

test('no packet waits at a low rate', () => {
  assert.deepEqual(new Set(told(coalescing(), 20, 1)), new Set([0]));
  assert.deepEqual(new Set(told(coalescing(), 29, 2)), new Set([0]));
});

test('a wait is as long as a batch takes to fill, and never longer than 0.3 ms', () => {
  for (const wait of told(coalescing(), 160, 8)) assert.ok(Math.abs(wait - 0.2) < 0.03, `${wait}`);
  assert.deepEqual(new Set(told(coalescing(), 50, 1)), new Set([0.3]));
});

test('a batch that had enough is followed by the next at once', () => {
  assert.deepEqual(new Set(told(coalescing(), 200, 32)), new Set([0]));
});

test('after a pause nothing waits', () => {
  const it = coalescing();
  told(it, 160, 8);
  assert.equal(it.wait(1000, 401 * 8, 1), 0);
});

test('switched off, nothing waits', () => {
  const it = coalescing();
  told(it, 160, 8);
  it.on = false;
  assert.equal(it.wait(101, 1e6, 1), 0);
  assert.deepEqual(new Set(told(it, 160, 8)), new Set([0]));
});
