import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fromHex, toHex } from '#test/golden/golden.ts';
import { Reader } from '../reader.ts';
import { typeCode } from '../types.ts';
import { Writer } from '../writer.ts';
import { typeBitmap } from './bitmap.ts';

/** RFC 4034 section 4.3. */
const example = `0006400100000003041b${'00'.repeat(26)}20`;
const listed = ['A', 'MX', 'RRSIG', 'NSEC', 'TYPE1234'].map(name => typeCode(name) ?? 0);

test('the example of RFC 4034 section 4.3', () => {
  assert.deepEqual(typeBitmap.read(new Reader(fromHex(example))), listed);
  const to = new Writer();
  typeBitmap.write(to, [...listed].reverse());
  assert.equal(toHex(to.done()), example);
  assert.equal(typeBitmap.format(listed), 'A MX RRSIG NSEC TYPE1234');
});

test('windows that do not ascend, are empty, too long or end in zero are refused', () => {
  for (const hex of ['00014000 0140', '0100', `0021${'01'.repeat(33)}`, '00024000', '000240', '00'].map(h =>
    h.replace(' ', ''),
  )) {
    assert.throws(() => typeBitmap.read(new Reader(fromHex(hex))), { name: 'WireError' }, hex);
  }
});
