import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Finding } from './evidence.ts';
import { defaultSiblingRules, liveField, type SiblingRules, Siblings } from './siblings.ts';
import { type Behaviour, MadeUpTraffic, seeded } from './traffic.ts';

const tick = 50;

/** A pool at the level of its counters. */
class Farm {
  now = 0;
  readonly siblings: Siblings;
  readonly traffic: MadeUpTraffic;

  constructor(size: number, seed: number, rules: Partial<SiblingRules> = {}) {
    this.traffic = new MadeUpTraffic(size, seed);
    this.siblings = new Siblings(size, { ...defaultSiblingRules, ...rules });
  }

  /** One tick of `rate` queries a second to each backend, or as many as it says; `of` says how a backend behaves. */
  step(rate: number | ((index: number) => number), of: (index: number) => Behaviour): (Finding | null)[] {
    this.now += tick;
    const rateOf = typeof rate === 'number' ? () => rate : rate;
    this.traffic.pass(this.now, index => (rateOf(index) * tick) / 1000, of);
    this.siblings.begin(this.now);
    for (const [index, row] of this.traffic.rows.entries()) {
      this.siblings.observe(index, row, this.traffic.overdue[index]!, true);
    }
    return this.traffic.rows.map((_, index) => this.siblings.find(index));
  }
}

/** Sixty good seconds, then the first backend behaves so; gives the ms until it is found, and the finding. */
function untilFound(behaviour: Behaviour, usual = 0.2, rate = 500) {
  for (let seed = 1; seed <= 5; seed++) {
    const farm = new Farm(4, seed * 7919);
    for (let i = 0; i < 1200; i++) {
      for (const found of farm.step(rate, () => ({ nxdomain: usual }))) assert.ok(!found || found.score < 1);
    }
    const from = farm.now;
    for (;;) {
      const found = farm.step(rate, index => ({ nxdomain: usual, ...(index === 0 ? behaviour : {}) }));
      for (const other of found.slice(1)) assert.ok(!other || other.score < 1, other?.detail ?? '');
      const first = found[0];
      if (first && first.score >= 1) {
        if (seed === 5) return { ms: farm.now - from, finding: first };
        break;
      }
      assert.ok(farm.now - from < 60_000, `not found in a minute: ${first?.score} ${first?.detail}`);
    }
  }
  assert.fail();
}

test('one that falls silent is out within 200 ms at 500 queries/s', () => {
  const { ms, finding } = untilFound({ silent: true });
  assert.ok(ms <= 150, `${ms} ms`);
  assert.equal(finding.kind, 'silent');
  assert.match(finding.detail, /^no answer to \d+ queries in a row, while its siblings answered 100%$/);
});

test('one that stands still for a moment is doubted, not taken out', () => {
  for (let seed = 1; seed <= 20; seed++) {
    const farm = new Farm(4, seed);
    for (let i = 0; i < 200; i++) farm.step(500, () => ({}));
    const [stalled] = farm.step(500, index => ({ silent: index === 0 }));
    assert.ok(!stalled || stalled.score < 1, stalled?.detail ?? '');
    const [after] = farm.step(500, () => ({}));
    assert.ok(!after || after.score < 1, after?.detail ?? '');
  }
});

test('one that fails at everything is out within 100 ms', () => {
  const { ms, finding } = untilFound({ servfail: 1 });
  assert.ok(ms <= 100, `${ms} ms`);
  assert.equal(finding.kind, 'failing');
  assert.match(finding.detail, /queries failed, mostly SERVFAIL; [\d.]+% at its siblings$/);
});

test('one that fails at 30% is out within 200 ms', () => {
  const { ms, finding } = untilFound({ servfail: 0.3 });
  assert.ok(ms <= 200, `${ms} ms`);
  assert.match(finding.kind, /sporadic|failing/);
});

test('one that fails at 30% is out soon although doubt takes most of its traffic', () => {
  for (let seed = 1; seed <= 40; seed++) {
    const farm = new Farm(4, seed * 7919);
    for (let i = 0; i < 100; i++) farm.step(500, () => ({}));
    const from = farm.now;
    let score = 0;
    while (score < 1) {
      const rate = score >= 0.6 ? 50 : 500;
      const [found] = farm.step(
        index => (index === 0 ? rate : 500),
        index => ({ servfail: index === 0 ? 0.3 : 0 }),
      );
      score = found?.score ?? 0;
      assert.ok(farm.now - from <= 700, `seed ${seed}: score ${score} after ${farm.now - from} ms`);
    }
  }
});

test('a fault that everybody has from one moment on is nobody’s, however large, with whatever company and load', () => {
  for (const [size, rate] of [
    [4, 500],
    [2, 500],
    [2, 100],
    [4, 50],
    [12, 100],
  ] as const) {
    for (let seed = 1; seed <= 20; seed++) {
      for (const servfail of [0.05, 0.1, 0.3, 0.6, 1]) {
        const farm = new Farm(size, seed * 7919);
        for (let i = 0; i < 60; i++) farm.step(rate, () => ({}));
        for (let i = 0; i < 100; i++) {
          for (const found of farm.step(rate, () => ({ servfail })))
            assert.ok(!found || found.score < 1, `${size} at ${rate}/s, seed ${seed}: ${found?.detail}`);
        }
      }
    }
  }
});

test('one that drops 10% is out within seconds', () => {
  const { ms, finding } = untilFound({ drops: 0.1 });
  assert.ok(ms <= 3000, `${ms} ms`);
  assert.match(finding.detail, /mostly no answer/);
});

test('one that says NXDOMAIN to 30% of good names is found out within seconds', () => {
  for (const [usual, most] of [
    [0, 2500],
    [0.2, 6000],
  ] as const) {
    const { ms, finding } = untilFound({ nxdomain: usual + (1 - usual) * 0.3 }, usual);
    assert.ok(ms <= most, `${ms} ms`);
    assert.equal(finding.kind, 'lies');
  }
});

test('one that hides NXDOMAIN is found out too', () => {
  const farm = new Farm(4, 5);
  let found: Finding | null = null;
  for (let i = 0; i < 200 && !(found && found.score >= 1); i++) {
    [found = null] = farm.step(500, index => ({ nxdomain: index === 0 ? 0 : 0.3 }));
  }
  assert.equal(found?.kind, 'lies');
});

test('of two that differ in NXDOMAIN nobody can say which one lies: doubt, no more', () => {
  const farm = new Farm(2, 5);
  for (let i = 0; i < 1200; i++) {
    for (const found of farm.step(500, index => ({ nxdomain: index === 0 ? 0 : 0.5 }))) {
      assert.ok(!found || found.score < 1);
    }
  }
});

test('two of four that fail are both found; the other two stay', () => {
  const farm = new Farm(4, 5);
  for (let i = 0; i < 400; i++) farm.step(500, () => ({}));
  const out = new Set<number>();
  for (let i = 0; i < 4; i++) {
    for (const [index, found] of farm.step(500, index => ({ servfail: index < 2 ? 1 : 0 })).entries()) {
      if (found && found.score >= 1) out.add(index);
    }
  }
  assert.deepEqual([...out].sort(), [0, 1]);
});

test('a small sample removes nobody: five failures of five, or five unanswered', () => {
  for (const behaviour of [{ servfail: 1 }, { silent: true }, { drops: 1 }]) {
    const farm = new Farm(4, 5);
    for (let i = 0; i < 400; i++) farm.step(500, () => ({}));
    farm.traffic.rows[0]![liveField.queries]! += 5;
    farm.traffic.rows[0]![liveField.silent]! += 'servfail' in behaviour ? 0 : 5;
    farm.traffic.rows[0]![liveField.servfail]! += 'servfail' in behaviour ? 5 : 0;
    farm.traffic.overdue[0] = 5;
    for (let i = 0; i < 100; i++) {
      const [found] = farm.step(0, () => behaviour);
      assert.ok(!found || found.score < 1, found?.detail ?? '');
    }
  }
});

test('what all do alike is held against nobody: silence, failures, NXDOMAIN', () => {
  for (const behaviour of [{ silent: true }, { servfail: 0.8 }, { drops: 0.3 }, { nxdomain: 1 }]) {
    const farm = new Farm(4, 5);
    for (let i = 0; i < 400; i++) farm.step(500, () => ({}));
    for (let i = 0; i < 1200; i++) {
      for (const found of farm.step(500, () => behaviour))
        assert.ok(!found || found.score < 1, found?.detail ?? '');
    }
  }
});

test('a burst of slow names leaves all unanswered for a while, one of them longest, and removes nobody', () => {
  const farm = new Farm(4, 5);
  for (let i = 0; i < 100; i++) farm.step(0.5, () => ({}));
  // Ten queries each; the siblings have answered half of theirs, the first none yet.
  for (const [index, counts] of farm.traffic.rows.entries()) {
    counts[liveField.queries]! += 10;
    counts[liveField.answers]! += index === 0 ? 0 : 5;
  }
  farm.traffic.overdue[0] = 10;
  for (let i = 0; i < 6; i++) {
    const [found] = farm.step(0, () => ({ silent: true }));
    assert.ok(!found || found.score < 1, found?.detail ?? '');
  }
});

test('where one client’s queries go to one backend, silence needs a quicker sibling for each', () => {
  const farm = new Farm(4, 5, { spread: false, mixed: false });
  for (let i = 0; i < 100; i++) farm.step(100, () => ({}));
  const counts = farm.traffic.rows[0]!;
  counts[liveField.queries]! += 30;
  farm.traffic.overdue[0] = 30;
  let [found] = farm.step(100, index => ({ silent: index === 0 }));
  counts[liveField.silent] = 0;
  [found] = farm.step(100, index => ({ silent: index === 0 }));
  assert.ok(!found || found.score < 1, found?.detail ?? '');
});

test('one that is out is forgotten, and begins anew', () => {
  const farm = new Farm(2, 5);
  for (let i = 0; i < 40; i++) farm.step(500, index => ({ servfail: index === 0 ? 1 : 0 }));
  const counts = new Float64Array(liveField.size);
  farm.siblings.observe(0, counts, 0, false);
  assert.equal(farm.siblings.find(0), null);
});

test('24 hours of noise at every load: 0.1% loss, 2% slow names, 1% bogus names, and not one false removal', () => {
  const farm = new Farm(4, 11);
  const random = seeded(3);
  let rate = 100;
  let worst = 0;
  for (let step = 0; step < (24 * 3600 * 1000) / tick; step++) {
    // The load changes every minute, by night it is a trickle.
    if (step % 1200 === 0) rate = 10 ** (random() * 3.2 - 0.5);
    // Slow names: some are lost to the hedge; bogus ones cost a wrong blame now and then.
    const found = farm.step(rate, () => ({ drops: 0.003, servfail: 0.001, nxdomain: 0.25 }));
    for (const each of found) worst = Math.max(worst, each?.score ?? 0);
    if (worst >= 1)
      assert.fail(`${found.map(each => each?.detail).join('; ')} after ${(step * tick) / 1000}s`);
  }
  assert.ok(worst < 1);
});
