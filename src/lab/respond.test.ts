import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { decodeMessage, encodeMessage, type QueryOptions, query } from '#wire/message.ts';
import { rcodes } from '#wire/types.ts';
import type { Fate } from './fault.ts';
import { respond, udpLimit } from './respond.ts';
import { labZoneFile, loadZone } from './zone-file.ts';

const authority = { zone: loadZone(labZoneFile, 'kai'), identity: 'kai' };
const ask = (name: string, type: string, options: QueryOptions = {}) =>
  encodeMessage(query(name, type, { id: 4711, ...options }));
const one = (bytes: Uint8Array, transport: 'udp' | 'tcp' = 'udp', fate?: Fate) => {
  const answers = respond(bytes, authority, transport, fate);
  assert.equal(answers.length, 1);
  return { bytes: answers[0]!, message: decodeMessage(answers[0]!) };
};

describe('size', () => {
  test('a big answer is cut over UDP, with TC, and whole over TCP', () => {
    for (const udpSize of [512, 1232, 4096]) {
      const { bytes, message } = one(ask('big.lab.internal', 'TXT', { edns: { udpSize } }));
      assert.equal(message.tc, true);
      assert.equal(message.answers.length, 0);
      assert.ok(message.edns !== undefined && bytes.length <= 512);
    }
    const { bytes, message } = one(ask('big.lab.internal', 'TXT'), 'tcp');
    assert.deepEqual([message.tc, message.answers.length], [false, 1]);
    assert.ok(bytes.length > udpLimit);
  });
  test('a medium one is cut without EDNS only', () => {
    assert.equal(one(ask('medium.lab.internal', 'TXT')).message.tc, true);
    assert.equal(one(ask('medium.lab.internal', 'TXT', { edns: { udpSize: 100 } })).message.tc, true);
    assert.equal(one(ask('medium.lab.internal', 'TXT', { edns: {} })).message.tc, false);
  });
});

describe('bad input', () => {
  test('an answer is never answered, nor half a header', () => {
    const answered = ask('www.lab.internal', 'A');
    answered[2]! |= 0x80;
    assert.deepEqual(respond(answered, authority, 'udp'), []);
    assert.deepEqual(respond(new Uint8Array(11), authority, 'udp'), []);
    assert.deepEqual(respond(new Uint8Array(0), authority, 'tcp'), []);
  });
  test('a message that cannot be read gets FORMERR with its id', () => {
    const { message } = one(ask('www.lab.internal', 'A').subarray(0, 20));
    assert.deepEqual([message.id, message.rcode, message.rd], [4711, rcodes.FORMERR, true]);
  });
  test('any octets: no error, no answer to an answer, no more than fits', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), bytes => {
        for (const answered of respond(bytes, authority, 'udp')) {
          assert.equal(bytes[2]! & 0x80, 0);
          assert.equal(answered[2]! & 0x80, 0x80);
          assert.ok(answered.length <= udpLimit);
        }
      }),
    );
  });
  test('a good query with one octet changed', () => {
    const good = ask('www.lab.internal', 'A', { edns: {} });
    fc.assert(
      fc.property(fc.nat({ max: good.length - 1 }), fc.nat({ max: 255 }), (at, octet) => {
        const bytes = good.slice();
        bytes[at] = octet;
        for (const answered of respond(bytes, authority, 'udp'))
          assert.equal(decodeMessage(answered).qr, true);
      }),
    );
  });
});

describe('faults', () => {
  const asked = ask('www.lab.internal', 'A', { edns: {} });
  test('drop', () => assert.deepEqual(respond(asked, authority, 'udp', 'drop'), []));
  test('servfail and refused', () => {
    assert.equal(one(asked, 'udp', 'servfail').message.rcode, rcodes.SERVFAIL);
    assert.equal(one(asked, 'udp', 'refused').message.rcode, rcodes.REFUSED);
  });
  test('wrongid', () => assert.notEqual(one(asked, 'udp', 'wrongid').message.id, 4711));
});
