import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { VirtualClock } from './clock.ts';
import { type Timer, Timers } from './timers.ts';

test('deadlines come in order, those called off do not come', () => {
  const plan = fc.array(fc.record({ due: fc.integer({ min: 0, max: 500 }), off: fc.boolean() }), {
    maxLength: 300,
  });
  fc.assert(
    fc.property(plan, entries => {
      const clock = new VirtualClock();
      const timers = new Timers(clock);
      const came: number[] = [];
      const set: { timer: Timer; off: boolean }[] = [];
      for (const { due, off } of entries) {
        set.push({ off, timer: timers.at(due, () => assert.ok(came.push(due) && clock.now() >= due)) });
      }
      for (const { timer, off } of set) if (off) timers.cancel(timer);
      clock.advance(1000);
      assert.deepEqual(
        came,
        entries
          .filter(({ off }) => !off)
          .map(({ due }) => due)
          .toSorted((a, b) => a - b),
      );
      assert.equal(clock.pending, 0);
    }),
  );
});

test('a deadline set from a deadline comes, and stop ends all', () => {
  const clock = new VirtualClock();
  const timers = new Timers(clock);
  let ticks = 0;
  const tick = () => {
    ticks++;
    timers.at(clock.now() + 10, tick);
  };
  timers.at(10, tick);
  clock.advance(100);
  assert.equal(ticks, 10);
  assert.equal(clock.pending, 1, 'one wait for all');
  timers.stop();
  assert.equal(clock.pending, 0);
  clock.advance(100);
  assert.equal(ticks, 10);
});
