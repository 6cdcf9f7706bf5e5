/** The BGP codec: any octets give BgpError or a message that survives being written; the framing gives the same in any pieces. */

import assert from 'node:assert/strict';
import type { UpdateContext } from '#bgp/attributes.ts';
import { BgpError } from '#bgp/error.ts';
import { Frames } from '#bgp/frames.ts';
import {
  decodeMessage,
  encodeMessage,
  type Message,
  notificationOf,
  readNotification,
} from '#bgp/message.ts';
import { goldenMessages } from '#test/golden/bgp/golden.ts';
import { fromHex } from '#test/golden/golden.ts';
import { type FuzzOptions, type FuzzResult, fuzzTarget, type Target } from './harness.ts';

/** The messages of a stream, in hexadecimal, and the error that ends it; cut into pieces of `size`. */
function cut(stream: Uint8Array, size: number): string[] {
  const frames = new Frames();
  const found: string[] = [];
  try {
    for (let at = 0; at < stream.length; at += size) {
      frames.push(stream.subarray(at, at + size), message => {
        found.push(Buffer.from(message).toString('hex'));
        return true;
      });
    }
  } catch (thrown) {
    if (!(thrown instanceof BgpError)) throw thrown;
    found.push(thrown.message);
  }
  assert.ok(frames.waiting < 4096, 'more than a message is held');
  return found;
}

function judgeMessage(bytes: Uint8Array, context: UpdateContext): boolean {
  let message: Message;
  try {
    message = decodeMessage(bytes, context);
  } catch (thrown) {
    if (!(thrown instanceof BgpError)) throw thrown;
    // What the peer is told of it can be written and read.
    const told = notificationOf(thrown);
    assert.deepEqual(decodeMessage(encodeMessage(told), context), told);
    return false;
  }
  if (message.kind === 'notification') readNotification(message);
  if (message.kind === 'update') {
    const counted = decodeMessage(bytes, { ...context, keepPrefixes: false });
    assert.ok(counted.kind === 'update');
    assert.deepEqual(counted.counts, message.counts);
    assert.deepEqual(counted.faults, message.faults);
    if (message.faults.length > 0 || message.counts.foreign > 0) return true;
  }
  assert.deepEqual(decodeMessage(encodeMessage(message, context), context), message);
  return true;
}

/** The first octet says what the session has agreed on and how the rest, the stream, is cut. */
function judge(input: Uint8Array): boolean {
  const choice = input[0] ?? 0;
  const stream = input.subarray(1);
  const context = { fourOctetAs: (choice & 1) === 0, internal: (choice & 2) !== 0, keepPrefixes: true };
  const whole = cut(stream, 65_536);
  for (const size of [1, 1 + choice]) assert.deepEqual(cut(stream, size), whole, `in pieces of ${size}`);
  const frames = new Frames();
  let understood = false;
  try {
    frames.push(stream, message => {
      if (judgeMessage(message, context)) understood = true;
      return true;
    });
  } catch (thrown) {
    if (!(thrown instanceof BgpError)) throw thrown;
  }
  return understood;
}

export const bgp: Target = {
  name: 'bgp',
  seeds() {
    return goldenMessages.map(({ context, hex }) =>
      Uint8Array.from([(context.fourOctetAs ? 0 : 1) | (context.internal ? 2 : 0), ...fromHex(hex)]),
    );
  },
  // A marker, lengths, attributes with their flags, families, whole small messages.
  words: [
    'ffffffffffffffffffffffffffffffff',
    '0013',
    '001d',
    '1000',
    '40010100',
    '40020602010000fde9',
    '4003040a000002',
    '8004040000000a',
    '40050400000064',
    'c00804ffff0000',
    '800e',
    '800f03000201',
    '00020110',
    'c0200c0000fde90000000100000002',
    '02064104000186a0',
    '40068000012c00010180',
    '20c0000235',
    'ffffffffffffffffffffffffffffffff001304',
    'ffffffffffffffffffffffffffffffff00170200000000',
    'ffffffffffffffffffffffffffffffff001d0104fde900030a00000200',
  ].map(fromHex),
  judge,
};

/** Runs this target. */
export function fuzz(options: FuzzOptions): FuzzResult {
  return fuzzTarget(bgp, options);
}
