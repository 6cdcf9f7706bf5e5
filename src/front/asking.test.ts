import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { backendCounters, viewField } from '#balance/board.ts';
import { cacheRules, pool, type Sent, World, type WorldOptions } from '#test/sim/world.ts';
import { decodeMessage, encodeMessage, type Message, query } from '#wire/message.ts';
import { parseRecord } from '#wire/record.ts';
import type { PlanHedge, PlanPool } from './plan.ts';

const a = (name: string, ttl = 300, address = '192.0.2.1') => parseRecord(`${name} ${ttl} IN A ${address}`);
const hedge: PlanHedge = { least: 8, most: 500, unknown: 100, budget: 0.01, burst: 400 };
const servfail = 2;
const refused = 5;
const formerr = 1;

function world(backends: number, more: Partial<PlanPool> = {}, options: WorldOptions = {}): World {
  return new World({ pools: [pool(backends, 0, { hedge, ...more })], ...options });
}

function ede(message: Message): number | undefined {
  const option = message.edns?.options.find(each => each.kind === 'EDE');
  return option?.kind === 'EDE' ? option.info : undefined;
}

const blamed = (it: World, slot: number, what: keyof typeof backendCounters.at) =>
  it.board.counters(0)[slot * backendCounters.size + backendCounters.at[what]]!;
const good = (name: string) => ({ answers: [a(name)] });
const ask = (it: World, name: string, id = 1) => it.ask(query(name, 'A', { id, edns: {} }));

/** Every backend is idle and no query is left. */
function atRest(it: World): void {
  assert.equal(it.front.inFlight, 0);
  for (let slot = 0; slot < 8; slot++) {
    assert.equal(it.board.view(0)[slot * viewField.size + viewField.outstanding], 0, `slot ${slot}`);
  }
  assert.equal(it.front.deadline(), Infinity);
}

describe('a backend that fails at a question', () => {
  for (const [rcode, reason] of [
    [servfail, 'blamedServfail'],
    [refused, 'blamedRefused'],
    [formerr, 'blamedMalformed'],
    [4, 'blamedMalformed'],
  ] as const) {
    test(`with rcode ${rcode}: another is asked at once, its answer counts, the first is blamed`, () => {
      const it = world(3);
      ask(it, 'a.example.');
      const first = it.lastSent;
      it.answer(first, { rcode });
      assert.equal(it.replies.length, 0);
      assert.equal(it.sent.length, 2);
      assert.notEqual(it.lastSent.slot, first.slot);
      it.answer(it.lastSent, good('a.example.'));
      assert.equal(it.last.rcode, 0);
      assert.equal(it.last.answers.length, 1);
      assert.equal(blamed(it, first.slot, reason), 1);
      assert.equal(it.count('verdictNode'), 1);
      assert.equal(it.count('again'), 1);
      atRest(it);
    });
  }

  test('with a malformed answer: the same', () => {
    const it = world(2);
    ask(it, 'a.example.');
    const first = it.lastSent;
    const whole = encodeMessage({ ...decodeMessage(first.bytes), qr: true, answers: [a('a.example.')] });
    it.answerBytes(first, whole.subarray(0, whole.length - 3));
    assert.equal(it.sent.length, 2);
    it.answer(it.lastSent, good('a.example.'));
    assert.equal(it.last.answers.length, 1);
    assert.equal(blamed(it, first.slot, 'blamedMalformed'), 1);
  });

  test('with the answer to another question: another is asked, and the true answer is still taken', () => {
    for (const truth of [true, false]) {
      const it = world(2);
      ask(it, 'a.example.');
      const first = it.lastSent;
      const wrong = { questions: [{ name: 'b.example.', type: 1, class: 1 }], answers: [a('b.example.')] };
      it.answer(first, wrong);
      it.answer(first, wrong);
      assert.equal(it.sent.length, 2, 'asked again once');
      const second = it.lastSent;
      it.answer(truth ? first : second, good('a.example.'));
      assert.equal(it.last.answers.length, 1);
      assert.equal(blamed(it, first.slot, 'blamedMalformed'), truth ? 0 : 1);
      it.advance(5000);
      atRest(it);
    }
  });

  test('with the network’s refusal: the same; the first may still answer', () => {
    const it = world(2);
    ask(it, 'a.example.');
    const first = it.lastSent;
    it.front.broken(first.channel, it.now);
    assert.equal(it.sent.length, 2);
    it.answer(it.lastSent, good('a.example.'));
    assert.equal(it.last.answers.length, 1);
    assert.equal(blamed(it, first.slot, 'blamedNetwork'), 0, 'it may be forged');
    it.advance(600);
    assert.equal(blamed(it, first.slot, 'blamedNetwork'), 1);
    it.advance(5000);
    atRest(it);
  });

  test('with a forged refusal of the network: its answer clears it', () => {
    const it = world(2, {}, { cache: false });
    for (let i = 0; i < 50; i++) {
      const name = `n${i}.example.`;
      ask(it, name, i);
      const first = it.lastSent;
      it.front.broken(first.channel, it.now);
      it.answer(it.lastSent, good(name));
      it.front.broken(first.channel, it.now);
      it.advance(1);
      it.answer(first, good(name));
    }
    for (const slot of [0, 1]) {
      assert.equal(blamed(it, slot, 'blamedNetwork'), 0);
      assert.equal(blamed(it, slot, 'unexpected'), 0);
      assert.equal(blamed(it, slot, 'late'), 25);
    }
    it.advance(5000);
    atRest(it);
  });

  test('over TCP, its connection gone twice: another is asked', () => {
    const it = world(2, {}, { cache: false });
    it.ask(query('a.example.', 'A', { id: 1 }), 1, true);
    const first = it.lastSent;
    it.answer(first, { tc: true });
    const stream = it.lastSent;
    assert.ok(stream.stream && stream.slot === first.slot);
    it.front.broken(stream.channel, it.now);
    it.front.broken(it.lastSent.channel, it.now);
    assert.notEqual(it.lastSent.slot, first.slot);
    it.answer(it.lastSent, good('a.example.'));
    assert.equal(it.last.answers.length, 1);
    atRest(it);
  });

  test('with SERVFAIL, while another truncates its answer: nobody is to blame, for nothing was said of the name', () => {
    const it = world(3);
    ask(it, 'a.example.');
    const first = it.lastSent;
    it.answer(first, { rcode: servfail });
    it.answer(it.lastSent, { tc: true });
    assert.equal(it.last.tc, true);
    assert.equal(blamed(it, first.slot, 'blamedServfail'), 0);
    assert.equal(it.count('verdictNode'), 0);
    atRest(it);
  });

  test('is asked no more than the pool’s tries', () => {
    const it = world(6, { tries: 3 });
    ask(it, 'a.example.');
    for (let i = 0; i < 3; i++) it.answer(it.sent[i]!, { rcode: i === 1 ? refused : servfail });
    const asked = it.sent.filter(({ bytes }) => !decodeMessage(bytes).cd);
    assert.equal(asked.length, 3);
    assert.equal(new Set(asked.map(({ slot }) => slot)).size, 3);
    assert.equal(it.last.rcode, servfail);
  });

  test('never gets an UPDATE twice', () => {
    const it = world(2);
    it.ask({ ...query('example.', 'SOA', { id: 7 }), opcode: 5 });
    it.answer(it.lastSent, { rcode: servfail });
    assert.equal(it.sent.length, 1);
    assert.equal(it.last.rcode, servfail);
    it.ask({ ...query('example.', 'SOA', { id: 8 }), opcode: 5 });
    it.advance(5000);
    assert.equal(it.sent.length, 2);
    atRest(it);
  });
});

describe('a name at which all fail alike', () => {
  const fail = (it: World) => {
    for (let i = 0; i < it.sent.length; i++) {
      const sent = it.sent[i]!;
      if (answered.has(sent)) continue;
      answered.add(sent);
      it.answer(sent, decodeMessage(sent.bytes).cd ? good('a.example.') : { rcode: servfail });
    }
  };
  const answered = new Set<Sent>();

  test('is to blame, not the backends; asked with CD=1 it turns out to be bogus', () => {
    const it = world(2);
    ask(it, 'a.example.');
    fail(it);
    assert.equal(it.last.rcode, servfail);
    assert.equal(it.sent.length, 3);
    assert.equal(decodeMessage(it.lastSent.bytes).cd, true);
    assert.equal(it.count('verdictBogus'), 1);
    assert.equal(it.count('verdictName'), 0);
    for (const slot of [0, 1]) assert.equal(blamed(it, slot, 'blamedServfail'), 0);
    atRest(it);
  });

  test('costs nothing while the failure is remembered', () => {
    const it = world(2);
    ask(it, 'a.example.');
    fail(it);
    const before = it.sent.length;
    for (let i = 0; i < 5; i++) ask(it, 'a.example.', 10 + i);
    assert.equal(it.sent.length, before);
    assert.equal(it.last.rcode, servfail);
    assert.equal(it.count('cacheFailures'), 5);
    it.advance(6000);
    ask(it, 'a.example.', 20);
    assert.equal(it.sent.length, before + 1);
  });

  test('with REFUSED, or a code that answers no query: remembered too, but not for longer each time', () => {
    for (const rcode of [refused, 4, 9]) {
      const it = world(2);
      for (let round = 0; round < 4; round++) {
        const before = it.sent.length;
        ask(it, 'a.example.');
        it.answer(it.lastSent, { rcode });
        it.answer(it.lastSent, { rcode });
        assert.equal(it.sent.length, before + 2);
        assert.equal(it.last.rcode, rcode);
        ask(it, 'a.example.', 2);
        assert.equal(it.sent.length, before + 2);
        assert.equal(it.last.rcode, rcode);
        it.advance(6000);
      }
      atRest(it);
    }
  });

  test('with SERVFAIL, but for one that refuses: SERVFAIL', () => {
    for (const last of [servfail, refused]) {
      const it = world(2);
      ask(it, 'a.example.');
      it.answer(it.lastSent, { rcode: last === servfail ? refused : servfail });
      it.answer(it.lastSent, { rcode: last });
      assert.equal(it.last.rcode, servfail);
      it.advance(5000);
      atRest(it);
    }
  });

  test('asked again and again without a cache: its zone is not closed for that', () => {
    const it = world(2, {}, { cache: false });
    for (let i = 0; i < 5000; i++) {
      const sent = it.sent.length;
      ask(it, 'bogus.zone.example.', i);
      for (let next = sent; next < it.sent.length; next++) {
        it.answer(it.sent[next]!, { rcode: servfail });
      }
      it.advance(1);
    }
    ask(it, 'fine.zone.example.');
    it.answer(it.lastSent, good('fine.zone.example.'));
    assert.equal(it.last.answers.length, 1);
    assert.equal(it.count('zoneClosings'), 0);
  });

  test('with answers cut short: nothing of them reaches the client', () => {
    const it = world(2);
    ask(it, 'a.example.');
    for (let i = 0; i < 2; i++) {
      const whole = encodeMessage({
        ...decodeMessage(it.lastSent.bytes),
        qr: true,
        rcode: servfail,
        answers: [a('a.example.')],
      });
      it.answerBytes(it.lastSent, whole.subarray(0, whole.length - 20));
    }
    assert.equal(it.last.rcode, servfail);
    assert.equal(it.last.answers.length, 0);
    assert.equal(it.replies.length, 1);
  });

  const bogus = (info: number): Partial<Message> => ({
    rcode: servfail,
    edns: { udpSize: 1232, version: 0, do: false, options: [{ kind: 'EDE', info, text: 'bogus' }] },
  });

  test('and two say so themselves (EDE 6): no third backend is asked, nor with CD=1', () => {
    for (const backends of [1, 2, 4]) {
      const it = world(backends);
      ask(it, 'a.example.');
      const voices = Math.min(2, backends);
      for (let i = 0; i < voices; i++) it.answer(it.lastSent, bogus(6));
      assert.equal(it.sent.length, voices);
      assert.equal(ede(it.last), 6);
      assert.equal(it.count('verdictBogus'), 1);
      ask(it, 'a.example.', 2);
      assert.equal(it.sent.length, voices);
      assert.equal(ede(it.last), 6);
      atRest(it);
    }
  });

  test('says one with a wrong clock (EDE 8): another answers, the first is blamed, nothing is remembered', () => {
    const it = world(3);
    for (let i = 0; i < 30; i++) {
      const name = `n${i}.example.`;
      ask(it, name, i);
      for (let next = it.sent.length - 1; next < it.sent.length; next++) {
        it.answer(it.sent[next]!, it.sent[next]!.slot === 0 ? bogus(8) : good(name));
      }
      assert.equal(it.last.answers.length, 1);
    }
    assert.ok(blamed(it, 0, 'blamedServfail') >= 10);
    assert.equal(it.count('verdictBogus'), 0);
    atRest(it);
  });

  test('while two of four backends are sick: the third or fourth answers', () => {
    const it = world(4);
    for (let i = 0; i < 40; i++) {
      const name = `n${i}.example.`;
      ask(it, name, i);
      for (let next = it.sent.length - 1; next < it.sent.length; next++) {
        const sent = it.sent[next]!;
        it.answer(sent, sent.slot < 2 ? { rcode: servfail } : good(name));
      }
      assert.equal(it.last.answers.length, 1);
    }
    assert.ok(blamed(it, 0, 'blamedServfail') + blamed(it, 1, 'blamedServfail') > 0);
    assert.equal(blamed(it, 2, 'blamedServfail') + blamed(it, 3, 'blamedServfail'), 0);
    atRest(it);
  });

  test('among thousands of them: two queries each, once the budget for more opinions is spent', () => {
    const it = world(4, {}, { cache: false });
    for (let i = 0; i < 3000; i++) {
      ask(it, `n${i}.example.`, i);
      for (let next = it.sent.length - 1; next < it.sent.length; next++) {
        it.answer(it.sent[next]!, { rcode: servfail });
      }
    }
    assert.ok(it.sent.length <= 2 * 3000 + 300, `${it.sent.length} queries`);
    assert.ok(it.count('opinionsSaved') > 2000);
    atRest(it);
  });

  test('with FORMERR, to EDNS: asked without (RFC 6891 7)', () => {
    const it = world(2);
    ask(it, 'a.example.');
    for (let i = 0; i < 2; i++) {
      const { edns: _none, ...bare } = decodeMessage(it.lastSent.bytes);
      it.answerBytes(it.lastSent, encodeMessage({ ...bare, qr: true, rcode: formerr }));
    }
    assert.equal(it.sent.length, 3);
    assert.equal(decodeMessage(it.lastSent.bytes).edns, undefined);
    it.answer(it.lastSent, good('a.example.'));
    assert.equal(it.last.answers.length, 1);
    atRest(it);
  });
});

describe('a backend that is slow', () => {
  /** Lets each of two backends answer in 1 ms often enough that the front knows what is usual. */
  function warm(it: World, rounds = 60): void {
    for (let i = 0; i < rounds; i++) {
      ask(it, `warm${i}.example.`, i);
      it.advance(1);
      it.answer(it.lastSent, good(`warm${i}.example.`));
    }
  }

  test('gets company after the hedge delay; the first good answer wins', () => {
    const it = world(2);
    warm(it);
    const before = it.sent.length;
    ask(it, 'a.example.');
    const first = it.lastSent;
    it.advance(7);
    assert.equal(it.sent.length, before + 1);
    it.advance(5);
    assert.equal(it.sent.length, before + 2);
    const second = it.lastSent;
    assert.notEqual(second.slot, first.slot);
    it.answer(second, good('a.example.'));
    assert.equal(it.last.answers.length, 1);
    assert.equal(it.count('hedges'), 1);
    const replies = it.replies.length;
    it.advance(50);
    it.answer(first, good('a.example.'));
    assert.equal(it.replies.length, replies, 'the late one goes to nobody');
    assert.equal(blamed(it, first.slot, 'late'), 1);
    assert.equal(blamed(it, first.slot, 'blamedSilent'), 0);
    assert.equal(blamed(it, first.slot, 'unexpected'), 0);
    atRest(it);
  });

  test('its company is not blamed for being slow at that question too', () => {
    const it = world(3);
    warm(it);
    ask(it, 'a.example.');
    const first = it.lastSent;
    it.advance(12);
    const second = it.lastSent;
    assert.notEqual(second.slot, first.slot);
    it.advance(20);
    it.answer(first, good('a.example.'));
    it.advance(1000);
    assert.equal(blamed(it, second.slot, 'blamedSilent'), 0);
    assert.equal(it.board.view(0)[second.slot * viewField.size + viewField.overdue], 0);
    it.advance(3000);
    atRest(it);
  });

  test('over TCP gets company over UDP; what is truncated there does not go to a TCP client', () => {
    for (const winner of [0, 1]) {
      const it = world(2);
      warm(it);
      it.ask(query('a.example.', 'A', { id: 1 }), 1, true);
      it.answer(it.lastSent, { tc: true });
      const streams = [it.lastSent];
      it.advance(20);
      const hedged = it.lastSent;
      assert.ok(streams[0]!.stream && !hedged.stream && hedged.slot !== streams[0]!.slot);
      const replies = it.replies.length;
      it.answer(hedged, { tc: true });
      assert.equal(it.replies.length, replies, 'it waits for the whole answer');
      streams.push(it.lastSent);
      assert.ok(it.lastSent.stream && it.lastSent.slot === hedged.slot);
      it.answer(streams[winner]!, good('a.example.'));
      assert.equal(it.replies.length, replies + 1);
      assert.equal(it.last.answers.length, 1);
      it.answer(streams[1 - winner]!, good('a.example.'));
      assert.equal(it.replies.length, replies + 1);
      atRest(it);
    }
  });

  test('is blamed for being silent when its sibling answered and it does not', () => {
    const it = world(2);
    warm(it);
    ask(it, 'a.example.');
    const first = it.lastSent;
    it.advance(12);
    it.answer(it.lastSent, good('a.example.'));
    it.advance(90);
    assert.equal(blamed(it, first.slot, 'blamedSilent'), 0);
    it.advance(20);
    assert.equal(blamed(it, first.slot, 'blamedSilent'), 1);
    assert.equal(it.board.view(0)[first.slot * viewField.size + viewField.overdue], 1);
    it.advance(3000);
    assert.equal(blamed(it, first.slot, 'timeout'), 1);
    atRest(it);
  });

  test('at a prefetch: gets company as soon as a client waits for it', () => {
    const it = world(2);
    warm(it);
    const pop = (id: number) => ask(it, 'pop.example.', id);
    pop(1);
    it.answer(it.lastSent, { answers: [a('pop.example.', 10)] });
    for (let i = 0; i < 5; i++) pop(2);
    it.advance(9100);
    pop(3);
    assert.equal(it.count('prefetches'), 1);
    const prefetch = it.lastSent;
    const before = it.sent.length;
    it.advance(1000);
    assert.equal(it.sent.length, before, 'nobody waits: nothing is hedged');
    pop(4);
    assert.equal(it.count('joined'), 1);
    it.advance(12);
    assert.equal(it.sent.length, before + 1);
    assert.notEqual(it.lastSent.slot, prefetch.slot);
    it.answer(it.lastSent, { answers: [a('pop.example.', 10)] });
    assert.equal(it.last.id, 4);
    it.advance(5000);
    atRest(it);
  });

  test('while the first has failed: a third is asked, also when there is no budget for hedges', () => {
    const it = world(4, { hedge: { least: 8, most: 8, unknown: 8, budget: 0, burst: 0 } }, { cache: false });
    for (let hedges = 0; hedges < 15; hedges++) {
      ask(it, `d${hedges}.example.`);
      while (it.count('hedges') === hedges) it.advance(2);
      for (const sent of it.sent.splice(0)) it.answer(sent, good(`d${hedges}.example.`));
    }
    ask(it, 'a.example.');
    it.advance(10);
    assert.equal(it.sent.length, 2);
    it.answer(it.sent[0]!, { rcode: servfail });
    assert.equal(it.sent.length, 2, 'the second may still answer');
    it.advance(20);
    assert.equal(it.sent.length, 3);
    it.answer(it.lastSent, good('a.example.'));
    assert.equal(it.last.answers.length, 1);
    it.advance(5000);
    atRest(it);
  });

  test('at one name, with nobody else to ask: is looked at a few times, and counted once', () => {
    const it = world(2);
    warm(it);
    const before = it.count('hedgesSaved');
    ask(it, 'slow.example.');
    let looks = 0;
    const end = it.now + 1900;
    for (let due = it.front.deadline(); due <= end; due = it.front.deadline()) {
      it.now = Math.max(it.now + 2, due);
      it.front.expire(it.now);
      looks++;
    }
    assert.equal(it.sent.length, 62);
    assert.ok(looks <= 20, `${looks} looks`);
    assert.equal(it.count('hedgesSaved') - before, 1);
    it.now = end;
    it.advance(5000);
    atRest(it);
  });

  test('costs the budget and no more, in a farm where many names are slow', () => {
    const it = world(4, {}, { cache: false });
    warm(it, 200);
    const before = it.count('hedges');
    const names = 4000;
    for (let i = 0; i < names; i++) {
      ask(it, `s${i}.example.`, i);
      // One name in ten is slow everywhere.
      const mine = [it.lastSent];
      const sent = it.sent.length;
      it.advance(i % 10 === 0 ? 30 : 1);
      mine.push(...it.sent.slice(sent));
      for (const each of mine) it.answer(each, good(`s${i}.example.`));
    }
    const hedges = it.count('hedges') - before;
    assert.ok(hedges <= names * 0.01 + 20, `${hedges} hedges`);
    atRest(it);
  });

  test('in one pool does not use up what another pool has for its hedges', () => {
    const small = { ...hedge, budget: 0, burst: 0 };
    const it = new World({
      pools: [pool(2, 0, { hedge: small }), pool(2, 2, { name: 'other', hedge })],
      plan: { domains: [{ suffix: 'other.example', pool: 1 }] },
    });
    const hedged = (zone: string) => {
      const before = it.count('hedges');
      for (let i = 0; i < 30; i++) ask(it, `n${i}.${zone}.example.`, i);
      it.advance(150);
      return it.count('hedges') - before;
    };
    // Sixteen routine tokens, saved up from the start, and nothing after that.
    assert.equal(hedged('mine'), 16);
    assert.equal(hedged('mine2'), 0);
    assert.equal(hedged('other'), 30);
  });

  test('for all of two seconds: every client is served within a few hedge delays', () => {
    const it = world(4, { policy: 'least-outstanding' }, { cache: false });
    warm(it, 200);
    const started = new Map<number, number>();
    let extra = 0;
    for (let i = 0; i < 1000; i++) {
      const id = 1000 + i;
      started.set(id, it.now);
      ask(it, `q${i}.example.`, id);
      for (const sent of it.sent.splice(0)) {
        extra++;
        if (sent.slot !== 0) it.answer(sent, { answers: [a(decodeMessage(sent.bytes).questions[0]!.name)] });
      }
      it.advance(2);
      for (const sent of it.sent.splice(0)) {
        extra++;
        if (sent.slot !== 0) it.answer(sent, { answers: [a(decodeMessage(sent.bytes).questions[0]!.name)] });
      }
    }
    it.advance(60);
    for (const sent of it.sent.splice(0)) {
      extra++;
      if (sent.slot !== 0) it.answer(sent, { answers: [a(decodeMessage(sent.bytes).questions[0]!.name)] });
    }
    const late = it.replies
      .map(reply => ({ message: decodeMessage(reply.bytes), at: reply.at }))
      .filter(({ message }) => started.has(message.id))
      .map(({ message, at }) => {
        assert.equal(message.rcode, 0);
        return at - started.get(message.id)!;
      });
    assert.equal(late.length, 1000);
    assert.ok(Math.max(...late) <= 50, `${Math.max(...late)} ms`);
    assert.ok(extra <= 1300, `${extra} queries`);
    it.advance(5000);
    atRest(it);
  });

  test('and so is everybody: the client gets SERVFAIL that says so, a timeout after the last was asked, and the verdict is everybody', () => {
    const it = world(2);
    ask(it, 'a.example.');
    it.advance(2090);
    assert.equal(it.replies.length, 0);
    it.advance(30);
    assert.equal(it.last.rcode, servfail);
    assert.equal(ede(it.last), 22);
    assert.equal(it.count('verdictEverybody'), 1);
    it.advance(3000);
    atRest(it);
    // Remembered, but not for longer each time: when the uplink is back, so are the names.
    for (let i = 0; i < 5; i++) {
      it.advance(6000);
      const before = it.sent.length;
      ask(it, 'a.example.', 2);
      assert.equal(it.sent.length, before + 1);
      it.advance(2500);
      assert.equal(it.last.rcode, servfail);
    }
  });
});

describe('a backend is not blamed', () => {
  const sum = (it: World, what: keyof typeof backendCounters.at) => blamed(it, 0, what) + blamed(it, 1, what);

  test('for FORMERR to EDNS that all say', () => {
    const it = world(2);
    for (let i = 0; i < 20; i++) {
      const name = `n${i}.example.`;
      ask(it, name, i);
      for (let next = it.sent.length - 1; next < it.sent.length; next++) {
        const { edns, ...bare } = decodeMessage(it.sent[next]!.bytes);
        const more = edns ? { rcode: formerr } : good(name);
        it.answerBytes(it.sent[next]!, encodeMessage({ ...bare, qr: true, ...more }));
      }
      assert.equal(it.last.answers.length, 1);
    }
    assert.equal(sum(it, 'blamedMalformed'), 0);
    assert.equal(it.count('verdictNode'), 0);
    atRest(it);
  });

  test('for messages that it does not know and lets go', () => {
    const it = world(2, { policy: 'client-hash' });
    for (let i = 0; i < 20; i++) {
      it.ask({ ...query(`h${i}.example.`, 'SOA', { id: i }), opcode: 6 });
      it.advance(3000);
    }
    assert.equal(it.count('servfail'), 20);
    assert.equal(it.count('timeouts'), 20);
    assert.equal(sum(it, 'timeout'), 0);
    atRest(it);
  });

  test('twice, when the answer of the other comes in two steps', () => {
    const it = world(2, {}, { cache: false });
    it.ask(query('big.example.', 'A', { id: 1, edns: {} }), 1, true);
    it.answer(it.lastSent, { rcode: servfail });
    it.answer(it.lastSent, { tc: true });
    it.answer(it.lastSent, good('big.example.'));
    assert.equal(sum(it, 'blamedServfail'), 1);
    assert.equal(it.count('verdictNode'), 1);
    atRest(it);
  });

  test('for refusing what servers may answer differently: another class, no recursion', () => {
    const it = world(2);
    const chaos = { questions: [{ name: 'authors.bind.', type: 16, class: 3 }] };
    for (let i = 0; i < 20; i++) {
      it.ask({ ...query(`h${i}.example.`, 'A', { id: i }), ...(i % 2 ? { rd: false } : chaos) });
      it.answer(it.lastSent, it.lastSent.slot === 0 ? { rcode: refused } : {});
      if (it.replies.length <= i) it.answer(it.lastSent, {});
      assert.equal(it.replies.length, i + 1);
    }
    assert.equal(sum(it, 'blamedRefused'), 0);
    atRest(it);
  });

  test('when there was no room for another TCP connection', () => {
    const it = world(3, {}, { cache: false });
    it.streams = false;
    it.ask(query('big.example.', 'A', { id: 1 }), 1, true);
    it.answer(it.lastSent, { tc: true });
    it.answer(it.lastSent, good('big.example.'));
    assert.equal(it.last.answers.length, 1);
    assert.equal(sum(it, 'blamedNetwork') + blamed(it, 2, 'blamedNetwork'), 0);
    atRest(it);
  });
});

describe('a zone is not closed', () => {
  const asOften = (more: (i: number) => Partial<Message>, rcode: number | undefined) => () => {
    const it = world(2);
    for (let i = 0; i < 400; i++) {
      it.ask({ ...query(`h${i}.bank.example.`, 'A', { id: i }), ...more(i) }, 66);
      for (let next = it.sent.length - 1; next < it.sent.length; next++) {
        const sent = it.sent[next]!;
        if (rcode !== undefined) it.answer(sent, { rcode });
      }
      ask(it, `good${i}.example.org.`, i);
      it.answer(it.lastSent, good(`good${i}.example.org.`));
      it.advance(20);
    }
    it.advance(5000);
    assert.equal(it.count('zoneClosings'), 0);
    atRest(it);
  };
  test(
    'by a client whose updates are refused',
    asOften(() => ({ opcode: 5 }), refused),
  );
  test(
    '… fail',
    asOften(() => ({ opcode: 5 }), servfail),
  );
  test(
    '… or are dropped',
    asOften(() => ({ opcode: 5 }), undefined),
  );
  test(
    'by one who does not ask for recursion',
    asOften(() => ({ rd: false }), servfail),
  );
  test(
    'by one whose questions are refused',
    asOften(() => ({}), refused),
  );
});

describe('a stale answer', () => {
  const rules = { ...cacheRules, staleFor: 86_400 };
  const stale = (backends = 2) => {
    const it = world(backends, {}, { plan: { cache: rules } });
    ask(it, 'a.example.');
    it.answer(it.lastSent, { answers: [a('a.example.', 60)] });
    it.advance(100_000);
    return it;
  };

  test('is given when all backends fail, with EDE 3 and a short TTL; and again without asking', () => {
    const it = stale();
    ask(it, 'a.example.', 2);
    it.answer(it.lastSent, { rcode: servfail });
    it.answer(it.lastSent, { rcode: servfail });
    assert.equal(it.last.rcode, 0);
    assert.equal(it.last.answers[0]?.ttl, 30);
    assert.equal(ede(it.last), 3);
    assert.equal(it.count('staleFailure'), 1);
    it.advance(6000);
    const before = it.sent.length;
    ask(it, 'a.example.', 3);
    assert.equal(it.sent.length, before);
    assert.equal(ede(it.last), 3);
    assert.equal(it.count('staleCached'), 1);
  });

  test('is given at the client-response timer, while the question goes on', () => {
    const it = stale();
    ask(it, 'a.example.', 2);
    const first = it.lastSent;
    it.advance(1790);
    const replies = it.replies.length;
    it.advance(20);
    assert.equal(it.replies.length, replies + 1);
    assert.equal(ede(it.last), 3);
    assert.equal(it.front.inFlight, 1);
    ask(it, 'a.example.', 3);
    assert.equal(it.replies.length, replies + 2, 'the next client does not wait');
    it.answer(first, { answers: [a('a.example.', 60, '192.0.2.9')] });
    ask(it, 'a.example.', 4);
    assert.equal(ede(it.last), undefined);
    assert.equal(it.last.answers[0]?.ttl, 60);
    it.advance(5000);
    atRest(it);
  });
});
