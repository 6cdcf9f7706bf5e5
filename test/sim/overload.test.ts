/**
 * Overload in virtual time: storms of failing names, floods of random ones, clients that ask too much, full tables. Others get
 * their answers as if nothing were the matter.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { maxInFlight, maxWaiters } from '#front/inflight.ts';
import type { PlanLimits } from '#front/plan.ts';
import { decodeMessage, encodeMessage, type Message, query } from '#wire/message.ts';
import { parseRecord } from '#wire/record.ts';
import { pool, type Sent, World, type WorldOptions } from './world.ts';

const limits: PlanLimits = {
  perClient: 0,
  perNetwork: 0,
  ipv4Bits: 24,
  ipv6Bits: 56,
  slip: 2,
  exempt: [],
  zones: true,
};
const servfail = 2;
const refused = 5;
const latency = 3;

/** The info code of the extended error of a message; undefined without one. */
function extendedError(message: Message): number | undefined {
  const option = message.edns?.options.find(each => each.kind === 'EDE');
  return option?.kind === 'EDE' ? option.info : undefined;
}

/** Clients who ask and backends who answer, a millisecond at a time. */
class Weather {
  readonly world: World;
  /** What backends say to names under sick.example. */
  sick: 'well' | 'servfail' | 'silent' = 'well';
  /** Queries for names under sick.example that reached backends. */
  reached = 0;
  /** Answers to clients by zone: [well, failed]. */
  readonly given = { sick: [0, 0], other: [0, 0] };
  #heard = 0;
  #told = 0;
  #serial = 0;
  readonly #due: { readonly at: number; readonly to: Sent }[] = [];

  constructor(options: WorldOptions = {}) {
    this.world = new World({ pools: [pool(4)], ...options });
  }

  ask(name: string): void {
    const id = this.#serial++ & 0xffff;
    this.world.ask(query(name, 'A', { id, edns: {} }), 1 + (this.#serial % 250));
  }

  tick(): void {
    const { world } = this;
    for (; this.#heard < world.sent.length; this.#heard++) {
      this.#due.push({ at: world.now + latency, to: world.sent[this.#heard]! });
    }
    while (this.#due[0] && this.#due[0].at <= world.now) this.#answer(this.#due.shift()!.to);
    world.advance(1);
    for (; this.#told < world.replies.length; this.#told++) {
      const { questions, rcode } = decodeMessage(world.replies[this.#told]!.bytes);
      const counts = questions[0]!.name.endsWith('sick.example.') ? this.given.sick : this.given.other;
      counts[rcode === servfail ? 1 : 0]!++;
    }
  }

  #answer(to: Sent): void {
    const { name } = decodeMessage(to.bytes).questions[0]!;
    const sick = name.endsWith('sick.example.');
    if (sick) this.reached++;
    if (sick && this.sick === 'silent') return;
    if (sick && this.sick === 'servfail') this.world.answer(to, { rcode: servfail });
    else this.world.answer(to, { answers: [parseRecord(`${name} 1 IN A 192.0.2.1`)] });
  }

  /** For `ms`, 8 queries each for names of `zone`, and 2 for other names, half of them new. */
  run(ms: number, zone: () => string): void {
    for (let i = 0; i < ms; i++) {
      for (let n = 0; n < 8; n++) this.ask(zone());
      this.ask(`n${i % 100}.well.example.`);
      this.ask(`x${this.#serial}.well${i % 9}.example.`);
      this.tick();
    }
  }

  /** Forgets what was counted. */
  reset(): void {
    this.reached = 0;
    this.given.sick = [0, 0];
    this.given.other = [0, 0];
  }
}

describe('a zone that begins to fail', () => {
  let serial = 0;
  const names: Readonly<Record<string, () => string>> = {
    'with a thousand names': () => `n${serial++ % 1000}.sick.example.`,
    'under random names': () => `r${serial++}.sick.example.`,
    'under random names of random names': () => `r${serial++}.r${serial % 77}.sick.example.`,
  };
  for (const [what, name] of Object.entries(names)) {
    for (const cache of [true, false]) {
      test(`${what}, ${cache ? 'with' : 'without'} a cache, reaches backends only in a trickle, and other names are answered`, () => {
        const weather = new Weather({ cache });
        weather.run(300, name);
        weather.reset();
        weather.sick = 'servfail';
        weather.run(1500, name);
        assert.ok(weather.reached < 12_000 * 0.06, `${weather.reached} of 12,000 reached backends`);
        assert.equal(weather.given.other[1], 0);
        assert.ok(weather.given.other[0]! >= 3000 - 2 * latency);
        const { world } = weather;
        assert.ok(world.count('zoneClosings') > 0);
        assert.ok(world.count('zoneFailing') + world.count('staleZone') > 3000);
        // Well again.
        weather.sick = 'well';
        weather.run(1000, name);
        weather.reset();
        weather.run(500, () => `w${serial++}.sick.example.`);
        assert.equal(weather.given.sick[1], 0);
      });
    }
  }

  test('is given stale answers where there are any', () => {
    const weather = new Weather();
    const known = () => `n${serial++ % 500}.sick.example.`;
    weather.run(500, known);
    weather.sick = 'servfail';
    for (let i = 0; i < 2000; i++) weather.tick();
    weather.run(500, () => `r${serial++}.sick.example.`);
    weather.reset();
    const before = weather.world.count('staleZone');
    weather.run(100, known);
    assert.deepEqual(weather.given.sick[1], 0);
    assert.ok(weather.world.count('staleZone') > before);
  });

  test('with silence, while backends answer others, is found too', () => {
    const weather = new Weather();
    weather.sick = 'silent';
    weather.run(5000, () => `r${serial++}.sick.example.`);
    weather.reset();
    weather.run(1000, () => `r${serial++}.sick.example.`);
    assert.ok(weather.reached < 300, `${weather.reached} of 8,000 reached backends`);
    assert.equal(weather.given.other[1], 0);
  });

  test('says so: SERVFAIL with extended error 13', () => {
    const weather = new Weather({ cache: false });
    weather.sick = 'servfail';
    weather.run(500, () => `r${serial++}.sick.example.`);
    const { sent } = weather.world;
    const before = sent.length;
    for (let i = 0; i < 5; i++) weather.ask(`r${serial++}.sick.example.`);
    assert.ok(sent.length - before <= 1);
    assert.deepEqual([weather.world.last.rcode, extendedError(weather.world.last)], [servfail, 13]);
  });

  test('is not closed by refusals, nor by odd types', () => {
    const world = new World({ cache: false });
    for (const [type, rcode] of [
      ['A', refused],
      ['A', 1],
      ['A', 4],
      ['ANY', servfail],
    ] as const) {
      for (let i = 0; i < 600; i++) {
        world.ask(query(`o${serial++}.odd.example.`, type, { id: serial & 0xffff }));
        for (let n = 0; n < 2; n++) if (world.front.inFlight > 0) world.answer(world.lastSent, { rcode });
        world.advance(1);
      }
    }
    const before = world.count('zoneFailing');
    for (let i = 0; i < 20; i++) world.ask(query(`o${serial++}.odd.example.`, 'A', { id: i }));
    assert.equal(world.count('zoneFailing'), before);
  });

  test('is asked all the same when the guard is off', () => {
    const weather = new Weather({ cache: false, plan: { limits: { ...limits, zones: false } } });
    weather.sick = 'servfail';
    weather.run(500, () => `r${serial++}.sick.example.`);
    assert.ok(weather.reached >= 4000 * 0.95);
  });
});

describe('a message that is passed on', () => {
  test('is turned away like others when its zone fails', () => {
    const weather = new Weather({ cache: false });
    weather.sick = 'servfail';
    let serial = 0;
    const options = [{ kind: 'unknown', code: 65_001, bytes: Uint8Array.of(1) }] as const;
    const { world } = weather;
    const flood = (ms: number) => {
      for (let i = 0; i < ms; i++) {
        for (let n = 0; n < 8; n++) {
          world.ask(query(`p${serial++}.sick.example.`, 'A', { id: serial & 0xffff, edns: { options } }));
        }
        weather.tick();
      }
    };
    flood(300);
    const before = world.count('passed');
    flood(300);
    assert.ok(world.count('passed') - before <= 10);
    assert.equal(world.last.rcode, servfail);
    const { reached } = weather;
    weather.run(2 * latency, () => `p${serial++}.sick.example.`);
    assert.ok(weather.reached - reached >= 8 * (latency - 1), 'those in our words are judged apart');
  });
});

describe('rates', () => {
  const rated = (more: Partial<PlanLimits>) =>
    new World({ plan: { limits: { ...limits, perClient: 10, ...more } } });

  test('limit answers from the cache too; UDP is dropped or truncated, TCP refused, others are not touched', () => {
    const world = rated({ slip: 2 });
    world.ask(query('a.example.', 'A', { id: 1, edns: {} }), 9);
    world.answer(world.lastSent, { answers: [parseRecord('a.example. 300 IN A 192.0.2.1')] });
    const before = world.replies.length;
    for (let i = 0; i < 210; i++) world.ask(query('a.example.', 'A', { id: i, edns: {} }), 1);
    const replies = world.replies.slice(before).map(({ bytes }) => decodeMessage(bytes));
    assert.equal(replies.filter(({ answers }) => answers.length > 0).length, 10);
    const truncated = replies.filter(({ tc, rcode, answers }) => tc && rcode === 0 && answers.length === 0);
    assert.equal(truncated.length, replies.length - 10);
    assert.ok(truncated.length > 70 && truncated.length < 130, String(truncated.length));
    assert.equal(world.count('limitedTruncated'), truncated.length);
    assert.equal(world.count('limitedDropped'), 200 - truncated.length);
    for (let i = 0; i < 11; i++) world.ask(query('a.example.', 'A', { id: i, edns: {} }), 1, true);
    assert.deepEqual([world.last.rcode, extendedError(world.last)], [refused, 18]);
    assert.equal(world.count('limitedRefused'), 1);
    world.ask(query('a.example.', 'A', { edns: {} }), 2);
    assert.equal(world.last.answers.length, 1);
    world.advance(1000);
    world.ask(query('a.example.', 'A', { edns: {} }), 1);
    assert.equal(world.last.answers.length, 1);
  });

  test('come and go with a reload', () => {
    const world = rated({ perClient: 0, perNetwork: 1 });
    const flood = () => {
      const before = world.replies.length;
      for (let i = 1; i <= 10; i++) world.ask(query('id.server.', 'TXT', { class: 3 }), i);
      return world.replies.slice(before).filter(({ bytes }) => !decodeMessage(bytes).tc).length;
    };
    assert.equal(flood(), 1);
    world.front.apply(world.plan([pool(2)], { limits }));
    assert.equal(flood(), 10);
    world.front.apply(world.plan([pool(2)], { limits: { ...limits, perNetwork: 1 } }));
    assert.equal(flood(), 0, 'what it asked is remembered');
  });
});

describe('a full table', () => {
  const quiet: WorldOptions = { cache: false, plan: { limits: { ...limits, zones: false } } };
  const light = '10.9.9.9';
  const lightClient = 9 * 256 + 9;

  test('of queries in flight serves a light client at the cost of the newest of the heaviest network', () => {
    const world = new World(quiet);
    for (let i = 0; i < maxInFlight; i++) world.ask(query(`n${i}.example.`, 'A', { id: i }), 1 + (i % 3));
    assert.deepEqual([world.front.inFlight, world.replies.length], [maxInFlight, 0]);
    world.packet(encodeMessage(query('light.example.', 'A', { id: 7 })), 0, false, light);
    assert.equal(world.replies.length, 1);
    assert.deepEqual(
      [world.last.rcode, world.last.questions[0]?.name],
      [servfail, `n${maxInFlight - 1}.example.`],
    );
    assert.equal(world.count('shedInFlight'), 1);
    world.answer(world.lastSent, { answers: [parseRecord('light.example. 60 IN A 192.0.2.1')] });
    assert.equal(world.replies.at(-1)?.client, lightClient);
    assert.equal(world.last.answers.length, 1);
    // A place is free; then the heavy network itself is turned away.
    for (let i = 0; i < 2; i++) world.ask(query(`more${i}.example.`, 'A', { id: i }), 1);
    assert.equal(world.count('fullInFlight'), 1);
    assert.equal(world.last.questions[0]?.name, 'more1.example.');
    world.advance(10_000);
    assert.equal(world.front.inFlight, 0);
    assert.equal(world.replies.length, maxInFlight + 3);
    for (let slot = 0; slot < 2; slot++) assert.equal(world.board.view(0)[slot * 4], 0);
  });

  test('of clients that wait for names much asked serves a light client at the cost of a heavy one', () => {
    const world = new World(quiet);
    for (let i = 0; i < maxWaiters; i++) {
      world.ask(query(`n${i % 5}.example.`, 'A', { id: i }), 1 + (i % 3));
    }
    const turnedAway = world.count('fullQuestion');
    assert.deepEqual([world.front.inFlight, world.replies.length], [5, turnedAway]);
    assert.ok(turnedAway > 0 && turnedAway <= maxWaiters / 4, String(turnedAway));
    for (let i = 0; i < 100; i++) {
      const bytes = encodeMessage(query(`n${i % 7}.example.`, 'A', { id: i }));
      world.packet(bytes, 0, false, light);
    }
    // For five of seven names it is one too many.
    assert.deepEqual([world.count('shedWaiters'), world.front.inFlight], [72, 7]);
    assert.equal(world.count('fullQuestion'), turnedAway);
    assert.ok(world.replies.every(({ client }) => client !== lightClient));
    for (const to of [...world.sent]) world.answer(to, { answers: [] });
    const mine = world.replies.filter(({ client }) => client === lightClient);
    assert.equal(mine.length, 100);
    assert.equal(world.replies.length, maxWaiters + 100);
    assert.equal(world.front.inFlight, 0);
  });

  test('of clients that wait serves many light ones that ask one name at the cost of a network with many names', () => {
    const world = new World(quiet);
    const heavy = 55_000;
    for (let i = 0; i < heavy; i++) world.ask(query(`n${i}.example.`, 'A', { id: i }), 1);
    for (let i = 0; i < 1000; i++) {
      const bytes = encodeMessage(query('popular.example.', 'A', { id: i }));
      world.packet(bytes, 0, false, `10.${1 + (i >> 8)}.${i & 255}.1`);
    }
    assert.equal(world.count('fullQuestion'), 0);
    assert.ok(world.count('shedWaiters') > 0);
    assert.ok(
      world.replies.every(({ client }) => client === 1),
      'who gives way is the heavy one',
    );
    for (const to of [...world.sent]) world.answer(to, { answers: [] });
    assert.equal(world.replies.length, heavy + 1000);
    assert.equal(world.front.inFlight, 0);
  });

  test('slow names that are much asked never keep out who asks for others', () => {
    const world = new World({ plan: { limits: { ...limits, zones: false } } });
    // One of the slow ones is known from before.
    world.ask(query('slow0.example.', 'A'), 1);
    world.answer(world.lastSent, { answers: [parseRecord('slow0.example. 1 IN A 192.0.2.1')] });
    world.advance(2000);
    const before = world.replies.length;
    // As many clients as there are places and more, so that none is heavier than another.
    const client = (i: number) => `10.${1 + (i >> 16)}.${(i >> 8) & 255}.${i & 255}`;
    for (let i = 0; i < maxWaiters + 5000; i++) {
      const bytes = encodeMessage(query(`slow${i % 100}.example.`, 'A', { id: i & 0xffff }));
      world.packet(bytes, 0, false, client(i));
    }
    const failed = world.replies.slice(before).filter(({ bytes }) => decodeMessage(bytes).rcode === servfail);
    assert.equal(world.count('fullQuestion') + world.count('shedWaiters'), failed.length);
    assert.ok(failed.length > 5000 && failed.length < maxWaiters / 2, String(failed.length));
    assert.ok(world.count('staleCrowd') > 0, 'what is known is given instead');
    for (let i = 0; i < 2000; i++) {
      const answered = world.replies.length;
      world.ask(query(`other${i}.example.`, 'A', { id: i }), 5000 + i);
      assert.equal(world.replies.length, answered, 'it may wait');
    }
    assert.equal(world.count('fullWaiters'), 0);
    for (const to of [...world.sent]) world.answer(to, { answers: [] });
    assert.equal(world.front.inFlight, 0);
  });
});
