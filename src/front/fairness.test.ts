import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Fairness } from './fairness.ts';

test('the newest thing of the heaviest network is found', () => {
  const fairness = new Fairness(16, 7);
  fairness.begin();
  assert.deepEqual([fairness.most, fairness.first], [0, 0]);
  for (let thing = 1; thing <= 5; thing++) fairness.add(thing, 1, 0);
  for (let thing = 6; thing <= 8; thing++) fairness.add(thing, 2, 0);
  assert.deepEqual([fairness.most, fairness.first, fairness.after(5)], [5, 5, 4]);
  assert.deepEqual([fairness.of(1, 0), fairness.of(2, 0), fairness.of(3, 0)], [5, 3, 0]);
  for (const thing of [5, 2, 4]) fairness.remove(thing);
  assert.deepEqual([fairness.most, fairness.first], [3, 8]);
  fairness.remove(5);
  assert.deepEqual([fairness.most, fairness.of(1, 0)], [3, 2]);
});

test('the books agree with counting, through any adding and removing', () => {
  const things = 24;
  const step = fc.record({
    thing: fc.integer({ min: 1, max: things }),
    high: fc.integer({ min: 0, max: 3 }),
    low: fc.integer({ min: -1, max: 1 }),
    anew: fc.integer({ min: 0, max: 60 }).map(n => n === 0),
  });
  const fairness = new Fairness(things, 99);
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), steps => {
      fairness.begin();
      /** In the order in which they were added. */
      let held: { thing: number; key: string }[] = [];
      for (const { thing, high, low, anew } of steps) {
        if (anew) {
          fairness.begin();
          held = [];
        }
        if (held.some(each => each.thing === thing)) {
          fairness.remove(thing);
          held = held.filter(each => each.thing !== thing);
        } else {
          fairness.add(thing, high, low);
          held.push({ thing, key: `${high} ${low}` });
        }
        const counts = new Map<string, number>();
        for (const { key } of held) counts.set(key, (counts.get(key) ?? 0) + 1);
        const most = Math.max(0, ...counts.values());
        assert.equal(fairness.most, most);
        for (const [key, count] of counts) {
          const [a, b] = key.split(' ').map(Number);
          assert.equal(fairness.of(a!, b!), count);
        }
        const { first } = fairness;
        if (most === 0) assert.equal(first, 0);
        else {
          const key = held.find(each => each.thing === first)!.key;
          assert.equal(counts.get(key), most);
          const mine = held.filter(each => each.key === key).map(each => each.thing);
          assert.equal(first, mine.at(-1));
          assert.equal(fairness.after(first), mine.at(-2) ?? 0);
        }
      }
    }),
    { numRuns: 200 },
  );
});
