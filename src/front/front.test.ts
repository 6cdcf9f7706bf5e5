import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { backendCounters, viewField } from '#balance/board.ts';
import { cacheRules, pool, World } from '#test/sim/world.ts';
import { decodeMessage, encodeMessage, type Message, query } from '#wire/message.ts';
import { parseRecord } from '#wire/record.ts';

const a = (name: string, ttl = 300, address = '192.0.2.1') => parseRecord(`${name} ${ttl} IN A ${address}`);
const soa = (ttl: number, minimum: number) =>
  parseRecord(`example. ${ttl} IN SOA ns.example. host.example. 1 2 3 4 ${minimum}`);

/** The info code of the extended error of a message; undefined without one. */
function extendedError(message: Message): number | undefined {
  const option = message.edns?.options.find(each => each.kind === 'EDE');
  return option?.kind === 'EDE' ? option.info : undefined;
}

describe('a question', () => {
  test('goes to a backend in our words and comes back in the client’s', () => {
    const world = new World();
    world.ask(query('WwW.Example.', 'A', { id: 0x1234, edns: { udpSize: 4096, do: true } }));
    const asked = decodeMessage(world.lastSent.bytes);
    assert.notEqual(asked.id, 0x1234);
    assert.equal(asked.edns?.udpSize, 1232);
    assert.equal(asked.edns?.do, true);
    assert.equal(asked.questions[0]?.name, 'WwW.Example.');
    world.answer(world.lastSent, {
      questions: [{ name: 'www.example.', type: 1, class: 1 }],
      answers: [a('www.example.')],
    });
    assert.equal(world.last.id, 0x1234);
    assert.equal(world.last.questions[0]?.name, 'WwW.Example.');
    assert.equal(world.last.answers.length, 1);
    assert.equal(world.front.inFlight, 0);
  });

  test('is answered from the cache, TTL counted down, in the letter case of this client', () => {
    const world = new World();
    world.ask(query('www.example.', 'A', { id: 1 }));
    world.answer(world.lastSent, { answers: [a('www.example.', 300)] });
    world.advance(100_000);
    world.ask(query('WWW.example.', 'A', { id: 2 }), 9);
    assert.equal(world.sent.length, 1);
    assert.equal(world.last.id, 2);
    assert.equal(world.last.questions[0]?.name, 'WWW.example.');
    assert.equal(world.last.answers[0]?.ttl, 200);
    assert.equal(world.replies.at(-1)?.client, 9);
    assert.equal(world.count('cacheHits'), 1);
    world.advance(200_000);
    world.ask(query('www.example.', 'A', { id: 3 }));
    assert.equal(world.sent.length, 2);
  });

  test('joins an identical one in flight; DO, CD, class and client subnet make another', () => {
    const world = new World();
    const ecs = (address: string) =>
      ({
        options: [
          { kind: 'unknown', code: 8, bytes: Uint8Array.from([0, 1, 24, 0, 198, 51, Number(address)]) },
        ],
      }) as const;
    world.ask(query('a.example.', 'A', { id: 1, edns: {} }), 1);
    world.ask(query('A.example.', 'A', { id: 2, edns: { udpSize: 512 } }), 2);
    assert.equal(world.sent.length, 1);
    for (const other of [
      query('a.example.', 'A', { edns: { do: true } }),
      query('a.example.', 'A', { edns: {}, cd: true }),
      query('a.example.', 'A', {}),
      query('a.example.', 'AAAA', { edns: {} }),
      query('a.example.', 'A', { edns: {}, class: 4 }),
      query('a.example.', 'A', { edns: ecs('1') }),
      query('a.example.', 'A', { edns: ecs('2') }),
    ]) {
      const before: number = world.sent.length;
      world.ask(other, 3);
      assert.equal(world.sent.length, before + 1, JSON.stringify(other));
    }
    assert.equal(world.count('joined'), 1);
    world.answer(world.sent[0]!, { answers: [a('a.example.')] });
    assert.deepEqual(
      world.replies.map(({ client, bytes }) => [
        client,
        decodeMessage(bytes).id,
        decodeMessage(bytes).questions[0]?.name,
      ]),
      [
        [1, 1, 'a.example.'],
        [2, 2, 'A.example.'],
      ],
    );
  });

  test('gets SERVFAIL with an extended error when no backend answers in time', () => {
    const world = new World({ pools: [pool(1)] });
    world.ask(query('a.example.', 'A', { id: 5, edns: {} }), 1);
    world.ask(query('a.example.', 'A', { id: 6, edns: {} }), 2);
    world.advance(1990);
    assert.equal(world.replies.length, 0);
    world.advance(20);
    assert.deepEqual(
      world.replies.map(reply => decodeMessage(reply.bytes).rcode),
      [2, 2],
    );
    assert.equal(extendedError(world.last), 22);
    assert.equal(world.front.inFlight, 0);
    assert.equal(world.board.counters(0)[backendCounters.at.timeout], 1);
    assert.equal(world.board.view(0)[0], 0);
  });
});

describe('an answer', () => {
  test('is taken only from the channel, with the id and the question that were used', () => {
    const world = new World();
    world.ask(query('a.example.', 'A', { id: 1 }));
    const sent = world.lastSent;
    const good = { ...decodeMessage(sent.bytes), qr: true, answers: [a('a.example.')] };
    const bad = { ...good, answers: [a('a.example.', 300, '203.0.113.66')] };
    world.answerBytes(sent, encodeMessage({ ...bad, id: good.id ^ 1 }));
    world.answerBytes(sent, encodeMessage(bad), sent.channel ^ 1);
    world.answerBytes(
      sent,
      encodeMessage({ ...bad, questions: [{ name: 'b.example.', type: 1, class: 1 }] }),
    );
    world.answerBytes(
      sent,
      encodeMessage({ ...bad, questions: [{ name: 'a.example.', type: 28, class: 1 }] }),
    );
    world.answerBytes(sent, encodeMessage({ ...bad, questions: [] }));
    world.answerBytes(sent, encodeMessage({ ...bad, qr: false }));
    world.answerBytes(sent, new Uint8Array(5));
    assert.equal(world.replies.length, 0);
    world.answerBytes(sent, encodeMessage(good));
    assert.equal(world.replies.length, 1);
    world.answerBytes(sent, encodeMessage(good));
    assert.equal(world.replies.length, 1, 'a doubled answer reaches nobody');
  });

  test('that is late reaches nobody', () => {
    const world = new World({ pools: [pool(1)] });
    world.ask(query('a.example.', 'A'));
    world.advance(3000);
    world.answer(world.sent[0]!, { answers: [a('a.example.')] });
    assert.equal(world.replies.length, 1);
    assert.equal(world.last.rcode, 2);
  });

  test('that is malformed becomes SERVFAIL', () => {
    const world = new World({ pools: [pool(1)] });
    world.ask(query('a.example.', 'A'));
    const bytes = encodeMessage({
      ...decodeMessage(world.lastSent.bytes),
      qr: true,
      answers: [a('a.example.')],
    });
    world.answerBytes(world.lastSent, bytes.subarray(0, bytes.length - 2));
    assert.equal(world.last.rcode, 2);
    assert.equal(world.front.inFlight, 0);
  });

  test('is cut to the size that the client takes, OPT kept', () => {
    const world = new World();
    const answers = Array.from({ length: 60 }, (_, i) => a('a.example.', 300, `192.0.2.${i}`));
    world.ask(query('a.example.', 'A', { edns: { udpSize: 4096 } }), 1);
    world.answer(world.lastSent, { answers });
    assert.ok(world.replies.at(-1)!.bytes.length <= 1232);
    assert.deepEqual([world.last.tc, world.last.answers.length], [false, 60]);
    world.ask(query('a.example.', 'A', { edns: { udpSize: 600 } }), 2);
    assert.deepEqual([world.last.tc, world.last.answers.length, world.last.edns?.udpSize], [true, 0, 1232]);
    world.ask(query('a.example.', 'A'), 3);
    world.answer(world.lastSent, { answers });
    assert.deepEqual([world.last.tc, world.last.answers.length], [true, 0]);
  });

  test('that is truncated goes to a UDP client as it is, and is asked again over TCP for a TCP client', () => {
    const world = new World();
    world.ask(query('a.example.', 'A', { id: 1 }), 1, false);
    world.ask(query('a.example.', 'A', { id: 2 }), 2, true);
    world.answer(world.lastSent, { tc: true });
    assert.equal(world.replies.length, 1);
    assert.equal(world.last.tc, true);
    assert.equal(world.sent.length, 2);
    assert.equal(world.lastSent.stream, true);
    assert.equal(world.lastSent.slot, world.sent[0]!.slot);
    const answers = Array.from({ length: 100 }, (_, i) => a('a.example.', 300, `192.0.2.${i}`));
    world.answer(world.lastSent, { answers });
    assert.deepEqual([world.replies.at(-1)!.tcp, world.last.id, world.last.answers.length], [true, 2, 100]);
    world.ask(query('a.example.', 'A', { id: 3 }), 3, false);
    assert.equal(world.last.tc, true, 'the whole answer was kept, and is cut for UDP');
  });
});

describe('the cache', () => {
  test('keeps negative answers by the SOA, and not without one', () => {
    const world = new World();
    world.ask(query('no.example.', 'A'));
    world.answer(world.lastSent, { rcode: 3, authorities: [soa(900, 60)] });
    world.advance(59_000);
    world.ask(query('no.example.', 'A'));
    assert.deepEqual([world.sent.length, world.last.rcode, world.last.authorities[0]?.ttl], [1, 3, 1]);
    world.advance(2000);
    world.ask(query('no.example.', 'A'));
    assert.equal(world.sent.length, 2);
    world.answer(world.lastSent, { rcode: 3 });
    world.ask(query('no.example.', 'A'));
    assert.equal(world.sent.length, 3);
  });

  test('keeps SERVFAIL for five seconds and never instead of an answer', () => {
    const world = new World({ pools: [pool(1)] });
    world.ask(query('bad.example.', 'A', { cd: true }));
    world.answer(world.lastSent, { rcode: 2 });
    world.ask(query('bad.example.', 'A', { cd: true }));
    assert.deepEqual([world.sent.length, world.last.rcode, world.count('cacheFailures')], [1, 2, 1]);
    world.advance(5001);
    world.ask(query('bad.example.', 'A', { cd: true }));
    assert.equal(world.sent.length, 2);
  });

  test('does not keep truncated answers, or TTL 0', () => {
    const world = new World();
    const cases: Partial<Message>[] = [{ tc: true }, { answers: [a('x.example.', 0)] }];
    cases.forEach((more, index) => {
      world.ask(query('x.example.', 'A'), 1);
      assert.equal(world.sent.length, index + 1);
      world.answer(world.lastSent, more);
    });
  });

  test('asks for a popular answer before it ends, for nobody, once', () => {
    const world = new World();
    world.ask(query('hot.example.', 'A'));
    world.answer(world.lastSent, { answers: [a('hot.example.', 100)] });
    for (let i = 0; i < 5; i++) world.ask(query('hot.example.', 'A'));
    world.advance(95_000);
    world.ask(query('hot.example.', 'A'));
    world.ask(query('hot.example.', 'A'));
    assert.equal(world.sent.length, 2);
    const replies = world.replies.length;
    world.answer(world.lastSent, { answers: [a('hot.example.', 100, '192.0.2.2')] });
    assert.equal(world.replies.length, replies);
    world.advance(50_000);
    world.ask(query('hot.example.', 'A'));
    assert.equal(world.sent.length, 2);
  });

  test('is left alone when the snapshot says off', () => {
    const world = new World({ cache: false });
    for (let i = 1; i <= 3; i++) {
      world.ask(query('a.example.', 'A'));
      world.answer(world.lastSent, { answers: [a('a.example.')] });
      assert.equal(world.sent.length, i);
    }
  });
});

describe('bad packets', () => {
  const header = (flags: number, counts: readonly number[], rest: readonly number[] = []) =>
    Uint8Array.from([
      0x12,
      0x34,
      flags >> 8,
      flags & 255,
      ...counts.flatMap(count => [count >> 8, count & 255]),
      ...rest,
    ]);
  const question = [1, 97, 0, 0, 1, 0, 1];

  test('get silence when they are answers, or shorter than a header', () => {
    const world = new World();
    world.packet(new Uint8Array(0));
    world.packet(new Uint8Array(11));
    world.packet(header(0x8000, [1, 0, 0, 0], question));
    assert.deepEqual([world.replies.length, world.sent.length], [0, 0]);
    assert.deepEqual([world.count('ignoredShort'), world.count('ignoredResponse')], [2, 1]);
  });

  const formerr: Record<string, Uint8Array> = {
    'no question': header(0x0100, [0, 0, 0, 0]),
    'two questions': header(0x0100, [2, 0, 0, 0], [...question, ...question]),
    'a question cut short': header(0x0100, [1, 0, 0, 0], question.slice(0, 5)),
    'a name that points to itself': header(0x0100, [1, 0, 0, 0], [0xc0, 12, 0, 1, 0, 1]),
    'a label of 64': header(0x0100, [1, 0, 0, 0], [64, ...new Array(64).fill(97), 0, 0, 1, 0, 1]),
    'a name of 256': header(
      0x0100,
      [1, 0, 0, 0],
      [...new Array(4).fill([63, ...new Array(63).fill(97)]).flat(), 0, 0, 1, 0, 1],
    ),
    'bytes left over': header(0x0100, [1, 0, 0, 0], [...question, 0]),
    'an OPT cut short': header(0x0100, [1, 0, 0, 1], [...question, 0, 0, 41, 4]),
    'an OPT whose options run over': header(
      0x0100,
      [1, 0, 0, 1],
      [...question, 0, 0, 41, 4, 0, 0, 0, 0, 0, 0, 4, 0, 3, 0, 9],
    ),
  };
  for (const [what, bytes] of Object.entries(formerr)) {
    test(`get FORMERR for ${what}`, () => {
      const world = new World();
      world.packet(bytes);
      assert.equal(world.replies.length, 1);
      const reply = world.replies[0]!.bytes;
      assert.deepEqual([reply[0], reply[1], reply[2]! & 0x80, reply[3]! & 15], [0x12, 0x34, 0x80, 1]);
      assert.equal(world.sent.length, 0);
    });
  }

  test('get BADVERS for an EDNS version that we do not speak', () => {
    const world = new World();
    world.ask(query('a.example.', 'A', { edns: { version: 1 } }));
    assert.equal(world.last.rcode, 16);
    assert.equal(world.last.edns?.version, 0);
  });

  test('from strangers are refused, with the reason', () => {
    const world = new World();
    world.packet(encodeMessage(query('a.example.', 'A', { edns: {} })), 1, false, '11.0.0.1');
    assert.equal(world.last.rcode, 5);
    assert.equal(extendedError(world.last), 18);
    world.packet(encodeMessage(query('a.example.', 'A')), 1, false, '2001:db8::1');
    assert.equal(world.last.rcode, 5);
    assert.deepEqual([world.sent.length, world.count('denied')], [0, 2]);
  });
});

describe('what is not ours to read', () => {
  const cases: Record<string, Message> = {
    NOTIFY: { ...query('example.', 'SOA'), opcode: 4 },
    UPDATE: { ...query('example.', 'SOA'), opcode: 5, authorities: [a('new.example.')] },
    'an unknown opcode': { ...query('example.', 'SOA'), opcode: 11 },
    'an unknown option': query('example.', 'A', {
      edns: { options: [{ kind: 'unknown', code: 65_001, bytes: Uint8Array.of(1, 2) }] },
    }),
    'a record in the additional section': { ...query('example.', 'A'), additionals: [a('x.example.')] },
  };
  for (const [what, message] of Object.entries(cases)) {
    for (const tcp of [false, true]) {
      test(`${what} passes as it is over ${tcp ? 'TCP' : 'UDP'}, but for the id`, () => {
        const world = new World();
        const bytes = encodeMessage({ ...message, id: 77 });
        world.packet(bytes, 1, tcp);
        assert.equal(world.lastSent.stream, tcp);
        assert.deepEqual(world.lastSent.bytes.subarray(2), bytes.subarray(2));
        const again = Uint8Array.from(bytes);
        again[0] = 0x55;
        world.packet(again, 2, tcp);
        assert.equal(world.sent.length, 1, 'the same bytes wait for the same answer');
        const other = encodeMessage({ ...message, id: 77, rd: false });
        world.packet(other, 3, tcp);
        assert.equal(world.sent.length, 2, 'other bytes do not');
        const answer = Uint8Array.from(world.sent[0]!.bytes);
        answer[2] = answer[2]! | 0x80;
        world.answerBytes(world.sent[0]!, answer);
        const expected = Uint8Array.from(bytes);
        expected[2] = expected[2]! | 0x80;
        assert.deepEqual(world.replies[0]!.bytes, expected);
        expected[0] = 0x55;
        assert.deepEqual([world.replies[1]!.client, world.replies[1]!.bytes], [2, expected]);
        assert.equal(world.replies.length, 2);
      });
    }
  }

  test('a zone transfer over TCP is handed on whole', () => {
    const world = new World();
    const bytes = encodeMessage(query('example.', 'AXFR', { id: 4 }));
    world.packet(bytes, 3, true);
    assert.deepEqual(world.relayed[0]?.bytes, bytes);
    world.streams = false;
    world.packet(bytes, 3, true);
    assert.equal(world.last.rcode, 2);
  });
});

describe('questions about us', () => {
  test('are answered by us, in class CH', () => {
    const world = new World();
    world.ask(
      query('ID.server.', 'TXT', {
        class: 3,
        edns: { options: [{ kind: 'NSID', bytes: new Uint8Array(0) }] },
      }),
    );
    const text = world.replies[0]!.bytes;
    assert.ok(Buffer.from(text).includes('\u0007front-1'));
    assert.equal(world.last.edns?.options[0]?.kind, 'NSID');
    world.ask(query('version.bind.', 'TXT', { class: 3 }));
    assert.ok(Buffer.from(world.replies[1]!.bytes).includes('Chorus'));
    world.ask(query('hostname.bind.', 'A', { class: 3 }));
    assert.deepEqual([world.last.rcode, world.last.answers.length], [0, 0]);
    assert.equal(world.sent.length, 0);
  });

  test('NSID stands in answers that we forward and that we keep', () => {
    const world = new World();
    const asked = query('a.example.', 'A', {
      edns: { options: [{ kind: 'NSID', bytes: new Uint8Array(0) }] },
    });
    world.ask(asked);
    world.answer(world.lastSent, {
      answers: [a('a.example.')],
      edns: { udpSize: 4096, version: 0, do: false, options: [] },
    });
    world.ask(asked);
    for (const { bytes } of world.replies) {
      const option = decodeMessage(bytes).edns?.options[0];
      assert.equal(option?.kind === 'NSID' && Buffer.from(option.bytes).toString(), 'front-1');
    }
    assert.equal(world.sent.length, 1);
  });
});

describe('backends', () => {
  test('that the network says are gone are left for another, and a question fails when none is left', () => {
    const world = new World();
    world.ask(query('a.example.', 'A', { id: 1, edns: {} }));
    const first = world.lastSent;
    world.front.broken(first.channel, world.now);
    assert.equal(world.sent.length, 2);
    assert.notEqual(world.lastSent.slot, first.slot);
    world.answer(world.lastSent, { answers: [a('a.example.')] });
    assert.equal(world.last.answers.length, 1);
    const alone = new World({ pools: [pool(1)] });
    alone.ask(query('a.example.', 'A', { edns: {} }));
    alone.front.broken(alone.lastSent.channel, alone.now);
    assert.equal(
      alone.replies.length,
      0,
      'the word of the network may be forged: without another backend the wait goes on',
    );
    alone.answer(alone.lastSent, { answers: [a('a.example.')] });
    assert.equal(alone.last.answers.length, 1);
    alone.ask(query('b.example.', 'A', { edns: {} }));
    alone.front.broken(alone.lastSent.channel, alone.now);
    alone.advance(2001);
    assert.deepEqual([alone.last.rcode, extendedError(alone.last)], [2, 22]);
    assert.equal(alone.front.inFlight, 0);
  });

  test('are all used when all are down, but not those that are disabled or draining', () => {
    const world = new World({ pools: [pool(3)] });
    world.board.setState(0, 'down');
    world.board.setState(1, 'down');
    world.board.setState(2, 'disabled');
    for (let i = 0; i < 4; i++) world.ask(query(`n${i}.example.`, 'A'));
    assert.deepEqual(new Set(world.sent.map(sent => sent.slot)), new Set([0, 1]));
    assert.equal(world.count('failOpen'), 4);
    world.board.setState(0, 'up');
    world.ask(query('x.example.', 'A'));
    assert.equal(world.lastSent.slot, 0);
    for (const slot of [0, 1, 2]) world.board.setState(slot, 'draining');
    world.ask(query('y.example.', 'A', { edns: {} }));
    assert.deepEqual([world.last.rcode, extendedError(world.last)], [2, 22]);
  });

  test('belong to the pool of the longest matching suffix', () => {
    const world = new World({
      pools: [pool(1, 0), pool(1, 1, { name: 'corp' }), pool(1, 2, { name: 'lab' })],
      plan: {
        domains: [
          { suffix: 'corp.example.', pool: 1 },
          { suffix: 'lab.corp.example.', pool: 2 },
        ],
      },
    });
    const slotFor = (name: string) => {
      world.ask(query(name, 'A'));
      return world.lastSent.slot;
    };
    assert.deepEqual(
      [
        'www.example.',
        'CORP.example.',
        'a.b.corp.Example.',
        'x.lab.corp.example.',
        'xcorp.example.',
        '.',
      ].map(slotFor),
      [0, 1, 1, 2, 0, 0],
    );
  });

  test('stay as they are over a new snapshot: what is in flight is answered', () => {
    const world = new World();
    world.ask(query('a.example.', 'A', { id: 1 }));
    const { slot } = world.lastSent;
    world.board.clear(5);
    world.board.setState(5, 'up');
    world.front.apply(world.plan([pool(1, 5)], { generation: 2, cache: { ...cacheRules, failureTtl: 1 } }));
    world.answer(world.sent[0]!, { answers: [a('a.example.')] });
    assert.equal(world.last.answers.length, 1);
    assert.equal(world.board.view(0)[slot * viewField.size], 0);
    world.ask(query('b.example.', 'A'));
    assert.equal(world.lastSent.slot, 5);
    assert.equal(world.front.generation, 2);
  });

  test('that cannot be reached at all give SERVFAIL at once', () => {
    const world = new World();
    world.reachable = false;
    world.ask(query('a.example.', 'A'));
    assert.equal(world.last.rcode, 2);
    assert.equal(world.front.inFlight, 0);
  });

  test('a TCP connection that breaks is opened once more for the same question, then another backend is asked', () => {
    const world = new World();
    world.ask(query('a.example.', 'A', { edns: {} }), 1, true);
    const { slot } = world.lastSent;
    world.answer(world.lastSent, { tc: true });
    world.front.broken(world.lastSent.channel, world.now);
    assert.deepEqual([world.sent.length, world.lastSent.slot, world.lastSent.stream], [3, slot, true]);
    world.front.broken(world.lastSent.channel, world.now);
    assert.deepEqual([world.sent.length, world.lastSent.slot, world.lastSent.stream], [4, 1 - slot, false]);
    world.answer(world.lastSent, { tc: true });
    world.front.broken(world.lastSent.channel, world.now);
    assert.deepEqual([world.last.rcode, extendedError(world.last)], [2, 23]);
    assert.equal(world.front.inFlight, 0);
  });
});

test('a silent backend fills a quarter of the table and no more: the others go on', () => {
  const world = new World({ cache: false });
  let toSilent = 0;
  for (let i = 0; i < 40_000; i++) {
    world.ask(query(`n${i}.example.`, 'A'));
    if (world.lastSent.slot === 0) toSilent++;
    else world.answer(world.lastSent);
  }
  assert.equal(toSilent, 16_384);
  assert.equal(world.replies.length, 40_000 - 16_384);
  assert.equal(world.count('fullInFlight'), 0);
});

test('a burst of misses waits for a backend that is alone, and does not go to one that is down', () => {
  const world = new World({ cache: false });
  world.board.setState(1, 'down');
  for (let i = 0; i < 40_000; i++) world.ask(query(`n${i}.example.`, 'A'));
  assert.deepEqual([world.replies.length, world.sent.filter(sent => sent.slot === 1).length], [0, 0]);
});

test('a question is not given twice to a backend that failed it', () => {
  const world = new World({ pools: [pool(3)] });
  world.ask(query('a.example.', 'A'));
  world.front.broken(world.lastSent.channel, world.now);
  world.front.broken(world.lastSent.channel, world.now);
  assert.equal(new Set(world.sent.map(sent => sent.slot)).size, 3);
});

test('a message that cannot be passed on fails with its own flags', () => {
  const world = new World();
  world.reachable = false;
  const option = { kind: 'unknown', code: 65_001, bytes: Uint8Array.of(1) } as const;
  world.ask(query('a.example.', 'A', { id: 9, cd: true, edns: { do: true, options: [option] } }));
  const { rcode, rd, cd, edns, id } = world.last;
  assert.deepEqual([rcode, rd, cd, edns?.do, id], [2, true, true, true, 9]);
});

test('a full table turns new questions away and leaves the others alone', () => {
  const world = new World({ cache: false, pools: [pool(4)] });
  for (let i = 0; i < 65_536; i++) world.ask(query(`n${i}.example.`, 'A'), i & 0xffff);
  assert.equal(world.front.inFlight, 65_536);
  const replies = world.replies.length;
  world.ask(query('one-more.example.', 'A'), 7);
  assert.equal(world.replies.length, replies + 1);
  assert.equal(world.last.rcode, 2);
  assert.equal(world.count('fullInFlight'), 1);
  world.answer(world.sent[100]!, { answers: [] });
  world.ask(query('now.example.', 'A'), 7);
  assert.equal(world.front.inFlight, 65_536);
  world.advance(4500);
  assert.equal(world.front.inFlight, 0);
});
