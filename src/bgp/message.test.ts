import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { message as anyMessage } from '#test/golden/bgp/golden.ts';
import type { UpdateContext } from './attributes.ts';
import { BgpError } from './error.ts';
import { Frames } from './frames.ts';
import {
  ceaseWithReason,
  decodeMessage,
  encodeMessage,
  endOfRib,
  notificationOf,
  readNotification,
  type UpdateMessage,
} from './message.ts';
import { hexOf, octetsOf } from './octets.ts';

const internal: UpdateContext = { fourOctetAs: true, internal: true, keepPrefixes: true };
const external: UpdateContext = { ...internal, internal: false };

/** A message of a type with a body in hexadecimal; spaces are for the reader. */
function packet(type: number, body: string): Uint8Array {
  const octets = octetsOf(body.replaceAll(/\s/g, ''));
  const length = 19 + octets.length;
  return Uint8Array.from([...new Array<number>(16).fill(255), length >> 8, length & 255, type, ...octets]);
}

function update(body: string, context = external): UpdateMessage {
  const message = decodeMessage(packet(2, body), context);
  assert.equal(message.kind, 'update');
  return message as UpdateMessage;
}

/** An update with these attributes and 192.0.2.53/32. */
function withAttributes(attributes: string, context = external): UpdateMessage {
  const length = attributes.replaceAll(/\s/g, '').length / 2;
  return update(`0000 ${length.toString(16).padStart(4, '0')} ${attributes} 20c0000235`, context);
}

/** The NOTIFICATION that decoding earns: code/subcode and data. */
function refused(bytes: Uint8Array, context = external): string {
  try {
    decodeMessage(bytes, context);
  } catch (thrown) {
    assert.ok(thrown instanceof BgpError, String(thrown));
    return `${thrown.code}/${thrown.subcode} ${hexOf(thrown.data)}`.trim();
  }
  return 'understood';
}

const origin = '40 01 01 00';
const path = '40 02 06 02 01 0000fde9';
const hop = '40 03 04 0a000002';
const good = `${origin} ${path} ${hop}`;

test('what is written is read again', () => {
  fc.assert(
    fc.property(anyMessage, message => {
      assert.deepEqual(decodeMessage(encodeMessage(message), internal), message);
    }),
    { numRuns: 500 },
  );
});

test('any octets give a message or the one error', () => {
  fc.assert(
    fc.property(fc.nat(6), fc.uint8Array({ maxLength: 80 }), fc.boolean(), (type, body, four) => {
      try {
        decodeMessage(packet(type, hexOf(body)), { ...external, fourOctetAs: four });
      } catch (thrown) {
        assert.ok(thrown instanceof BgpError);
      }
    }),
    { numRuns: 2000 },
  );
});

test('an announcement is understood', () => {
  const found = withAttributes(`${good} 80 04 04 0000000a c0 08 04 ffff0000`);
  assert.deepEqual(found.faults, []);
  assert.deepEqual(found.announced, [{ address: '192.0.2.53', bits: 32 }]);
  assert.equal(found.attributes.med, 10);
  assert.deepEqual(found.attributes.communities, ['65535:0']);
  assert.deepEqual(found.attributes.asPath, [{ kind: 'sequence', as: [65001] }]);
});

test('bits beyond the length of a prefix are of no meaning', () => {
  const { withdrawn } = update('0003 12 c0ff 0000'.replace('0003 12 c0ff', '0004 12 c0ffff'));
  assert.deepEqual(withdrawn, [{ address: '192.255.192.0', bits: 18 }]);
});

test('errors of the header', () => {
  const open = packet(1, '04fde900030a00000200');
  assert.equal(refused(Uint8Array.from(open, (octet, i) => (i === 3 ? 0 : octet))), '1/1');
  assert.equal(refused(packet(9, '')), '1/3 09');
  assert.equal(refused(packet(0, '')), '1/3 00');
  assert.equal(refused(packet(4, '00')), '1/2 0014');
  assert.equal(refused(packet(2, '000000')), '1/2 0016');
  assert.equal(refused(packet(1, '04')), '1/2 0014');
  assert.equal(refused(packet(3, '06')), '1/2 0014');
  assert.equal(refused(packet(2, '00'.repeat(4080))), '1/2 1003');
});

test('errors of OPEN', () => {
  assert.equal(refused(packet(1, '05fde900030a00000200')), '2/1 0004');
  assert.equal(refused(packet(1, '04fde900030a00000205')), '2/0');
  assert.equal(refused(packet(1, '04fde900030a0000020000')), '2/0');
  assert.equal(refused(packet(1, '04fde900030a00000203 010100')), '2/4');
  // A capability that is longer than its parameter.
  assert.equal(refused(packet(1, '04fde900030a00000204 02024104')), '2/0');
  assert.equal(refused(packet(1, '04fde900030a00000200')), 'understood');
});

test('optional parameters in the long form of RFC 9072 are read, and written where they need it', () => {
  const message = decodeMessage(packet(1, '04fde900030a000002 ffff 0009 02 0006 4104 0000fde9'), external);
  assert.equal(message.kind, 'open');
  assert.deepEqual(message.kind === 'open' && message.capabilities, [{ kind: 'four-octet-as', as: 65001 }]);
  const many = Array.from({ length: 60 }, (_, i) => ({
    kind: 'multiprotocol' as const,
    afi: i,
    safi: 1,
  }));
  const long = {
    kind: 'open' as const,
    version: 4,
    as: 65001,
    holdTime: 3,
    routerId: '10.0.0.2',
    capabilities: many,
  };
  assert.deepEqual(decodeMessage(encodeMessage(long), external), long);
});

test('a capability of a wrong form is one that is not known', () => {
  const message = decodeMessage(packet(1, '04fde900030a000002 09 02 07 0102 0001 4001 00'), external);
  assert.deepEqual(message.kind === 'open' && message.capabilities, [
    { kind: 'unknown', code: 1, value: '0001' },
    { kind: 'unknown', code: 64, value: '00' },
  ]);
});

test('errors of UPDATE that end the session', () => {
  assert.equal(refused(packet(2, '0001 0000')), '3/1');
  assert.equal(refused(packet(2, '0000 0001')), '3/1');
  assert.equal(refused(packet(2, '0000 0000 21c000023500')), '3/10');
  assert.equal(refused(packet(2, '0002 20c0 0000')), '3/10');
  assert.equal(refused(packet(2, '0000 0000 20c000')), '3/10');
  // An unknown attribute that claims to be well-known, sent back whole.
  assert.equal(refused(packet(2, '0000 0004 40 63 01 00')), '3/2 40630100');
  // MP_UNREACH_NLRI twice; MP_REACH_NLRI with a next hop of 5 octets; with a prefix of 129 bits; too short.
  assert.equal(refused(packet(2, '0000 000c 800f03000201 800f03000201')), '3/1');
  assert.equal(refused(packet(2, '0000 000d 800e0a 0002 01 05 0102030405 00')), '3/9');
  assert.equal(refused(packet(2, `0000 0019 800e16 0002 01 10 ${'20'.repeat(16)} 00 81`)), '3/9');
  assert.equal(refused(packet(2, '0000 0005 800f02 0002')), '3/9');
});

test('an attribute that is wrong takes back its routes, or is passed over (RFC 7606)', () => {
  const verdict = (attributes: string, context = external): string =>
    withAttributes(attributes, context)
      .faults.map(({ action, type }) => `${action} ${type}`)
      .join(', ');
  const cases: readonly (readonly [string, string, UpdateContext?])[] = [
    [good, ''],
    [`40 01 01 03 ${path} ${hop}`, 'withdraw 1'],
    [`40 01 02 0000 ${path} ${hop}`, 'withdraw 1'],
    [`80 01 01 00 ${path} ${hop}`, 'withdraw 1'],
    [`${origin} 40 02 06 05 01 0000fde9 ${hop}`, 'withdraw 2'],
    [`${origin} 40 02 05 02 01 0000fd ${hop}`, 'withdraw 2'],
    [`${origin} 40 02 02 02 00 ${hop}`, 'withdraw 2'],
    [`${origin} 40 02 06 02 01 00000000 ${hop}`, 'withdraw 2'],
    [`${origin} ${path} 40 03 03 0a0000`, 'withdraw 3'],
    [`${path} ${hop}`, 'withdraw 1'],
    [`${origin} ${hop}`, 'withdraw 2'],
    [`${origin} ${path}`, 'withdraw 3'],
    [`${good} 80 04 03 000000`, 'withdraw 4'],
    [`${good} 40 05 04 00000064`, 'discard 5'],
    [`${good} 40 05 04 00000064`, '', internal],
    [`${good} 40 05 03 000064`, 'withdraw 5', internal],
    [`${good} 40 06 01 00`, 'discard 6'],
    [`${good} c0 07 06 fde90a000002`, 'discard 7'],
    [`${good} c0 07 06 fde90a000002`, 'withdraw 2', { ...external, fourOctetAs: false }],
    [`${good} c0 08 00`, 'withdraw 8'],
    [`${good} c0 08 03 000000`, 'withdraw 8'],
    [`${good} 80 09 04 0a000001`, 'discard 9'],
    [`${good} 80 0a 03 0a0000`, 'withdraw 10', internal],
    [`${good} c0 10 07 00000000000000`, 'withdraw 16'],
    [`${good} c0 11 06 02 01 0000fde9`, 'discard 17'],
    [`${good} c0 20 0b ${'00'.repeat(11)}`, 'withdraw 32'],
    [`${good} ${origin}`, 'discard 1'],
    // The last attribute ends beyond the list; a part of one is left.
    [`${good} c0 08 08 00000000`, 'withdraw 0'],
    [`${good} c0 08`, 'withdraw 0'],
  ];
  for (const [attributes, expected, context] of cases) {
    assert.equal(verdict(attributes, context), expected, attributes);
  }
});

test('an old speaker’s path has two octets for each AS and the long numbers beside it', () => {
  const { attributes, faults } = withAttributes(
    `${origin} 40 02 06 02 02 5ba0fde9 ${hop} c0 11 0a 02 02 00030d40 0000fde9`,
    { ...external, fourOctetAs: false },
  );
  assert.deepEqual(faults, []);
  assert.deepEqual(attributes.asPath, [{ kind: 'sequence', as: [23456, 65001] }]);
  assert.deepEqual(attributes.as4Path, [{ kind: 'sequence', as: [200000, 65001] }]);
});

test('other families are passed over and counted', () => {
  const { counts, faults } = update('0000 000a 800e07 0019 46 00 00 0102');
  assert.deepEqual({ counts, faults }, { counts: { announced: 0, withdrawn: 0, foreign: 1 }, faults: [] });
});

test('the end of the routes of a family is known', () => {
  assert.equal(endOfRib(update('0000 0000')), 'ipv4');
  assert.equal(endOfRib(update('0000 0006 800f03000201')), 'ipv6');
  assert.equal(endOfRib(update('0000 0006 800f03000101')), 'ipv4');
  assert.equal(endOfRib(update('0000 0007 800f0400020100')), null);
  assert.equal(endOfRib(update('0001 00 0000')), null);
  assert.equal(endOfRib(withAttributes(good)), null);
});

test('prefixes are counted without being kept', () => {
  const found = withAttributes(good, { ...external, keepPrefixes: false });
  assert.deepEqual(found.announced, []);
  assert.deepEqual(found.counts, { announced: 1, withdrawn: 0, foreign: 0 });
});

test('the reason of a shutdown goes both ways (RFC 9003)', () => {
  const told = readNotification(notificationOf(ceaseWithReason(2, 'drained by Zoë: ticket 4711')));
  assert.deepEqual(told, {
    code: 6,
    subcode: 2,
    hard: false,
    words: 'drained by Zoë: ticket 4711',
    data: '',
  });
  // 255 octets at most, cut between characters.
  const long = ceaseWithReason(2, 'ë'.repeat(200));
  assert.equal(long.data[0], 254);
  assert.equal(long.data.length, 255);
  const words = (data: string) => readNotification({ kind: 'notification', code: 6, subcode: 2, data }).words;
  assert.equal(words(''), null);
  assert.equal(words('00'), null);
  assert.equal(words('0541'), null);
  assert.equal(words('0441ff0a42'), 'A\ufffd B');
  assert.equal(words('08610d0a1b5b326a62'), 'a [2jb');
});

test('a hard reset says what is inside it (RFC 8538)', () => {
  const read = (data: string) => readNotification({ kind: 'notification', code: 6, subcode: 9, data });
  assert.deepEqual(read('0602026869'), { code: 6, subcode: 2, hard: true, words: 'hi', data: '' });
  assert.deepEqual(read('0400'), { code: 4, subcode: 0, hard: true, words: null, data: '' });
  assert.equal(read('06090609').hard, true);
  assert.equal(read('').hard, false);
});

test('a stream gives the same messages however it is cut', () => {
  fc.assert(
    fc.property(
      fc.array(anyMessage, { maxLength: 6 }),
      fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1 }),
      (messages, sizes) => {
        const stream = Buffer.concat(messages.map(message => encodeMessage(message)));
        const frames = new Frames();
        const found: unknown[] = [];
        for (let at = 0, i = 0; at < stream.length; i++) {
          const size = sizes[i % sizes.length]!;
          frames.push(stream.subarray(at, at + size), bytes => {
            found.push(decodeMessage(bytes, internal));
            return true;
          });
          at += size;
        }
        assert.deepEqual(found, messages);
        assert.equal(frames.waiting, 0);
      },
    ),
  );
});

test('a wrong header is refused before its message arrives', () => {
  const frames = new Frames();
  const head = packet(9, '').subarray(0, 19);
  frames.push(head.subarray(0, 18), () => assert.fail('no message'));
  assert.throws(() => frames.push(head.subarray(18), () => assert.fail('no message')), BgpError);
});
