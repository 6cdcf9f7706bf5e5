import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { decodeMessage, encodeMessage, query, type ResourceRecord } from '#wire/message.ts';
import { parseRecord } from '#wire/record.ts';
import { servfail, TransferEnd } from './transfer-end.ts';

const soa = (serial: number): ResourceRecord =>
  parseRecord(`zone.test. 300 IN SOA ns.zone.test. host.zone.test. ${serial} 1 2 3 4`);
const a = (last: number): ResourceRecord => parseRecord(`www.zone.test. 300 IN A 192.0.2.${last}`);

function asked(type: 'AXFR' | 'IXFR', held?: number): Uint8Array {
  const message = query('zone.test.', type);
  return encodeMessage(held === undefined ? message : { ...message, authorities: [soa(held)] });
}

/** Records over messages of `size` each; gives after how many messages the transfer counted as complete. */
function endOf(asking: Uint8Array, records: readonly ResourceRecord[], size: number): number {
  const end = new TransferEnd(asking);
  const question = decodeMessage(asking);
  for (let from = 0, count = 1; from < records.length; from += size, count++) {
    const bytes = encodeMessage({
      ...question,
      qr: true,
      authorities: [],
      answers: records.slice(from, from + size),
    });
    const padded = new Uint8Array(bytes.length + 7);
    padded.set(bytes, 7);
    if (end.after(padded, 7, bytes.length)) return count;
  }
  return Infinity;
}

const cases: [string, Uint8Array, ResourceRecord[]][] = [
  ['AXFR', asked('AXFR'), [soa(7), a(1), a(2), a(3), soa(7)]],
  ['AXFR of an empty zone', asked('AXFR'), [soa(7), soa(7)]],
  ['IXFR answered like AXFR', asked('IXFR', 5), [soa(7), a(1), a(2), soa(7)]],
  ['IXFR with one difference', asked('IXFR', 6), [soa(7), soa(6), a(1), soa(7), a(2), soa(7)]],
  [
    'IXFR with differences of which some are empty',
    asked('IXFR', 5),
    [soa(7), soa(5), a(1), soa(6), soa(6), soa(7), a(2), a(3), soa(7)],
  ],
  ['IXFR of one who is up to date', asked('IXFR', 7), [soa(7)]],
];

for (const [what, asking, records] of cases) {
  for (const size of [1, 2, 3, 100]) {
    test(`${what}, ${size} records to a message, ends with its last record`, () => {
      assert.equal(endOf(asking, records, size), Math.ceil(records.length / size));
    });
  }
}

test('a failure is the end', () => {
  const refused = asked('AXFR').slice();
  refused[2] = 0x80;
  refused[3] = 5;
  assert.equal(new TransferEnd(asked('AXFR')).after(refused, 0, refused.length), true);
});

test('anything may come: it reads within its bounds and throws nothing', () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 60 }),
      fc.array(fc.uint8Array({ maxLength: 80 })),
      (asking, messages) => {
        const end = new TransferEnd(asking);
        for (const bytes of messages) {
          if (bytes.length > 12) bytes[3]! &= 0xf0;
          end.after(bytes, 0, bytes.length);
        }
        servfail(asking);
      },
    ),
    { numRuns: 2_000 },
  );
});

test('the failure repeats id and question', () => {
  const asking = asked('IXFR', 7);
  const answer = decodeMessage(servfail(asking)!);
  const question = decodeMessage(asking);
  assert.equal(answer.id, question.id);
  assert.equal(answer.qr, true);
  assert.equal(answer.rcode, 2);
  assert.deepEqual(answer.questions, question.questions);
});
