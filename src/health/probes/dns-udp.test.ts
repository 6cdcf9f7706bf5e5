import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { decodeMessage } from '#wire/message.ts';
import { rcodes, types } from '#wire/types.ts';
import { answerTo } from '../network.ts';
import { judgeAnswer, probeQuery } from './dns-udp.ts';

const good = [rcodes.NOERROR, rcodes.NXDOMAIN];
const query = probeQuery('Check.Bench.test', types.AAAA);
query.set([0x12, 0x34]);

test('the query is one question with RD, the name as it was written', () => {
  const message = decodeMessage(query);
  assert.equal(message.id, 0x1234);
  assert.equal(message.rd, true);
  assert.equal(message.qr, false);
  assert.deepEqual(message.questions, [{ name: 'Check.Bench.test.', type: types.AAAA, class: 1 }]);
  assert.equal(message.edns, undefined);
});

test('NOERROR and NXDOMAIN are good, errors are not', () => {
  const kind = (rcode: number) => judgeAnswer(query, answerTo(query, rcode), good);
  assert.deepEqual(kind(rcodes.NOERROR), { kind: 'good', detail: 'NOERROR' });
  assert.deepEqual(kind(rcodes.NXDOMAIN), { kind: 'good', detail: 'NXDOMAIN' });
  assert.deepEqual(kind(rcodes.SERVFAIL), { kind: 'bad', detail: 'SERVFAIL' });
  assert.deepEqual(kind(rcodes.REFUSED), { kind: 'bad', detail: 'REFUSED' });
});

test('expected codes replace the default', () => {
  assert.equal(judgeAnswer(query, answerTo(query, rcodes.REFUSED), [rcodes.REFUSED]).kind, 'good');
  assert.equal(judgeAnswer(query, answerTo(query, rcodes.NXDOMAIN), [rcodes.NOERROR]).kind, 'bad');
});

test('a truncated answer is as good as a whole one', () => {
  const truncated = answerTo(query, 0, bytes => (bytes[2]! |= 0x02));
  assert.equal(judgeAnswer(query, truncated, good).kind, 'good');
});

test('a wrong id is a stray, a wrong question or letter case is bad', () => {
  assert.equal(
    judgeAnswer(
      query,
      answerTo(query, 0, bytes => (bytes[1]! ^= 1)),
      good,
    ).kind,
    'stray',
  );
  const otherCase = answerTo(query, 0, bytes => (bytes[13]! ^= 0x20));
  assert.deepEqual(judgeAnswer(query, otherCase, good), {
    kind: 'bad',
    detail: 'the answer is for another question',
  });
  const otherType = answerTo(query, 0, bytes => (bytes[query.length - 3] = types.A));
  assert.equal(judgeAnswer(query, otherType, good).kind, 'bad');
});

test('a query, another opcode, or a missing question is bad; an error may come without question', () => {
  assert.equal(judgeAnswer(query, query, good).kind, 'bad');
  assert.equal(
    judgeAnswer(
      query,
      answerTo(query, 0, bytes => (bytes[2]! |= 0x28)),
      good,
    ).kind,
    'bad',
  );
  const bare = (rcode: number) => answerTo(query, rcode, bytes => (bytes[5] = 0)).slice(0, 12);
  assert.equal(judgeAnswer(query, bare(rcodes.NOERROR), good).kind, 'bad');
  assert.deepEqual(judgeAnswer(query, bare(rcodes.FORMERR), good), { kind: 'bad', detail: 'FORMERR' });
});

test('whatever comes is judged', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), fc.boolean(), (bytes, sameId) => {
      if (sameId) bytes.set(query.subarray(0, Math.min(2, bytes.length)));
      assert.ok(['good', 'bad', 'stray'].includes(judgeAnswer(query, bytes, good).kind));
    }),
  );
});
