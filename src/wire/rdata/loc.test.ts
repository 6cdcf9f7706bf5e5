import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatRecord, parseRecord } from '../record.ts';

const shown = (text: string) => formatRecord(parseRecord(`x. 1 IN LOC ${text}`)).slice('x. 1 IN LOC '.length);

test('the examples of RFC 1876 section 4, with what is left out filled in', () => {
  assert.equal(
    shown('42 21 54 N 71 06 18 W -24m 30m'),
    '42 21 54.000 N 71 6 18.000 W -24.00m 30m 10000m 10m',
  );
  assert.equal(
    shown('42 21 43.952 N 71 5 6.344 W -24m 1m 200m'),
    '42 21 43.952 N 71 5 6.344 W -24.00m 1m 200m 10m',
  );
  assert.equal(shown('32 7 19 S 116 2 25 E 10m'), '32 7 19.000 S 116 2 25.000 E 10.00m 1m 10000m 10m');
  assert.equal(shown('52 N 0 W 0'), '52 0 0.000 N 0 0 0.000 E 0.00m 1m 10000m 10m');
});

test('places that are not on Earth are refused', () => {
  for (const text of [
    '91 N 0 E 0m',
    '90 0 0.001 N 0 E 0m',
    '1 60 0 N 0 E 0m',
    '1 2 3 X 0 E 0m',
    '1 N 181 W 0',
    '1 N 1 E',
    '1 N 1 E x',
  ]) {
    assert.throws(() => shown(text), { code: 'TEXT' }, text);
  }
});
