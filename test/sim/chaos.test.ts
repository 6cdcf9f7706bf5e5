/**
 * Whole incidents at random, in virtual time: backends that answer late, wrongly, twice or not at all, break, change and
 * vanish, under clients who ask anything. Whatever happens, each client that asks gets exactly one answer, in time, to its
 * own question; and nothing is left behind.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { backendStates, viewField } from '#balance/board.ts';
import { policyNames } from '#balance/registry.ts';
import { decodeMessage, encodeMessage, type Message, query } from '#wire/message.ts';
import { parseRecord } from '#wire/record.ts';
import { pool, type Sent, seeded, World } from './world.ts';

const timeout = 500;

function incident(seed: number): void {
  const random = seeded(seed * 7919 + 13);
  const below = (bound: number) => random() % bound;
  const policy = policyNames[below(policyNames.length)]!;
  const make = (first: number) => pool(1 + below(4), first, { policy, timeout });
  const world = new World({ pools: [make(0)], seed, cache: below(3) > 0 });
  const asked = new Map<string, { message: Message; at: number; answers: number; tcp: boolean }>();
  let serial = 0;
  let taken = 0;

  const checkReplies = (): void => {
    for (; taken < world.replies.length; taken++) {
      const { client, bytes, tcp, at } = world.replies[taken]!;
      const reply = decodeMessage(bytes);
      const entry = asked.get(`${client}/${reply.id}`);
      assert.ok(entry, 'an answer to nobody’s question');
      entry.answers++;
      assert.equal(entry.answers, 1, 'one answer to a question');
      assert.equal(tcp, entry.tcp);
      assert.deepEqual(reply.questions, entry.message.questions, 'the question, in the client’s letters');
      assert.equal(reply.edns === undefined, entry.message.edns === undefined);
      if (!tcp) assert.ok(bytes.length <= (entry.message.edns?.udpSize ?? 512));
      assert.ok(at - entry.at <= timeout * 2 + 20, `answered after ${at - entry.at} ms`);
      for (const record of reply.answers) assert.ok(record.ttl <= 60 && record.ttl > 0);
    }
  };

  const respond = (to: Sent): void => {
    const message = decodeMessage(to.bytes);
    const name = message.questions[0]!.name;
    const right = encodeMessage({
      ...message,
      qr: true,
      ra: true,
      answers: Array.from({ length: 1 + below(40) }, (_, i) =>
        parseRecord(`${name} ${1 + below(60)} IN A 192.0.2.${i}`),
      ),
    });
    const kind = below(12);
    if (kind === 0) return;
    if (kind === 1) world.answerBytes(to, encodeMessage({ ...message, qr: true, rcode: 2 }));
    else if (kind === 2) world.answerBytes(to, encodeMessage({ ...message, qr: true, tc: true }));
    else if (kind === 3) world.answerBytes(to, right.subarray(0, below(right.length)));
    else if (kind === 4) world.answerBytes(to, encodeMessage({ ...message, id: below(65_536), qr: true }));
    else if (kind === 5) world.answerBytes(to, right, to.channel ^ 1);
    else if (kind === 6) world.front.broken(to.channel, world.now);
    else if (kind === 7) {
      const noise = Uint8Array.from(right);
      // In flags, counts and question: records are not looked into, so noise there reaches the client.
      noise[2 + below(22)] = random();
      world.answerBytes(to, noise);
    } else world.answerBytes(to, right);
    if (kind === 8) world.answerBytes(to, right);
  };

  for (let step = 0; step < 400; step++) {
    const act = below(10);
    if (act < 6) {
      const tcp = below(4) === 0;
      const client = 1 + below(200);
      const name = `${['Www', 'a', 'Mail', 'b'][below(4)]}${below(20)}.example.`;
      const message = query(name, below(4) ? 'A' : 'AAAA', {
        id: serial++ & 0xffff,
        cd: below(8) === 0,
        ...(below(2) ? { edns: { udpSize: [512, 1232, 4096][below(3)]!, do: below(2) === 0 } } : {}),
      });
      asked.set(`${client}/${message.id}`, { message, at: world.now, answers: 0, tcp });
      world.ask(message, client, tcp);
    } else if (act < 8) {
      // Not in the order in which they were asked, and some long after.
      for (let i = below(8); i > 0 && world.sent.length > 0; i--)
        respond(world.sent[below(world.sent.length)]!);
    } else if (act === 8) {
      world.advance(below(300));
    } else {
      const what = below(8);
      if (what === 0) world.front.apply(world.plan([make(below(3))], { generation: step }));
      else if (what === 1) world.reachable = below(4) > 0;
      else if (what === 2) world.streams = below(4) > 0;
      else world.board.setState(below(4), backendStates[1 + below(6)]!);
    }
    checkReplies();
  }
  world.advance(timeout * 4);
  checkReplies();
  for (const [key, { answers }] of asked)
    assert.equal(answers, 1, `seed ${seed}: ${key} was answered ${answers} times`);
  assert.equal(world.front.inFlight, 0);
  assert.equal(world.front.deadline(), Infinity);
  for (let slot = 0; slot < 8; slot++)
    assert.equal(
      world.board.view(0)[slot * viewField.size + viewField.outstanding],
      0,
      'nothing counts as outstanding',
    );
}

test('each client gets one right answer in time, through 60 incidents', () => {
  for (let seed = 1; seed <= 60; seed++) {
    try {
      incident(seed);
    } catch (thrown) {
      throw new Error(`incident ${seed}: ${thrown instanceof Error ? thrown.message : thrown}`, {
        cause: thrown,
      });
    }
  }
});
