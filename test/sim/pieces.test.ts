/** The simulator's own parts. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Chance, Zipf } from './chance.ts';
import { Events } from './heap.ts';
import { Names, nameKind, readName, writeName } from './names.ts';
import { Samples } from './samples.ts';

test('events come in the order of time, and of planning where times are equal', () => {
  const chance = new Chance(5, 0);
  const events = new Events();
  const planned: [number, number][] = [];
  for (let i = 0; i < 5000; i++) {
    const at = chance.below(400);
    planned.push([at, i]);
    events.plan(at, i % 7, i, i + 1);
  }
  planned.sort(([a, i], [b, j]) => a - b || i - j);
  for (const [at, i] of planned) {
    assert.equal(events.due, at);
    assert.ok(events.next());
    assert.deepEqual([events.at, events.kind, events.a, events.b], [at, i % 7, i, i + 1]);
  }
  assert.equal(events.next(), false);
  assert.equal(events.due, Infinity);
});

test('events that are planned while others are taken keep their order', () => {
  const chance = new Chance(6, 0);
  const events = new Events();
  for (let i = 0; i < 100; i++) events.plan(chance.unit(), 0, 0, 0);
  for (let i = 0, last = 0; i < 20_000; i++) {
    events.next();
    assert.ok(events.at >= last);
    last = events.at;
    events.plan(last + chance.unit(), 0, 0, 0);
  }
});

test('chance is fair, repeats itself, and its streams differ', () => {
  const take = (seed: number, stream: number) => {
    const chance = new Chance(seed, stream);
    return Array.from({ length: 8 }, () => chance.word());
  };
  assert.deepEqual(take(1, 1), take(1, 1));
  assert.notDeepEqual(take(1, 1), take(1, 2));
  assert.notDeepEqual(take(1, 1), take(2, 1));
  const chance = new Chance(9, 0);
  let sum = 0;
  let below = 0;
  for (let i = 0; i < 100_000; i++) {
    sum += chance.exponential(5);
    if (chance.lognormal(3, 0.7) < 3) below++;
  }
  assert.ok(Math.abs(sum / 100_000 - 5) < 0.1, 'mean of the exponential');
  assert.ok(Math.abs(below / 100_000 - 0.5) < 0.01, 'median of the lognormal');
});

test('the second name of Zipf comes half as often as the first', () => {
  const chance = new Chance(9, 0);
  const zipf = new Zipf(1000, 1);
  const counts = new Array<number>(1000).fill(0);
  for (let i = 0; i < 200_000; i++) counts[zipf.draw(chance)]!++;
  assert.ok(Math.abs(counts[0]! / counts[1]! - 2) < 0.1);
  assert.ok(counts[999]! > 0);
});

test('a name is read back in whatever letters; shares of kinds are kept', () => {
  const bytes = new Uint8Array(64);
  const named = (name: number, letters: number) => {
    writeName(bytes, 3, name, letters);
    return readName(bytes, 3);
  };
  for (const name of [0, 1, 63, 64, 0xabcdef, 2 ** 24 - 1]) {
    for (const letters of [0, -1, 0x5555_5555]) {
      assert.equal(named(name, letters), name);
    }
  }
  const names = new Names({ bogus: 0.1, slow: 0.05 }, 7);
  const counts = new Map<number, number>();
  for (let name = 0; name < 20_000; name++) {
    const kind = names.kindOf(name);
    counts.set(kind, (counts.get(kind) ?? 0) + 1);
  }
  assert.ok(Math.abs(counts.get(nameKind.bogus)! / 20_000 - 0.1) < 0.01);
  assert.ok(Math.abs(counts.get(nameKind.slow)! / 20_000 - 0.05) < 0.01);
  assert.equal(counts.size, 3);
});

test('percentiles', () => {
  const samples = new Samples();
  assert.equal(samples.percentile(0.5), 0);
  for (let i = 1000; i > 0; i--) samples.add(i);
  assert.deepEqual([samples.percentile(0.5), samples.percentile(0.999), samples.most], [500, 999, 1000]);
  samples.add(2000);
  assert.equal(samples.percentile(1), 2000);
});
