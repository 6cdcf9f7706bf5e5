/** The announcer under any course of evidence: what must hold whatever happens. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import type { BackendState } from '#balance/board.ts';
import { type Announcement, type Attributes, hostPrefix } from './announcement.ts';
import { Announcer } from './announcer.ts';
import type { BudgetView, Evidence } from './evidence.ts';
import type { AddressPlan, DrainPlan } from './plan.ts';
import type { AddressEvent } from './report.ts';

const addresses = ['192.0.2.53', '2001:db8::53'] as const;

const attributes = (med: number): Attributes => ({
  med,
  localPreference: null,
  communities: [],
  largeCommunities: [],
  prepend: 0,
});

const time = fc.constantFrom(0, 1, 500, 3000, 10_000);
const states = fc.array(
  fc.constantFrom<BackendState>('starting', 'up', 'suspect', 'down', 'draining', 'disabled'),
  {
    minLength: 1,
    maxLength: 4,
  },
);

const plans = fc
  .record({
    family: fc.constantFrom('any' as const, 'own' as const),
    least: fc.integer({ min: 1, max: 3 }),
    degradedBelow: fc.constantFrom(0, 0.5, 1),
    capacity: fc.constantFrom(null, 1000),
    rise: time,
    fall: time,
    hold: fc.constantFrom(
      { first: 0, most: 0, forget: 1000 },
      { first: 10_000, most: 60_000, forget: 600_000 },
    ),
    whenDown: fc.constantFrom('withdraw' as const, 'degrade' as const),
  })
  .map(more =>
    addresses.map(
      (address): AddressPlan => ({
        address,
        prefix: hostPrefix(address),
        via: ['core1'],
        pools: ['default'],
        role: 'primary',
        attributes: { up: attributes(0), degraded: attributes(1000), draining: attributes(9999) },
        ...more,
      }),
    ),
  );

const drainPlan: DrainPlan = { wait: 5000, quiet: 0.01, settle: 2000, stop: { wait: 1000, settle: 500 } };

/** One thing that happens. */
type Act =
  | { readonly pass: number }
  | { readonly sleep: number }
  | { readonly states: readonly BackendState[]; readonly six: boolean }
  | { readonly everybody: boolean }
  | { readonly load: number | null }
  | { readonly traffic: number | null }
  | { readonly warm: boolean }
  | { readonly drain: 'none' | 'operator' | 'stop' | 'short' }
  | { readonly budget: BudgetView['verdict'] }
  | { readonly listener: 'good' | 'bad' | 'unknown' }
  | { readonly forbidden: boolean }
  | { readonly apply: true };

const act: fc.Arbitrary<Act> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ pass: fc.constantFrom(1, 100, 999, 3000, 30_000, 700_000) }) },
  { weight: 1, arbitrary: fc.record({ sleep: fc.constantFrom(2500, 60_000, 3_600_000) }) },
  { weight: 8, arbitrary: fc.record({ states, six: fc.boolean() }) },
  fc.record({ everybody: fc.boolean() }),
  fc.record({ load: fc.constantFrom(null, 10, 900, 5000) }),
  fc.record({ traffic: fc.constantFrom(null, 0, 15, 2000) }),
  fc.record({ warm: fc.boolean() }),
  {
    weight: 2,
    arbitrary: fc.record({
      drain: fc.constantFrom('none' as const, 'operator' as const, 'stop' as const, 'short' as const),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      budget: fc.constantFrom<BudgetView['verdict']>(
        'free',
        'asking',
        'granted',
        'denied',
        'away',
        'everybody',
      ),
    }),
  },
  fc.record({ listener: fc.constantFrom('good' as const, 'bad' as const, 'unknown' as const) }),
  fc.record({ forbidden: fc.boolean() }),
  fc.record({ apply: fc.constant(true as const) }),
);

/** Runs a course of events and checks after every step. */
class Course {
  readonly #events: AddressEvent[] = [];
  readonly announcer = new Announcer(event => this.#events.push(event));
  readonly #plans: readonly AddressPlan[];
  #now = 1_000_000.1;
  #members: Evidence['pools'][number]['members'] = [];
  #evidence: Evidence = {
    pools: [],
    listeners: [],
    warm: true,
    drain: null,
    drainEnds: null,
    budget: new Map(),
    traffic: null,
    forbidden: null,
  };

  constructor(plans: readonly AddressPlan[]) {
    this.#plans = plans;
    this.announcer.apply(plans, drainPlan, this.#now);
  }

  run(acts: readonly Act[]): void {
    for (const each of acts) this.#do(each);
    this.#rest();
  }

  /** After quiet evidence it comes to rest, and stays. */
  #rest(): void {
    this.#step();
    let steps = 0;
    while (Number.isFinite(this.announcer.next())) {
      assert.ok(++steps < 40, 'it comes to rest');
      this.#now = this.announcer.next();
      this.#step();
    }
    const before = this.announcer.report().map(({ state, reason, wanted }) => ({ state, reason, wanted }));
    this.#now += 10_000_000;
    this.#step();
    assert.equal(this.#events.length, 0);
    assert.deepEqual(
      this.announcer.report().map(({ state, reason, wanted }) => ({ state, reason, wanted })),
      before,
    );
    const { forbidden, drain, warm } = this.#evidence;
    for (const { state, found, budget } of this.announcer.report()) {
      if (forbidden === null && drain === null && warm && found.verdict === 'well')
        assert.ok(['up', 'degraded', 'rising'].includes(state), `what is well is not ${state} for ever`);
      if (drain !== null && drain.until === null) assert.equal(this.announcer.drainPhase(), 'safe');
      if (found.verdict === 'down' && ['free', 'granted'].includes(budget.verdict) && drain === null)
        assert.ok(state === 'down' || this.#plans[0]?.whenDown === 'degrade', `what is down is not ${state}`);
    }
  }

  #do(each: Act): void {
    if ('pass' in each) this.#pass(each.pass);
    else if ('sleep' in each) this.#sleep(each.sleep);
    else if ('apply' in each) this.announcer.apply(this.#plans, drainPlan, this.#now);
    else this.#evidence = this.#with(each);
    this.#step();
  }

  #with(each: Exclude<Act, { pass: number } | { sleep: number } | { apply: true }>): Evidence {
    const evidence = this.#evidence;
    const pools = (more: Partial<Evidence['pools'][number]>): Evidence => ({
      ...evidence,
      pools: [
        {
          pool: 'default',
          everybody: false,
          load: null,
          ...evidence.pools[0],
          members: this.#members,
          ...more,
        },
      ],
    });
    if ('states' in each) {
      const family = each.six ? ('ipv6' as const) : ('ipv4' as const);
      const others = this.#members.filter(member => member.family !== family);
      const own = each.states.map((state, i) => ({ name: `${family}${i}`, family, state, weight: i + 1 }));
      this.#members = [...others, ...own];
      return pools({});
    }
    if ('everybody' in each || 'load' in each) return pools(each);
    if ('traffic' in each || 'warm' in each) return { ...evidence, ...each };
    if ('budget' in each)
      return {
        ...evidence,
        budget: new Map(addresses.map(address => [address, { verdict: each.budget, detail: 'so it is' }])),
      };
    if ('listener' in each)
      return {
        ...evidence,
        listeners: [{ address: addresses[0], udp: each.listener, tcp: 'good', detail: '' }],
      };
    if ('forbidden' in each) return { ...evidence, forbidden: each.forbidden ? 'somebody else' : null };
    if (each.drain === 'none') return { ...evidence, drain: null, drainEnds: null };
    const order = {
      since: 0,
      who: 'ada',
      reason: '',
      until: each.drain === 'short' ? 1 : null,
      stop: each.drain === 'stop',
    };
    return { ...evidence, drain: order, drainEnds: each.drain === 'short' ? this.#now + 7000 : null };
  }

  #pass(ms: number): void {
    const end = this.#now + ms;
    for (let steps = 0; this.announcer.next() <= end; steps++) {
      assert.ok(steps < 100);
      this.#now = this.announcer.next();
      this.#step();
    }
    this.#now = end;
  }

  /** Nobody looks, then with the old evidence: nothing is raised. */
  #sleep(ms: number): void {
    const due = this.announcer.next();
    const before = this.#announced();
    const draining = this.announcer.drainPhase() !== 'none';
    this.#now += ms;
    this.#step();
    // The end of a drain is the operator's word, and not evidence.
    if (this.#now > due + 2000 && !draining)
      for (const address of this.#announced()) {
        const late = this.#plans[0]?.rise === 0 || this.#plans[0]?.fall === 0;
        assert.ok(before.has(address) || late, 'raised on old evidence');
      }
  }

  #announced(): Set<string> {
    return new Set(this.announcer.wanted('core1').map(({ address }) => address));
  }

  #step(): void {
    this.#events.length = 0;
    const before = this.announcer.wanted('core1');
    this.announcer.step(this.#evidence, this.#now);
    const wanted = this.announcer.wanted('core1');
    this.#check(before, wanted);
    // The same again changes nothing.
    const said = this.#events.splice(0).length;
    this.announcer.step(this.#evidence, this.#now);
    assert.equal(this.#events.length, 0, 'idempotent');
    assert.equal(this.announcer.wanted('core1'), wanted);
    if (said === 0) assert.equal(wanted, before);
  }

  #check(before: readonly Announcement[], wanted: readonly Announcement[]): void {
    const { forbidden, drain } = this.#evidence;
    const said = this.#events.map(({ address }) => address);
    assert.equal(new Set(said).size, said.length, 'one change of an address in a step');
    assert.ok(this.announcer.next() > this.#now, 'the next moment is to come');
    if (forbidden !== null) assert.deepEqual(wanted, [], 'nothing while forbidden');
    if (['settling', 'safe'].includes(this.announcer.drainPhase())) assert.deepEqual(wanted, [], 'drained');
    if (drain === null) assert.equal(this.announcer.drainPhase(), 'none');
    for (const report of this.announcer.report()) {
      const { address, state, budget, found, reason, asks } = report;
      const mine = wanted.find(each => each.address === address);
      assert.equal(report.wanted, mine ?? null);
      assert.notEqual(reason, '');
      if (['initial', 'rising', 'down'].includes(state))
        assert.equal(mine, undefined, `nothing while ${state}`);
      if (['up', 'degraded'].includes(state)) assert.ok(mine, `something while ${state}`);
      if (state === 'up') assert.equal(mine?.attributes.med, 0);
      if (state === 'degraded') assert.equal(mine?.attributes.med, 1000);
      if (state === 'draining' && mine) assert.equal(mine.attributes.med, 9999);
      if (asks) assert.equal(found.verdict, 'down');
      if (asks && (budget.verdict === 'free' || budget.verdict === 'granted'))
        assert.equal(mine, undefined, 'down and granted');
      const was = before.some(each => each.address === address);
      // Only what is well is raised, or what the operator or the farm wants to stay.
      if (mine && !was && found.verdict !== 'well')
        assert.ok(['denied', 'everybody'].includes(budget.verdict) || this.#plans[0]?.whenDown === 'degrade');
      if (found.verdict === 'unknown') assert.ok(!mine || was, 'nothing is raised without evidence');
      if (found.verdict === 'unknown' && was && forbidden === null && drain === null)
        assert.ok(mine, 'nor withdrawn');
    }
  }
}

const check = (plans: readonly AddressPlan[], acts: readonly Act[]) => new Course(plans).run(acts);

describe('whatever happens', () => {
  test('the announcer keeps its promises', () => {
    fc.assert(fc.property(plans, fc.array(act, { maxLength: 40, size: 'max' }), check), { numRuns: 2000 });
  });

  // Courses that once broke a promise.
  for (const seed of [-1219470289, 1043583762, -1315831753]) {
    test(`seed ${seed}`, () => {
      fc.assert(fc.property(plans, fc.array(act, { maxLength: 40, size: 'max' }), check), {
        seed,
        numRuns: 300,
      });
    });
  }
});
