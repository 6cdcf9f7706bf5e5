import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { steady } from '#test/golden/arbitrary.ts';
import {
  formatBare,
  formatBase32,
  formatBase64,
  formatHex,
  formatString,
  parseBase32,
  parseBase64,
  parseHex,
  parseOctets,
} from './octets.ts';

const ascii = (text: string) => new TextEncoder().encode(text);

test('base32 is that of RFC 4648 section 10, without padding', () => {
  const cases = {
    '': '',
    f: 'CO',
    fo: 'CPNG',
    foo: 'CPNMU',
    foob: 'CPNMUOG',
    fooba: 'CPNMUOJ1',
    foobar: 'CPNMUOJ1E8',
  };
  for (const [text, coded] of Object.entries(cases)) {
    assert.equal(formatBase32(ascii(text)), coded);
    assert.deepEqual(parseBase32(coded.toLowerCase()), ascii(text));
  }
});

test('texts that are none are refused', () => {
  for (const text of ['a', 'abc', '0x', 'zz']) assert.throws(() => parseHex(text), { code: 'TEXT' });
  for (const text of ['A', 'AAA', 'AA=', '=', 'AB==', 'A A=', '####'])
    assert.throws(() => parseBase64(text), { code: 'TEXT' }, text);
  for (const text of ['C', 'W0', 'CP', 'CO=']) assert.throws(() => parseBase32(text), { code: 'TEXT' }, text);
  for (const text of ['\\', 'a\\25', '\\256']) assert.throws(() => parseOctets(text), { code: 'TEXT' }, text);
});

test('strings escape what is not printable; characters beyond ASCII stand for their UTF-8', () => {
  assert.equal(formatString('a "b" \\ \u0000\u00ff'), '"a \\"b\\" \\\\ \\000\\255"');
  assert.equal(parseOctets('a\\"\\065\\\\'), 'a"A\\');
  assert.equal(parseOctets('é'), '\u00c3\u00a9');
  assert.equal(parseOctets('€😀'), '\u00e2\u0082\u00ac\u00f0\u009f\u0098\u0080');
});

test('all octets survive in every form', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 80 }), bytes => {
      const octets = String.fromCharCode(...bytes);
      assert.equal(parseOctets(formatBare(octets)), octets);
      assert.deepEqual(parseHex(formatHex(bytes)), bytes);
      assert.deepEqual(parseBase64(formatBase64(bytes)), bytes);
      assert.deepEqual(parseBase32(formatBase32(bytes)), bytes);
    }),
    steady,
  );
});
