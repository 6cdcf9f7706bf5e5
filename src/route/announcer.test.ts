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

const pool = (
  members: readonly MemberView[],
  more: { pool?: string; everybody?: boolean; load?: number } = {},
) => ({
  pool: 'default',
  everybody: false,
  load: null,
  ...more,
  members,
});

describe('raised', () => {
  test('after enough was well for long enough, and not before', () => {
    const bench = new Bench();
    assert.deepEqual(bench.announcer.wanted('core1'), []);
    bench.states('starting', 'starting', 'starting', 'starting').step().pass(60_000);
    assert.equal(bench.report.state, 'initial');
    assert.equal(bench.report.reason, 'nothing is known yet of 4 of 4 backends of pool default');
    bench.states('up', 'starting', 'starting', 'starting').step();
    assert.equal(bench.report.state, 'rising');
    assert.equal(bench.report.reason, '1 of 4 backends of pool default serves; not yet for 3s');
    assert.equal(bench.announcer.next(), 63_000);
    bench.now = 62_999;
    bench.step();
    assert.deepEqual(bench.announcer.wanted('core1'), []);
    bench.pass(1);
    assert.deepEqual(bench.course, ['rising at 60000', 'up at 63000']);
    assert.equal(bench.med, 0);
    assert.equal(bench.announcer.next(), Infinity);
  });
  test('not while a moment of doubt begins the time anew', () => {
    const bench = new Bench().step().pass(2000).states('down').pass(10).states('up').step();
    bench.pass(2999);
    assert.deepEqual(bench.course, ['rising at 0', 'down at 2010', 'rising at 2010']);
    bench.pass(1);
    assert.equal(bench.report.state, 'up');
  });
  test('not by backends that have only failed so far', () => {
    const bench = new Bench([plan({ rise: 0 })]).states('suspect', 'starting').step();
    assert.equal(bench.report.state, 'rising');
    assert.match(bench.report.reason, /some of them failed lately/);
    assert.equal(bench.announcer.next(), Infinity);
    assert.deepEqual(bench.states('up', 'starting').step().course, ['rising at 0', 'up at 0']);
  });
  test('only when warm; later it may cool', () => {
    const bench = new Bench().with({ warm: false }).step().pass(10_000);
    assert.deepEqual([bench.report.state, bench.announcer.next()], ['rising', Infinity]);
    assert.match(bench.report.reason, /not warm yet$/);
    assert.equal(bench.with({ warm: true }).step().report.state, 'up');
    assert.equal(bench.with({ warm: false }).step().report.state, 'up');
  });
  test('as degraded, when it is poor from the start', () => {
    const bench = new Bench().states('up', 'down', 'down', 'down').step().pass(3000);
    assert.deepEqual(bench.course, ['rising at 0', 'degraded at 3000']);
  });
  test('at once with `rise: 0s`', () => assert.deepEqual(up({ rise: 0 }).course, ['up at 0']));
});

describe('what the evidence says', () => {
  const found = (more: Partial<AddressPlan>, evidence: Partial<Evidence>): [string, string] => {
    const { found } = new Bench([plan(more)]).with(evidence).step().report;
    return [found.verdict, found.reason];
  };
  const of = (...states: BackendState[]) => pool(states.map((state, i) => member(`n${i}`, state)));
  const cases: Record<string, [Partial<AddressPlan>, Partial<Evidence>, string, string]> = {
    'enough serve': [
      { least: 2 },
      { pools: [of('up', 'suspect', 'down')] },
      'well',
      '2 of 3 backends of pool default serve',
    ],
    'all serve': [{}, { pools: [of('up', 'up')] }, 'well', 'all 2 backends of pool default serve'],
    'the only one': [{}, { pools: [of('up')] }, 'well', 'the only backend of pool default serves'],
    'the only one does not': [
      {},
      { pools: [of('disabled')] },
      'down',
      'the only backend of pool default does not serve',
    ],
    'too few': [
      { least: 2 },
      { pools: [of('up', 'down', 'draining', 'disabled')] },
      'down',
      '1 of 4 backends of pool default serves, 2 are needed',
    ],
    none: [
      { least: 2 },
      { pools: [of('down', 'down')] },
      'down',
      'none of 2 backends of pool default serves, 2 are needed',
    ],
    'there may be enough': [
      { least: 2 },
      { pools: [of('up', 'starting', 'down')] },
      'unknown',
      'nothing is known yet of 1 of 3 backends of pool default',
    ],
    'there cannot be enough': [
      { least: 3 },
      { pools: [of('up', 'starting', 'down')] },
      'down',
      '1 of 3 backends of pool default serves, 3 are needed',
    ],
    'an empty pool': [{}, { pools: [of()] }, 'down', 'there are no backends of pool default'],
    'no such pool yet': [{}, { pools: [] }, 'unknown', 'nothing is known of pool default yet'],
    'everybody fails': [
      {},
      { pools: [{ ...of('up', 'suspect'), everybody: true }] },
      'down',
      'all 2 backends of pool default fail alike',
    ],
    'every pool counts': [
      { pools: ['default', 'inside'] },
      { pools: [of('up'), { ...of('down'), pool: 'inside' }] },
      'down',
      'the only backend of pool inside does not serve',
    ],
    'down before unknown': [
      { pools: ['default', 'inside'] },
      { pools: [of('starting'), { ...of('down'), pool: 'inside' }] },
      'down',
      'the only backend of pool inside does not serve',
    ],
    'other pools do not': [
      {},
      { pools: [of('up'), { ...of('down'), pool: 'inside' }] },
      'well',
      'the only backend of pool default serves',
    ],
    'its own family': [
      { address: '2001:db8::53', family: 'own' },
      { pools: [pool([member('a', 'up'), member('b', 'down', { family: 'ipv6' })])] },
      'down',
      'the only IPv6 backend of pool default does not serve',
    ],
    'its own family, where there is any': [
      { address: '2001:db8::53', family: 'own' },
      { pools: [of('up', 'down')] },
      'well',
      '1 of 2 backends of pool default serves',
    ],
    'our own listener': [
      {},
      {
        pools: [of('up')],
        listeners: [{ address: '192.0.2.53', udp: 'bad', tcp: 'bad', detail: '3 of 20 failed' }],
      },
      'down',
      'our own listener at 192.0.2.53 does not answer over UDP and TCP: 3 of 20 failed',
    ],
    'our own listener over TCP': [
      {},
      { pools: [of('up')], listeners: [{ address: '192.0.2.53', udp: 'good', tcp: 'bad', detail: '' }] },
      'down',
      'our own listener at 192.0.2.53 does not answer over TCP',
    ],
    'a listener that was not judged yet, and that of another address': [
      {},
      {
        pools: [of('up')],
        listeners: [
          { address: '192.0.2.53', udp: 'unknown', tcp: 'unknown', detail: '' },
          { address: '192.0.2.54', udp: 'bad', tcp: 'bad', detail: '' },
        ],
      },
      'well',
      'the only backend of pool default serves',
    ],
  };
  for (const [name, [more, evidence, verdict, reason]] of Object.entries(cases)) {
    test(name, () => assert.deepEqual(found(more, evidence), [verdict, reason]));
  }
});

describe('IPv4 and IPv6 stand apart', () => {
  const four = plan({ family: 'own' });
  const six = plan({ address: '2001:db8::53', family: 'own' });
  const both = (v4: BackendState, v6: BackendState) => [
    pool([member('a', v4), member('b', v4), member('c', v6, { family: 'ipv6' })]),
  ];
  test('IPv6 fails, and only its address goes', () => {
    const bench = new Bench([four, six])
      .with({ pools: both('up', 'up') })
      .step()
      .pass(3000);
    bench.with({ pools: both('up', 'down') }).step();
    assert.deepEqual(
      bench.announcer.wanted('core1').map(({ address }) => address),
      ['192.0.2.53'],
    );
    bench
      .with({ pools: both('down', 'up') })
      .step()
      .pass(3000);
    assert.deepEqual(
      bench.announcer.wanted('core1').map(({ address }) => address),
      ['2001:db8::53'],
    );
  });
});

describe('withdrawn', () => {
  test('with the verdict, in the same step', () => {
    const bench = up().pass(2000).states('down', 'down', 'down', 'down').step();
    assert.deepEqual(bench.announcer.wanted('core1'), []);
    assert.equal(bench.report.reason, 'none of 4 backends of pool default serves');
    assert.deepEqual(bench.events.at(-1), {
      at: 5000,
      address: '192.0.2.53',
      from: 'up',
      to: 'down',
      reason: 'none of 4 backends of pool default serves',
      wanted: null,
    });
  });
  test('after `fall`; until then it is degraded', () => {
    const bench = up({ fall: 2000 }).states('down').step();
    assert.match(bench.report.reason, /does not serve; not yet for 2s$/);
    bench.pass(1999);
    assert.deepEqual([bench.report.state, bench.report.asks, bench.med], ['degraded', false, 1000]);
    bench.pass(1);
    assert.deepEqual([bench.report.state, bench.report.asks, bench.med], ['down', true, null]);
    assert.equal(bench.report.found.since, 3000);
  });
  test('not where backends are new: unknown changes nothing', () => {
    const bench = up().states('starting', 'starting').step().pass(60_000);
    assert.deepEqual([bench.report.state, bench.report.found.verdict], ['up', 'unknown']);
    assert.equal(bench.report.reason, 'nothing is known yet of 2 of 2 backends of pool default');
  });
  test('never with `when-down: degrade`, from the first verdict on', () => {
    const bench = new Bench([plan({ whenDown: 'degrade' })]).with({ warm: false }).states('starting').step();
    assert.equal(bench.report.state, 'initial');
    assert.equal(bench.states('down').step().report.state, 'down');
    bench.with({ warm: true }).step();
    assert.deepEqual([bench.report.state, bench.report.asks, bench.med], ['degraded', false, 1000]);
    assert.match(bench.report.reason, /it stays announced as `when-down` says$/);
    bench.states('up').step().pass(2999);
    assert.equal(bench.report.state, 'degraded');
    assert.equal(bench.pass(1).report.state, 'up');
  });
});

describe('degraded', () => {
  test('below the share of weight, at once, and back after `rise`', () => {
    const bench = up().states('up', 'down', 'down', 'down').step();
    assert.equal(
      bench.report.reason,
      '1 of 4 backends of pool default serves: 25% of the weight, 50% are wanted',
    );
    assert.equal(bench.med, 1000);
    bench.states('up', 'up', 'down', 'down').step().pass(2999);
    assert.equal(bench.report.reason, '2 of 4 backends of pool default serve; not yet for 3s');
    assert.deepEqual([bench.report.state, bench.pass(1).report.state], ['degraded', 'up']);
  });
  test('by weight, not by number', () => {
    const weigh = (big: BackendState) => [
      pool([member('a', big, { weight: 9 }), member('b', 'up'), member('c', 'up')]),
    ];
    assert.equal(
      up()
        .with({ pools: weigh('down') })
        .step().report.state,
      'degraded',
    );
    assert.equal(
      up({ degradedBelow: 0.1 })
        .with({ pools: weigh('down') })
        .step().report.state,
      'up',
    );
  });
  test('not because new backends have no evidence yet', () => {
    const bench = up().states('up', 'starting', 'starting', 'starting').step();
    assert.equal(bench.report.state, 'up');
  });
  const load = (rate: number) => [pool([member('a', 'up'), member('b', 'up')], { load: rate })];
  test('under more load than what serves carries, until it has eased', () => {
    const bench = up({ capacity: 1000 })
      .with({ pools: load(2000) })
      .step();
    assert.equal(bench.report.state, 'up');
    bench.with({ pools: load(2100) }).step();
    assert.equal(
      bench.report.reason,
      'pool default is asked 2100 queries/s, and what serves of it carries 2000',
    );
    bench
      .with({ pools: load(1700) })
      .step()
      .pass(60_000);
    assert.equal(bench.report.state, 'degraded');
    assert.match(bench.report.reason, /with little to spare$/);
    bench
      .with({ pools: load(1600) })
      .step()
      .pass(2999);
    assert.deepEqual([bench.report.state, bench.pass(1).report.state], ['degraded', 'up']);
  });
  test('ever longer, when declines come one after the other', () => {
    const bench = up({ capacity: 1000 });
    const lengths: number[] = [];
    for (let turn = 0; turn < 8; turn++) {
      bench
        .with({ pools: load(5000) })
        .step()
        .with({ pools: load(10) })
        .step();
      const since = bench.now;
      while (bench.report.state === 'degraded') bench.pass(1000);
      lengths.push(bench.now - since);
    }
    assert.deepEqual(lengths, [3000, 10_000, 20_000, 40_000, 80_000, 160_000, 300_000, 300_000]);
    bench
      .pass(600_000)
      .with({ pools: load(5000) })
      .step()
      .with({ pools: load(10) })
      .step()
      .pass(3000);
    assert.equal(bench.report.state, 'up');
  });
  test('does not follow a load that swings about the limit', () => {
    const bench = up({ capacity: 1000 });
    for (let i = 0; i < 1000; i++) bench.with({ pools: load(i % 2 === 0 ? 2100 : 1700) }).pass(500);
    assert.deepEqual(bench.course.slice(2), ['degraded at 3500']);
  });
});

describe('hold-down', () => {
  const fall = (bench: Bench) => bench.states('down').step().states('up').step();
  /** Fallen for the second time, at 6000. */
  const twice = (more: Partial<AddressPlan> = {}) => fall(fall(up(more)).pass(more.rise ?? 3000));
  test('doubles with each fall soon after a rise, up to the most, and is forgotten', () => {
    const bench = up();
    const lengths: number[] = [];
    for (let turn = 0; turn < 8; turn++) {
      fall(bench);
      const since = bench.now;
      while (bench.report.wanted === null) bench.pass(1000);
      lengths.push(bench.now - since);
    }
    assert.deepEqual(lengths, [3000, 10_000, 20_000, 40_000, 80_000, 160_000, 300_000, 300_000]);
    bench.pass(600_000);
    fall(bench);
    assert.equal(bench.report.heldUntil, null);
    assert.equal(bench.pass(3000).report.state, 'up');
  });
  test('is told', () => {
    const { report, announcer } = twice();
    assert.deepEqual([report.state, report.heldUntil, report.asks], ['down', 16_000, false]);
    assert.equal(report.reason, 'held down for 10s: it was raised and fell 2 times in a row');
    assert.equal(announcer.next(), 16_000);
  });
  test('the time that it takes to rise runs beside it', () => {
    const bench = twice({ rise: 15_000 });
    bench.pass(10_000);
    assert.equal(bench.report.state, 'rising');
    assert.equal(bench.pass(5000).report.state, 'up');
  });
  test('ends where the farm is short of others', () => {
    const bench = twice();
    bench.budget('denied', '0 others announce').pass(3000);
    assert.equal(bench.report.state, 'up');
  });
});

describe('the budget', () => {
  const down = (verdict: BudgetView['verdict'], detail = '0 others announce, 1 must stay') =>
    up().budget(verdict, detail).states('down').step();
  test('free and granted: withdrawn', () => {
    for (const verdict of ['free', 'granted'] as const) assert.equal(down(verdict).report.state, 'down');
  });
  test('denied, away and everybody: it stays, degraded', () => {
    for (const verdict of ['denied', 'away', 'everybody'] as const) {
      const bench = down(verdict);
      assert.deepEqual([bench.report.state, bench.report.asks, bench.med], ['degraded', true, 1000]);
      assert.match(
        bench.report.reason,
        /does not serve; it stays announced: 0 others announce, 1 must stay$/,
      );
      assert.equal(bench.report.budget.verdict, verdict);
    }
  });
  test('asking: nothing changes until the answer, but not for ever', () => {
    const bench = down('asking', 'asking');
    assert.deepEqual([bench.report.state, bench.report.asks, bench.med], ['up', true, 0]);
    assert.equal(bench.announcer.next(), 4000);
    bench.pass(999);
    assert.equal(bench.report.state, 'up');
    bench.pass(1);
    assert.match(bench.report.reason, /it stays announced: the farm does not answer$/);
    assert.equal(bench.report.state, 'degraded');
    assert.equal(bench.budget('granted').step().report.state, 'down');
  });
  test('a permission within the patience withdraws at once', () => {
    const bench = down('asking').pass(5).budget('granted', '2 others announce').step();
    assert.deepEqual(bench.course.slice(2), ['down at 3005']);
  });
  test('denied or everybody brings back what was withdrawn, as degraded; asking and away do not', () => {
    const bench = down('granted').pass(10_000);
    for (const verdict of ['asking', 'away', 'granted'] as const)
      assert.equal(bench.budget(verdict).step().report.state, 'down');
    for (const verdict of ['denied', 'everybody'] as const) {
      bench.budget(verdict, 'nobody else').step();
      assert.deepEqual([bench.report.state, bench.med], ['degraded', 1000]);
      assert.equal(bench.budget('granted').step().report.state, 'down');
    }
  });
  test('nothing without evidence comes back: what is initial or rising stays', () => {
    const bench = new Bench().budget('denied').states('starting').step();
    assert.equal(bench.report.state, 'initial');
    assert.equal(bench.states('up').step().report.state, 'rising');
  });
  test('what was just started waits until it is warm', () => {
    const bench = new Bench().with({ warm: false }).budget('denied').states('down').step().pass(60_000);
    assert.deepEqual([bench.report.state, bench.report.asks], ['down', true]);
    assert.equal(bench.with({ warm: true }).step().report.state, 'degraded');
  });
  test('well again: up after `rise`, whatever the budget says', () => {
    const bench = down('denied').states('up').step().pass(3000);
    assert.deepEqual([bench.report.state, bench.report.asks], ['up', false]);
  });
});

describe('a drain', () => {
  const drained = (more: Partial<DrainOrder> = {}, traffic: number | null = 2000) =>
    up()
      .with({ traffic })
      .pass(1000)
      .with({ drain: order(more) })
      .step();
  const stand = (bench: Bench) => [bench.report.state, bench.announcer.drainPhase(), bench.med];

  test('leaves until the traffic has gone, settles, is safe', () => {
    const bench = drained();
    assert.deepEqual(stand(bench), ['draining', 'leaving', 9999]);
    assert.equal(bench.report.reason, 'drained by ada: new disk');
    assert.deepEqual(stand(bench.with({ traffic: 21 }).pass(1000)), ['draining', 'leaving', 9999]);
    assert.deepEqual(stand(bench.with({ traffic: 20 }).step()), ['draining', 'settling', null]);
    assert.deepEqual(stand(bench.pass(1999)), ['draining', 'settling', null]);
    assert.deepEqual(stand(bench.pass(1)), ['draining', 'safe', null]);
    assert.equal(bench.announcer.next(), Infinity);
    assert.deepEqual(bench.course.slice(2), ['draining at 4000', 'draining at 5000']);
  });
  test('leaves after `wait` at the latest, and where the traffic is not known', () => {
    for (const traffic of [2000, null]) {
      const bench = drained({}, traffic);
      assert.equal(bench.pass(29_999).announcer.drainPhase(), 'leaving');
      assert.equal(bench.pass(1).announcer.drainPhase(), 'settling');
      assert.equal(bench.pass(2000).announcer.drainPhase(), 'safe');
    }
  });
  test('of a front without traffic is quick', () => {
    assert.deepEqual(stand(drained({}, 0)), ['draining', 'settling', null]);
  });
  test('ends: what is well is there again at once', () => {
    const early = drained().with({ drain: null }).step();
    assert.deepEqual(stand(early), ['up', 'none', 0]);
    const late = drained().pass(60_000).with({ drain: null }).step();
    assert.deepEqual(stand(late), ['up', 'none', 0]);
    assert.equal(late.report.changes, 3);
  });
  test('ends by itself', () => {
    const bench = drained({ until: 1 }).with({ drainEnds: 64_000 }).step();
    assert.deepEqual(stand(bench.pass(59_999)), ['draining', 'safe', null]);
    assert.equal(bench.announcer.next(), 64_000);
    assert.deepEqual(stand(bench.pass(1)), ['up', 'none', 0]);
  });
  test('ends over a sick farm: down', () => {
    const bench = drained().pass(60_000).states('down').step();
    assert.deepEqual(stand(bench), ['draining', 'safe', null]);
    assert.equal(bench.report.reason, 'drained by ada: new disk');
    assert.equal(bench.with({ drain: null }).step().report.state, 'down');
  });
  test('ends where nothing is known: initial', () => {
    const bench = drained().pass(60_000).states('starting').with({ drain: null }).step();
    assert.equal(bench.report.state, 'initial');
  });
  test('stands above the budget, and tells when the farm is short', () => {
    const bench = up().budget('denied', '0 others announce, 1 must stay').with({ drain: order() }).step();
    assert.equal(bench.report.asks, false);
    assert.equal(
      bench.report.reason,
      'drained by ada: new disk (the farm is short of others: 0 others announce, 1 must stay)',
    );
    assert.deepEqual(stand(bench.pass(60_000)), ['draining', 'safe', null]);
  });
  test('what goes down meanwhile is not left slowly', () => {
    assert.deepEqual(stand(drained().states('down').step()), ['draining', 'settling', null]);
  });
  test('there from the start: nothing is announced, and it is safe', () => {
    const bench = new Bench().with({ drain: order() }).step().pass(10_000);
    assert.deepEqual(stand(bench), ['draining', 'safe', null]);
    assert.equal(bench.report.changes, 0);
  });
  test('soon after a withdrawal: packets are under way', () => {
    const bench = up().states('down').step().pass(500).with({ drain: order() }).step();
    assert.deepEqual(stand(bench), ['draining', 'settling', null]);
    assert.equal(bench.pass(1499).announcer.drainPhase(), 'settling');
    assert.equal(bench.pass(1).announcer.drainPhase(), 'safe');
  });
  test('at a stop is short', () => {
    const bench = drained({ stop: true, reason: 'SIGTERM' });
    assert.equal(bench.report.reason, 'Chorus stops: SIGTERM');
    assert.deepEqual(stand(bench.pass(1000)), ['draining', 'settling', null]);
    assert.deepEqual(stand(bench.pass(500)), ['draining', 'safe', null]);
  });
  test('a stop shortens the drain of an operator', () => {
    const leaving = drained()
      .pass(1000)
      .with({ drain: order({ stop: true }) })
      .step();
    assert.equal(leaving.pass(1000).announcer.drainPhase(), 'settling');
    assert.equal(leaving.pass(500).announcer.drainPhase(), 'safe');
    const settling = drained()
      .pass(30_100)
      .with({ drain: order({ stop: true }) })
      .step();
    assert.equal(settling.pass(500).announcer.drainPhase(), 'safe');
    const safe = drained()
      .pass(60_000)
      .with({ drain: order({ stop: true }) })
      .step();
    assert.equal(safe.announcer.drainPhase(), 'safe');
  });
  test('another order changes the words, not the course', () => {
    const bench = drained()
      .pass(20_000)
      .with({ drain: order({ who: 'bob', reason: '' }) })
      .step();
    assert.equal(bench.report.reason, 'drained by bob');
    assert.equal(bench.pass(10_000).announcer.drainPhase(), 'settling');
  });
});

describe('forbidden', () => {
  const why = 'another Chorus announces 192.0.2.53 here';
  test('nothing is announced, at once, and it comes back by the usual way', () => {
    const bench = up().with({ forbidden: why }).step();
    assert.deepEqual([bench.report.state, bench.report.reason, bench.med], ['down', why, null]);
    assert.equal(bench.report.asks, false);
    bench.budget('denied').pass(60_000);
    assert.equal(bench.med, null);
    assert.equal(bench.with({ forbidden: null }).step().report.state, 'up');
    assert.equal(bench.report.heldUntil, null);
  });
  test('stands above a drain and `when-down: degrade`', () => {
    const bench = up({ whenDown: 'degrade' }).with({ drain: order() }).step().with({ forbidden: why }).step();
    assert.deepEqual(
      [bench.report.state, bench.announcer.drainPhase(), bench.med],
      ['draining', 'settling', null],
    );
    const down = up({ whenDown: 'degrade' }).states('down').step().with({ forbidden: why }).step();
    assert.equal(down.med, null);
  });
});

describe('the clock', () => {
  test('that goes back stands still', () => {
    const bench = up();
    bench.now = 0;
    bench.states('down').step();
    assert.equal(bench.report.since, 3000);
  });
  test('asleep while rising: old evidence raises nothing', () => {
    const bench = new Bench().step().pass(2000);
    bench.now = 600_000;
    bench.step();
    assert.equal(bench.report.state, 'rising');
    assert.equal(bench.announcer.next(), 603_000);
    bench.states('down').pass(1000).states('up').step();
    assert.equal(bench.pass(3000).report.state, 'up');
  });
  test('asleep while falling: old evidence withdraws nothing', () => {
    const bench = up({ fall: 5000 }).states('down').step().pass(1000);
    bench.now = 600_000;
    bench.step();
    assert.deepEqual([bench.report.state, bench.announcer.next()], ['degraded', 605_000]);
  });
  test('asleep while held down: the hold is over, the rise begins anew', () => {
    const bench = up()
      .states('down')
      .step()
      .states('up')
      .step()
      .pass(3000)
      .states('down')
      .step()
      .states('up')
      .step();
    assert.notEqual(bench.report.heldUntil, null);
    bench.now = 600_000;
    bench.step();
    assert.deepEqual([bench.report.state, bench.announcer.next()], ['rising', 603_000]);
  });
  test('asleep while withdrawn: the permission is not given back', () => {
    const other = plan({ address: '192.0.2.54', pools: ['inside'] });
    const bench = new Bench([plan({ fall: 5000 }), other]).step().pass(3000);
    bench.budget('granted').states('down').step().pass(5000);
    // The other address is due while nobody looks.
    const { pools } = bench.evidence;
    bench.with({ pools: [...pools, pool([member('a', 'up')], { pool: 'inside' })] }).step();
    bench.now += 600_000;
    assert.deepEqual([bench.step().report.state, bench.report.asks], ['down', true]);
    assert.deepEqual(
      bench.announcer.report().map(({ state }) => state),
      ['down', 'rising'],
    );
  });
  test('asleep while up: it stays, and new evidence counts at once', () => {
    const bench = up();
    bench.now = 600_000;
    assert.equal(bench.step().report.state, 'up');
    assert.equal(bench.states('down').step().report.state, 'down');
  });
  test('a reload after the sleep does not hide it', () => {
    const bench = new Bench().step();
    bench.now = 600_000;
    bench.announcer.apply([plan()], drainPlan, bench.now);
    assert.equal(bench.step().report.state, 'rising');
  });
  test('late by less than two seconds is a busy machine', () => {
    const bench = new Bench().step();
    bench.now = 4900;
    assert.equal(bench.step().report.state, 'up');
  });
});

describe('a reload', () => {
  const other = plan({ address: '192.0.2.54', via: ['core2', 'core1'] });
  test('keeps what stays, and puts new attributes in force at once', () => {
    const bench = up();
    const { up: well, ...rest } = plan().attributes;
    bench.announcer.apply(
      [other, plan({ attributes: { ...rest, up: { ...well, med: 5 } } })],
      drainPlan,
      5000,
    );
    assert.equal(bench.med, 5);
    assert.deepEqual(bench.events.at(-1), {
      at: 5000,
      address: '192.0.2.53',
      from: 'up',
      to: 'up',
      reason: 'its configuration has changed',
      wanted: { ...well, med: 5 },
    });
    bench.now = 5000;
    bench.step().pass(3000);
    assert.deepEqual(
      bench.announcer.wanted('core1').map(({ address }) => address),
      ['192.0.2.54', '192.0.2.53'],
    );
    assert.deepEqual(
      bench.announcer.wanted('core2').map(({ address }) => address),
      ['192.0.2.54'],
    );
    assert.deepEqual(bench.announcer.wanted('core3'), []);
  });
  test('takes back what is gone', () => {
    const bench = up();
    bench.announcer.apply([], drainPlan, 5000);
    assert.deepEqual(bench.announcer.wanted('core1'), []);
    assert.equal(bench.events.at(-1)?.reason, 'it is no longer configured');
    assert.deepEqual([bench.announcer.report(), bench.announcer.next()], [[], Infinity]);
  });
  test('moves an address to another driver', () => {
    const bench = up();
    bench.announcer.apply([plan({ via: ['core2'] })], drainPlan, 5000);
    assert.equal(bench.announcer.wanted('core1').length, 0);
    assert.equal(bench.announcer.wanted('core2').length, 1);
  });
  test('of the same changes nothing, and what is wanted stays the same list', () => {
    const bench = up();
    const before = bench.announcer.wanted('core1');
    bench.announcer.apply([plan()], drainPlan, 4000);
    bench.step().step();
    assert.equal(bench.announcer.wanted('core1'), before);
    assert.equal(bench.events.length, 2);
  });
  test('a stricter rule counts with the next step', () => {
    const bench = up().states('up', 'down');
    bench.step();
    bench.announcer.apply([plan({ least: 2 })], drainPlan, 4000);
    assert.equal(bench.report.state, 'up');
    assert.equal(bench.step().report.reason, '1 of 2 backends of pool default serves, 2 are needed');
  });
});

describe('the table of transitions', () => {
  const states = {
    initial: () => new Bench().states('starting').step(),
    rising: () => new Bench().step(),
    up: () => up(),
    degraded: () => up().states('up', 'down', 'down', 'down').step(),
    draining: () => up().with({ drain: order() }).step(),
    down: () => up().pass(600_000).states('down').step(),
  };
  const inputs: Record<string, (bench: Bench) => Bench> = {
    well: bench => bench.with({ drain: null }).states('up', 'up').step(),
    'well, and time': bench => bench.with({ drain: null }).states('up', 'up').step().pass(3000),
    poor: bench => bench.with({ drain: null }).states('up', 'down', 'down').step(),
    down: bench => bench.with({ drain: null }).states('down').step(),
    'down, denied': bench => bench.with({ drain: null }).budget('denied').states('down').step(),
    unknown: bench => bench.with({ drain: null }).states('starting').step(),
    drained: bench => bench.with({ drain: order() }).step(),
    forbidden: bench => bench.with({ drain: null, forbidden: 'no' }).step(),
  };
  // By input: what each of initial, rising, up, degraded, draining and down becomes.
  const table: Record<string, string> = {
    well: 'rising rising up degraded up rising',
    'well, and time': 'up up up up up up',
    poor: 'rising rising degraded degraded degraded rising',
    down: 'down down down down down down',
    'down, denied': 'degraded degraded degraded degraded degraded degraded',
    unknown: 'initial rising up degraded up down',
    drained: 'draining draining draining draining draining draining',
    forbidden: 'down down down down down down',
  };
  for (const [name, apply] of Object.entries(inputs)) {
    test(name, () => {
      const after = Object.entries(states).map(([state, make]) => {
        const bench = make();
        assert.equal(bench.report.state, state);
        return apply(bench).report.state;
      });
      assert.equal(after.join(' '), table[name]);
    });
  }
});

describe('a node without a balancer', () => {
  test('that is overloaded is announced as degraded, and as before when that is over', () => {
    const bench = up();
    const own = (strained: string | null) =>
      bench.with({
        pools: [
          { pool: 'default', members: [member('own', 'up', { strained })], everybody: false, load: null },
        ],
      });
    own(null);
    bench.step();
    own('overloaded: it answers its probes in 200ms, and usually in 0.4ms');
    bench.step();
    assert.equal(bench.report.state, 'degraded');
    assert.match(bench.report.reason, /overloaded: it answers its probes in 200ms/);
    own(null);
    bench.step().pass(60_000);
    assert.equal(bench.report.state, 'up');
  });
});
