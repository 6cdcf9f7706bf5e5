import assert from 'node:assert/strict';
import { test } from 'node:test';
import { editDistance, nearest } from './suggest.ts';

test('counts insertions, deletions, changes and swaps', () => {
  assert.equal(editDistance('', 'abc'), 3);
  assert.equal(editDistance('cache', 'cach'), 1);
  assert.equal(editDistance('default', 'defualt'), 1);
  assert.equal(editDistance('kitten', 'sitting'), 3);
});

test('suggests what is near, letter case aside, and nothing that is far', () => {
  assert.equal(nearest('Polciy', ['pools', 'policy']), 'policy');
  assert.equal(nearest('x', ['policy', 'pools']), undefined);
  assert.equal(nearest('zebra', ['policy', 'pools']), undefined);
  assert.equal(nearest('a'.repeat(10_000), ['a']), undefined);
});
