import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Channels } from './channels.ts';

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
