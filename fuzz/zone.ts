/** The zone-file reader: any text gives WireError or records that survive being printed and read. */

import assert from 'node:assert/strict';
import { goldenRecords } from '#test/golden/golden.ts';
import { WireError } from '#wire/error.ts';
import type { ResourceRecord } from '#wire/message.ts';
import { formatRecord } from '#wire/record.ts';
import { parseZone } from '#wire/zone.ts';
import { type FuzzOptions, type FuzzResult, fuzzTarget, type Target } from './harness.ts';

const utf8 = new TextDecoder();
const octets = (text: string) => new TextEncoder().encode(text);

function judge(input: Uint8Array): boolean {
  const text = utf8.decode(input);
  let records: readonly ResourceRecord[];
  try {
    records = parseZone(text, 'lab.test.');
  } catch (error) {
    if (!(error instanceof WireError)) throw error;
    return false;
  }
  const again = parseZone(records.map(record => `${formatRecord(record)}\n`).join(''));
  assert.deepEqual(again, records, 'the records do not survive being printed');
  return records.length > 0;
}

export const zone: Target = {
  name: 'zone',
  seeds: () => goldenRecords.map(({ text }) => octets(text)),
  words: [
    '\n',
    ' ',
    '\t',
    '"',
    '\\',
    '\\000',
    '(',
    ')',
    ';',
    '@',
    '\\# ',
    '$TTL 1h\n',
    '$ORIGIN x.\n',
    ' IN ',
    ' TXT ',
    '1h30m',
    'é',
    'key1="',
    '€',
  ].map(octets),
  judge,
};

/** Runs this target. */
export function fuzz(options: FuzzOptions): FuzzResult {
  return fuzzTarget(zone, options);
}
