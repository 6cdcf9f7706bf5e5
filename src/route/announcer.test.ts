import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { BackendState } from '#balance/board.ts';
import { type Attributes, hostPrefix } from './announcement.ts';
import { Announcer } from './announcer.ts';
import type { BudgetView, DrainOrder, Evidence, MemberView } from './evidence.ts';
import type { AddressPlan, DrainPlan } from './plan.ts';
import type { AddressEvent, AddressReport } from './report.ts';

const attributes = (med: number): Attributes => ({
  med,
  localPreference: null,
  communities: [],
  largeCommunities: [],
  prepend: 0,
});

const plan = (more: Partial<AddressPlan> = {}): AddressPlan => ({
  address: '192.0.2.53',
  prefix: hostPrefix(more.address ?? '192.0.2.53'),
  via: ['core1'],
  pools: ['default'],
  family: 'any',
  least: 1,
  degradedBelow: 0.5,
  capacity: null,
  rise: 3000,
  fall: 0,
  hold: { first: 10_000, most: 300_000, forget: 600_000 },
  whenDown: 'withdraw',
  role: 'primary',
  attributes: { up: attributes(0), degraded: attributes(1000), draining: attributes(9999) },
  ...more,
});

const drainPlan: DrainPlan = { wait: 30_000, quiet: 0.01, settle: 2000, stop: { wait: 1000, settle: 500 } };

const member = (name: string, state: BackendState, more: Partial<MemberView> = {}): MemberView => ({
  name,
  family: 'ipv4',
  state,
  weight: 1,
  ...more,
});

const order = (more: Partial<DrainOrder> = {}): DrainOrder => ({
  since: 0,
  who: 'ada',
  reason: 'new disk',
  until: null,
  stop: false,
  ...more,
});

/** An announcer in virtual time, with evidence that a test changes piece by piece. */
class Bench {
  readonly events: AddressEvent[] = [];
  readonly announcer = new Announcer(event => this.events.push(event));
  now = 0;
  evidence: Evidence = {
    pools: [],
    listeners: [],
    warm: true,
    drain: null,
    drainEnds: null,
    budget: new Map(),
    traffic: null,
    forbidden: null,
  };

  constructor(plans: readonly AddressPlan[] = [plan()]) {
    this.announcer.apply(plans, drainPlan, 0);
    this.states('up', 'up', 'up', 'up');
  }

  /** Sets the states of the backends of the pool `default`; n1, n2, … */
  states(...states: BackendState[]): this {
    const members = states.map((state, i) => member(`n${i + 1}`, state));
    return this.with({ pools: [{ pool: 'default', members, everybody: false, load: null }] });
  }

  with(more: Partial<Evidence>): this {
    this.evidence = { ...this.evidence, ...more };
    return this;
  }

  budget(verdict: BudgetView['verdict'], detail = ''): this {
    return this.with({ budget: new Map([['192.0.2.53', { verdict, detail }]]) });
  }

  step(): this {
    this.announcer.step(this.evidence, this.now);
    return this;
  }

  /** Passes time, with a step at every moment that the announcer names. */
  pass(ms: number): this {
    const end = this.now + ms;
    for (let steps = 0; this.announcer.next() <= end; steps++) {
      assert.ok(steps < 1000, 'it comes to rest');
      this.now = this.announcer.next();
      this.step();
    }
    this.now = end;
    return this.step();
  }

  get report(): AddressReport {
    const [first] = this.announcer.report();
    assert.ok(first);
    return first;
  }

  /** `up at 3000`, … of the first address. */
  get course(): string[] {
    return this.events.map(({ at, to }) => `${to} at ${at}`);
  }

  get med(): number | null {
    return this.announcer.wanted('core1')[0]?.attributes.med ?? null;
  }
}

/** Up since 3000. */
const up = (more: Partial<AddressPlan> = {}) => {
  const bench = new Bench([plan(more)]).step().pass(more.rise ?? 3000);
  assert.equal(bench.report.state, 'up');
  return bench;
};

describe('from the start', () => {
  test('nothing is announced before enough has been well for long enough', () => {
    const bench = new Bench();
    assert.deepEqual(bench.announcer.wanted('core1'), []);
    bench.states('starting', 'starting', 'starting', 'starting').step().pass(60_000);
    assert.equal(bench.report.state, 'initial');
    assert.equal(bench.report.reason, 'nothing is known yet of 4 of 4 backends of pool default');
    bench.states('up', 'starting', 'starting', 'starting').step();
    assert.equal(bench.report.state, 'rising');
    assert.equal(bench.announcer.next(), 63_000);
    bench.now = 62_999;
    bench.step();
    assert.deepEqual(bench.announcer.wanted('core1'), []);
    bench.pass(1);
    assert.deepEqual(bench.course, ['rising at 60000', 'up at 63000']);
    assert.equal(bench.med, 0);
    assert.equal(bench.announcer.next(), Infinity);
  });
});

test('a verdict "down" takes it away in the same step', () => {
  const bench = up();
  bench.now = 5000;
  bench.states('down', 'down', 'down', 'down').step();
  assert.deepEqual(bench.announcer.wanted('core1'), []);
  assert.equal(bench.report.reason, 'none of 4 backends of pool default serves');
});

test('a drain', () => {
  const bench = up().with({ traffic: 2000 }).pass(1000);
  bench.with({ drain: order() }).step();
  assert.equal(bench.med, 9999);
  assert.equal(bench.announcer.drainPhase(), 'leaving');
  bench.with({ traffic: 21 }).pass(1000);
  assert.equal(bench.announcer.drainPhase(), 'leaving');
  bench.with({ traffic: 20 }).step();
  assert.equal(bench.announcer.drainPhase(), 'settling');
  assert.deepEqual(bench.announcer.wanted('core1'), []);
  bench.pass(1999);
  assert.equal(bench.announcer.drainPhase(), 'settling');
  bench.pass(1);
  assert.equal(bench.announcer.drainPhase(), 'safe');
  bench.with({ drain: null }).step();
  assert.equal(bench.report.state, 'up');
});
