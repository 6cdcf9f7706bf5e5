/**
 * What is particular to FRR, BIRD and ExaBGP, with the real ones: the dead man's switch by an address lease, graceful restart,
 * operators who change what is ours or have what we want, and configurations that cannot work.
 */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, type TestContext, test } from 'node:test';
import type { ErrorCode } from '#kit/errors.ts';
import type { Announcement } from '#route/announcement.ts';
import type { RouteDriver } from '#route/driver.ts';
import type { DriverKind } from '#route/drivers/registry.ts';
import { announcement } from '#test/contract/route-driver.ts';
import { Bird, birdConfiguration } from '#test/support/bird.ts';
import { Frr, frrConfiguration } from '#test/support/frr.ts';
import { isolate } from '#test/support/isolate.ts';
import { poll } from '#test/support/poll.ts';
import { must, temporaryFolder } from '#test/support/process.ts';
import { requires } from '#test/support/requires.ts';
import { driverFrom, startDrivers, TestWorld } from '#test/support/route-driver.ts';
import { Router, session } from '#test/support/router.ts';

const v4 = '192.0.2.53';
const v6 = '2001:db8:53::53';
const ours = [`${v4}/32`, `${v6}/128`];

/** A driver that wants something until the test ends. */
async function drive(
  t: TestContext,
  kind: DriverKind,
  options: unknown,
  wanted: readonly Announcement[],
): Promise<{ driver: RouteDriver; world: TestWorld; told: () => string }> {
  const world = new TestWorld();
  const driver = await driverFrom(kind, options, world);
  const beat = setInterval(() => driver.beat(), 100);
  t.after(async () => {
    clearInterval(beat);
    await driver.close(5_000, 'end of the test');
  });
  driver.want(wanted);
  const told = () => {
    const { state, detail, problem, warnings } = driver.report();
    return [state, detail, problem?.message ?? 'no problem', ...warnings, ...world.notices].join('\n');
  };
  return { driver, world, told };
}

async function problem(driver: RouteDriver, code: ErrorCode, told: () => string): Promise<void> {
  await poll(`the problem ${code}`, () => driver.report().problem?.code === code, { explain: told });
}

async function prefixes(router: Router): Promise<string[]> {
  const routes = await router.routes('outer');
  return routes
    .map(({ prefix }) => prefix)
    .filter(prefix => ours.includes(prefix))
    .sort();
}

async function has(router: Router, expected: readonly string[], explain: () => string, deadline = 15_000) {
  await poll(
    `the router to have ${expected.join(' and ') || 'nothing'}`,
    async () => (await prefixes(router)).join() === [...expected].sort().join(),
    { explain, deadline },
  );
}

/** Waits until the router has been told of the end of a route since it had told of so many events. */
async function removed(router: Router, prefix: string, since: number, explain: () => string) {
  await poll(
    `the end of ${prefix}`,
    () => router.events.slice(since).some(event => event.prefix === prefix && event.kind === 'removed'),
    { explain: () => `${explain()}\n${router.program.log}` },
  );
}

/** With a lease of the address in the same process: announced with attributes, gone when the process dies or hangs. */
function leased(
  kind: DriverKind,
  options: () => Record<string, unknown>,
  router: () => Router,
  log: () => string,
) {
  test('without the leased address nothing is announced', async t => {
    const { driver, told } = await drive(t, kind, { ...options(), lease: 'chorus0' }, [announcement(v4)]);
    await problem(driver, 'ROUTE_NOT_TAKEN', told);
    assert.equal(driver.report().state, 'up');
    assert.deepEqual(driver.report().routes, []);
    assert.deepEqual(await prefixes(router()), []);
  });

  for (const signal of ['SIGKILL', 'SIGSTOP'] as const) {
    test(`with it: attributes, and an end by ${signal}`, async t => {
      const lease = { interface: 'chorus0', lifetime: '2s' };
      const both = startDrivers(
        [
          ['lease', lease],
          [kind, { ...options(), lease: 'chorus0' }],
        ],
        [announcement(v4, { med: 7, communities: ['65000:100'] }), announcement(v6, { med: 7 })],
      );
      t.after(() => both.kill());
      await has(router(), ours, () => `${both.log}\n${log()}`);
      const [route] = (await router().routes('outer')).filter(({ prefix }) => prefix === ours[0]);
      assert.equal(route?.med, 7);
      assert.deepEqual(route?.communities, ['65000:100']);
      both.signal(signal);
      await has(router(), [], () => `${both.log}\n${log()}`, 12_000);
    });
  }
}

describe('FRR', requires('vtysh', 'bird', 'ip', 'root'), () => {
  let router: Router;
  let frr: Frr;
  const options = () => ({ 'local-as': session.ourAs, 'socket-dir': frr.folder });
  const bgp = ['configure terminal', `router bgp ${session.ourAs}`];
  const importCheck = async (on: boolean) => {
    await frr.vtysh(...bgp, `${on ? '' : 'no '}bgp network import-check`);
  };

  before(async () => {
    await isolate();
    router = await Router.start({ gracefulRestart: 'aware' });
    frr = await Frr.start(frrConfiguration({ graceful: true, importCheck: true, networks: [] }));
    await poll('a session', () => router.established('outer'), { explain: () => frr.log });
  });
  after(async () => {
    await frr?.stop();
    await router?.stop();
  });

  leased(
    'frr',
    options,
    () => router,
    () => frr.log,
  );

  test('its check of routes is said to be in the way where no lease is meant', async t => {
    await importCheck(true);
    const { driver, told } = await drive(t, 'frr', options(), [announcement(v4)]);
    await problem(driver, 'ROUTE_NOT_TAKEN', told);
    assert.match(told(), /import-check/);
    await importCheck(false);
    await has(router, [ours[0]!], told);
  });

  test('a lease is not relied on while that check is off', async t => {
    await importCheck(false);
    await has(router, [], () => frr.log);
    const { driver, told } = await drive(t, 'frr', { ...options(), lease: 'chorus0' }, [announcement(v4)]);
    await problem(driver, 'ROUTE_UNGUARDED', told);
    assert.deepEqual(await prefixes(router), []);
  });

  test('graceful restart is warned of, or refused', async t => {
    await importCheck(false);
    const { driver, told } = await drive(t, 'frr', options(), [announcement(v4)]);
    await has(router, [ours[0]!], told);
    await poll('the warning', () => /keeps our routes for up to 120 s/.test(told()), { explain: told });
    await driver.close(5_000, '');
    await has(router, [], told);
    const strict = await drive(t, 'frr', { ...options(), 'stale-routes': 'refuse' }, [announcement(v4)]);
    await problem(strict.driver, 'ROUTE_STALE', strict.told);
    assert.deepEqual(await prefixes(router), []);
  });

  test('another AS is a problem that names what there is', async t => {
    const { driver, told } = await drive(t, 'frr', { ...options(), 'local-as': 65_009 }, [announcement(v4)]);
    await problem(driver, 'ROUTE_AS', told);
    assert.match(told(), /65009.*it has 65001/s);
  });

  test('what an operator announces himself stays, and ours is put right when he changes it', async t => {
    await importCheck(false);
    await frr.vtysh(...bgp, 'address-family ipv4 unicast', `network ${v4}/32`);
    const { driver, told } = await drive(t, 'frr', options(), [announcement(v4), announcement(v6)]);
    await problem(driver, 'ROUTE_FOREIGN', told);
    await has(router, ours, told);
    const since = router.events.length;
    await frr.vtysh(...bgp, 'address-family ipv6 unicast', `no network ${v6}/128`);
    await removed(router, ours[1]!, since, told);
    await has(router, ours, told);
    await driver.close(5_000, '');
    await has(router, [ours[0]!], told);
    await frr.vtysh(...bgp, 'address-family ipv4 unicast', `no network ${v4}/32`);
    assert.doesNotMatch(await frr.vtysh('show running-config'), /CHORUS/);
  });
});

describe('BIRD', requires('bird', 'birdc', 'ip', 'root'), () => {
  let router: Router;
  let bird: Bird;
  const options = () => ({ socket: bird.socket, file: bird.file });
  const configuration = () => join(bird.folder, 'bird.conf');

  before(async () => {
    await isolate();
    router = await Router.start({ gracefulRestart: 'aware' });
    bird = await Bird.start('on');
    await poll('a session', () => router.established('outer'), { explain: () => bird.log });
  });
  after(async () => {
    await bird?.stop();
    await router?.stop();
  });

  leased(
    'bird',
    options,
    () => router,
    () => bird.log,
  );

  test('sessions do not flap, whatever changes', async t => {
    const since = async () => {
      const shown = /outer.*BGP.*up\s+(\d\d:\d\d:\d\d\.\d+)/.exec(await bird.birdc('show', 'protocols'))?.[1];
      return Date.parse(`1970-01-01T${shown}Z`);
    };
    const before = await since();
    assert.ok(Number.isFinite(before));
    const { driver, told } = await drive(t, 'bird', options(), []);
    for (let med = 1; med <= 10; med++) {
      driver.want([announcement(v4, { med })]);
      await poll(`MED ${med}`, () => driver.report().routes[0]?.attributes?.med === med, { explain: told });
    }
    // BIRD reckons it back from now, so it may say another millisecond each time.
    assert.ok(Math.abs((await since()) - before) < 20, 'the session stands since then');
  });

  test('graceful restart is warned of, or refused', async t => {
    const { driver, told } = await drive(t, 'bird', options(), [announcement(v4)]);
    await has(router, [ours[0]!], told);
    await poll('the warning', () => /keeps our routes for up to 120 s/.test(told()), { explain: told });
    await driver.close(5_000, '');
    await has(router, [], told);
    const strict = await drive(t, 'bird', { ...options(), 'stale-routes': 'refuse' }, [announcement(v4)]);
    await problem(strict.driver, 'ROUTE_STALE', strict.told);
    assert.deepEqual(await prefixes(router), []);
  });

  test('a configuration that BIRD refuses is told, and our file is as before', async t => {
    const { driver, told } = await drive(t, 'bird', options(), [announcement(v4)]);
    await has(router, [ours[0]!], told);
    const before = readFileSync(bird.file, 'utf8');
    writeFileSync(configuration(), `${birdConfiguration(bird.file, 'on')}\nnonsense;\n`);
    driver.want([announcement(v4), announcement(v6)]);
    await problem(driver, 'ROUTE_DAEMON_REFUSED', told);
    assert.match(told(), /nonsense|syntax error/);
    // It is tried again and again, and put back each time.
    await poll('our file as before', () => readFileSync(bird.file, 'utf8') === before, { explain: told });
    assert.deepEqual(await prefixes(router), [ours[0]!]);
    writeFileSync(configuration(), birdConfiguration(bird.file, 'on'));
    await has(router, ours, told);
  });

  test('an include that is gone is told, and nothing stands', async t => {
    const { driver, told } = await drive(t, 'bird', options(), [announcement(v4)]);
    await has(router, [ours[0]!], told);
    writeFileSync(configuration(), birdConfiguration(join(bird.folder, 'none.conf'), 'on'));
    await bird.birdc('configure');
    await has(router, [], told);
    await problem(driver, 'ROUTE_FILE_UNREAD', told);
    writeFileSync(configuration(), birdConfiguration(bird.file, 'on'));
    await bird.birdc('configure');
    await has(router, [ours[0]!], told);
  });

  test('a file of another hand is left alone', async t => {
    const file = join(bird.folder, 'theirs.conf');
    writeFileSync(file, '# mine\n');
    const { driver, told } = await drive(t, 'bird', { ...options(), file }, [announcement(v4)]);
    await problem(driver, 'ROUTE_FILE_FOREIGN', told);
    assert.equal(readFileSync(file, 'utf8'), '# mine\n');
  });

  test('what is at its socket and is no BIRD is not understood', async t => {
    const { createServer } = await import('node:net');
    const socket = join(bird.folder, 'other');
    const server = createServer(
      peer => void peer.end('220 mail.example ESMTP\n'.replace('220', 'hello')),
    ).listen(socket);
    t.after(() => server.close());
    const { driver, told } = await drive(t, 'bird', { ...options(), socket }, [announcement(v4)]);
    await problem(driver, 'ROUTE_DAEMON_UNKNOWN', told);
  });
});

describe('ExaBGP', requires('exabgp', 'bird', 'ip', 'root'), () => {
  let router: Router;
  const { router: address, ours: local, routerAs } = session.outer;
  const options = {
    neighbors: { address, 'peer-as': routerAs, 'local-address': local },
    'local-as': session.ourAs,
    'router-id': local,
  };
  const folders = () => readdirSync(tmpdir()).filter(name => name.startsWith('chorus-exabgp-')).length;

  before(async () => {
    // What other test files leave in the common one for a while is not ours.
    process.env.TMPDIR = temporaryFolder('exabgp');
    await isolate();
    router = await Router.start();
  });
  after(() => router?.stop());

  test('when it is killed it is started again, and says all again; its end leaves nothing', async t => {
    const before = folders();
    const { driver, told } = await drive(t, 'exabgp', options, [announcement(v4)]);
    await has(router, [ours[0]!], told);
    const pids = (await must('pgrep', ['-P', String(process.pid), '-f', 'exabgp.conf'])).trim().split('\n');
    assert.equal(pids.length, 1);
    const since = router.events.length;
    process.kill(Number(pids[0]), 'SIGKILL');
    await removed(router, ours[0]!, since, told);
    await has(router, [ours[0]!], told);
    await driver.close(5_000, '');
    await has(router, [], told);
    assert.equal(folders(), before);
  });

  test('an address without a next hop of its family is warned of', async t => {
    const { driver, told } = await drive(t, 'exabgp', options, [announcement(v4), announcement(v6)]);
    await has(router, [ours[0]!], told);
    await poll('the warning', () => /2001:db8:53::53\/128 is not announced.*next-hop/.test(told()), {
      explain: told,
    });
    await poll(
      'the other one alone in the report',
      () =>
        driver
          .report()
          .routes.map(({ prefix }) => prefix.address)
          .join() === v4,
      { explain: told },
    );
  });

  test('without a session, and with a program that is no ExaBGP, there is a problem', async t => {
    const away = {
      ...options,
      neighbors: { address: '10.99.0.77', 'peer-as': routerAs, 'local-address': local },
    };
    const first = await drive(t, 'exabgp', away, [announcement(v4)]);
    await problem(first.driver, 'ROUTE_SESSION', first.told);
    assert.deepEqual(first.driver.report().routes, []);
    const second = await drive(t, 'exabgp', { ...options, program: '/bin/false' }, [announcement(v4)]);
    await problem(second.driver, 'ROUTE_CHILD', second.told);
  });
});
