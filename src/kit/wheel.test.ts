import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Wheel } from './wheel.ts';

function takeAll(wheel: Wheel, now: number): number[] {
  const taken: number[] = [];
  for (let thing = wheel.take(now); thing !== 0; thing = wheel.take(now)) taken.push(thing);
  return taken.sort((a, b) => a - b);
}

test('a thing is taken once, not before its deadline', () => {
  const wheel = new Wheel(4, 2, 64);
  takeAll(wheel, 1000);
  wheel.set(1, 1010);
  wheel.set(2, 1030);
  assert.deepEqual(takeAll(wheel, 1009), []);
  assert.deepEqual(takeAll(wheel, 1010), [1]);
  assert.equal(wheel.next(), 1030);
  assert.deepEqual(takeAll(wheel, 1040), [2]);
  assert.equal(wheel.next(), Infinity);
});

test('a cleared thing is not taken, a moved one at its new time', () => {
  const wheel = new Wheel(4, 2, 64);
  takeAll(wheel, 0);
  wheel.set(1, 10);
  wheel.set(2, 10);
  wheel.set(3, 10);
  wheel.clear(2);
  wheel.set(3, 500);
  assert.deepEqual(takeAll(wheel, 20), [1]);
  assert.deepEqual(takeAll(wheel, 499), []);
  assert.deepEqual(takeAll(wheel, 5000), [3]);
});

test('a deadline more than a turn away does not ask for attention again and again', () => {
  const wheel = new Wheel(1, 2, 64);
  takeAll(wheel, 1000);
  wheel.set(1, 1000 + 128 * 3 + 50);
  let looks = 0;
  for (let now = 1000; now < 1400; now++) {
    if (wheel.next() > now) continue;
    looks++;
    assert.deepEqual(takeAll(wheel, now), []);
  }
  assert.ok(looks <= 4, `${looks} looks`);
  assert.deepEqual(takeAll(wheel, 1434), [1]);
});

test('behaves as a sorted list does, over turns and jumps', () => {
  const step = fc.oneof(
    fc.record({
      kind: fc.constant('set' as const),
      thing: fc.integer({ min: 1, max: 20 }),
      after: fc.integer({ min: 0, max: 400 }),
    }),
    fc.record({ kind: fc.constant('clear' as const), thing: fc.integer({ min: 1, max: 20 }) }),
    fc.record({ kind: fc.constant('advance' as const), by: fc.integer({ min: 0, max: 700 }) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80 }), steps => {
      const wheel = new Wheel(20, 2, 64);
      const model = new Map<number, number>();
      let now = 10_000;
      assert.deepEqual(takeAll(wheel, now), []);
      for (const s of steps) {
        if (s.kind === 'set') {
          wheel.set(s.thing, now + s.after);
          // Rounded up to a tick, and to the next one when it would be now.
          model.set(s.thing, Math.max(Math.ceil((now + s.after) / 2), Math.floor(now / 2) + 1));
        } else if (s.kind === 'clear') {
          wheel.clear(s.thing);
          model.delete(s.thing);
        } else {
          const earliest = Math.min(...model.values());
          if (model.size > 0) assert.ok(wheel.next() <= earliest * 2, 'next is never late');
          now += s.by;
          const due = [...model].filter(([, tick]) => tick <= Math.floor(now / 2)).map(([thing]) => thing);
          for (const thing of due) model.delete(thing);
          assert.deepEqual(
            takeAll(wheel, now),
            due.sort((a, b) => a - b),
          );
        }
        assert.equal(wheel.count, model.size);
      }
    }),
  );
});
