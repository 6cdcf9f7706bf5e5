import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { AF_INET, AF_INET6, readAddress, readPort, writeSockaddr } from './sockaddr.ts';

test('an IPv4 sockaddr is laid out as Linux has it', () => {
  const u8 = new Uint8Array(40).fill(7);
  assert.equal(writeSockaddr(u8, 4, '192.0.2.1', 5353), 16);
  assert.deepEqual([...u8.subarray(4, 12)], [AF_INET, 0, 0x14, 0xe9, 192, 0, 2, 1]);
  assert.equal(readAddress(u8, 4), '192.0.2.1');
  assert.equal(readPort(u8, 4), 5353);
});

test('an IPv6 sockaddr keeps its scope', () => {
  const u8 = new Uint8Array(28);
  assert.equal(writeSockaddr(u8, 0, 'fe80::1%3', 53), 28);
  assert.equal(u8[0], AF_INET6);
  assert.equal(readAddress(u8, 0), 'fe80::1%3');
});

test('every address survives the round trip', () => {
  fc.assert(
    fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), fc.integer({ min: 0, max: 65535 }), (address, port) => {
      const u8 = new Uint8Array(28);
      writeSockaddr(u8, 0, address, port);
      const again = new Uint8Array(28);
      writeSockaddr(again, 0, readAddress(u8, 0), readPort(u8, 0));
      assert.deepEqual(again, u8);
    }),
  );
});
