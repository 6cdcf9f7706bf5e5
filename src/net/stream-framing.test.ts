import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Frames, maxMessage, writePrefix } from './stream-framing.ts';

function framed(messages: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(messages.reduce((sum, message) => sum + 2 + message.length, 0));
  let at = 0;
  for (const message of messages) {
    writePrefix(out, at, message.length);
    out.set(message, at + 2);
    at += 2 + message.length;
  }
  return out;
}

function read(frames: Frames, chunk: Uint8Array, into: Uint8Array[]): void {
  frames.push(chunk);
  for (let length = frames.next(); length >= 0; length = frames.next()) {
    into.push(frames.bytes.slice(frames.at, frames.at + length));
  }
}

test('any messages in any fragmentation come out as they went in', () => {
  const message = fc.oneof(
    fc.uint8Array({ maxLength: 40 }),
    fc.uint8Array({ minLength: 400, maxLength: 9_000 }),
  );
  fc.assert(
    fc.property(
      fc.array(message, { maxLength: 12 }),
      fc.array(fc.integer({ min: 0, max: 600 })),
      (messages, cuts) => {
        const stream = framed(messages);
        const frames = new Frames();
        const out: Uint8Array[] = [];
        let at = 0;
        for (const cut of cuts) {
          read(frames, stream.slice(at, at + cut), out);
          at = Math.min(stream.length, at + cut);
        }
        read(frames, stream.slice(at), out);
        assert.deepEqual(out, messages);
        assert.equal(frames.waiting, 0);
      },
    ),
    { numRuns: 300 },
  );
});

test('one byte at a time, with the longest message', () => {
  const long = Uint8Array.from({ length: maxMessage }, (_, index) => index & 255);
  const stream = framed([Uint8Array.of(1, 2, 3), long, new Uint8Array(0), Uint8Array.of(9)]);
  const frames = new Frames();
  const out: Uint8Array[] = [];
  for (let at = 0; at < stream.length; at++) read(frames, stream.slice(at, at + 1), out);
  assert.deepEqual(
    out.map(message => message.length),
    [3, maxMessage, 0, 1],
  );
  assert.deepEqual(out[1], long);
});

test('a message that lies whole in a chunk is not copied', () => {
  const stream = framed([Uint8Array.of(1, 2, 3), Uint8Array.of(4)]);
  const frames = new Frames();
  frames.push(stream);
  assert.equal(frames.next(), 3);
  assert.equal(frames.bytes, stream);
  assert.equal(frames.at, 2);
  assert.equal(frames.next(), 1);
  assert.equal(frames.bytes, stream);
  assert.equal(frames.next(), -1);
});

test('a chunk may wait between two messages, and another is refused until it is used up', () => {
  const frames = new Frames();
  frames.push(framed([Uint8Array.of(1), Uint8Array.of(2)]));
  assert.equal(frames.next(), 1);
  assert.throws(() => frames.push(Uint8Array.of(0)));
  assert.equal(frames.next(), 1);
  assert.equal(frames.bytes[frames.at], 2);
});

test('a length alone makes nothing be held', () => {
  const frames = new Frames();
  frames.push(Uint8Array.of(255, 255, 1));
  assert.equal(frames.next(), -1);
  assert.equal(frames.waiting, 3);
});
