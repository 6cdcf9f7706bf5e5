import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ChorusError } from '#kit/errors.ts';
import { fateOf, noFaults, parseFaults } from './fault.ts';

test('reads shares and a delay', () => {
  assert.deepEqual(parseFaults('drop=0.3, servfail=.25,delay=800ms'), {
    ...noFaults,
    drop: 0.3,
    servfail: 0.25,
    delay: 800,
  });
  assert.equal(parseFaults('delay=1.5s').delay, 1500);
  assert.deepEqual(parseFaults(''), noFaults);
});

for (const text of [
  'drop',
  'drop=2',
  'drop=-1',
  'drop=x',
  'delay=5',
  'delay=90s',
  'lose=1',
  'drop=0.6,servfail=0.6',
]) {
  test(`refuses ${text}`, () => {
    assert.throws(
      () => parseFaults(text),
      error => error instanceof ChorusError && error.code === 'USAGE',
    );
  });
}

test('spreads fates as the shares say', () => {
  const faults = parseFaults('drop=0.2,servfail=0.3,refused=0.1,wrongid=0.1');
  const fates = Array.from({ length: 1000 }, (_, index) => fateOf(faults, index / 1000));
  const count = (fate: string) => fates.filter(found => found === fate).length;
  assert.deepEqual(
    [count('drop'), count('servfail'), count('refused'), count('wrongid'), count('answer')],
    [200, 300, 100, 100, 300],
  );
  assert.equal(fateOf(noFaults, 0), 'answer');
});
