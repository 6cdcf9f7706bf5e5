/** The fuzz target of the running front, for a moment: `npm run fuzz -- front` runs it for longer. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { front, frontLoop } from '../../fuzz/front.ts';

for (const [name, target] of Object.entries({ batch: front, loop: frontLoop })) {
  test(`${name} engine: thirty thousand bad packets leave it answering`, async () => {
    const { crashes, inputs } = await target.fuzz({ count: 30_000, seed: 1 });
    assert.deepEqual(crashes, []);
    assert.ok(inputs >= 30_000);
  });
}
