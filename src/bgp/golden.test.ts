import assert from 'node:assert/strict';
import { test } from 'node:test';
import { goldenMessages } from '#test/golden/bgp/golden.ts';
import { decodeMessage, encodeMessage } from './message.ts';
import { octetsOf } from './octets.ts';

for (const { name, hex, context, decoded } of goldenMessages) {
  test(`golden BGP message: ${name}`, () => {
    const message = decodeMessage(octetsOf(hex), context);
    assert.deepEqual(message, decoded);
    if (message.kind === 'update' && message.faults.length > 0) return;
    assert.deepEqual(decodeMessage(encodeMessage(message, context), context), message);
  });
}

test('there are golden messages of four speakers', () => {
  for (const speaker of ['BIRD', 'FRR', 'GoBGP', 'ExaBGP']) {
    assert.ok(goldenMessages.some(({ name }) => name.startsWith(speaker)));
  }
});
