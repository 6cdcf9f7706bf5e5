import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { formatDuration, formatSize, parseDuration, parseSize } from './units.ts';

describe('units', () => {
  test('durations in ms', () => {
    for (const [text, ms] of [
      ['0s', 0],
      ['500ms', 500],
      ['1s', 1000],
      ['1.5s', 1500],
      ['0.1s', 100],
      ['0.3s', 300],
      ['2m', 120_000],
      ['1h', 3_600_000],
      ['1d', 86_400_000],
    ] as const) {
      assert.equal(parseDuration(text), ms, text);
    }
  });

  test('sizes in bytes', () => {
    for (const [text, bytes] of [
      ['0B', 0],
      ['1500B', 1500],
      ['512KiB', 524_288],
      ['64MiB', 67_108_864],
      ['1.5GiB', 1_610_612_736],
    ] as const) {
      assert.equal(parseSize(text), bytes, text);
    }
  });

  test('nothing else', () => {
    for (const text of [
      '',
      '5',
      's',
      '1 s',
      '-1s',
      '1e3s',
      '1.s',
      '.5s',
      '1S',
      '1ms1s',
      '0.5ms',
      '999999999999999999d',
      ' 1s',
    ]) {
      assert.equal(parseDuration(text), undefined, text);
    }
    for (const text of ['', '5', '64MB', '64M', '64mib', '0.5B', '1TiB', '-1B'])
      assert.equal(parseSize(text), undefined, text);
  });

  test('formatting and parsing are inverse', () => {
    fc.assert(
      fc.property(fc.nat({ max: 10 ** 13 }), value => {
        assert.equal(parseDuration(formatDuration(value)), value);
        assert.equal(parseSize(formatSize(value)), value);
      }),
    );
  });

  test('the largest whole unit is shown', () => {
    assert.deepEqual([90_000, 86_400_000, 0, 1].map(formatDuration), ['90s', '1d', '0s', '1ms']);
    assert.deepEqual([2 ** 26, 1500, 0].map(formatSize), ['64MiB', '1500B', '0B']);
  });
});
