import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { decodeMessage, encodeMessage, type Message, type ResourceRecord } from '#wire/message.ts';
import { parseRData } from '#wire/rdata/registry.ts';
import { entriesOf, Tokens } from '#wire/tokens.ts';
import { rcodes, types } from '#wire/types.ts';
import { answerTo } from '../network.ts';
import type { ProbeQuestion } from '../targets.ts';
import { judgeAnswer } from './answer.ts';
import { freshen, probeQuery } from './query.ts';

const query = probeQuery({ name: 'Check.Bench.test', type: types.AAAA });
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
  const kind = (rcode: number) => judgeAnswer(query, answerTo(query, rcode));
  assert.deepEqual(kind(rcodes.NOERROR), { kind: 'good', rcode: 0, detail: 'NOERROR' });
  assert.deepEqual(kind(rcodes.NXDOMAIN), { kind: 'good', rcode: 3, detail: 'NXDOMAIN' });
  assert.deepEqual(kind(rcodes.SERVFAIL), { kind: 'bad', rcode: 2, detail: 'SERVFAIL' });
  assert.deepEqual(kind(rcodes.REFUSED), { kind: 'bad', rcode: 5, detail: 'REFUSED' });
});

test('expected codes replace the default', () => {
  assert.equal(
    judgeAnswer(query, answerTo(query, rcodes.REFUSED), { expect: [rcodes.REFUSED] }).kind,
    'good',
  );
  assert.equal(
    judgeAnswer(query, answerTo(query, rcodes.NXDOMAIN), { expect: [rcodes.NOERROR] }).kind,
    'bad',
  );
});

test('a truncated answer is as good as a whole one', () => {
  const truncated = answerTo(query, 0, bytes => (bytes[2]! |= 0x02));
  assert.equal(judgeAnswer(query, truncated).kind, 'good');
});

test('a wrong id is a stray, a wrong question or letter case is bad', () => {
  assert.equal(
    judgeAnswer(
      query,
      answerTo(query, 0, bytes => (bytes[1]! ^= 1)),
    ).kind,
    'stray',
  );
  const otherCase = answerTo(query, 0, bytes => (bytes[13]! ^= 0x20));
  assert.deepEqual(judgeAnswer(query, otherCase), {
    kind: 'bad',
    rcode: null,
    detail: 'the answer is for another question',
  });
  const otherType = answerTo(query, 0, bytes => (bytes[query.length - 3] = types.A));
  assert.equal(judgeAnswer(query, otherType).kind, 'bad');
});

test('a query, another opcode, or a missing question is bad; an error may come without question', () => {
  assert.equal(judgeAnswer(query, query).kind, 'bad');
  assert.equal(
    judgeAnswer(
      query,
      answerTo(query, 0, bytes => (bytes[2]! |= 0x28)),
    ).kind,
    'bad',
  );
  const bare = (rcode: number) => answerTo(query, rcode, bytes => (bytes[5] = 0)).slice(0, 12);
  assert.equal(judgeAnswer(query, bare(rcodes.NOERROR)).kind, 'bad');
  assert.deepEqual(judgeAnswer(query, bare(rcodes.FORMERR)), { kind: 'bad', rcode: 1, detail: 'FORMERR' });
});

test('whatever comes is judged', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), fc.boolean(), (bytes, sameId) => {
      if (sameId) bytes.set(query.subarray(0, Math.min(2, bytes.length)));
      assert.ok(['good', 'bad', 'stray'].includes(judgeAnswer(query, bytes).kind));
    }),
  );
});

const asked = (more: Partial<ProbeQuestion> = {}) => {
  const question = { name: 'check.bench.test', type: types.A, ...more };
  const bytes = probeQuery(question);
  bytes.set([0x12, 0x34]);
  return { question, bytes, message: decodeMessage(bytes) };
};

/** The answer of a real server to `bytes`, as it is encoded there. */
const answered = (bytes: Uint8Array, more: Partial<Message>) =>
  encodeMessage({ ...decodeMessage(bytes), qr: true, ra: true, ad: false, ...more });
const record = (type: number, data: string): ResourceRecord => ({
  name: 'check.bench.test.',
  type,
  class: 1,
  ttl: 60,
  data: parseRData(type, 1, new Tokens([...entriesOf(data)][0]!.tokens)),
});

test('a random label is new in each run, and fits a name that has just room for it', () => {
  const question = { name: 'check.bench.test', type: types.A, randomLabel: true };
  const bytes = probeQuery(question);
  const names = new Set<string>();
  for (let run = 0; run < 50; run++) {
    freshen(bytes, true, bound => randomInt(bound));
    names.add(decodeMessage(bytes).questions[0]!.name);
  }
  assert.equal(names.size, 50);
  for (const name of names) assert.match(name, /^[a-z2-7]{12}\.check\.bench\.test\.$/);
  const labels = `${'a'.repeat(59)}.`.repeat(4);
  assert.equal(probeQuery({ ...question, name: labels.slice(0, -1) }).length, 12 + 13 + 241 + 4);
  assert.throws(
    () => probeQuery({ ...question, name: `${labels}${'a'.repeat(9)}` }),
    /no room for a random label/,
  );
});

test('a class, and DNSSEC by EDNS with AD and DO', () => {
  assert.equal(asked({ class: 3 }).message.questions[0]!.class, 3);
  const { message } = asked({ dnssec: 'signed' });
  assert.deepEqual([message.ad, message.edns?.do, message.edns?.udpSize], [true, true, 1232]);
});

test('sections that are not what the header counts are malformed', () => {
  const { bytes } = asked();
  const torn = answered(bytes, { answers: [record(types.A, '192.0.2.1')] }).slice(0, -2);
  assert.deepEqual(judgeAnswer(bytes, torn), {
    kind: 'bad',
    rcode: null,
    detail: 'malformed answer: its sections are not what it counts',
  });
});

test('expected data: an address whole, a name without regard to case, a part of a text', () => {
  const { bytes } = asked();
  const answer = answered(bytes, {
    answers: [
      record(types.A, '192.0.2.10'),
      record(types.TXT, '"node 7 of ten"'),
      record(types.CNAME, 'WWW.Example.'),
    ],
  });
  const kind = (...texts: string[]) => judgeAnswer(bytes, answer, { answer: texts }).kind;
  assert.equal(kind('192.0.2.10', 'node 7', 'www.example'), 'good');
  assert.equal(judgeAnswer(bytes, answer, { answer: ['192.0.2.1'] }).detail, 'NOERROR without 192.0.2.1');
  assert.equal(kind('node 8'), 'bad');
  const six = answered(bytes, { answers: [record(types.AAAA, '2001:db8::1')] });
  assert.equal(judgeAnswer(bytes, six, { answer: ['2001:0DB8:0::1'] }).kind, 'good');
  const cut = answered(bytes, { tc: true });
  assert.equal(
    judgeAnswer(bytes, cut, { answer: ['x'] }).detail,
    'NOERROR without x (truncated: ask over TCP)',
  );
});

test('a signed name must come with AD or a signature', () => {
  const { bytes } = asked({ dnssec: 'signed' });
  const kind = (more: Partial<Message>) => judgeAnswer(bytes, answered(bytes, more), { dnssec: 'signed' });
  assert.equal(kind({ ad: true }).detail, 'NOERROR with AD');
  assert.equal(kind({ answers: [record(types.A, '192.0.2.1')] }).detail, 'NOERROR, neither AD nor RRSIG');
  assert.equal(kind({ rcode: rcodes.NXDOMAIN, ad: true }).kind, 'bad');
  const data = 'A 13 2 60 20300101000000 20200101000000 1 test. AAAA';
  assert.equal(kind({ answers: [record(types.RRSIG, data)] }).detail, 'NOERROR with RRSIG');
});

test('a broken name must fail; a backend that answers does not validate', () => {
  const { bytes } = asked({ dnssec: 'broken' });
  const judge = (rcode: number) => judgeAnswer(bytes, answered(bytes, { rcode }), { dnssec: 'broken' });
  assert.deepEqual(judge(rcodes.SERVFAIL), { kind: 'good', rcode: 2, detail: 'SERVFAIL: it validates' });
  assert.deepEqual(judge(rcodes.NOERROR), { kind: 'bad', rcode: 0, detail: 'NOERROR: it does not validate' });
  assert.deepEqual(judge(rcodes.REFUSED), { kind: 'bad', rcode: 5, detail: 'REFUSED' });
});
