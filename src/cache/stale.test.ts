import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { look, lookRoom, makeCache, store, storeFailure, told } from '#test/support/cached.ts';
import type { EdnsOption } from '#wire/edns/registry.ts';
import { decodeMessage } from '#wire/message.ts';
import { parseName } from '#wire/name.ts';
import { parseRecord } from '#wire/record.ts';
import { Cache, type CacheRules } from './cache.ts';
import { entry, headerBytes, slot as inSlot, page, pageBytes, slotBytes } from './layout.ts';

const rules: CacheRules = { staleFor: 1000, staleTtl: 30, failureTtl: 5, maxFailureTtl: 300 };
const name = 'a.example.';

function make(more: Partial<CacheRules> = {}, budget?: number): Cache {
  const cache = makeCache(budget);
  cache.apply({ ...rules, ...more });
  return cache;
}

describe('an answer past its time', () => {
  test('stands in, with the stale TTL, for as long as the rules say', () => {
    const cache = make();
    store(cache, { name }, 100, 60, { texts: 2 });
    assert.equal(told(cache, { name }, 159), 'fresh 192.0.2.1 1');
    assert.equal(told(cache, { name }, 160), 'nothing', 'not unasked');
    assert.equal(told(cache, { name }, 160, true), 'stale 192.0.2.1 30');
    assert.equal(told(cache, { name }, 1159, true), 'stale 192.0.2.1 30');
    assert.equal(told(cache, { name }, 1160, true), 'nothing');
  });

  test('is given as it is while it is fresh', () => {
    const cache = make();
    store(cache, { name }, 100, 60);
    assert.equal(told(cache, { name }, 110, true), 'fresh 192.0.2.1 50');
  });

  test('may be NXDOMAIN, and then says so', () => {
    const cache = make();
    store(cache, { name }, 100, 60, { rcode: 3 });
    assert.equal(told(cache, { name }, 200, true), 'stale 192.0.2.1 30');
    assert.ok(cache.hitNegative);
  });

  test('does not stand in where stale answers are off', () => {
    const cache = make({ staleFor: 0 });
    store(cache, { name }, 100, 60);
    storeFailure(cache, { name }, 160);
    assert.equal(told(cache, { name }, 160, true), 'nothing');
    assert.equal(told(cache, { name }, 160), 'failure');
  });

  test('gives way to a newer one, though that may not be kept itself', () => {
    const cache = make();
    store(cache, { name }, 100, 60);
    store(cache, { name }, 200, 0);
    assert.equal(told(cache, { name }, 200, true), 'nothing');
    store(cache, { name }, 300, 60);
    store(cache, { name }, 400, 60, { texts: 25 });
    assert.equal(told(cache, { name }, 400, true), 'nothing', 'too long to be kept');
    assert.equal(cache.stats().entries, 0);
  });
});

describe('a failure', () => {
  test('is kept twice as long as the one before it in a row, up to a bound', () => {
    const cache = make({ staleFor: 0 });
    let now = 0;
    for (const ttl of [5, 10, 20, 40, 80, 160, 300, 300]) {
      assert.equal(storeFailure(cache, { name }, now), ttl);
      assert.equal(told(cache, { name }, now + ttl - 1), 'failure');
      assert.equal(told(cache, { name }, now + ttl), 'nothing');
      now += ttl;
    }
    assert.equal(cache.stats().entries, 1);
  });

  test('is one with those that come while it is kept', () => {
    const cache = make();
    assert.equal(storeFailure(cache, { name }, 0), 5);
    assert.equal(storeFailure(cache, { name }, 4), 5);
    assert.equal(told(cache, { name }, 8), 'failure');
    assert.equal(storeFailure(cache, { name }, 9), 10);
  });

  test('begins a new row after an answer, kept or not, and after a long time', () => {
    const cache = make({ staleFor: 0 });
    for (const ttl of [60, 0]) {
      assert.equal(storeFailure(cache, { name }, 0), 5);
      assert.equal(storeFailure(cache, { name }, 5), 10);
      store(cache, { name }, 15, ttl);
      assert.equal(storeFailure(cache, { name }, 80), 5);
      cache.flush();
    }
    assert.equal(storeFailure(cache, { name }, 100), 5);
    assert.equal(storeFailure(cache, { name }, 404), 10);
    assert.equal(storeFailure(cache, { name }, 714), 5);
  });

  test('lets an answer stand in, for half a minute at least, and never takes its place', () => {
    const cache = make();
    store(cache, { name }, 0, 60);
    assert.equal(storeFailure(cache, { name }, 60), 30);
    assert.equal(told(cache, { name }, 89), 'stale 192.0.2.1 30');
    assert.equal(cache.hitPrefetch, false);
    assert.equal(told(cache, { name }, 90), 'stale 192.0.2.1 30');
    assert.equal(cache.hitPrefetch, true, 'time to ask again, while nobody waits');
    assert.equal(told(cache, { name }, 119), 'stale 192.0.2.1 30');
    assert.equal(told(cache, { name }, 120), 'nothing', 'the failure is old');
    assert.equal(storeFailure(cache, { name }, 90), 30);
    assert.equal(storeFailure(cache, { name }, 120), 30);
    assert.equal(storeFailure(cache, { name }, 150), 40);
    assert.equal(told(cache, { name }, 189), 'stale 192.0.2.1 30');
    assert.equal(cache.stats().failures, 1);
    store(cache, { name }, 200, 60, { mark: '192.0.2.2' });
    assert.equal(told(cache, { name }, 200), 'fresh 192.0.2.2 60');
    assert.deepEqual([cache.stats().entries, cache.stats().failures], [1, 0]);
  });

  test('is never kept longer than the bound, an answer beside it or not', () => {
    const cache = make({ maxFailureTtl: 10 });
    store(cache, { name }, 0, 60);
    assert.equal(storeFailure(cache, { name }, 60), 10);
  });

  test('hides no answer that is in its time, and stops asking for it early', () => {
    const cache = make();
    store(cache, { name }, 0, 100);
    for (let i = 0; i < 5; i++) look(cache, { name }, 50);
    storeFailure(cache, { name }, 91);
    assert.equal(told(cache, { name }, 95), 'fresh 192.0.2.1 5');
    assert.equal(cache.hitPrefetch, false);
    assert.equal(told(cache, { name }, 110), 'stale 192.0.2.1 30');
    assert.equal(cache.hitPrefetch, false);
  });

  test('is kept no longer than the one before where it says nothing of the name', () => {
    const cache = make();
    let now = 0;
    for (const [grows, ttl] of [
      [false, 5],
      [false, 5],
      [true, 10],
      [false, 10],
      [true, 20],
    ] as const) {
      assert.equal(storeFailure(cache, { name }, now, { grows }), ttl);
      now += ttl;
    }
    store(cache, { name }, 100, 60);
    assert.equal(storeFailure(cache, { name }, 160, { grows: false }), 30);
  });

  test('is kept as header, question and OPT', () => {
    const cache = make();
    const soa = parseRecord('example. 900 IN SOA ns.example. host.example. 1 2 3 4 5');
    const ede = (text: string): EdnsOption => ({ kind: 'EDE', info: 9, text });
    const wanted = { name, edns: true };
    storeFailure(cache, wanted, 0, { questions: [], aa: true, tc: true });
    assert.equal(told(cache, wanted, 0), 'failure');
    assert.equal(cache.hitOpt, 0);
    const edns = (text: string) => ({ udpSize: 1232, version: 0, do: false, options: [ede(text)] });
    for (const [text, kept] of [
      ['no', 1],
      ['x'.repeat(1000), 0],
    ] as const) {
      storeFailure(cache, wanted, 0, { tc: true, authorities: [soa], edns: edns(text) });
      const message = decodeMessage(look(cache, wanted, 0)!);
      assert.deepEqual([message.rcode, message.questions.length, message.authorities], [2, 1, []]);
      assert.deepEqual([message.aa, message.tc, message.edns?.options.length], [false, false, kept]);
      assert.equal(cache.hitOpt, 12 + 11 + 4);
    }
    storeFailure(cache, wanted, 0, { rcode: 5 });
    assert.equal(decodeMessage(look(cache, wanted, 0)!).rcode, 5);
  });

  test('is told apart by type, EDNS, CD and client subnet', () => {
    const cache = make();
    storeFailure(cache, { name, subnet: '192.0.2.0' }, 0);
    assert.equal(told(cache, { name, subnet: '192.0.2.0' }, 0), 'failure');
    assert.equal(told(cache, { name, subnet: '198.51.100.0' }, 0), 'nothing');
    assert.equal(told(cache, { name, cd: true }, 0), 'nothing');
  });

  test('goes with what is flushed', () => {
    const cache = make();
    store(cache, { name }, 0, 60);
    storeFailure(cache, { name }, 60);
    storeFailure(cache, { name: 'b.a.example.' }, 60);
    assert.deepEqual([cache.stats().entries, cache.stats().failures], [3, 2]);
    assert.equal(cache.flush(parseName(name)), 2);
    assert.equal(told(cache, { name }, 60, true), 'nothing');
    assert.equal(cache.flush(parseName('example.'), true), 1);
    assert.deepEqual([cache.stats().entries, cache.stats().failures, cache.stats().bytes], [0, 0, 0]);
  });
});

describe('in a full page', () => {
  const onePage = Cache.bytes(0);
  const names = (prefix: string, count: number) =>
    Array.from({ length: count }, (_, i) => `${prefix}${i}.example.`);
  const kept = (cache: Cache, all: string[], now: number) =>
    all.filter(each => look(cache, { name: each }, now, true)).length;

  test('stale answers make room before fresh ones, the least used first', () => {
    const cache = make({}, onePage);
    const [old, fresh] = [names('o', 70), names('f', 60)];
    for (const each of old) store(cache, { name: each }, 0, 10);
    for (let i = 0; i < 8; i++) look(cache, { name: old[3]! }, 5);
    for (const each of fresh) store(cache, { name: each }, 20, 100);
    assert.equal(kept(cache, fresh, 21), 60);
    assert.ok(look(cache, { name: old[3]! }, 21, true));
    for (let i = 0; i < 8; i++) look(cache, { name: fresh[7]! }, 200, true);
    for (const each of names('g', 60)) store(cache, { name: each }, 200, 100);
    assert.ok(look(cache, { name: fresh[7]! }, 201, true), 'to stand in is a use too');
    assert.equal(cache.stats().evictions, 0);
    assert.ok(cache.stats().expired >= 50);
  });

  test('a flood of failures takes an eighth, and never the answer to the question itself', () => {
    const cache = make({}, onePage);
    const answers = names('good', 60);
    for (const each of answers) store(cache, { name: each }, 0, 1000);
    for (const each of names('bad', 500)) assert.ok(storeFailure(cache, { name: each }, 10) > 0);
    assert.ok(kept(cache, answers, 11) >= 48, `${kept(cache, answers, 11)} of 60`);
    assert.ok(cache.stats().failures >= 8);
  });

  test('a failure never pushes out the answer to its own question', () => {
    const cache = make({}, onePage);
    const answers = names('good', 200);
    store(cache, { name }, 0, 10);
    for (const each of answers) {
      store(cache, { name: each }, 0, 10);
      look(cache, { name: each }, 1);
      if (cache.stats().expired + cache.stats().evictions > 0) break;
      storeFailure(cache, { name }, 10);
      assert.equal(told(cache, { name }, 10), 'stale 192.0.2.1 30');
      cache.flush(parseName(name));
      store(cache, { name }, 0, 10);
    }
    assert.ok(cache.stats().expired + cache.stats().evictions > 0);
  });

  test('failures that are asked for stay when others come once', () => {
    const cache = make({}, onePage);
    storeFailure(cache, { name }, 0);
    for (const each of names('bad', 100)) {
      look(cache, { name }, 1);
      storeFailure(cache, { name: each }, 1);
    }
    assert.equal(told(cache, { name }, 2), 'failure');
  });
});

test('fresh answers fill the memory as if there were no stale ones and no failures', () => {
  // As many to a page as a million in 256 MiB.
  const pages = 128;
  const cache = make({}, headerBytes + pages * pageBytes);
  for (let i = 0; i < pages * 60; i++) store(cache, { name: `old${i}.example.` }, 0, 10);
  for (let i = 0; i < pages * 20; i++) storeFailure(cache, { name: `bad${i}.example.` }, 10);
  const count = Math.floor(pages * 30.5);
  for (let i = 0; i < count; i++) store(cache, { name: `host${i}.example.` }, 11, 100);
  let lost = 0;
  for (let i = 0; i < count; i++) if (!look(cache, { name: `host${i}.example.` }, 12)) lost++;
  assert.equal(lost, 0);
});

test('stale answers are counted, or estimated', () => {
  const cache = make({}, 8 << 20);
  for (let i = 0; i < 3000; i++) store(cache, { name: `old${i}.example.` }, 0, 10);
  for (let i = 0; i < 1000; i++) store(cache, { name: `new${i}.example.` }, 0, 100);
  storeFailure(cache, { name }, 0);
  assert.equal(cache.stats(9).stale, 0);
  const { stale, entries, failures } = cache.stats(10);
  assert.ok(stale > 2700 && stale < 3300, `${stale}`);
  assert.deepEqual([entries, failures], [4001, 1]);
});

test('whatever a torn page holds, a lookup writes within its room and throws nothing', () => {
  const memory = Cache.create(Cache.bytes(0), 42);
  const cache = new Cache(memory, true);
  cache.apply(rules);
  const bytes = new Uint8Array(memory);
  store(cache, { name }, 0, 60, { texts: 3 });
  storeFailure(cache, { name }, 60);
  const whole = bytes.slice();
  const firstEntry = page.data;
  const torn = fc.array(
    fc.record({
      // The sequence and the tags stay, so that the lookup gets to the rest.
      at: fc.oneof(
        fc.integer({ min: page.slots + inSlot.place, max: page.slots + slotBytes - 1 }),
        fc.integer({ min: firstEntry, max: firstEntry + entry.answer + 11 }),
        fc.integer({ min: firstEntry + entry.answer + 40, max: firstEntry + 900 }),
        fc.integer({ min: 4, max: pageBytes - 1 }),
      ),
      byte: fc.oneof(fc.constantFrom(0, 1, 0xff), fc.nat(255)),
    }),
    { minLength: 1, maxLength: 12 },
  );
  const room = fc.constantFrom(64, 680, 2000, lookRoom);
  fc.assert(
    fc.property(torn, room, fc.integer({ min: -5, max: 2000 }), fc.boolean(), (changes, room, now, stale) => {
      bytes.set(whole);
      for (const { at, byte } of changes) bytes[headerBytes + at] = byte;
      look(cache, { name }, now, stale, room);
    }),
    { numRuns: 5000 },
  );
});

type Kept = {
  answer?: { at: number; ttl: number; mark: string };
  failure?: { at: number; ttl: number; row: number };
};

/** What the cache should say of a question. */
function expected({ answer, failure }: Kept, now: number, stale: boolean, staleFor: number): string {
  const failing = failure !== undefined && now < failure.at + failure.ttl;
  if (answer) {
    const left = answer.at + answer.ttl - now;
    if (left > 0) return `fresh ${answer.mark} ${left}`;
    const failed = failure !== undefined && now < failure.at + failure.ttl + 30;
    if (left > -staleFor && (stale || failed)) return `stale ${answer.mark} 30`;
  }
  return failing && !stale ? 'failure' : 'nothing';
}

/** How long the next failure should be kept. */
function nextFailure({ answer, failure }: Kept, now: number, { staleFor, maxFailureTtl }: CacheRules) {
  let row = 1;
  if (failure) {
    const over = now - failure.at - failure.ttl;
    if (over < 0) row = failure.row;
    else if (over < maxFailureTtl) row = failure.row + 1;
  }
  const least = answer && now < answer.at + answer.ttl + staleFor ? 30 : 0;
  return { at: now, ttl: Math.min(maxFailureTtl, Math.max(least, 5 * 2 ** (row - 1))), row };
}

const step = fc.record({
  name: fc.integer({ min: 0, max: 30 }),
  kind: fc.constantFrom('store', 'store', 'fail', 'fail', 'look', 'look', 'stale', 'flush'),
  texts: fc.integer({ min: 0, max: 3 }),
  ttl: fc.integer({ min: 0, max: 50 }),
  after: fc.oneof(fc.integer({ min: 0, max: 5 }), fc.integer({ min: 0, max: 80 })),
});

for (const tight of [false, true]) {
  test(`does as a simple model does over time${tight ? ', or less where memory is scarce' : ''}`, () => {
    fc.assert(
      fc.property(
        fc.array(step, { maxLength: 300, size: 'max' }),
        fc.constantFrom(0, 100),
        fc.constantFrom(20, 60),
        (steps, staleFor, maxFailureTtl) => {
          const cache = make({ staleFor, maxFailureTtl }, tight ? Cache.bytes(0) : 1 << 20);
          const model = new Map<string, Kept>();
          let now = 1000;
          let serial = 0;
          for (const { after, kind, texts, ttl, ...rest } of steps) {
            now += after;
            const wanted = { name: `name${rest.name}.example.` };
            const kept = model.get(wanted.name) ?? {};
            if (kind === 'store') {
              const mark = `192.0.${++serial >> 8}.${serial & 255}`;
              store(cache, wanted, now, ttl, { texts: texts * (tight ? 4 : 1), mark });
              model.set(wanted.name, ttl > 0 ? { answer: { at: now, ttl, mark } } : {});
            } else if (kind === 'fail') {
              const failure = nextFailure(kept, now, { ...rules, staleFor, maxFailureTtl });
              const got = storeFailure(cache, wanted, now);
              // Where something was pushed out, the row may have begun anew.
              if (tight) failure.ttl = got;
              else assert.equal(got, failure.ttl);
              model.set(wanted.name, { ...kept, failure });
            } else if (kind === 'flush') {
              cache.flush(parseName(wanted.name));
              model.delete(wanted.name);
            } else {
              const stale = kind === 'stale';
              const should = expected(kept, now, stale, staleFor);
              const got = told(cache, wanted, now, stale);
              const { failure } = kept;
              const allowed = tight
                ? [should, 'nothing', expected(failure ? { failure } : {}, now, stale, staleFor)]
                : [should];
              assert.ok(allowed.includes(got), `${got}, not ${should}`);
            }
          }
          cache.flush();
          const { entries, bytes, failures } = cache.stats();
          assert.deepEqual([entries, bytes, failures], [0, 0, 0]);
        },
      ),
      { numRuns: 100 },
    );
  });
}
