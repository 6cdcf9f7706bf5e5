/** What clients, backends and operators see of failures, in the simulator: the goals that docs/failures.md states. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PolicyName } from '#balance/registry.ts';
import { simulate } from './farm.ts';
import { replay } from './replay.ts';
import type { Report } from './report.ts';
import type { Scenario } from './scenario.ts';
import { calm, scenario } from './scenario.ts';
import { type FaultName, farmWith, faultAt, noise, scenarios, searching, storm } from './scenarios.ts';

/** Where a backend with this fault must get no new traffic, and what clients may notice of it, ms. */
const goals: Record<FaultName, { readonly p999: number; readonly most: number; readonly out: boolean }> = {
  silent: { p999: 25, most: 250, out: true },
  killed: { p999: 25, most: 250, out: true },
  'killed-quietly': { p999: 25, most: 250, out: true },
  stalled: { p999: 25, most: 250, out: true },
  servfail: { p999: 10, most: 250, out: true },
  'servfail-30%': { p999: 10, most: 250, out: true },
  slow: { p999: 25, most: 250, out: true },
  'drops-10%': { p999: 25, most: 250, out: false },
  refused: { p999: 10, most: 250, out: true },
  'refused-30%': { p999: 10, most: 250, out: true },
  'wrong-id': { p999: 25, most: 250, out: true },
  'wrong-question': { p999: 25, most: 250, out: true },
  garbage: { p999: 25, most: 250, out: true },
  cut: { p999: 25, most: 250, out: true },
  'formerr-edns': { p999: 10, most: 250, out: true },
  'lies-30%': { p999: 10, most: 250, out: false },
  truncates: { p999: 25, most: 250, out: false },
  doubles: { p999: 10, most: 250, out: false },
};
/** New traffic ends within this, ms; after it a backend gets a few queries at most, which show whether it is well again. */
const outWithin = 200;
const triesAfter = 20;
const mostExtra = 0.05;
const mostExtraWhenHealthy = 0.01;

function run(each: Scenario, seed: number, check: (report: Report) => void): void {
  const report = simulate(each, seed);
  try {
    assert.deepEqual(report.violations, []);
    check(report);
  } catch (thrown) {
    const text = thrown instanceof Error ? thrown.message : String(thrown);
    throw new Error(`${text}\n${replay(each.name, seed)}\n${report.text()}`, { cause: thrown });
  }
}

function removals(report: Report): string[] {
  return report.changes
    .filter(({ to }) => to === 'down')
    .map(({ backend, reason }) => `${backend}: ${reason}`);
}

function holdsGoals(name: FaultName, report: Report): void {
  const goal = goals[name];
  assert.equal(report.failureCount, 0, 'failures that clients saw');
  assert.equal(report.retransmitted, 0, 'clients who lost patience');
  const p999 = report.latency.percentile(0.999);
  assert.ok(p999 < goal.p999, `p99.9 is ${p999} ms`);
  assert.ok(report.latency.most < goal.most, `the slowest took ${report.latency.most} ms`);
  assert.ok(report.extra <= mostExtra, `${report.extra * 100}% extra queries`);
  const after = report.sentTo(1, faultAt + outWithin, faultAt + 2000);
  if (goal.out) assert.ok(after <= triesAfter, `${after} queries still went there`);
  assert.deepEqual(
    report.changes.filter(({ slot, to }) => slot !== 1 && to === 'down'),
    [],
    'nobody else is blamed',
  );
}

const names = Object.keys(goals).filter((name): name is FaultName => scenarios.has(name));

for (const policy of [
  'least-outstanding',
  'round-robin',
  'weighted-random',
] as const satisfies PolicyName[]) {
  test(`one of four is faulty, ${policy}: no client sees it`, async t => {
    for (const name of names) {
      await t.test(name, () => {
        for (const seed of policy === 'least-outstanding' ? [1, 2] : [3]) {
          run(farmWith(policy, name), seed, report => holdsGoals(name, report));
        }
      });
    }
  });
}

test('the other policies hide what is silent, dead and failing too', () => {
  for (const policy of ['fastest', 'consistent-hash', 'client-hash', 'first-available'] as const) {
    for (const name of ['silent', 'killed', 'servfail', 'servfail-30%', 'slow'] as const) {
      run(farmWith(policy, name), 4, report => {
        assert.equal(report.failureCount, 0);
        assert.ok(report.latency.percentile(0.999) < 25);
        assert.ok(report.extra <= mostExtra);
      });
    }
  }
});

test('two of four at once: no client sees it', () => {
  const pairs: [FaultName, FaultName][] = [
    ['silent', 'silent'],
    ['silent', 'servfail'],
    ['killed', 'slow'],
    ['servfail', 'servfail'],
    ['servfail-30%', 'refused-30%'],
    ['garbage', 'drops-10%'],
    ['wrong-id', 'formerr-edns'],
  ];
  for (const [one, other] of pairs) {
    for (const policy of ['least-outstanding', 'weighted-random'] as const) {
      run(farmWith(policy, one, other), 5, report => {
        assert.equal(report.failureCount, 0);
        assert.equal(report.retransmitted, 0);
        assert.ok(report.extra <= mostExtra, `${report.extra * 100}% extra queries`);
      });
    }
  }
});

test('a rolling restart of all four: no client sees it', () => {
  run(scenarios.get('rolling-restart')!, 6, report => {
    assert.equal(report.failureCount, 0);
    assert.ok(report.latency.most < 250);
    assert.ok(report.extra <= mostExtra);
  });
});

test('a backend that lies is found by comparison with its siblings', () => {
  for (const policy of ['least-outstanding', 'weighted-random'] as const) {
    run(farmWith(policy, 'lies-30%'), 7, report => {
      assert.ok(report.lies > 0);
      assert.ok(
        report.changes.some(({ slot, reason }) => slot === 1 && reason.includes('it may lie')),
        'nothing was said',
      );
    });
  }
});

test('a healthy farm asks hardly a question twice', () => {
  run(calm, 8, report => assert.ok(report.extra <= mostExtraWhenHealthy / 10));
  const searcher = scenario({ name: 'searching', duration: 60_000 }, scenario(searching));
  run(searcher, 8, report => {
    assert.ok(report.extra <= mostExtraWhenHealthy, `${report.extra * 100}% extra queries`);
    assert.deepEqual(removals(report), []);
  });
});

test('when nobody reaches the Internet, no backend is blamed', () => {
  run(scenarios.get('uplink')!, 9, report => assert.deepEqual(removals(report), []));
});

test('a worker that stands still blames no backend', () => {
  run(scenarios.get('pauses')!, 10, report => {
    assert.deepEqual(removals(report), []);
    assert.equal(report.failureCount, 0);
  });
});

for (const [name, policy, hours, rate] of [
  ['noise-day', 'least-outstanding', 24, 10],
  ['noise-hour', 'round-robin', 1, 200],
] as const) {
  test(`${hours} h of noise at ${rate} queries/s: nobody is taken out`, () => {
    run(noise(name, policy, hours, rate), 11, report => {
      assert.deepEqual(removals(report), []);
      // Packets of two tries in a row may be lost; that is one of 250,000.
      assert.ok(report.failureCount <= report.lookups / 50_000, `${report.failureCount} failures`);
    });
  });
}

for (const [name, kind] of [
  ['storm', 200],
  ['storm-random', 'random'],
] as const) {
  test(`a zone fails and its clients ask ten times as much (${name}): backends and other names hardly notice`, () => {
    const before = simulate(storm('storm-none', kind, 20, false), 12);
    run(storm(name, kind, 20), 12, report => {
      assert.equal(report.failureCount, 0);
      const stormy = report.excused + report.stormLatency.count;
      assert.ok(report.stormSends <= stormy * 0.03, `${report.stormSends} of ${stormy}`);
      const grown = report.latency.percentile(0.99) - before.latency.percentile(0.99);
      assert.ok(grown < 2, `p99 of other names grew by ${grown} ms`);
      assert.deepEqual(removals(report), []);
    });
  });
}

for (const [name, kind] of [
  ['storm-slow', 200],
  ['storm-random-slow', 'random'],
] as const) {
  test(`a zone fails slowly and its clients ask ten times as much (${name}): nobody who asks for other names sees it`, () => {
    run(storm(name, kind, 1500), 12, report => {
      assert.equal(report.failureCount, 0);
      assert.deepEqual(removals(report), []);
    });
  });
}
