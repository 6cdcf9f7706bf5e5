import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseEndpoint } from './endpoint.ts';

test('reads addresses with ports', () => {
  assert.deepEqual(parseEndpoint('192.0.2.1:53'), { address: '192.0.2.1', port: 53 });
  assert.deepEqual(parseEndpoint('[2001:db8::1]:5353'), { address: '2001:db8::1', port: 5353 });
  assert.deepEqual(parseEndpoint('[fe80::1%lo]:53'), { address: 'fe80::1%lo', port: 53 });
  assert.deepEqual(parseEndpoint('127.0.0.1:0'), { address: '127.0.0.1', port: 0 });
});

test('takes the default port', () => {
  assert.deepEqual(parseEndpoint('192.0.2.1', 53), { address: '192.0.2.1', port: 53 });
  assert.deepEqual(parseEndpoint('[::1]', 53), { address: '::1', port: 53 });
  assert.deepEqual(parseEndpoint('::1', 53), { address: '::1', port: 53 });
  assert.equal(parseEndpoint('192.0.2.1'), null);
});

for (const text of [
  '',
  ':53',
  'localhost:53',
  '1.2.3:53',
  '192.0.2.1:65536',
  '192.0.2.1:x',
  '[192.0.2.1]:53',
  '[::1]53',
  '[::1',
  '::1:x',
]) {
  test(`refuses ${JSON.stringify(text)}`, () => assert.equal(parseEndpoint(text, 53), null));
}
