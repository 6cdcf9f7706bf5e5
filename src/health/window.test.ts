import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Window } from './window.ts';

test('a window holds the last outcomes, like a list cut to its size', () => {
  const steps = fc.array(fc.oneof(fc.boolean(), fc.integer({ min: 1, max: 9 })), { maxLength: 60 });
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 9 }), steps, (start, list) => {
      let size = start;
      let model: boolean[] = [];
      const window = new Window(size);
      for (const step of list) {
        if (typeof step === 'number') {
          size = step;
          window.resize(size);
        } else {
          model.push(step);
          window.push(step);
        }
        model = model.slice(-size);
        assert.equal(window.count, model.length);
        assert.equal(window.failed, model.filter(good => !good).length);
        assert.equal(window.size, size);
      }
    }),
  );
});
