/**
 * The packet path's reader: it throws nothing, what it says does not depend on what lies around the packet, and where
 * the codec understands the packet both say the same.
 */

import assert from 'node:assert/strict';
import { fromHex, goldenMessages } from '#test/golden/golden.ts';
import { WireError } from '#wire/error.ts';
import { decodeMessage, type Message } from '#wire/message.ts';
import { parseName } from '#wire/name.ts';
import { AnswerScan, QueryScan, scanAnswer, scanQuery, verdict } from '#wire/scan.ts';
import { codec } from './codec.ts';
import { type FuzzOptions, type FuzzResult, fuzzTarget, type Target } from './harness.ts';

/** Octets before and after the packet. */
const around = 64;
const slab = new Uint8Array(around + 65_536 + around);

function both(input: Uint8Array, fill: number) {
  slab.fill(fill, 0, around);
  slab.set(input, around);
  slab.fill(fill, around + input.length, around + input.length + around);
  const query = new QueryScan();
  const answer = new AnswerScan();
  const kind = scanQuery(slab, around, input.length, 7, query);
  const whole = scanAnswer(slab, around, input.length, answer);
  return { kind, query, whole, answer: { ...answer, ttls: [...answer.ttls.subarray(0, answer.ttlCount)] } };
}

function judge(input: Uint8Array): boolean {
  const seen = both(input, 0);
  assert.deepEqual(both(input, 0xff), seen, 'the result depends on what lies around the packet');
  let message: Message;
  try {
    message = decodeMessage(input);
  } catch (error) {
    if (!(error instanceof WireError)) throw error;
    return false;
  }
  if (seen.kind === verdict.plain) agreeOnQuery(message, seen.query);
  if (message.trailing === undefined && message.questions.length < 2) agreeOnAnswer(message, input, seen);
  return true;
}

function agreeOnQuery({ qr, opcode, questions, edns, rd, ...message }: Message, scan: QueryScan): void {
  assert.ok(!qr && opcode === 0 && questions.length === 1, 'not one plain question');
  const [question] = questions;
  assert.equal(scan.nameLength, parseName(question?.name ?? '').length, 'length of the name');
  assert.equal(scan.type, question?.type, 'type');
  assert.equal(scan.class, question?.class, 'class');
  assert.equal(scan.edns, edns !== undefined, 'EDNS');
  assert.equal(scan.udpSize, Math.max(512, edns?.udpSize ?? 512), 'UDP size');
  assert.equal(scan.nsid, edns?.options.some(({ kind }) => kind === 'NSID') ?? false, 'NSID');
  assert.equal((scan.keyFlags & 1) !== 0, rd, 'RD');
  assert.equal((scan.keyFlags & 8) !== 0, edns?.do ?? false, 'DO');
  assert.equal(message.trailing, undefined, 'octets left over');
  assert.equal(
    message.answers.length + message.authorities.length + message.additionals.length,
    0,
    'records',
  );
}

function agreeOnAnswer(
  message: Message,
  input: Uint8Array,
  { whole, answer }: ReturnType<typeof both>,
): void {
  const [question] = message.questions;
  // A compressed name in a first question points nowhere; the codec refuses it as well.
  assert.ok(whole, 'a whole message is called malformed');
  assert.equal(answer.rcode, message.rcode, 'response code');
  assert.equal(answer.truncated, message.tc, 'TC');
  assert.equal(answer.type, question?.type ?? 0, 'type');
  assert.equal(answer.optAt !== 0, message.edns !== undefined, 'OPT');
  const records = [...message.answers, ...message.authorities, ...message.additionals];
  const ttls = records.map(({ ttl }) => ttl);
  const view = new DataView(input.buffer, input.byteOffset);
  assert.deepEqual(
    answer.ttls.map(at => view.getUint32(at)),
    ttls.slice(0, 256),
    'TTLs',
  );
  const least = Math.min(...ttls.map(ttl => (ttl > 0x7fffffff ? 0 : ttl)));
  assert.equal(answer.leastTtl, least, 'least TTL');
  const matching = message.answers.filter(({ type }) => type === question?.type || question?.type === 255);
  if (question) assert.equal(answer.matching, matching.length, 'matching answers');
}

export const scan: Target = {
  name: 'scan',
  seeds: () => goldenMessages.map(({ hex }) => fromHex(hex)),
  words: codec.words,
  judge,
};

/** Runs this target. */
export function fuzz(options: FuzzOptions): FuzzResult {
  return fuzzTarget(scan, options);
}
