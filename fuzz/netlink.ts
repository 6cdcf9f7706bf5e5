/** What the kernel sends over netlink: any octets give messages, each of them inside the datagram; nothing is thrown. */

import assert from 'node:assert/strict';
import {
  decodeDatagram,
  encodeCreateLink,
  encodeDeleteAddress,
  encodeSetAddress,
  forever,
} from '#net/rtnetlink.ts';
import { type FuzzOptions, type FuzzResult, fuzzTarget, type Target } from './harness.ts';

function judge(input: Uint8Array): boolean {
  const { messages } = decodeDatagram(input);
  // No message has less than its header.
  assert.ok(messages.length <= input.length / 16);
  for (const message of messages) {
    if (message.kind !== 'address') continue;
    const { address, bits, link, valid, protocol } = message.address;
    const again = encodeSetAddress({ address, bits, link, lifetime: valid, protocol }, 1);
    const [read] = decodeDatagram(again).messages;
    assert.ok(read?.kind === 'address');
    assert.equal(read.address.address, address);
  }
  return messages.some(({ kind }) => kind !== 'other');
}

const four = { address: '192.0.2.53', bits: 32, link: 2, lifetime: 2, protocol: 77 };
const six = { address: '2001:db8::53', bits: 128, link: 1, lifetime: forever, protocol: 0 };

export const netlink: Target = {
  name: 'netlink',
  seeds: () => [
    encodeSetAddress(four, 1),
    encodeSetAddress(six, 2),
    encodeDeleteAddress(six, 3),
    encodeCreateLink('chorus0', 'bridge', 4),
    new Uint8Array([...encodeSetAddress(four, 5), ...encodeSetAddress(six, 6)]),
  ],
  words: [
    Uint8Array.of(0, 0, 0, 0),
    Uint8Array.of(255, 255, 255, 255),
    Uint8Array.of(16, 0, 0, 0),
    Uint8Array.of(8, 0, 2, 0, 192, 0, 2, 1),
    Uint8Array.of(20, 0, 20, 0),
    Uint8Array.of(2, 0, 0, 3),
    Uint8Array.of(4, 0, 3, 0),
  ],
  judge,
};

/** Runs this target. */
export function fuzz(options: FuzzOptions): FuzzResult {
  return fuzzTarget(netlink, options);
}
