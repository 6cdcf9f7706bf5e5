/**
 * The contract of a route driver: what the announcer may rely on, whatever tells the routers. A driver's test gives a way to
 * start the software that it drives, with a router behind it, and runs this suite.
 */
import assert from 'node:assert/strict';
import { after, before, describe, type TestContext, test } from 'node:test';
import { ChorusError, errorTable } from '#kit/errors.ts';
import { now } from '#net/clock.ts';
import { type Announcement, type Attributes, formatPrefix, hostPrefix } from '#route/announcement.ts';
import type { DriverReport, DriverState, RouteDriver } from '#route/driver.ts';
import type { DriverKind } from '#route/drivers/registry.ts';
import { isolate } from '#test/support/isolate.ts';
import { poll } from '#test/support/poll.ts';
import { driverFrom, startDriver, TestWorld } from '#test/support/route-driver.ts';
import { Router, type RouterEvent, type RouterOptions, session } from '#test/support/router.ts';

/** Attributes that a driver can bring to a router. `sorted`: only which of several grades it is. */
export type Expresses = {
  readonly med: boolean;
  readonly localPreference: boolean;
  readonly communities: boolean;
  readonly largeCommunities: boolean;
  readonly prepend: boolean;
};

/** Software that is driven, with sessions to a `Router`. */
export interface RoutingSoftware {
  /**
   * The options of a driver for it, as an operator would write them in YAML. `unreachable`: of one that looks for the software
   * where it is not.
   */
  options(unreachable?: boolean): unknown;
  /** Ends it without a word to anyone: SIGKILL. Where the driver is the speaker, it is the router that is killed. */
  kill(): Promise<void>;
  /** Starts it after `kill`; resolves when it takes commands (a speaker's router: sessions). */
  restart(): Promise<void>;
  stop(): Promise<void>;
  /** Its log, for failure messages. */
  readonly log: string;
}

export type RouteDriverUnderTest = {
  readonly kind: DriverKind;
  /** What it is driven with, where a kind is tested with several: "BIRD 2". */
  readonly variant?: string;
  /** Session of the router that is looked at; all are looked at for attributes. */
  readonly sessions: readonly ('outer' | 'inner')[];
  readonly expresses: Expresses;
  /** Prefixes that the software announces of itself, and that a driver may not touch. Empty for a driver that is the speaker. */
  readonly foreign: readonly string[];
  /**
   * What holds when the process dies (SIGKILL) or hangs (SIGSTOP): its routes are gone after so many ms, as the router sees it.
   * Null: they stay, and the driver warns of it.
   */
  readonly deadMan: { readonly dead: number | null; readonly hung: number | null };
  /** What the router is to be like. */
  readonly router?: RouterOptions;
  /** The suite as `describe` takes it: what it needs. */
  readonly options: { readonly skip: string | false; readonly timeout: number };
  /** Starts the software. The test is isolated, and the router runs. */
  start(router: Router): Promise<RoutingSoftware>;
};

/** Reconciled so soon after the software has come back, ms. The goal is 1,000; machines that run tests are busy. */
const reconciled = 4_000;

export const plainAttributes: Attributes = {
  med: 0,
  localPreference: null,
  communities: [],
  largeCommunities: [],
  prepend: 0,
};

/** An announcement of an address, as a primary. */
export function announcement(address: string, attributes: Partial<Attributes> = {}): Announcement {
  return {
    prefix: hostPrefix(address),
    address,
    attributes: { ...plainAttributes, ...attributes },
    grade: 'primary',
  };
}

const v4 = '192.0.2.53';
const v6 = '2001:db8:53::53';
const known = [`${v4}/32`, `${v6}/128`];

/** A driver at work: its control loop beats, and it is closed when the test ends. */
class Working {
  readonly world: TestWorld;
  readonly driver: RouteDriver;
  readonly #beat: NodeJS.Timeout;
  #closed = false;

  private constructor(world: TestWorld, driver: RouteDriver) {
    this.world = world;
    this.driver = driver;
    this.#beat = setInterval(() => this.driver.beat(), 100);
  }

  static async make(t: TestContext, kind: DriverKind, options: unknown): Promise<Working> {
    const world = new TestWorld();
    const working = new Working(world, await driverFrom(kind, options, world));
    t.after(() => working.close());
    return working;
  }

  want(...wanted: readonly Announcement[]): void {
    this.driver.want(wanted);
  }
  get report(): DriverReport {
    return this.driver.report();
  }
  async state(...states: readonly DriverState[]): Promise<void> {
    await poll(`the state ${states.join(' or ')}`, () => states.includes(this.report.state), {
      explain: () => this.told,
    });
  }
  get told(): string {
    const { state, detail, problem, warnings, routes } = this.report;
    return [
      `driver: ${state}: ${detail}; problem: ${problem?.message ?? 'none'}; warnings: ${warnings.join('; ')}`,
      `routes: ${JSON.stringify(routes)}`,
      ...this.world.notices.slice(-20),
    ].join('\n');
  }
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    clearInterval(this.#beat);
    await this.driver.close(5_000, 'end of the test');
  }
}

/** Runs the suite. */
export function routeDriverContract(subject: RouteDriverUnderTest): void {
  const first = subject.sessions[0]!;

  const name = subject.variant === undefined ? subject.kind : `${subject.kind} (${subject.variant})`;

  describe(`route driver ${name}`, subject.options, () => {
    let router: Router;
    let software: RoutingSoftware;

    before(async () => {
      await isolate();
      router = await Router.start(subject.router);
      software = await subject.start(router);
      await poll('its own routes', async () => (await foreign()).length === subject.foreign.length, {
        explain,
      });
    });
    after(async () => {
      await software?.stop();
      await router?.stop();
    });

    const explain = () => `${software?.log ?? ''}\n${router.program.log}`;
    /** A driver that finds nothing at the router of what the test before took back: that may be under way. */
    const work = async (t: TestContext) => {
      await poll('what the last test took back to be gone', async () => (await there()).length === 0, {
        explain,
      });
      return await Working.make(t, subject.kind, software.options());
    };
    /** Prefixes that the router has, those of the software itself left out. */
    const there = async (name = first) =>
      (await router.routes(name))
        .map(({ prefix }) => prefix)
        .filter(prefix => !subject.foreign.includes(prefix))
        .sort();
    const foreign = async () =>
      (await router.routes(first))
        .map(({ prefix }) => prefix)
        .filter(prefix => subject.foreign.includes(prefix));
    /** Waits until the router has exactly these. */
    const has = async (working: Working, prefixes: readonly string[], deadline = 15_000) =>
      await poll(
        `the router to have ${prefixes.join(' and ') || 'nothing'}`,
        async () => (await there()).join() === [...prefixes].sort().join(),
        { deadline, explain: () => `${working.told}\n${explain()}` },
      );
    /** Waits until a driver says that exactly these are announced. */
    const says = async (working: Working, prefixes: readonly string[]) =>
      await poll(
        `the driver to say ${prefixes.join(' and ') || 'nothing'}`,
        () =>
          working.report.routes
            .map(({ prefix }) => formatPrefix(prefix))
            .sort()
            .join() === [...prefixes].sort().join(),
        { explain: () => working.told },
      );
    const eventsOf = (prefix: string, since = 0): RouterEvent[] =>
      router.events.slice(since).filter(event => event.prefix === prefix && event.session === first);

    test('nothing is announced before it is wanted, and `want` of nothing announces nothing', async t => {
      const working = await work(t);
      assert.deepEqual(working.report.routes, []);
      working.want();
      await working.state('up');
      assert.deepEqual(await there(), []);
    });

    test('what is wanted comes with the right attributes, IPv4 and IPv6, and is read back', async t => {
      const working = await work(t);
      const attributes: Attributes = {
        med: subject.expresses.med ? 77 : null,
        localPreference: subject.expresses.localPreference ? 250 : null,
        communities: subject.expresses.communities ? ['65000:100', '65535:0'] : [],
        largeCommunities: subject.expresses.largeCommunities ? ['65001:1:2'] : [],
        prepend: 0,
      };
      working.want(announcement(v4, attributes), announcement(v6, attributes));
      await has(working, known);
      await says(working, known);
      for (const name of subject.sessions) {
        await poll(`the session ${name}`, async () => (await there(name)).length === 2, { explain });
        for (const route of await router.routes(name)) {
          if (!known.includes(route.prefix)) continue;
          const { med, communities, largeCommunities } = attributes;
          if (med !== null) assert.equal(route.med, med);
          if (name === 'inner' && subject.expresses.localPreference) assert.equal(route.localPreference, 250);
          assert.deepEqual(route.communities, communities);
          assert.deepEqual(route.largeCommunities, largeCommunities);
          assert.deepEqual(route.path, name === 'inner' ? [] : [session.ourAs]);
        }
      }
      for (const route of working.report.routes)
        if (route.attributes !== null && subject.expresses.med) assert.equal(route.attributes.med, 77);
      await poll('no problem', () => working.report.problem === null, { explain: () => working.told });
      assert.ok(working.report.since <= now());
    });

    test('the worst that can be said is said, and read back as it was wanted', async t => {
      if (!subject.expresses.med) return t.skip('no attributes');
      const working = await work(t);
      const worst: Attributes = {
        med: 0xffff_ffff,
        localPreference: subject.expresses.localPreference ? 0 : null,
        communities: subject.expresses.communities ? ['65000:65535', '65535:0', '65535:65284'] : [],
        largeCommunities: subject.expresses.largeCommunities ? ['4294967295:0:4294967295'] : [],
        prepend: subject.expresses.prepend && first === 'outer' ? 16 : 0,
      };
      working.want(announcement(v4, worst));
      await has(working, [`${v4}/32`]);
      const [route] = (await router.routes(first)).filter(({ prefix }) => prefix === `${v4}/32`);
      assert.equal(route?.med, worst.med);
      assert.deepEqual(route?.communities, worst.communities);
      assert.deepEqual(route?.largeCommunities, worst.largeCommunities);
      if (first === 'outer') assert.equal(route?.path.length, 1 + worst.prepend);
      await says(working, [`${v4}/32`]);
      const told = working.report.routes[0]?.attributes;
      if (told) assert.deepEqual(told, worst);
    });

    test('our AS comes before the path once more as often as is asked', async t => {
      if (!subject.expresses.prepend || !subject.sessions.includes('outer')) return t.skip('not expressed');
      const working = await work(t);
      working.want(announcement(v4, { prepend: 2 }));
      await has(working, [`${v4}/32`]);
      const route = (await router.routes('outer')).find(({ prefix }) => prefix === `${v4}/32`);
      assert.deepEqual(route?.path, [session.ourAs, session.ourAs, session.ourAs]);
    });

    test('attributes change without a moment of absence', async t => {
      if (!subject.expresses.med) return t.skip('no attributes');
      const working = await work(t);
      working.want(announcement(v4, { med: 1 }), announcement(v6, { med: 1 }));
      await has(working, known);
      const since = router.events.length;
      for (const med of [1000, 0]) {
        working.want(announcement(v4, { med }), announcement(v6, { med: 1 }));
        await poll(
          `MED ${med}`,
          async () =>
            (await router.routes(first)).some(route => route.prefix === `${v4}/32` && route.med === med),
          { explain: () => `${working.told}\n${explain()}` },
        );
      }
      assert.deepEqual(
        eventsOf(`${v4}/32`, since).filter(({ kind }) => kind !== 'replaced'),
        [],
        explain(),
      );
      assert.deepEqual(eventsOf(`${v6}/128`, since), [], 'the other address is left alone');
    });

    test('one is withdrawn while the other stays; then all', async t => {
      const working = await work(t);
      working.want(announcement(v4), announcement(v6));
      await has(working, known);
      const since = router.events.length;
      working.want(announcement(v6));
      await has(working, [`${v6}/128`]);
      assert.deepEqual(eventsOf(`${v6}/128`, since), [], explain());
      working.want();
      await has(working, []);
      await says(working, []);
    });

    test('a hundred times the same is done once', async t => {
      const working = await work(t);
      for (let times = 0; times < 50; times++) working.want(announcement(v4), announcement(v6));
      await has(working, known);
      await says(working, known);
      const since = router.events.length;
      for (let times = 0; times < 50; times++) {
        working.want(announcement(v6), announcement(v4));
        await new Promise(resolve => setImmediate(resolve));
      }
      // What comes after it on the same way shows that nothing else is under way.
      working.want(announcement(v4), announcement(v6), announcement('192.0.2.54'));
      await has(working, [...known, '192.0.2.54/32']);
      for (const prefix of known) assert.deepEqual(eventsOf(prefix, since), [], explain());
    });

    test('under rapid changes the latest wins', async t => {
      const working = await work(t);
      for (let round = 0; round < 40; round++) {
        working.want(...(round % 2 === 0 ? [announcement(v4, { med: round })] : []));
        await new Promise(resolve => setTimeout(resolve, round % 7));
      }
      working.want(announcement(v6, { med: 5 }));
      await has(working, [`${v6}/128`]);
      working.want(announcement(v4, { med: 6 }));
      await has(working, [`${v4}/32`]);
      await says(working, [`${v4}/32`]);
    });

    test('routes of others stay as they are', async t => {
      if (subject.foreign.length === 0) return t.skip('the driver is the speaker');
      const since = router.events.length;
      const working = await work(t);
      working.want(announcement(v4));
      await has(working, [`${v4}/32`]);
      await working.close();
      await has(working, []);
      assert.equal((await foreign()).length, subject.foreign.length);
      for (const prefix of subject.foreign) assert.deepEqual(eventsOf(prefix, since), [], explain());
    });

    test('a session that is broken comes back with what is wanted', async t => {
      const working = await work(t);
      working.want(announcement(v4));
      await has(working, [`${v4}/32`]);
      const since = router.events.length;
      await router.reset(first);
      await poll(
        'the route to go',
        () => eventsOf(`${v4}/32`, since).some(({ kind }) => kind === 'removed'),
        {
          explain,
        },
      );
      await has(working, [`${v4}/32`], 30_000);
    });

    test('software that dies and comes back is told again, as soon as it is there', async t => {
      const working = await work(t);
      working.want(announcement(v4), announcement(v6));
      await has(working, known);
      await software.kill();
      await working.state('connecting', 'failed');
      await poll(
        'a problem, and no route',
        () => working.report.problem instanceof ChorusError && working.report.routes.length === 0,
        { explain: () => working.told },
      );
      // What is wanted meanwhile counts, not what was wanted before.
      working.want(announcement(v4));
      await software.restart();
      await poll('a session', async () => await router.established(first), { explain, deadline: 30_000 });
      await has(working, [`${v4}/32`], reconciled + 8_000);
      await working.state('up');
      await poll('no problem', () => working.report.problem === null, { explain: () => working.told });
      await poll('its own routes', async () => (await foreign()).length === subject.foreign.length, {
        explain,
      });
    });

    test('software that is not there is a problem with a remedy, retried within bounds', async t => {
      const working = await Working.make(t, subject.kind, software.options(true));
      working.want(announcement(v4));
      await poll('a problem', () => working.report.problem !== null, { explain: () => working.told });
      assert.ok(['connecting', 'failed'].includes(working.report.state), working.told);
      const { problem } = working.report;
      assert.ok(problem instanceof ChorusError && problem.code in errorTable);
      assert.doesNotMatch(problem.message + problem.remedy, /\{\w+\}/);
      assert.deepEqual(working.report.routes, []);
      const before = working.world.changes;
      for (let times = 0; times < 100; times++) working.want(announcement(v4));
      await new Promise(resolve => setTimeout(resolve, 500));
      assert.ok(working.world.changes - before < 20, 'it does not try all the time');
      assert.ok(working.world.notices.length < 20, working.told);
    });

    test('the end withdraws and leaves nothing', async t => {
      const working = await work(t);
      working.want(announcement(v4), announcement(v6));
      await has(working, known);
      await working.close();
      await has(working, []);
      assert.equal(working.world.waiting, 0, 'no timer is left');
      // What comes after the end is not heard, and a second end ends too.
      working.want(announcement(v4));
      working.driver.beat();
      await working.driver.close(100, 'again');
      assert.deepEqual(await there(), []);
    });

    test('the end of a driver that never was asked for anything ends at once', async t => {
      const working = await work(t);
      await working.close();
      assert.equal(working.world.waiting, 0);
    });

    for (const [signal, after] of [
      ['SIGKILL', subject.deadMan.dead],
      ['SIGSTOP', subject.deadMan.hung],
    ] as const) {
      const outcome = after === null ? 'its routes stay, which is warned of' : 'its routes go';
      test(`${signal} of the process: ${outcome}; the next one takes over`, async t => {
        const wanted = [announcement(v4), announcement(v6)];
        const other = startDriver(subject.kind, software.options(), wanted);
        t.after(() => other.kill());
        await poll('its routes', async () => (await there()).length === 2, {
          explain: () => `${other.log}\n${explain()}`,
        });
        other.signal(signal);
        if (after !== null) {
          await poll('its routes to go', async () => (await there()).length === 0, {
            deadline: after,
            explain: () => `${other.log}\n${explain()}`,
          });
        }
        await other.kill();
        const next = await Working.make(t, subject.kind, software.options());
        next.want(announcement(v6));
        await has(next, [`${v6}/128`]);
        if (after === null)
          await poll('a warning', () => next.report.warnings.length > 0, { explain: () => next.told });
      });
    }

    test('attributes that cannot be expressed are warned of', async t => {
      const { expresses } = subject;
      if (Object.values(expresses).every(each => each)) return t.skip('it expresses all');
      const working = await work(t);
      working.want(
        announcement(v4, {
          med: 7,
          localPreference: 300,
          communities: ['65000:1'],
          largeCommunities: ['65000:1:1'],
          prepend: 1,
        }),
      );
      await has(working, [`${v4}/32`]);
      await poll('a warning', () => working.report.warnings.length > 0, { explain: () => working.told });
    });
  });
}
