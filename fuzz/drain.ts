/** The file that keeps a drain: whatever is in it, the front is drained or not, and says within bounds who and why. */

import assert from 'node:assert/strict';
import { drainTextLimit, formatDrain, parseDrain } from '#daemon/drain-store.ts';
import { type FuzzOptions, type FuzzResult, fuzzTarget, type Target } from './harness.ts';

const utf8 = new TextDecoder();
const octets = (text: string) => new TextEncoder().encode(text);
const now = Date.parse('2026-05-01T12:00:00Z');

function judge(input: Uint8Array): boolean {
  const { order, problem } = parseDrain(utf8.decode(input), 'drain.json', now);
  if (problem) assert.ok(order, 'what is broken stays drained');
  // None: it has ended.
  if (!order) return true;
  assert.ok(Number.isFinite(order.since) && (order.until === null || order.until > now));
  for (const text of [order.who, order.reason]) {
    assert.ok(text.length <= drainTextLimit + 'drain.json is broken'.length);
    assert.doesNotMatch(text, /\p{Cc}/u);
  }
  // What was understood is written so that it is understood again, as the same.
  if (!problem) assert.deepEqual(parseDrain(formatDrain(order), 'drain.json', now).order, order);
  return problem === null;
}

const order = { since: now - 1000, who: 'ada@noc', reason: 'new disk', until: now + 60_000, stop: false };

/** Long texts, so that many changes fall within them. */
const long = ['new disk, and a new kernel with it; '.repeat(40), 'ä € 😀 '.repeat(150)];

export const drain: Target = {
  name: 'drain',
  seeds: () =>
    [order, { ...order, until: null }, ...long.map(reason => ({ ...order, until: null, reason }))].map(each =>
      octets(formatDrain(each)),
    ),
  words: [
    'null',
    '"until":',
    '"since":',
    '9999-12-31T23:59:59Z',
    '-271821-04-20T00:00:00Z',
    '\\u0000',
    '\\ud800',
  ].map(octets),
  judge,
};

export const fuzz = (options: FuzzOptions): FuzzResult => fuzzTarget(drain, options);
