import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fromHex, goldenMessages } from '#test/golden/golden.ts';
import { formatMessage } from './format.ts';
import { decodeMessage, encodeMessage } from './message.ts';

for (const { name, hex, text } of goldenMessages) {
  test(`golden message: ${name}`, () => {
    const message = decodeMessage(fromHex(hex));
    assert.equal(formatMessage(message), text.join('\n'));
    assert.deepEqual(decodeMessage(encodeMessage(message)), message);
  });
}
