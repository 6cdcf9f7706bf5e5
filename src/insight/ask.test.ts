import assert from 'node:assert/strict';
import { test } from 'node:test';
import { VirtualClock } from '#health/clock.ts';
import { answerTo, type Server, VirtualNetwork } from '#health/network.ts';
import { decodeMessage } from '#wire/message.ts';
import { rcodes, types } from '#wire/types.ts';
import { type Asked, ask, type Inquiry, inWords, makeQuery, randomName } from './ask.ts';

function world(server: Server) {
  const clock = new VirtualClock();
  const [datagrams, streams] = [new VirtualNetwork(clock), new VirtualNetwork(clock)];
  for (const network of [datagrams, streams]) network.servers.set('192.0.2.1 53', server);
  let seed = 0;
  const random = (bound: number) => {
    seed += 4711;
    return seed % bound;
  };
  return { clock, random, datagrams, streams };
}

function inquiry(more: Partial<Inquiry> = {}): Inquiry {
  return {
    to: { address: '192.0.2.1', port: 53 },
    transport: 'udp',
    query: makeQuery({ name: 'www.example.net.', type: types.A }),
    good: [rcodes.NOERROR, rcodes.NXDOMAIN],
    time: 1000,
    tries: 3,
    ...more,
  };
}

function outcome(
  server: Server,
  more: Partial<Inquiry> = {},
): { asked: Asked; at: ReturnType<typeof world> } {
  const at = world(server);
  const found: Asked[] = [];
  ask(inquiry(more), at, asked => found.push(asked));
  assert.deepEqual(found, [], 'nothing is told before it has returned');
  at.clock.advance(60_000);
  assert.equal(found.length, 1);
  assert.equal(at.clock.pending, 0, 'no wait is left');
  assert.equal(at.datagrams.open + at.streams.open, 0, 'no socket is left');
  return { asked: found[0]!, at };
}

test('a query has class, RD and EDNS as asked for', () => {
  const plain = decodeMessage(makeQuery({ name: 'id.server.', type: types.TXT, class: 3, edns: false }));
  assert.deepEqual(plain.questions, [{ name: 'id.server.', type: types.TXT, class: 3 }]);
  assert.equal(plain.edns, undefined);
  const bytes = makeQuery({ name: 'a.', type: types.A, rd: false });
  const message = decodeMessage(bytes);
  assert.deepEqual([message.rd, message.edns?.udpSize, message.trailing], [false, 1232, undefined]);
});

test('an answer ends the matter, good or bad, with its latency', () => {
  const good = outcome(query => [{ after: 7, bytes: answerTo(query) }]).asked;
  assert.deepEqual(
    { ...good, bytes: null },
    {
      kind: 'answer',
      good: true,
      detail: 'NOERROR',
      rcode: 0,
      latency: 7,
      tries: 1,
      bytes: null,
      ours: false,
    },
  );
  const bad = outcome(query => [{ after: 2, bytes: answerTo(query, rcodes.SERVFAIL) }]);
  assert.deepEqual([bad.asked.good, bad.asked.rcode, bad.asked.tries], [false, rcodes.SERVFAIL, 1]);
  assert.equal(bad.at.datagrams.sent.length, 1, 'a failure is not asked again');
});

test('an answer with EDNS counts, though its question is followed by more', () => {
  const { asked } = outcome(query => [{ after: 1, bytes: answerTo(query) }], {
    query: makeQuery({ name: 'www.example.net.', type: types.A }),
  });
  assert.equal(asked.good, true);
  const elsewhere = outcome(query => [
    { after: 1, bytes: answerTo(query, 0, bytes => (bytes[14]! ^= 0x20)) },
  ]);
  assert.deepEqual([elsewhere.asked.kind, elsewhere.asked.good], ['malformed', false]);
});

test('silence is met with the same question and another id; latency counts from the first', () => {
  let queries = 0;
  const { asked, at } = outcome(query => (++queries < 3 ? [] : [{ after: 5, bytes: answerTo(query) }]));
  assert.deepEqual([asked.good, asked.tries, asked.latency], [true, 3, 2005]);
  const ids = at.datagrams.sent.map(({ bytes }) => (bytes[0]! << 8) | bytes[1]!);
  assert.equal(new Set(ids).size, 3);
  assert.deepEqual(
    at.datagrams.sent.map(sent => sent.at),
    [0, 1000, 2000],
  );
});

test('silence to the end is told, with what was heard meanwhile', () => {
  assert.equal(outcome(() => []).asked.detail, 'no answer within 3 times 1s');
  assert.equal(outcome(() => [], { tries: 1, time: 50 }).asked.detail, 'no answer within 50ms');
  const forged = outcome(query => [{ after: 1, bytes: answerTo(query, 0, bytes => (bytes[0]! ^= 1)) }], {
    tries: 1,
  });
  assert.deepEqual(
    [forged.asked.kind, forged.asked.detail],
    ['silence', 'no answer within 1s (heard an answer with a wrong id)'],
  );
});

test('an error of the system ends it; one of this machine is told apart', () => {
  const refused = outcome(() => [{ after: 1, fails: 'ECONNREFUSED' }]).asked;
  assert.deepEqual([refused.kind, refused.ours, refused.tries], ['error', false, 1]);
  for (const code of ['EADDRNOTAVAIL', 'EMFILE', 'EPERM']) {
    assert.equal(outcome(() => [{ after: 1, fails: code }]).asked.ours, true, code);
  }
});

test('TCP goes over the streams', () => {
  const { asked, at } = outcome(query => [{ after: 1, bytes: answerTo(query) }], { transport: 'tcp' });
  assert.equal(asked.good, true);
  assert.deepEqual([at.datagrams.sent.length, at.streams.sent.length], [0, 1]);
});

test('a timeout that is noticed late leaves time to read what has come', () => {
  const at = world(query => [{ after: 999, bytes: answerTo(query) }]);
  const found: Asked[] = [];
  ask(inquiry({ tries: 1 }), at, asked => found.push(asked));
  at.clock.stall(5000);
  at.clock.advance(0);
  assert.equal(found[0]?.good, true);
});

test('called off, it tells nothing and leaves nothing', () => {
  const at = world(query => [{ after: 5, bytes: answerTo(query) }]);
  ask(inquiry(), at, () => assert.fail('told'))();
  at.clock.advance(10_000);
  assert.deepEqual([at.datagrams.open, at.clock.pending], [0, 0]);
});

test('random names differ and stand under the zone', () => {
  let seed = 0;
  const random = (bound: number) => {
    seed += 9973;
    return seed % bound;
  };
  const names = Array.from({ length: 100 }, () => randomName('wild.example.', random));
  assert.equal(new Set(names).size, 100);
  for (const name of names) assert.match(name, /^x[0-9a-f]{16}\.wild\.example\.$/);
  assert.match(randomName('.', random), /^x[0-9a-f]{16}\.$/);
});

test('times in words', () => {
  assert.deepEqual([0.4231, 12.34, 150.2, 1000, 1500, 50].map(inWords), [
    '0.42ms',
    '12.3ms',
    '150ms',
    '1s',
    '1.5s',
    '50ms',
  ]);
});
