import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import type { BackendState } from '#balance/board.ts';
import { hostPrefix } from './announcement.ts';
import { Announcer } from './announcer.ts';
import { parseEvents, type ReplayPlan } from './events.ts';
import type { BudgetView, DrainOrder, Evidence } from './evidence.ts';
import { Recorder } from './recorder.ts';
import { replay } from './replay.ts';
import type { AddressEvent } from './report.ts';

const attributes = (med: number) => ({
  med,
  localPreference: null,
  communities: [],
  largeCommunities: [],
  prepend: 0,
});
const names = ['kai', 'nika', 'rin'];
const plan: ReplayPlan = {
  addresses: [
    {
      address: '192.0.2.53',
      prefix: hostPrefix('192.0.2.53'),
      via: ['core1'],
      pools: ['default', 'inside'],
      family: 'any',
      least: 1,
      degradedBelow: 0.5,
      capacity: 1000,
      rise: 3000,
      fall: 500,
      hold: { first: 10_000, most: 300_000, forget: 600_000 },
      whenDown: 'withdraw',
      role: 'primary',
      attributes: { up: attributes(0), degraded: attributes(1000), draining: attributes(9999) },
    },
  ],
  drain: { wait: 30_000, quiet: 0.01, settle: 2000, stop: { wait: 1000, settle: 500 } },
  pools: ['default', 'inside'].map(pool => ({
    pool,
    backends: names.map(name => ({ name, family: 'ipv4' as const, weight: 1 })),
  })),
};

const state = fc.constantFrom<BackendState>('starting', 'up', 'up', 'up', 'suspect', 'down', 'draining');
type Pool = {
  readonly states: readonly [BackendState, BackendState, BackendState];
  readonly everybody: boolean;
  readonly load: number | null;
};
type Moment = {
  readonly passes: number;
  readonly default: Pool;
  readonly inside: Pool;
  readonly warm: boolean;
  readonly drain: DrainOrder | null;
  readonly traffic: number | null;
  readonly forbidden: string | null;
  readonly listener: 'good' | 'bad' | 'unknown' | null;
  readonly budget: BudgetView['verdict'] | null;
};

const pool = fc.record({
  states: fc.tuple(state, state, state),
  everybody: fc.constantFrom(false, false, false, true),
  load: fc.constantFrom(null, 12.3, 2049, 2951.7, 9000),
});
const drain = fc.constantFrom<DrainOrder | null>(
  null,
  null,
  { since: 0, who: 'ada', reason: 'a "new"\ndisk', stop: false, until: null },
  { since: 0, who: 'ada', reason: '', stop: false, until: 5000 },
  { since: 0, who: 'bob', reason: '', stop: true, until: null },
);
const moment: fc.Arbitrary<Moment> = fc.record<Moment>({
  passes: fc.constantFrom(0.5, 100.123, 1000, 2999.999, 20_000),
  default: pool,
  inside: pool,
  warm: fc.constantFrom(true, true, false),
  drain,
  traffic: fc.constantFrom(null, 0, 3.21, 19, 2000.77),
  forbidden: fc.constantFrom(null, null, null, 'somebody else'),
  listener: fc.constantFrom(null, 'good' as const, 'bad' as const, 'unknown' as const),
  budget: fc.constantFrom(
    null,
    'granted' as const,
    'denied' as const,
    'asking' as const,
    'everybody' as const,
  ),
});

/** Runs an announcer as the daemon does, and takes everything down. `start` on its clock. */
function live(moments: readonly Moment[], recorder: Recorder, start = 1_000_000.125): AddressEvent[] {
  const events: AddressEvent[] = [];
  const announcer = new Announcer(event => events.push(event));
  let now = start;
  let ends: number | null = null;
  let ordered: Moment['drain'] = null;
  announcer.apply(plan.addresses, plan.drain, now);
  const step = (evidence: Evidence) => {
    announcer.step(evidence, now);
    recorder.take(now, evidence);
  };
  for (const each of moments) {
    if (each.drain !== ordered) ends = each.drain?.until ? now + each.drain.until : null;
    ordered = each.drain;
    const evidence = evidenceOf(each, ends);
    step(evidence);
    const end = now + each.passes;
    while (announcer.next() < end) {
      now = announcer.next();
      step(evidence);
    }
    now = end;
  }
  return events;
}

function evidenceOf(each: Moment, drainEnds: number | null): Evidence {
  const view = (name: 'default' | 'inside') => ({
    pool: name,
    members: names.map((member, i) => ({
      name: member,
      family: 'ipv4' as const,
      state: each[name].states[i] ?? 'up',
      weight: 1,
    })),
    everybody: each[name].everybody,
    load: each[name].load,
  });
  const address = '192.0.2.53';
  return {
    pools: [view('default'), view('inside')],
    listeners: each.listener ? [{ address, udp: each.listener, tcp: 'good', detail: 'so "it" is' }] : [],
    warm: each.warm,
    drain: each.drain,
    drainEnds,
    budget: new Map(each.budget ? [[address, { verdict: each.budget, detail: '' }]] : []),
    traffic: each.traffic,
    forbidden: each.forbidden,
  };
}

type Change = { readonly at: number; readonly what: string };
const briefly = (at: number, from: string, to: string, med: number | null | undefined): Change => ({
  at,
  what: `${from} → ${to} ${med ?? 'not announced'}`,
});
const replayed = (recorder: Recorder, until: number): Change[] =>
  replay(parseEvents(recorder.lines().join('\n'), 'recorded', plan), plan).entries.flatMap(entry =>
    'address' in entry && entry.at < until
      ? [briefly(entry.at, entry.from, entry.to, entry.attributes?.med)]
      : [],
  );
const make = (more = {}) => {
  const recorder = new Recorder({ dayOffset: 1_769_860_800_000, ...more });
  recorder.loads = true;
  return recorder;
};

describe('what was taken down', () => {
  test('gives the same changes when it is replayed', () => {
    fc.assert(
      fc.property(fc.array(moment, { minLength: 1, maxLength: 20, size: 'max' }), moments => {
        const recorder = make();
        const events = live(moments, recorder);
        const end = 1_000_000.125 + moments.reduce((sum, { passes }) => sum + passes, 0);
        const again = replayed(recorder, end - 1e-3);
        const before = events.map(({ at, from, to, wanted }) => briefly(at, from, to, wanted?.med));
        assert.deepEqual(
          again.map(({ what }) => what),
          before.map(({ what }) => what),
        );
        // Lines have microseconds.
        for (const [i, { at }] of again.entries()) assert.ok(Math.abs(at - (before[i]?.at ?? 0)) < 0.01);
      }),
      { numRuns: 500 },
    );
  });

  const well: Pool = { states: ['up', 'up', 'up'], everybody: false, load: null };
  const still: Moment = {
    passes: 100,
    default: well,
    inside: well,
    warm: true,
    drain: null,
    traffic: 100,
    forbidden: null,
    listener: null,
    budget: null,
  };
  test('is short: what does not change is told once, and no traffic but at a drain', () => {
    const recorder = make();
    live(
      Array.from({ length: 1000 }, (_, i) => ({ ...still, traffic: i })),
      recorder,
    );
    assert.deepEqual(
      recorder.lines().map(line => line.replace(/^\{"at":1000000.125,/, '{')),
      [
        '{"begin":"2026-01-31T12:16:40.000Z"}',
        ...['default', 'inside'].flatMap(name =>
          names.map(each => `{"backend":"${name}/${each}","state":"up"}`),
        ),
        '{"warm":true}',
      ],
    );
  });
  test('stays within bounds, and begins with what stood then', () => {
    const recorder = make({ mostLines: 40 });
    const down: Moment = { ...still, default: { ...well, states: ['up', 'up', 'down'] } };
    live(
      Array.from({ length: 5001 }, (_, i) => (i % 2 === 0 ? still : down)),
      recorder,
    );
    const lines = recorder.lines();
    assert.ok(lines.length < 60, `${lines.length} lines`);
    assert.match(lines[0] ?? '', /^\{"at":149\d{4}[.\d]*,"begin":"2026-01-31T12:2/);
    const kept = replay(parseEvents(lines.join('\n'), 'x', plan), plan);
    assert.equal(kept.addresses[0]?.state, 'up');
    assert.equal(make().lines().length, 0);
  });
  test('a drain that ends by itself ends at the same moment, wherever it begins', () => {
    const recorder = make({ mostLines: 9 });
    const order = { since: 0, who: 'ada', reason: '', stop: false, until: 5000 };
    live(
      [
        { ...still, passes: 10_000 },
        { ...still, drain: order, passes: 1000 },
        { ...still, drain: order, traffic: 5 },
      ],
      recorder,
    );
    const drained = recorder.lines().filter(line => line.includes('"drain"'));
    assert.deepEqual(
      drained.map(line => {
        const { at, drain: told }: { at: number; drain: { for: number } } = JSON.parse(line);
        return at + told.for;
      }),
      [1_015_000.125],
    );
  });
});
