import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import {
  blockHas,
  clientOf,
  formatBlock,
  formatEndpoint,
  isLoopback,
  parseAddress,
  parseBlock,
  parseEndpoint,
} from './address.ts';

test('a client is an IPv4 address, an IPv6 /64, or a link-local address', () => {
  for (const [address, client] of [
    ['192.0.2.1', '192.0.2.1'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:db8:1:2::7', '2001:db8:1:2::/64'],
    ['2001:db8:1:3::7', '2001:db8:1:3::/64'],
    ['::1', '::/64'],
    ['fe80::1%eth0', 'fe80::1%eth0'],
    ['fe80::2', 'fe80::2'],
  ] as const) {
    assert.equal(clientOf(address), client);
  }
});

describe('addresses with ports', () => {
  const forms = [
    ['127.0.0.1:5300', '127.0.0.1', 5300],
    ['127.0.0.1', '127.0.0.1', 53],
    ['[::1]:5300', '::1', 5300],
    ['[::1]', '::1', 53],
    ['::1', '::1', 53],
    ['[2001:DB8:0:0::1]:53', '2001:db8::1', 53],
    ['2001:db8::1', '2001:db8::1', 53],
    ['[fe80::1%eth0]:53', 'fe80::1%eth0', 53],
    ['fe80::1%eth0', 'fe80::1%eth0', 53],
    ['0.0.0.0', '0.0.0.0', 53],
    ['[::]:53', '::', 53],
  ] as const;
  for (const [text, address, port] of forms) {
    test(text, () => assert.deepEqual(parseEndpoint(text, 53), { address, port }));
  }

  test('nothing else', () => {
    for (const text of [
      '',
      ':53',
      'localhost:53',
      '127.0.0.1:0',
      '127.0.0.1:65536',
      '127.0.0.1:',
      '127.0.0.256',
      '127.1',
      '010.0.0.1',
      '127.0.0.1:53:53',
      '[127.0.0.1]:53',
      '[::1',
      '::1]:53',
      '[::1]53',
      '1::2::3',
      '2001:db8::1%eth0',
      '127.0.0.1%lo',
      'fe80::1%',
    ]) {
      assert.equal(parseEndpoint(text, 53), undefined, text);
    }
  });

  test('formatting and parsing are inverse', () => {
    fc.assert(
      fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), fc.integer({ min: 1, max: 65_535 }), (text, port) => {
        const address = parseAddress(text);
        assert.ok(address !== undefined, text);
        assert.deepEqual(parseEndpoint(formatEndpoint({ address, port }), 53), { address, port });
      }),
    );
  });
});

describe('address blocks', () => {
  test('clear the bits after the prefix length', () => {
    assert.equal(formatBlock(parseBlock('10.1.2.3/8')!), '10.0.0.0/8');
    assert.equal(formatBlock(parseBlock('10.255.2.3/12')!), '10.240.0.0/12');
    assert.equal(formatBlock(parseBlock('2001:db8:ffff::/33')!), '2001:db8:8000::/33');
    assert.equal(formatBlock(parseBlock('192.0.2.1')!), '192.0.2.1/32');
    assert.equal(formatBlock(parseBlock('::/0')!), '::/0');
  });

  test('nothing else', () => {
    for (const text of [
      '',
      '/8',
      '10.0.0.0/33',
      '::/129',
      '10.0.0.0/-1',
      '10.0.0.0/8/8',
      '10.0.0/8',
      'any',
    ]) {
      assert.equal(parseBlock(text), undefined, text);
    }
  });

  test('have the addresses that begin as they do', () => {
    const block = parseBlock('172.16.0.0/12')!;
    assert.equal(blockHas(block, '172.31.255.255'), true);
    assert.equal(blockHas(block, '172.32.0.0'), false);
    assert.equal(blockHas(block, '::ac10:0'), false);
    assert.deepEqual(['127.9.9.9', '::1', '10.0.0.1', '::2'].map(isLoopback), [true, true, false, false]);
  });
});
