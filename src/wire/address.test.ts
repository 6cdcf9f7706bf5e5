import assert from 'node:assert/strict';
import { isIPv4, isIPv6 } from 'node:net';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { steady } from '#test/golden/arbitrary.ts';
import { formatIpv4, formatIpv6, parseIpv4, parseIpv6 } from './address.ts';

test('IPv6 texts are those of RFC 5952', () => {
  const cases = {
    '::': '::',
    '::1': '::1',
    '2001:0DB8::0001': '2001:db8::1',
    '2001:db8:0:0:1:0:0:1': '2001:db8::1:0:0:1',
    '2001:db8:0:1:1:1:1:1': '2001:db8:0:1:1:1:1:1',
    '2001:0:0:1:0:0:0:1': '2001:0:0:1::1',
    'fe80::': 'fe80::',
    '1:2:3:4:5:6:7::': '1:2:3:4:5:6:7:0',
    '::ffff:192.0.2.1': '::ffff:192.0.2.1',
    '64:ff9b::192.0.2.33': '64:ff9b::c000:221',
  };
  for (const [text, canonical] of Object.entries(cases)) {
    const bytes = parseIpv6(text);
    assert.ok(bytes, text);
    assert.equal(formatIpv6(bytes), canonical);
  }
});

test('what is no address is refused', () => {
  for (const text of ['', '1.2.3', '1.2.3.4.5', '256.1.1.1', '01.2.3.4', '1.2.3.4 ', 'a.b.c.d', '1.2.3.']) {
    assert.equal(parseIpv4(text), undefined, text);
  }
  for (const text of [
    '',
    ':',
    ':::',
    '1::2::3',
    '1:2:3:4:5:6:7',
    '1:2:3:4:5:6:7:8:9',
    '12345::',
    '::g',
    '::1%eth0',
    '1.2.3.4::',
    '::1.2.3',
    '1:2:3:4:5:6:7:1.2.3.4',
  ]) {
    assert.equal(parseIpv6(text), undefined, text);
  }
});

test('every address survives, and Node agrees on what is one', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 16, maxLength: 16 }), fc.nat(0xff), (bytes, holes) => {
      for (let i = 0; i < 8; i++) if (holes & (1 << i)) bytes.fill(0, 2 * i, 2 * i + 2);
      assert.deepEqual(parseIpv6(formatIpv6(bytes)), bytes);
      assert.deepEqual(parseIpv4(formatIpv4(bytes, 4)), bytes.slice(4, 8));
      assert.ok(isIPv6(formatIpv6(bytes)));
    }),
    steady,
  );
  const near = fc.stringMatching(/^[0-9a-f:.]{1,20}$/);
  fc.assert(
    fc.property(fc.oneof(near, fc.ipV6(), fc.ipV4()), text => {
      assert.equal(parseIpv6(text) !== undefined, isIPv6(text), text);
      assert.equal(parseIpv4(text) !== undefined, isIPv4(text), text);
    }),
    { ...steady, numRuns: 2000 },
  );
});
