import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { anyMessage, steady } from '#test/golden/arbitrary.ts';
import { fromHex, goldenMessages, toHex } from '#test/golden/golden.ts';
import { WireError } from './error.ts';
import { formatMessage } from './format.ts';
import { decodeMessage, encodeMessage, type Message, query, reply } from './message.ts';
import { parseRecord } from './record.ts';
import { classes, rcodes, types } from './types.ts';

const asked = query('www.example.', 'A', { id: 7 });
const header = (counts: string, flags = '0100') => `0007${flags}${counts}`;
const question = '0377777707657861 6d706c65 00 0001 0001'.replaceAll(' ', '');
const root = '00';
const opt = `${root}0029 04d0 00000000 0000`.replaceAll(' ', '');

test('a query has the octets of RFC 1035 section 4', () => {
  assert.equal(toHex(encodeMessage(asked)), `${header('0001000000000000')}${question}`);
  const message = query('.', 'TYPE65280', { class: classes.CH, rd: false, edns: { do: true } });
  const bytes = `000000000001000000000001${root}ff000003${root}002904d0000080000000`;
  assert.equal(toHex(encodeMessage(message)), bytes);
  assert.throws(() => query('example.', 'NONSENSE'), { code: 'TEXT' });
});

test('each header bit has its place', () => {
  const flags = { qr: 0x8000, aa: 0x400, tc: 0x200, rd: 0x100, ra: 0x80, z: 0x40, ad: 0x20, cd: 0x10 };
  for (const [name, bit] of Object.entries(flags)) {
    const bytes = encodeMessage({ ...query('.', 'A', { rd: false }), [name]: true });
    assert.equal((bytes[2]! << 8) | bytes[3]!, bit, name);
    assert.equal(decodeMessage(bytes)[name as 'qr'], true);
  }
  const bytes = encodeMessage({ ...query('.', 'A', { rd: false }), opcode: 15, rcode: 15 });
  assert.equal((bytes[2]! << 8) | bytes[3]!, 0x780f);
});

test('response codes above 15 need EDNS', () => {
  const message = { ...reply(asked), rcode: rcodes.BADVERS };
  assert.throws(() => encodeMessage(message), { code: 'RANGE' });
  const edns = { udpSize: 1232, version: 0, do: false, options: [] };
  assert.equal(decodeMessage(encodeMessage({ ...message, edns })).rcode, rcodes.BADVERS);
  assert.throws(() => encodeMessage({ ...message, edns, rcode: 4096 }), { code: 'RANGE' });
});

test('counts that lie are refused, in every section', () => {
  for (const counts of [
    '0002000000000000',
    '0001000100000000',
    '0001000000010000',
    '0001000000000001',
    'ffffffffffffffff',
  ]) {
    assert.throws(() => decodeMessage(fromHex(header(counts) + question)), { code: 'TRUNCATED' }, counts);
  }
  assert.throws(() => decodeMessage(fromHex('0007010000010000000000')), { code: 'TRUNCATED', offset: 10 });
  assert.throws(() => decodeMessage(new Uint8Array()), { code: 'TRUNCATED', offset: 0 });
});

test('octets after the last record are counted and left alone', () => {
  const message = decodeMessage(fromHex(`${header('0001000000000000')}${question}abcdef`));
  assert.equal(message.trailing, 3);
  assert.equal(decodeMessage(encodeMessage(message)).trailing, undefined);
});

test('record data may not end before or after RDLENGTH', () => {
  const record = (length: string, data: string) =>
    `${header('0000000100000000', '8000')}${root}0001000100000000${length}${data}`;
  assert.equal(decodeMessage(fromHex(record('0004', 'c0000201'))).answers.length, 1);
  assert.throws(() => decodeMessage(fromHex(record('0005', 'c000020100'))), { code: 'RDATA' });
  assert.throws(() => decodeMessage(fromHex(record('0003', 'c0000201'))), { code: 'TRUNCATED' });
  assert.throws(() => decodeMessage(fromHex(record('ffff', 'c0000201'))), { code: 'TRUNCATED' });
});

test('OPT stands once, in the additional section, under the root', () => {
  assert.ok(decodeMessage(fromHex(`${header('0000000000000001')}${opt}`)).edns);
  assert.throws(() => decodeMessage(fromHex(`${header('0000000000000002')}${opt}${opt}`)), { code: 'OPT' });
  assert.throws(() => decodeMessage(fromHex(`${header('0000000100000000')}${opt}`)), { code: 'OPT' });
  assert.throws(() => decodeMessage(fromHex(`${header('0000000000010000')}${opt}`)), { code: 'OPT' });
  assert.throws(() => decodeMessage(fromHex(`${header('0000000000000001')}0161${opt}`)), { code: 'OPT' });
  const data = { kind: 'unknown', bytes: new Uint8Array() } as const;
  const record = { name: '.', type: types.OPT, class: 1232, ttl: 0, data };
  assert.throws(() => encodeMessage({ ...asked, additionals: [record] }), { code: 'RANGE' });
});

test('TSIG stays last, behind OPT', () => {
  const tsig = parseRecord('key. 0 ANY TSIG hmac-sha256. 1 300 0 7 NOERROR 0');
  const message = {
    ...query('a.', 'A', { edns: {} }),
    additionals: [parseRecord('b. 1 IN A 192.0.2.1'), tsig],
  };
  const bytes = toHex(encodeMessage(message));
  assert.ok(bytes.indexOf('00002904d0') < bytes.indexOf('00fa00ff'));
  assert.deepEqual(decodeMessage(fromHex(bytes)), message);
});

test('names are compressed without loss of letter case', () => {
  const records = [
    'www.Example. 1 IN A 192.0.2.1',
    'WWW.example. 1 IN A 192.0.2.1',
    'www.Example. 1 IN A 192.0.2.1',
  ];
  const message = reply(asked, { answers: records.map(text => parseRecord(text)) });
  const bytes = encodeMessage(message);
  assert.deepEqual(decodeMessage(bytes), message);
  assert.ok(bytes.length < encodeMessage(message, { compress: false }).length);
  assert.deepEqual(decodeMessage(encodeMessage(message, { compress: false })), message);
});

test('no pointer reaches beyond 14 bits, and no message beyond 65,535 octets', () => {
  const records = (count: number) =>
    Array.from({ length: count }, (_, i) =>
      parseRecord(`n${i % 700}.x${i % 700}.example. 1 IN TXT "${'t'.repeat(50)}"`),
    );
  const message = reply(asked, { answers: records(700) });
  const bytes = encodeMessage(message);
  assert.ok(bytes.length > 0x4000);
  assert.deepEqual(decodeMessage(bytes), message);
  assert.throws(() => encodeMessage(reply(asked, { answers: records(1400) })), { code: 'TOO_LARGE' });
  const many = { ...asked, questions: new Array(65536).fill(asked.questions[0]) };
  assert.throws(() => encodeMessage(many), WireError);
});

test('the decoded parts are copies of the packet', () => {
  const bytes = Buffer.from(
    encodeMessage(reply(asked, { answers: [parseRecord('x. 1 IN TYPE65280 \\# 2 0102')] })),
  );
  const message = decodeMessage(bytes);
  bytes.fill(0xff);
  assert.deepEqual(message.answers[0]?.data, { kind: 'unknown', bytes: Uint8Array.of(1, 2) });
});

test('messages in shared memory are read as well', () => {
  const bytes = encodeMessage(query('a.', 'A', { edns: { options: [{ kind: 'EDE', info: 1, text: 'é' }] } }));
  const shared = new Uint8Array(new SharedArrayBuffer(bytes.length));
  shared.set(bytes);
  assert.deepEqual(decodeMessage(shared), decodeMessage(bytes));
});

test('every message survives, compressed or not', () => {
  fc.assert(
    fc.property(anyMessage, fc.boolean(), (message, compress) => {
      assert.deepEqual(decodeMessage(encodeMessage(message, { compress })), message);
      formatMessage(message);
    }),
    steady,
  );
});

/** What is decoded can be written, read again and printed; what is not gives WireError. Tells which. */
function judge(bytes: Uint8Array): boolean {
  let message: Message;
  try {
    message = decodeMessage(bytes);
  } catch (error) {
    assert.ok(error instanceof WireError, String(error));
    assert.ok(error.offset >= 0 && error.offset <= bytes.length);
    return false;
  }
  const { trailing: _, ...rest } = message;
  assert.deepEqual(decodeMessage(encodeMessage(message)), rest);
  formatMessage(message);
  return true;
}

test('random octets give WireError or a message that survives', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), bytes => void judge(bytes)),
    steady,
  );
});

test('packets cut at any place and changed at any octet give WireError or a message that survives', () => {
  let decoded = 0;
  for (const { hex } of goldenMessages) {
    const bytes = fromHex(hex);
    for (let length = 0; length < bytes.length; length++) judge(bytes.subarray(0, length));
    for (let at = 0; at < bytes.length; at += 7) {
      const copy = bytes.slice();
      copy[at] = (copy[at]! * 7 + at) & 0xff;
      if (judge(copy)) decoded++;
    }
  }
  assert.ok(decoded > 100);
});
