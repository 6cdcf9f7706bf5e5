import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cacheRules } from '#test/sim/world.ts';
import { encodeMessage, type Message, query } from '#wire/message.ts';
import { parseRecord } from '#wire/record.ts';
import { AnswerScan, scanAnswer } from '#wire/scan.ts';
import { answerLifetime, type Lifetime } from './lifetime.ts';

const a = (ttl: number) => parseRecord(`a.example. ${ttl} IN A 192.0.2.1`);
const soa = parseRecord('example. 900 IN SOA ns.example. host.example. 1 2 3 4 60');

/** The TTL that an answer is kept for; undefined when it says nothing to the cache. */
function lifetime(answer: Partial<Message>): number | undefined {
  const bytes = encodeMessage({ ...query('a.example.', 'A'), qr: true, ...answer });
  const scan = new AnswerScan();
  assert.ok(scanAnswer(bytes, 0, bytes.length, scan));
  const out: Lifetime = { ttl: -1 };
  const rules = { ...cacheRules, maxTtl: 1000, maxNegativeTtl: 50 };
  return answerLifetime(scan, rules, out) ? out.ttl : undefined;
}

test('an answer is kept for its least TTL, within bounds', () => {
  assert.equal(lifetime({ answers: [a(300), a(200)] }), 200);
  assert.equal(lifetime({ answers: [a(5000)] }), 1000);
  assert.equal(lifetime({ rcode: 3, authorities: [soa] }), 50);
  assert.equal(lifetime({ authorities: [soa] }), 50);
});

test('one that may not be kept still says that what is kept is out of date', () => {
  assert.equal(lifetime({ answers: [a(0)] }), 0);
  assert.equal(lifetime({ rcode: 3 }), 0);
  assert.equal(lifetime({ answers: Array.from({ length: 257 }, () => a(300)) }), 0);
});

test('what is no answer says nothing to the cache', () => {
  for (const rcode of [1, 2, 4, 5]) assert.equal(lifetime({ rcode }), undefined);
  assert.equal(lifetime({}), undefined);
  assert.equal(lifetime({ tc: true, answers: [a(300)] }), undefined);
});
