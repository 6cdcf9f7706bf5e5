import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Strain } from './strain.ts';

const feed = (strain: Strain, count: number, latency: () => number) => {
  let changes = 0;
  for (let i = 0; i < count; i++) if (strain.take(latency())) changes++;
  return changes;
};

test('a queue before the server is strain, and its end ends it', () => {
  const strain = new Strain();
  feed(strain, 200, () => 0.4);
  assert.equal(strain.detail, null);
  assert.equal(
    feed(strain, 10, () => 120),
    1,
  );
  assert.match(strain.detail ?? '', /^overloaded: it answers its probes in 120ms, and usually in /);
  assert.equal(
    feed(strain, 10, () => 0.5),
    1,
  );
  assert.equal(strain.detail, null);
});

test('single slow answers are not', () => {
  const strain = new Strain();
  let i = 0;
  assert.equal(
    feed(strain, 2000, () => (i++ % 3 === 0 ? 200 : 0.4)),
    0,
  );
});

test('what takes a few milliseconds more is not, however much more that is', () => {
  const strain = new Strain();
  feed(strain, 200, () => 0.2);
  assert.equal(
    feed(strain, 200, () => 15),
    0,
  );
});

test('strain does not become the normal within minutes', () => {
  const strain = new Strain();
  feed(strain, 200, () => 0.4);
  feed(strain, 200, () => 200);
  assert.notEqual(strain.detail, null);
});

test('a steady server of any speed is never strained', () => {
  fc.assert(
    fc.property(
      fc.double({ min: 0.05, max: 400, noNaN: true }),
      fc.array(fc.double({ min: 0.5, max: 3, noNaN: true }), { minLength: 40, maxLength: 300 }),
      (normal, factors) => {
        const strain = new Strain();
        for (const factor of factors) strain.take(normal * factor);
        assert.equal(strain.detail, null);
      },
    ),
  );
});
