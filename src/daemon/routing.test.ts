import assert from 'node:assert/strict';
import { test } from 'node:test';
import { VirtualClock } from '#health/clock.ts';
import { ChorusError } from '#kit/errors.ts';
import { Log } from '#kit/log.ts';
import { type Announcement, type Attributes, formatPrefix, hostPrefix } from '#route/announcement.ts';
import type { ActualRoute, DriverReport, DriverWorld, RouteDriver } from '#route/driver.ts';
import type { DrainOrder, PoolView } from '#route/evidence.ts';
import type { AddressPlan } from '#route/plan.ts';
import { agree, type DriverSpec, Routing, type RoutingPlan } from './routing.ts';

const one = '192.0.2.53';
const two = '2001:db8::53';
const attributes: Attributes = {
  med: 0,
  localPreference: 200,
  communities: [],
  largeCommunities: [],
  prepend: 0,
};

function plan(address: string, change: Partial<AddressPlan> = {}): AddressPlan {
  return {
    address,
    prefix: hostPrefix(address),
    via: ['core1'],
    pools: ['default'],
    family: 'any',
    least: 1,
    degradedBelow: 0,
    capacity: null,
    rise: 1000,
    fall: 0,
    hold: { first: 1000, most: 2000, forget: 1000 },
    whenDown: 'withdraw',
    role: 'primary',
    attributes: {
      up: attributes,
      degraded: { ...attributes, med: 1000 },
      draining: { ...attributes, med: 4_294_967_295, communities: ['65535:0'] },
    },
    ...change,
  };
}

/** A driver whose routing software does what it is told `lag` ms later. */
class Memory implements RouteDriver {
  readonly spec: DriverSpec;
  readonly world: DriverWorld;
  wanted: readonly Announcement[] = [];
  wants = 0;
  beats = 0;
  closed: string | null = null;
  state: DriverReport['state'] = 'up';
  problem: ChorusError | null = null;
  routes: ActualRoute[] = [];
  lag = 5;
  stuck = false;
  unread = false;
  /** How long its end takes, ms. */
  ends = 0;

  constructor(spec: DriverSpec, world: DriverWorld) {
    this.spec = spec;
    this.world = world;
  }
  want(announcements: readonly Announcement[]): void {
    this.wants++;
    const text = JSON.stringify(announcements);
    if (text === JSON.stringify(this.wanted) && this.routes.length === announcements.length) return;
    this.wanted = announcements;
    this.world.wait(this.lag, () => this.#put());
  }
  #put(): void {
    if (this.stuck || this.closed !== null) return;
    this.routes = this.wanted.map(({ prefix, attributes: own }) => ({
      prefix,
      attributes: own,
      since: this.world.now(),
    }));
    this.world.onChange();
  }
  beat(): void {
    this.beats++;
  }
  report(): DriverReport {
    const { state, problem, routes, unread } = this;
    return { state, since: 0, detail: 'made up', problem, warnings: [], routes, unread };
  }
  async close(_patience: number, reason: string): Promise<void> {
    this.closed = reason;
    this.routes = [];
    if (this.ends > 0) await new Promise<void>(resolve => this.world.wait(this.ends, resolve));
  }
  get prefixes(): string[] {
    return this.routes.map(({ prefix }) => formatPrefix(prefix));
  }
}

const spec = (name: string, options: unknown = {}): DriverSpec => ({ name, kind: 'memory', options });
const drain = { wait: 10_000, quiet: 0.01, settle: 2000, stop: { wait: 1000, settle: 500 } };

async function scene(addresses: readonly AddressPlan[] = [plan(one)], drivers = [spec('core1')]) {
  const clock = new VirtualClock();
  const lines: string[] = [];
  const made: Memory[] = [];
  const kept: (DrainOrder | null)[] = [];
  const now = {
    pools: [view('up')] as readonly PoolView[],
    traffic: 1000 as number | null,
    warm: true,
    forbidden: null as ChorusError | null,
    unwell: null as string | null,
    keep: null as ChorusError | null,
  };
  const routing = new Routing({
    clock,
    log: new Log((level, text, fields) => lines.push(`${level} ${text} ${JSON.stringify(fields)}`)),
    random: () => 0,
    makeDriver: async (wanted, world) => {
      if (wanted.options === 'wrong') throw new ChorusError('INTERNAL', { reason: 'never' });
      const driver = new Memory(wanted, world);
      made.push(driver);
      return driver;
    },
    pools: () => now.pools,
    listeners: () => [],
    traffic: () => now.traffic,
    warm: () => now.warm,
    forbidden: () => now.forbidden,
    unwell: () => now.unwell,
    store: {
      write: async order => {
        kept.push(order);
        return now.keep;
      },
    },
  });
  const apply = async (next: RoutingPlan) => routing.apply(await routing.prepare(next), null);
  const driver = (name: string) => {
    const found = made.findLast(each => each.spec.name === name && each.closed === null);
    assert.ok(found, `no driver ${name}`);
    return found;
  };
  const advance = async (ms: number) => {
    for (let left = ms; left > 0; left -= 5) {
      clock.advance(Math.min(5, left));
      await new Promise<void>(resolve => setImmediate(resolve));
    }
  };
  return {
    clock,
    lines,
    made,
    kept,
    now,
    routing,
    apply,
    driver,
    advance,
    start: () => apply({ addresses, drivers, drain }),
  };
}

function view(state: 'up' | 'down' | 'starting'): PoolView {
  const member = { family: 'ipv4', state, weight: 1 } as const;
  return {
    pool: 'default',
    members: [
      { name: 'kai', ...member },
      { name: 'nika', ...member },
    ],
    everybody: false,
    load: 0,
  };
}

test('nothing is announced while rising; then it is, and the loop beats', async () => {
  const { start, driver, advance, routing, lines } = await scene();
  await start();
  await advance(900);
  assert.deepEqual(driver('core1').prefixes, []);
  assert.equal(routing.status().addresses[0]?.state, 'rising');
  assert.ok(driver('core1').beats >= 8);
  await advance(200);
  assert.deepEqual(driver('core1').prefixes, ['192.0.2.53/32']);
  const [route] = routing.status().routes;
  assert.equal(route?.agrees, true);
  assert.ok((route?.convergence ?? 99) <= 10);
  assert.ok(
    lines.some(line => line.startsWith('info route is there')),
    lines.join('\n'),
  );
});

test('a verdict "down" reaches the driver in the same turn of the event loop', async () => {
  const { start, driver, advance, routing, now } = await scene();
  await start();
  await advance(1200);
  assert.equal(driver('core1').wanted.length, 1);
  now.pools = [view('down')];
  routing.changed();
  routing.changed();
  const before = driver('core1').wants;
  await Promise.resolve();
  assert.deepEqual(driver('core1').wanted, []);
  assert.equal(driver('core1').wants, before + 1, 'changes of one moment make one turn');
});

test('what is lost is told again, and a difference is shown', async () => {
  const { start, driver, advance, routing, lines } = await scene();
  await start();
  await advance(1200);
  const memory = driver('core1');
  memory.lag = 300;
  memory.routes = [{ prefix: hostPrefix('198.51.100.1'), attributes: null, since: 0 }];
  memory.world.onChange();
  await Promise.resolve();
  const { routes } = routing.status();
  assert.deepEqual(
    routes.map(({ prefix, wanted, actual, agrees }) => [prefix, wanted !== null, actual !== null, agrees]),
    [
      ['192.0.2.53/32', true, false, false],
      ['198.51.100.1/32', false, true, false],
    ],
  );
  assert.ok(lines.some(line => line.startsWith('warn route is not as wanted')));
  memory.routes = [];
  await advance(500);
  assert.equal(
    routing.status().routes.every(({ agrees }) => agrees),
    true,
  );
});

test('a driver in trouble is shown, and so is its end', async () => {
  const { start, driver, advance, routing, lines } = await scene();
  await start();
  const memory = driver('core1');
  memory.state = 'failed';
  memory.problem = new ChorusError('USAGE', { reason: 'wrong AS' });
  await advance(100);
  assert.equal(routing.status().drivers[0]?.problem?.message, 'wrong AS');
  assert.equal(lines.filter(line => line.startsWith('error wrong AS')).length, 1);
  memory.state = 'up';
  memory.problem = null;
  await advance(100);
  assert.ok(lines.some(line => line.includes('"to":"up"')));
});

test('a fault in a driver is its problem, and nobody else’s', async () => {
  const { start, driver, advance, routing, lines } = await scene(
    [plan(one, { via: ['core1', 'core2'] })],
    [spec('core1'), spec('core2', 2)],
  );
  await start();
  const broken = driver('core1');
  broken.want =
    broken.beat =
    broken.report =
      () => {
        throw new Error('boom');
      };
  broken.close = async () => {
    throw new Error('boom');
  };
  await advance(1500);
  assert.deepEqual(driver('core2').prefixes, ['192.0.2.53/32']);
  assert.equal(routing.status().drivers[0]?.problem?.code, 'INTERNAL');
  assert.equal(lines.filter(line => line.startsWith('error fault in a route driver')).length, 1);
  const leaving = routing.leave();
  await advance(4000);
  await leaving;
});

test('a process that is not well, or comes late, gives no beat', async () => {
  const { start, driver, advance, now, clock, routing } = await scene();
  await start();
  await advance(1000);
  now.unwell = 'worker 0 (packet) does not answer';
  await advance(100);
  const { beats } = driver('core1');
  await advance(1000);
  assert.equal(driver('core1').beats, beats);
  assert.equal(routing.status().problems[0]?.code, 'ROUTES_UNWELL');
  now.unwell = null;
  await advance(200);
  assert.ok(driver('core1').beats > beats);
  const before = driver('core1').beats;
  clock.stall(5000);
  await advance(1);
  assert.equal(driver('core1').beats, before, 'the late turn itself gives none');
  await advance(200);
  assert.ok(driver('core1').beats > before);
});

test('a drain: leaving, withdrawn, settled, safe; and back', async () => {
  const { start, driver, advance, routing, now, kept } = await scene();
  await start();
  await advance(1200);
  assert.equal(await routing.drain('ada@noc', 'new disk', null), null);
  assert.equal(kept[0]?.who, 'ada@noc');
  assert.equal(driver('core1').wanted[0]?.attributes.communities[0], '65535:0');
  await advance(1000);
  assert.equal(routing.status().addresses[0]?.drain, 'leaving');
  assert.equal(routing.safe, false);
  now.traffic = 5;
  await advance(200);
  assert.deepEqual(driver('core1').prefixes, []);
  assert.equal(routing.status().addresses[0]?.drain, 'settling');
  await advance(2000);
  assert.equal(routing.safe, true);
  assert.equal(routing.status().drain?.reason, 'new disk');
  assert.deepEqual(await routing.undrain('ada@noc'), { was: true, problem: null });
  assert.equal(kept.at(-1), null);
  await advance(1500);
  assert.deepEqual(driver('core1').prefixes, ['192.0.2.53/32']);
  assert.deepEqual(await routing.undrain('ada@noc'), { was: false, problem: null });
});

test('it is not safe while a route stands', async () => {
  const { start, driver, advance, routing, now } = await scene();
  await start();
  await advance(1200);
  driver('core1').stuck = true;
  now.traffic = 0;
  await routing.drain('ada', '', null);
  await advance(5000);
  assert.equal(routing.status().addresses[0]?.drain, 'safe');
  assert.equal(routing.safe, false);
});

test('it is not safe while nobody can read what stands', async () => {
  const { start, driver, advance, routing, now, lines } = await scene();
  await start();
  await advance(1200);
  const memory = driver('core1');
  // Its daemon does not answer any more: it goes on with what it had.
  memory.stuck = true;
  memory.state = 'failed';
  memory.routes = [];
  memory.unread = true;
  now.traffic = 0;
  await routing.drain('ada', '', null);
  await advance(5000);
  assert.equal(routing.status().addresses[0]?.drain, 'safe');
  assert.equal(routing.safe, false);
  assert.equal(routing.status().routes[0]?.agrees, false);
  assert.ok(!lines.some(line => line.startsWith('info route is gone')), lines.join('\n'));
  memory.unread = false;
  await advance(100);
  assert.equal(routing.safe, true);
  assert.equal(routing.status().routes[0]?.agrees, true);
});

test('of two reloads in a row the last one has the only driver', async () => {
  const { start, driver, advance, apply, made, routing } = await scene();
  await start();
  await advance(1200);
  driver('core1').ends = 1000;
  const second = { addresses: [plan(one)], drivers: [spec('core1', 'second')], drain };
  await apply(second);
  const same = await routing.prepare(second);
  await advance(1200);
  routing.apply(same, null);
  assert.equal(made.filter(({ closed }) => closed === null).length, 1);
  driver('core1').ends = 1000;
  await apply({ addresses: [plan(one)], drivers: [spec('core1', 'other')], drain });
  await advance(100);
  await apply({ addresses: [plan(one)], drivers: [spec('core1', 'third')], drain });
  await advance(2000);
  assert.deepEqual(
    made.filter(({ closed }) => closed === null).map(({ spec: { options } }) => options),
    ['third'],
  );
  assert.deepEqual(driver('core1').prefixes, ['192.0.2.53/32']);
  driver('core1').ends = 1000;
  await apply({ addresses: [plan(one)], drivers: [spec('core1', 'fourth')], drain });
  const leaving = routing.leave();
  await advance(8000);
  await leaving;
  assert.ok(made.every(({ closed }) => closed !== null));
});

test('a drain for a time ends by itself, whatever the time of day does', async () => {
  const { start, advance, routing, kept } = await scene();
  await start();
  await routing.drain('ada', '', 30_000);
  await advance(29_900);
  assert.ok(routing.drained);
  await advance(200);
  assert.equal(routing.drained, null);
  assert.equal(kept.at(-1), null);
});

test('a drain that cannot be kept holds, and says so; without addresses there is none', async () => {
  const { start, routing, now, apply } = await scene();
  await start();
  now.keep = new ChorusError('DRAIN_NOT_KEPT', { reason: 'no room' });
  assert.equal((await routing.drain('ada', '', null))?.code, 'DRAIN_NOT_KEPT');
  assert.equal(routing.status().problems[0]?.code, 'DRAIN_NOT_KEPT');
  assert.ok(routing.drained);
  now.keep = new ChorusError('DRAIN_STILL_KEPT', { file: 'drain.json', reason: 'read-only' });
  await routing.undrain('ada');
  assert.equal(routing.status().problems[0]?.code, 'DRAIN_STILL_KEPT', 'a restart would drain it again');
  now.keep = null;
  await routing.undrain('ada');
  assert.deepEqual(routing.status().problems, []);
  await apply({ addresses: [], drivers: [], drain });
  await assert.rejects(routing.drain('ada', '', null), /nothing to drain/);
});

test('a drain from before the start holds from the first moment', async () => {
  const { start, driver, advance, routing } = await scene();
  routing.resume({ since: 0, who: 'ada', reason: 'disk', until: null, stop: false }, null);
  await start();
  await advance(5000);
  assert.deepEqual(driver('core1').prefixes, []);
  assert.equal(routing.safe, true);
});

test('a stop drains in short, withdraws, settles, and ends the drivers', async () => {
  const { start, driver, advance, routing, now, made } = await scene();
  await start();
  await advance(1200);
  let left = false;
  const leaving = routing.leave().then(() => {
    left = true;
  });
  assert.equal(driver('core1').wanted[0]?.attributes.communities[0], '65535:0');
  await advance(500);
  assert.equal(driver('core1').prefixes.length, 1);
  now.traffic = 0;
  await advance(200);
  assert.deepEqual(driver('core1').prefixes, []);
  assert.equal(left, false);
  await advance(700);
  await leaving;
  assert.equal(made[0]?.closed, 'Chorus stops');
});

test('a stop waits no longer than it must', async () => {
  const { start, driver, advance, routing, clock } = await scene();
  await start();
  await advance(1200);
  driver('core1').stuck = true;
  const began = clock.now();
  let ended = 0;
  void routing.leave().then(() => {
    ended = clock.now() - began;
  });
  await advance(4000);
  assert.ok(ended >= 1500 && ended <= 3200, String(ended));
  const drained = await scene();
  await drained.start();
  await drained.routing.drain('ada', '', null);
  await drained.advance(3000);
  let soon = false;
  void drained.routing.leave().then(() => {
    soon = true;
  });
  await drained.advance(50);
  assert.ok(soon, 'what is drained stops at once');
});

test('killed, it ends the drivers without waiting, and does nothing more', async () => {
  const { start, made, routing, advance, clock } = await scene();
  await start();
  await advance(1200);
  routing.kill();
  assert.equal(made[0]?.closed, 'Chorus ends');
  await advance(1000);
  assert.equal(clock.pending, 0);
});

test('while another process announces an address of ours, no driver touches anything', async () => {
  const { start, made, advance, now, routing, lines } = await scene();
  now.forbidden = new ChorusError('ADDRESS_CLAIMED', { holder: 'another Chorus (pid 7)', address: one });
  await start();
  await advance(3000);
  assert.deepEqual([made[0]?.wants, made[0]?.beats], [0, 0]);
  assert.equal(routing.status().problems[0]?.code, 'ADDRESS_CLAIMED');
  assert.match(routing.status().addresses[0]?.reason ?? '', /another Chorus \(pid 7\)/);
  assert.equal(lines.filter(line => line.includes('ADDRESS_CLAIMED')).length, 1);
  now.forbidden = null;
  await advance(1500);
  assert.deepEqual(made[0]?.prefixes, ['192.0.2.53/32']);
});

test('a reload keeps drivers, and announces what is new before it withdraws what is gone', async () => {
  const { start, driver, advance, apply, made } = await scene();
  await start();
  await advance(1200);
  const first = driver('core1');
  await apply({ addresses: [plan(two)], drivers: [spec('core1')], drain });
  assert.equal(driver('core1'), first);
  await advance(500);
  assert.deepEqual(first.prefixes, ['192.0.2.53/32']);
  await advance(800);
  assert.deepEqual(first.prefixes, ['2001:db8::53/128']);
  // Another driver takes over.
  await apply({ addresses: [plan(two, { via: ['core2'] })], drivers: [spec('core2', 2)], drain });
  assert.deepEqual(first.closed, null);
  await advance(200);
  assert.deepEqual(driver('core2').prefixes, ['2001:db8::53/128']);
  assert.equal(first.closed, 'taken out of the configuration');
  // Gone without anything new: at once.
  const second = driver('core2');
  await apply({ addresses: [], drivers: [], drain });
  assert.equal(second.closed, 'taken out of the configuration');
  assert.equal(made.length, 2);
});

test('what a reload brings and does not come up does not hold back what it takes away for ever', async () => {
  const { start, driver, advance, apply } = await scene();
  await start();
  await advance(1200);
  await apply({ addresses: [plan(two, { pools: ['other'] })], drivers: [spec('core1')], drain });
  await advance(9000);
  assert.deepEqual(driver('core1').prefixes, ['192.0.2.53/32']);
  await advance(1500);
  assert.deepEqual(driver('core1').prefixes, []);
});

test('what lingers goes when it is drained', async () => {
  const { start, driver, advance, apply, routing } = await scene();
  await start();
  await advance(1200);
  await apply({ addresses: [plan(two, { pools: ['other'] })], drivers: [spec('core1')], drain });
  await advance(200);
  await routing.drain('ada', '', null);
  await advance(200);
  assert.deepEqual(driver('core1').prefixes, []);
});

test('a driver with new options ends before its successor begins; one that is renamed goes on', async () => {
  const { start, driver, advance, apply, made } = await scene();
  await start();
  await advance(1200);
  const first = driver('core1');
  await apply({ addresses: [plan(one)], drivers: [spec('core1', 'new')], drain });
  await advance(50);
  assert.equal(first.closed, 'its options have changed');
  await advance(100);
  assert.deepEqual(driver('core1').prefixes, ['192.0.2.53/32']);
  const second = driver('core1');
  await apply({ addresses: [plan(one, { via: ['edge'] })], drivers: [spec('edge', 'new')], drain });
  await advance(200);
  assert.deepEqual(second.prefixes, ['192.0.2.53/32']);
  assert.equal(second.closed, null);
  assert.equal(made.length, 2);
});

test('a plan with a driver that can never work changes nothing', async () => {
  const { start, driver, advance, routing, made } = await scene();
  await start();
  await advance(1200);
  const drivers = [spec('core1'), spec('new'), spec('bad', 'wrong')];
  await assert.rejects(routing.prepare({ addresses: [plan(one)], drivers, drain }), /never/);
  assert.equal(made.find(({ spec: { name } }) => name === 'new')?.closed, 'never used');
  await advance(500);
  assert.deepEqual(driver('core1').prefixes, ['192.0.2.53/32']);
});

test('what the software does not show is no difference', () => {
  const actual = (more: Partial<Attributes> | null): ActualRoute => ({
    prefix: hostPrefix(one),
    attributes: more && { ...attributes, ...more },
    since: 0,
  });
  assert.ok(agree(null, undefined));
  assert.ok(!agree(attributes, undefined));
  assert.ok(!agree(null, actual({})));
  assert.ok(agree(attributes, actual(null)));
  assert.ok(agree(attributes, actual({ localPreference: null })));
  assert.ok(agree({ ...attributes, med: null }, actual({ med: 7 })));
  assert.ok(!agree(attributes, actual({ med: 7 })));
  assert.ok(!agree(attributes, actual({ communities: ['65535:0'] })));
});
