/** The test vectors of RFC 9460 appendix D. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { toHex } from '#test/golden/golden.ts';
import { parseRecord } from '../record.ts';
import { Writer } from '../writer.ts';
import { encodeRData } from './registry.ts';

const foo = '03666f6f076578616d706c6503636f6d00';
const org = '03666f6f076578616d706c65036f726700';

const good: readonly (readonly [text: string, hex: string])[] = [
  ['HTTPS 0 foo.example.com.', `0000${foo}`],
  ['SVCB 1 .', '000100'],
  ['SVCB 16 foo.example.com. port=53', `0010${foo}000300020035`],
  ['SVCB 1 foo.example.com. key667=hello', `0001${foo}029b000568656c6c6f`],
  ['SVCB 1 foo.example.com. key667="hello\\210qoo"', `0001${foo}029b000968656c6c6fd2716f6f`],
  [
    'SVCB 1 foo.example.com. ipv6hint="2001:db8::1,2001:db8::53:1"',
    `0001${foo}0006002020010db800000000000000000000000120010db8000000000000000000530001`,
  ],
  [
    'SVCB 1 example.com. ipv6hint="2001:db8:122:344::192.0.2.33"',
    '0001076578616d706c6503636f6d000006001020010db80122034400000000c0000221',
  ],
  [
    'SVCB 16 foo.example.org. (alpn=h2,h3-19 mandatory=ipv4hint,alpn ipv4hint=192.0.2.1)',
    `0010${org}0000000400010004000100090268320568332d313900040004c0000201`,
  ],
  ['SVCB 16 foo.example.org. alpn="f\\\\\\\\oo\\\\,bar,h2"', `0010${org}0001000c08665c6f6f2c626172026832`],
  ['SVCB 16 foo.example.org. alpn=f\\\\\\092oo\\092,bar,h2', `0010${org}0001000c08665c6f6f2c626172026832`],
];

for (const [text, hex] of good) {
  test(text, () => {
    const record = parseRecord(`example.com. 1 IN ${text}`);
    const to = new Writer();
    encodeRData(record.type, record.class, record.data, to);
    assert.equal(toHex(to.done()), hex);
  });
}

const bad = [
  'key123=abc key123=def',
  'mandatory',
  'alpn',
  'port',
  'ipv4hint',
  'ipv6hint',
  'no-default-alpn=abc',
  'mandatory=key123',
  'mandatory=mandatory',
  'mandatory=key123,key123 key123=abc',
  'port=65536',
  'ipv4hint=192.0.2',
  'alpn=h2,,h3',
  'nonsense=1',
  'key65536=x',
];

for (const params of bad) {
  test(`${params} is refused`, () => {
    assert.throws(() => parseRecord(`example.com. 1 IN SVCB 1 foo.example.com. ${params}`), { code: 'TEXT' });
  });
}
