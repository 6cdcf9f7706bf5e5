import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  decodeDatagram,
  encodeCreateLink,
  encodeDeleteAddress,
  encodeDeleteLink,
  encodeDumpAddresses,
  encodeGetLink,
  encodeLinkUp,
  encodeSetAddress,
  forever,
} from './rtnetlink.ts';

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');
const bytes = (text: string) => new Uint8Array(Buffer.from(text.replace(/\s/g, ''), 'hex'));

test('requests as the kernel took them', () => {
  const four = { address: '192.0.2.53', bits: 32, link: 2 };
  assert.equal(
    hex(encodeSetAddress({ ...four, lifetime: 2, protocol: 77 }, 7)),
    '4c0000001400050507000000000000000220000002000000' +
      '08000200c000023508000100c0000235' +
      '0800080002000000' +
      '14000600020000000200000000000000000000000' +
      '5000b004d000000',
  );
  assert.equal(
    hex(encodeSetAddress({ address: '2001:db8::53', bits: 128, link: 1, lifetime: forever, protocol: 0 }, 8)),
    '5c0000001400050508000000000000000a80000001000000' +
      '1400020020010db80000000000000000000000531400010020010db8000000000000000000000053' +
      '080008000200000014000600ffffffffffffffff0000000000000000',
  );
  assert.equal(
    hex(encodeDeleteAddress(four, 9)),
    '28000000150005000900000000000000022000000200000008000200c000023508000100c0000235',
  );
  assert.equal(hex(encodeDumpAddresses(10)), '18000000160001030a000000000000000000000000000000');
  assert.equal(
    hex(encodeGetLink('chorus0', 11)),
    '2c000000120005000b00000000000000000000000000000000000000000000000c00030063686f7275733000',
  );
  assert.equal(
    hex(encodeCreateLink('chorus0', 'bridge', 12)),
    '3c000000100005060c00000000000000000000000000000001000000010000000c00030063686f7275733000100012000b0001006272696467650000',
  );
  assert.equal(hex(encodeLinkUp(3, 13)), '20000000100005000d0000000000000000000000030000000100000001000000');
  assert.equal(
    hex(encodeDeleteLink(3, 14)),
    '20000000110005000e0000000000000000000000030000000100000001000000',
  );
});

test('a dump of Linux 6.18', () => {
  const dump = bytes(`
    4c0000001400020005000000c9450000020880fe01000000080001007f000001080002007f000001070003006c6f0000
    080008008000000014000600ffffffffffffffff1b8b23001b8b2300
    580000001400020005000000c9450000022000000200000008000100c000023508000200c00002350c00030063686f727573300005000b004d000000
    0800080000000000140006000200000002000000278b2300278b2300
    500000001400020005000000c94500000a800200020000001400010020010db8000000000000000000000053
    140006000200000002000000288b2300288b2300080008000200000005000b004d000000
    140000000300020005000000c945000000000000`);
  const { messages, broken, interrupted } = decodeDatagram(dump);
  assert.equal(broken || interrupted, false);
  const from = 0x45c9;
  const permanent = { valid: forever, preferred: forever, flags: 0x80, protocol: 0 };
  const leased = { valid: 2, preferred: 2, protocol: 77, link: 2 };
  assert.deepEqual(messages, [
    { kind: 'address', gone: false, from, address: { address: '127.0.0.1', bits: 8, link: 1, ...permanent } },
    {
      kind: 'address',
      gone: false,
      from,
      address: { address: '192.0.2.53', bits: 32, flags: 0, ...leased },
    },
    {
      kind: 'address',
      gone: false,
      from,
      address: { address: '2001:db8::53', bits: 128, flags: 2, ...leased },
    },
    { kind: 'done', sequence: 5, errno: 0 },
  ]);
});

test('a dump during which something changed says so', () => {
  const done = bytes('140000000300120005000000c945000000000000');
  assert.equal(decodeDatagram(done).interrupted, true);
});

test('acknowledgements, and errors with the kernel’s words', () => {
  assert.deepEqual(
    decodeDatagram(bytes('240000000200000103000000c9450000000000004c000000140005050300000000000000')),
    {
      messages: [{ kind: 'answer', sequence: 3, errno: 0, words: '' }],
      interrupted: false,
      broken: false,
    },
  );
  const refused = bytes(`440000000200000306000000c9450000eaffffff4c00000014000505060000000000000020000100
    697076343a20496e76616c696420707265666978206c656e67746800`);
  assert.deepEqual(decodeDatagram(refused).messages, [
    { kind: 'answer', sequence: 6, errno: 22, words: 'ipv4: Invalid prefix length' },
  ]);
  assert.deepEqual(
    decodeDatagram(bytes('240000000200000107000000c9450000edffffff2c000000120005000700000000000000'))
      .messages,
    [{ kind: 'answer', sequence: 7, errno: 19, words: '' }],
  );
});

test('an interface', () => {
  // Its many other attributes left out.
  const link = bytes(`40000000100000000200000000000000000001000200000043100100000000000c00030063686f7275733000
    1400120008000100627200000800020000000000`);
  assert.deepEqual(decodeDatagram(link).messages, [
    { kind: 'link', gone: false, from: 0, link: { index: 2, name: 'chorus0', flags: 0x11043, kind: 'br' } },
  ]);
});

test('what was written is read', () => {
  const address = fc.oneof(
    fc.ipV4().map(text => ({ address: text, bits: 32 })),
    fc.nat(0xfffe).map(last => ({ address: `2001:db8::1:${(last + 1).toString(16)}`, bits: 128 })),
  );
  fc.assert(
    fc.property(address, fc.nat(0x7fffffff), fc.nat(forever), fc.nat(255), (at, link, lifetime, protocol) => {
      const [message] = decodeDatagram(encodeSetAddress({ ...at, link, lifetime, protocol }, 1)).messages;
      assert.deepEqual(message?.kind === 'address' && message.address, {
        ...at,
        link,
        protocol,
        flags: 2,
        valid: lifetime,
        preferred: lifetime,
      });
    }),
  );
});
