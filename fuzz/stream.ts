/**
 * TCP streams: the framing gives the same messages however the stream is cut, and what follows transfers reads nothing
 * outside a message and throws nothing.
 */

import assert from 'node:assert/strict';
import { Frames } from '#net/stream-framing.ts';
import { servfail, TransferEnd } from '#net/transfer-end.ts';
import { fromHex, goldenMessages } from '#test/golden/golden.ts';
import { frame } from '#test/support/raw.ts';
import { type FuzzOptions, type FuzzResult, fuzzTarget, type Target } from './harness.ts';

/** All whole messages of a stream, the plain way. */
function expected(stream: Uint8Array): Uint8Array[] {
  const messages: Uint8Array[] = [];
  for (let at = 0; at + 2 <= stream.length; ) {
    const end = at + 2 + ((stream[at]! << 8) | stream[at + 1]!);
    if (end > stream.length) break;
    messages.push(stream.slice(at + 2, end));
    at = end;
  }
  return messages;
}

function cut(stream: Uint8Array, size: number): Uint8Array[] {
  const frames = new Frames();
  const messages: Uint8Array[] = [];
  for (let at = 0; at < stream.length; at += size) {
    frames.push(stream.subarray(at, at + size));
    for (let length = frames.next(); length >= 0; length = frames.next()) {
      messages.push(frames.bytes.slice(frames.at, frames.at + length));
    }
  }
  assert.ok(frames.waiting <= 65_537, 'more than a message is held');
  return messages;
}

/** The first byte says how the rest, the stream, is cut. */
function judge(input: Uint8Array): boolean {
  const stream = input.subarray(1);
  const messages = expected(stream);
  for (const size of [1, 1 + (input[0] ?? 0), 65_536]) {
    assert.deepEqual(cut(stream, size), messages, `cut into pieces of ${size}`);
  }
  const [query, ...answers] = messages;
  if (!query) return false;
  const end = new TransferEnd(query);
  for (const answer of answers) end.after(answer, 0, answer.length);
  const failure = servfail(query);
  assert.ok(query.length < 12 ? failure === null : failure && failure.length <= query.length);
  return answers.length > 0;
}

export const stream: Target = {
  name: 'stream',
  seeds() {
    const messages = goldenMessages.map(({ hex }) => fromHex(hex));
    return messages.map((message, at) =>
      Uint8Array.from([at & 255, ...frame(message), ...frame(messages[(at + 1) % messages.length]!)]),
    );
  },
  words: ['0000', '0001', 'ffff', '000c', '00fc0001', '00fb0001', '00060001', 'c00c00060001'].map(fromHex),
  judge,
};

/** Runs this target. */
export function fuzz(options: FuzzOptions): FuzzResult {
  return fuzzTarget(stream, options);
}
