import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Channels } from './channels.ts';
import { makeRandom } from './random.ts';

test('a number is used again as late as possible', () => {
  const channels = new Channels<string>(3);
  const numbers = ['a', 'b', 'c'].map(name => channels.take(() => name));
  assert.deepEqual(numbers, [0, 1, 2]);
  assert.equal(
    channels.take(() => 'd'),
    -1,
  );
  channels.release(1);
  channels.release(1);
  channels.release(0);
  assert.equal(channels.get(1), undefined);
  assert.equal(
    channels.take(number => `d${number}`),
    1,
  );
  assert.equal(channels.get(1), 'd1');
  assert.equal(
    channels.take(() => null),
    -1,
  );
  assert.equal(
    channels.take(() => 'e'),
    0,
  );
});

test('random integers stay within their bound and reach all of it', () => {
  const random = makeRandom();
  const seen = new Set<number>();
  for (let i = 0; i < 5_000; i++) seen.add(random(7));
  assert.deepEqual([...seen].sort(), [0, 1, 2, 3, 4, 5, 6]);
  assert.equal(random(1), 0);
});
