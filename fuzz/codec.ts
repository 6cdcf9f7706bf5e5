/** The message codec: any octets give WireError or a message that survives being written, read and printed. */

import assert from 'node:assert/strict';
import { fromHex, goldenMessages, goldenRecords } from '#test/golden/golden.ts';
import { WireError } from '#wire/error.ts';
import { formatMessage } from '#wire/format.ts';
import { decodeMessage, encodeMessage, type Message, query, reply } from '#wire/message.ts';
import { formatRecord, parseRecord } from '#wire/record.ts';
import { type FuzzOptions, type FuzzResult, fuzzTarget, type Target } from './harness.ts';

function judge(input: Uint8Array): boolean {
  let message: Message;
  try {
    message = decodeMessage(input);
  } catch (error) {
    if (!(error instanceof WireError)) throw error;
    assert.ok(error.offset >= 0 && error.offset <= input.length, 'the offset lies outside the message');
    return false;
  }
  const { trailing: _, ...whole } = message;
  let bytes: Uint8Array;
  try {
    bytes = encodeMessage(message);
  } catch (error) {
    // Pointers may stand for more than a message without them has room for.
    if (error instanceof WireError && error.code === 'TOO_LARGE') return false;
    throw error;
  }
  assert.deepEqual(decodeMessage(bytes), whole, 'the message does not survive being written');
  formatMessage(message);
  for (const record of [...message.answers, ...message.authorities, ...message.additionals]) {
    if (record.data.kind === 'unknown') continue;
    assert.deepEqual(parseRecord(formatRecord(record)), record, 'the record does not survive being printed');
  }
  return true;
}

/** The golden messages, and one answer for each golden record. */
function seeds(): readonly Uint8Array[] {
  const asked = query('www.lab.test.', 'A', { id: 1 });
  const records = goldenRecords.map(({ text }) =>
    encodeMessage(reply(asked, { answers: [parseRecord(text)] })),
  );
  return [...goldenMessages.map(({ hex }) => fromHex(hex)), ...records];
}

export const codec: Target = {
  name: 'codec',
  seeds,
  // A root name with type, class and TTL; an OPT record; a pointer to the first question; records' data.
  words: ['0000010001000000', '00002904d0000080000000', 'c00c', ...goldenRecords.map(({ hex }) => hex)].map(
    fromHex,
  ),
  judge,
};

/** Runs this target. */
export function fuzz(options: FuzzOptions): FuzzResult {
  return fuzzTarget(codec, options);
}
