import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import fc from 'fast-check';
import { look, makeCache as make, store, storeFailure } from '#test/support/cached.ts';
import { decodeMessage } from '#wire/message.ts';
import { parseName } from '#wire/name.ts';
import { formatRecord } from '#wire/record.ts';
import { Cache } from './cache.ts';

test('keeps an answer for its time, its TTL counted down, not authoritative', () => {
  const cache = make();
  assert.equal(look(cache, { name: 'www.example.' }, 100), null);
  store(cache, { name: 'www.example.' }, 100, 60);
  const hit = look(cache, { name: 'WWW.Example.' }, 130);
  assert.ok(hit);
  assert.equal(new TextDecoder().decode(hit.subarray(13, 16)), 'www', 'the name is kept in lower case');
  assert.equal(hit[2]! & 4, 0);
  assert.deepEqual([...hit.subarray(-10, -6)], [0, 0, 0, 30]);
  assert.ok(look(cache, { name: 'www.example.' }, 159));
  assert.equal(look(cache, { name: 'www.example.' }, 160), null);
});

test('type, EDNS, CD and client subnet make questions different', () => {
  const cache = make();
  store(cache, { name: 'a.example.', subnet: '192.0.2.0' }, 0, 60);
  assert.ok(look(cache, { name: 'a.example.', subnet: '192.0.2.0' }, 0));
  for (const other of [
    { name: 'a.example.', subnet: '198.51.100.0' },
    { name: 'a.example.', edns: true },
    { name: 'a.example.' },
    { name: 'a.example.', subnet: '192.0.2.0', cd: true },
    { name: 'a.example.', subnet: '192.0.2.0', type: 28 },
    { name: 'b.example.', subnet: '192.0.2.0' },
  ]) {
    assert.equal(look(cache, other, 0), null, JSON.stringify(other));
  }
});

test('a failure never takes the place of a good answer that still lives', () => {
  const cache = make();
  store(cache, { name: 'a.example.' }, 0, 60);
  storeFailure(cache, { name: 'a.example.' }, 10);
  assert.equal(look(cache, { name: 'a.example.' }, 11)![3]! & 15, 0);
  storeFailure(cache, { name: 'a.example.' }, 61);
  assert.equal(look(cache, { name: 'a.example.' }, 62)![3]! & 15, 2);
  assert.ok(cache.hitFailure);
  store(cache, { name: 'a.example.' }, 62, 60);
  assert.equal(look(cache, { name: 'a.example.' }, 63)![3]! & 15, 0);
});

test('asks for a prefetch once, for a popular name in the last tenth of its time', () => {
  const cache = make();
  store(cache, { name: 'hot.example.' }, 0, 100);
  for (let i = 0; i < 5; i++) {
    look(cache, { name: 'hot.example.' }, 50);
    assert.equal(cache.hitPrefetch, false);
  }
  look(cache, { name: 'hot.example.' }, 95);
  assert.equal(cache.hitPrefetch, true);
  look(cache, { name: 'hot.example.' }, 95);
  assert.equal(cache.hitPrefetch, false);
});

test('what is used stays when a flood of names comes through', () => {
  const cache = make(Cache.bytes(0));
  store(cache, { name: 'hot.example.' }, 0, 1000);
  for (let i = 0; i < 3000; i++) {
    if (i % 10 === 0) look(cache, { name: 'hot.example.' }, 1);
    store(cache, { name: `n${i}.example.` }, 1, 1000);
  }
  assert.ok(look(cache, { name: 'hot.example.' }, 1));
  assert.ok(cache.stats().evictions > 1000);
});

test('what is over goes before what lives', () => {
  const cache = make(Cache.bytes(0));
  for (let i = 0; i < 30; i++) store(cache, { name: `old${i}.example.` }, 0, 10);
  for (let i = 0; i < 30; i++) store(cache, { name: `new${i}.example.` }, 5, 1000);
  for (let i = 30; i < 50; i++) store(cache, { name: `new${i}.example.` }, 20, 1000);
  for (let i = 0; i < 50; i++) assert.ok(look(cache, { name: `new${i}.example.` }, 21), `new${i}`);
  assert.equal(cache.stats().evictions, 0);
});

test('flushes a name, a subtree, everything', () => {
  const cache = make();
  for (const name of ['example.', 'a.example.', 'b.a.example.', 'xample.', 'notexample.'])
    store(cache, { name }, 0, 60);
  assert.equal(cache.flush(parseName('a.example.')), 1);
  assert.ok(look(cache, { name: 'b.a.example.' }, 0));
  assert.equal(cache.flush(parseName('example.'), true), 2);
  assert.ok(look(cache, { name: 'notexample.' }, 0));
  assert.equal(cache.flush(parseName('.'), true), 2);
  assert.equal(cache.stats().entries, 0);
  store(cache, { name: 'example.' }, 0, 60);
  assert.equal(cache.flush(), 1);
});

test('threads that store and look up meet no torn answer while names are flushed', async () => {
  // A few pages, so that all are at the same ones.
  const memory = Cache.create(64 << 10, 5);
  const cache = new Cache(memory, true);
  const results: { found: Record<string, number>; wrong: string[] }[] = [];
  const workers = [1, 2, 3].map(seed => {
    const workerData = { memory, names: 200, count: 200_000, seed };
    return new Worker(new URL('../../test/support/cache-worker.ts', import.meta.url), { workerData });
  });
  const ends = workers.map(async worker => {
    const [[result]] = await Promise.all([once(worker, 'message'), once(worker, 'exit')]);
    results.push(result);
  });
  let running = true;
  const all = Promise.all(ends).then(() => {
    running = false;
  });
  for (let round = 0; running; round++) {
    if (round % 50 === 0) cache.flush(parseName(`n${(round / 50) % 200}.example.`), true);
    await new Promise(resolve => setImmediate(resolve));
  }
  await all;
  for (const kind of ['fresh', 'stale', 'failures']) {
    const hits = results.reduce((sum, { found }) => sum + found[kind]!, 0);
    assert.ok(hits > 100, `${kind}: ${hits}`);
  }
  assert.deepEqual(
    results.flatMap(({ wrong }) => wrong),
    [],
  );
  // The flushes may have gone on after the last thread stored: what is there then says nothing, what can be stored does.
  for (let i = 0; i < 100; i++) store(cache, { name: `after${i}.example.` }, 0, 60);
  assert.ok(cache.stats().entries > 50);
  cache.flush();
  const { entries, failures, bytes } = cache.stats();
  assert.deepEqual([entries, failures, bytes], [0, 0, 0]);
});

test('a page that a dead writer left locked is emptied and serves again', () => {
  const memory = Cache.create(Cache.bytes(0), 1);
  const cache = new Cache(memory, true);
  store(cache, { name: 'a.example.' }, 0, 60);
  storeFailure(cache, { name: 'a.example.' }, 0);
  Atomics.add(new Int32Array(memory), 4096 / 4, 1);
  assert.equal(look(cache, { name: 'a.example.' }, 0), null);
  store(cache, { name: 'a.example.' }, 0, 60);
  assert.equal(cache.stats().skipped, 1);
  assert.equal(cache.repair(), 1);
  assert.deepEqual([cache.stats().entries, cache.stats().failures], [0, 0]);
  store(cache, { name: 'a.example.' }, 0, 60);
  assert.ok(look(cache, { name: 'a.example.' }, 0));
});

test('behaves as a map does, whatever is stored, and its sums agree', () => {
  const step = fc.record({
    name: fc.integer({ min: 0, max: 40 }),
    kind: fc.constantFrom('store', 'look', 'flush'),
    texts: fc.integer({ min: 0, max: 12 }),
    ttl: fc.integer({ min: 1, max: 50 }),
    after: fc.integer({ min: 0, max: 5 }),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 300, size: 'max' }), steps => {
      const cache = make(Cache.bytes(0));
      const model = new Map<string, { until: number; mark: string }>();
      let now = 1000;
      let serial = 0;
      for (const s of steps) {
        now += s.after;
        const name = `name${s.name}.example.`;
        if (s.kind === 'store') {
          const mark = `192.0.${++serial >> 8}.${serial & 255}`;
          store(cache, { name }, now, s.ttl, { texts: s.texts, mark });
          model.set(name, { until: now + s.ttl, mark });
        } else if (s.kind === 'flush') {
          cache.flush(parseName(name));
          model.delete(name);
        } else {
          const hit = look(cache, { name }, now);
          const kept = model.get(name);
          // It may have been pushed out; what is found must be the last that was stored, in its time.
          if (hit) {
            assert.ok(kept && now < kept.until);
            assert.ok(formatRecord(decodeMessage(hit).answers[0]!).includes(kept.mark));
          }
        }
      }
      cache.flush();
      assert.deepEqual([cache.stats().entries, cache.stats().bytes], [0, 0]);
    }),
    { numRuns: 60 },
  );
});
