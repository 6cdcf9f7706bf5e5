/** The built-in BGP speaker with real routers as its peers. */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, beforeEach, describe, type TestContext, test } from 'node:test';
import { type Announcement, hostPrefix } from '#route/announcement.ts';
import type { DriverReport, RouteDriver } from '#route/driver.ts';
import {
  type BgpPeer,
  BirdPeer,
  FrrPeer,
  GoBgpPeer,
  layCable,
  type PeerOptions,
  type PeerSession,
  routerAs,
  sessions,
} from '#test/support/bgp-peers.ts';
import { isolate, type Namespace } from '#test/support/isolate.ts';
import { poll } from '#test/support/poll.ts';
import { Program, temporaryFolder } from '#test/support/process.ts';
import { requires } from '#test/support/requires.ts';
import { driverFrom, startDriver, TestWorld } from '#test/support/route-driver.ts';

const names = ['outer4', 'outer6', 'inner'] as const;

/** What the operator would write for a session. */
function optionsFor(name: PeerSession, more: Readonly<Record<string, unknown>> = {}): object {
  const { router, ours, ourAs } = sessions[name];
  return {
    peer: router,
    'peer-as': routerAs,
    'local-as': ourAs,
    'router-id': `10.99.0.${2 + names.indexOf(name)}`,
    'local-address': ours,
    'next-hop-ipv6': 'fd99::2',
    ...more,
  };
}

/** The addresses of a session. */
const addressesOf = (name: PeerSession): string[] => {
  const host = 1 + names.indexOf(name);
  return [`192.0.2.${host}`, `2001:db8::${host}`];
};

function wanted(name: PeerSession): Announcement[] {
  return addressesOf(name).map(address => ({
    prefix: hostPrefix(address),
    address,
    grade: 'primary',
    attributes: {
      med: 7,
      localPreference: 250,
      communities: ['65000:100', '65000:200'],
      largeCommunities: ['65000:1:2'],
      prepend: name === 'inner' ? 0 : 2,
    },
  }));
}

/** A driver whose control loop beats until the test ends. */
class Speaker {
  readonly world: TestWorld;
  readonly driver: RouteDriver;
  readonly #beat: NodeJS.Timeout;

  private constructor(world: TestWorld, driver: RouteDriver) {
    this.world = world;
    this.driver = driver;
    this.#beat = setInterval(() => driver.beat(), 100);
  }
  static async start(
    t: TestContext,
    options: object,
    announcements: readonly Announcement[],
  ): Promise<Speaker> {
    const world = new TestWorld();
    const speaker = new Speaker(world, await driverFrom('bgp', options, world));
    t.after(() => speaker.close('the test has ended'));
    speaker.driver.want(announcements);
    return speaker;
  }
  get report(): DriverReport {
    return this.driver.report();
  }
  async until(what: string, look: (report: DriverReport) => boolean, deadline = 15_000): Promise<void> {
    await poll(what, () => look(this.report), { deadline, explain: () => this.told });
  }
  get told(): string {
    const { state, detail, problem, warnings } = this.report;
    return `${state}: ${detail}; ${problem?.message ?? 'no problem'}; ${warnings.join('; ')}`;
  }
  async close(reason: string): Promise<void> {
    clearInterval(this.#beat);
    await this.driver.close(3_000, reason);
  }
}

const kinds: readonly {
  readonly name: string;
  readonly options: ReturnType<typeof requires>;
  readonly make: (namespace: Namespace, options: PeerOptions) => BgpPeer;
}[] = [
  {
    name: 'BIRD 2',
    options: requires('bird', 'birdc', 'ip', 'root'),
    make: (namespace, options) => new BirdPeer(namespace, options),
  },
  {
    name: 'FRR',
    options: requires('vtysh', 'ip', 'root'),
    make: (namespace, options) => new FrrPeer(namespace, options),
  },
  {
    name: 'GoBGP',
    options: requires('gobgpd', 'ip', 'root'),
    make: (namespace, options) => new GoBgpPeer(namespace, options),
  },
];

for (const kind of kinds) {
  describe(`BGP with ${kind.name}`, kind.options, () => {
    let namespace: Namespace;
    let peer: BgpPeer;
    before(async () => {
      await isolate();
      namespace = await layCable();
      // With graceful restart on its side: what we end must be gone all the same.
      peer = await kind.make(namespace, { gracefulRestart: true }).start();
    });
    after(async () => {
      await peer?.stop();
      await namespace?.stop();
    });

    beforeEach(async () => {
      if (!peer.sulks) return;
      await peer.kill();
      await peer.start();
    });

    const prefixes = async (name: PeerSession) => {
      const ours = addressesOf(name);
      return (await peer.routes()).filter(({ prefix }) => ours.includes(prefix.split('/')[0]!));
    };
    const has = async (name: PeerSession, count: number, deadline = 15_000, speaker?: Speaker) =>
      await poll(`${count} routes of ${name}`, async () => (await prefixes(name)).length === count, {
        deadline,
        explain: () => `${speaker?.told ?? ''}\n${peer.log}`,
      });

    test('IPv4 and IPv6 over sessions of both families, outside and within the AS, with all attributes', async t => {
      const speakers = await Promise.all(names.map(name => Speaker.start(t, optionsFor(name), wanted(name))));
      for (const [i, name] of names.entries()) {
        await has(name, 2, 15_000, speakers[i]);
        const { ours, ourAs } = sessions[name];
        for (const route of await prefixes(name)) {
          assert.equal(route.med, 7);
          assert.deepEqual(route.communities, ['65000:100', '65000:200']);
          assert.deepEqual(route.largeCommunities, ['65000:1:2']);
          assert.deepEqual(route.path, name === 'inner' ? [] : [ourAs, ourAs, ourAs]);
          if (name === 'inner') assert.equal(route.localPreference, 250);
          // IPv4 over the IPv6 session has an IPv6 next hop (RFC 8950).
          const six = route.prefix.includes(':') || name === 'outer6';
          assert.equal(route.nextHop, six ? 'fd99::2' : ours);
        }
        assert.equal(speakers[i]!.report.problem, null);
        assert.ok(speakers[i]!.report.routes.every(({ attributes }) => attributes?.localPreference === 250));
      }
    });

    test('the peer asks for all once more, and resets the session', async t => {
      const speaker = await Speaker.start(t, optionsFor('outer4'), wanted('outer4'));
      await has('outer4', 2, 15_000, speaker);
      const { since } = speaker.report;
      await peer.refresh();
      await has('outer4', 2);
      assert.equal(speaker.report.since, since, 'the session has stayed');
      if (peer.sulks) return;
      await peer.reset();
      await speaker.until('the reset', report => report.since !== since);
      await speaker.until(
        'the session again',
        report => report.state === 'up' && report.routes.length === 2,
        20_000,
      );
      await has('outer4', 2, 15_000, speaker);
      assert.ok(speaker.world.notices.length <= 8, speaker.world.notices.join('\n'));
    });

    test('the peer is killed and comes back', async t => {
      const speaker = await Speaker.start(t, optionsFor('outer4'), wanted('outer4'));
      await has('outer4', 2, 15_000, speaker);
      await peer.kill();
      await speaker.until('the end', ({ state, routes }) => state !== 'up' && routes.length === 0, 5_000);
      assert.match(speaker.report.problem?.code ?? '', /^BGP_(ENDED|REFUSED)$/);
      await peer.start();
      const started = Date.now();
      await has('outer4', 2, 20_000, speaker);
      t.diagnostic(`announced ${Date.now() - started} ms after it took commands`);
    });

    test('we are killed: the peer forgets at once, graceful restart or not', async t => {
      const other = startDriver('bgp', optionsFor('outer4'), wanted('outer4'));
      t.after(() => other.kill());
      await has('outer4', 2);
      const killed = Date.now();
      await other.kill();
      await poll('nothing', async () => (await prefixes('outer4')).length === 0, {
        // Less than the hold time, which is 9 s.
        deadline: 5_000,
        every: 1,
        explain: () => peer.log,
      });
      t.diagnostic(`forgotten ${Date.now() - killed} ms after SIGKILL, the time of the look included`);
    });

    test('the end is told with its reason, and the routes are gone when `close` has ended', async t => {
      const speaker = await Speaker.start(t, optionsFor('outer4'), wanted('outer4'));
      await has('outer4', 2, 15_000, speaker);
      await speaker.close('maintenance: ticket 4711');
      await has('outer4', 0, 5_000, speaker);
      await poll('its words', async () => (await peer.lastError()).includes('ticket 4711'), {
        explain: () => peer.log,
      });
    });

    test('graceful restart of the peer is warned of, or refused', async t => {
      const speaker = await Speaker.start(t, optionsFor('outer4'), wanted('outer4'));
      await speaker.until('the session', ({ state }) => state === 'up');
      assert.match(speaker.report.warnings.join(), /graceful restart/);
      if (peer.sulks) return;
      await speaker.close('once more');
      const refusing = await Speaker.start(t, optionsFor('outer4', { 'stale-routes': 'refuse' }), []);
      await refusing.until('the refusal', ({ problem }) => problem?.code === 'BGP_STALE_ROUTES');
      assert.equal(refusing.report.state, 'failed');
    });
  });
}

describe('BGP sessions of every kind (BIRD 2)', requires('bird', 'birdc', 'ip', 'root'), () => {
  let namespace: Namespace;
  before(async () => {
    await isolate();
    namespace = await layCable();
  });
  after(async () => await namespace?.stop());

  async function bird(t: TestContext, options: PeerOptions = {}): Promise<BirdPeer> {
    const peer = new BirdPeer(namespace, options);
    t.after(() => peer.stop());
    return await peer.start();
  }

  test('another AS than the one expected, seen from both sides', async t => {
    await bird(t, { expectedAs: 64_999 });
    const refused = await Speaker.start(t, optionsFor('outer4'), []);
    await refused.until('the refusal', ({ problem }) => problem?.code === 'BGP_TOLD');
    assert.match(refused.told, /failed.*Bad Peer AS.*local-as/);
    const wrong = await Speaker.start(t, optionsFor('inner', { 'peer-as': 64_999 }), []);
    await wrong.until('the mistake', ({ problem }) => problem?.code === 'BGP_WRONG_AS');
    assert.match(wrong.told, /AS 65000 instead of 64999/);
  });

  test('both sides connect at once, or only the peer does; one session stands', async t => {
    const peer = await bird(t, { active: true });
    for (const mode of ['both', 'passive']) {
      const speaker = await Speaker.start(t, optionsFor('outer4', { mode }), wanted('outer4'));
      await speaker.until('the session', ({ state, routes }) => state === 'up' && routes.length === 2);
      const { since } = speaker.report;
      await poll('the routes', async () => (await peer.routes()).length === 2, { explain: () => peer.log });
      await new Promise(resolve => setTimeout(resolve, 1_500));
      assert.equal(speaker.report.since, since, speaker.world.notices.join('\n'));
      await speaker.close('next');
    }
  });

  test('TTL security and TCP MD5 signatures', async t => {
    const peer = await bird(t, { more: 'ttl security on; password "quite secret";' });
    const file = join(temporaryFolder('key'), 'key');
    writeFileSync(file, 'quite secret\n');
    const guarded = { 'ttl-security': 1, 'password-file': file };
    const speaker = await Speaker.start(t, optionsFor('outer4', guarded), wanted('outer4'));
    await speaker.until('the session', ({ state, routes }) => state === 'up' && routes.length === 2);
    await poll('the routes', async () => (await peer.routes()).length === 2, { explain: () => peer.log });
    await speaker.close('next');
    writeFileSync(file, 'another\n');
    const stranger = await Speaker.start(t, optionsFor('outer4', guarded), []);
    await stranger.until('a problem', ({ problem }) => problem?.code === 'BGP_UNREACHABLE');
  });

  test('TTL security and TCP MD5 signatures of who connects to us', async t => {
    const peer = await bird(t, { active: true, more: 'ttl security on; password "quite secret";' });
    const file = join(temporaryFolder('key'), 'key');
    writeFileSync(file, 'quite secret\n');
    const guarded = { 'ttl-security': 1, 'password-file': file, mode: 'passive' };
    const speaker = await Speaker.start(t, optionsFor('outer4', guarded), wanted('outer4'));
    await speaker.until('the session', ({ state, routes }) => state === 'up' && routes.length === 2);
    await poll('the routes', async () => (await peer.routes()).length === 2, { explain: () => peer.log });
  });

  test('a peer that is stopped is given up after the hold time, and found again', async t => {
    const peer = await bird(t);
    const speaker = await Speaker.start(t, optionsFor('outer4'), wanted('outer4'));
    await speaker.until('the session', ({ state, routes }) => state === 'up' && routes.length === 2);
    peer.program.signal('SIGSTOP');
    await speaker.until('the end', ({ state, routes }) => state !== 'up' && routes.length === 0, 15_000);
    assert.match(speaker.told, /Hold Timer Expired/);
    peer.program.signal('SIGCONT');
    await speaker.until('the session again', ({ state }) => state === 'up', 20_000);
    await poll('the routes', async () => (await peer.routes()).length === 2, { explain: () => peer.log });
  });
});

describe('BGP with ExaBGP', requires('exabgp', 'ip', 'root'), () => {
  test('what it hears of us, when it connects to us', async t => {
    await isolate();
    const namespace = await layCable();
    t.after(() => namespace.stop());
    const folder = temporaryFolder('exabgp');
    const log = join(folder, 'heard');
    writeFileSync(log, '');
    const { router, ours, ourAs } = sessions.outer4;
    writeFileSync(
      join(folder, 'exabgp.conf'),
      `process heard { run /bin/sh -c "cat >> ${log}"; encoder json; }
neighbor ${ours} {
  router-id ${router}; local-address ${router}; local-as ${routerAs}; peer-as ${ourAs}; hold-time 9;
  family { ipv4 unicast; ipv6 unicast; }
  api { processes [ heard ]; neighbor-changes; receive { parsed; update; } }
}
`,
    );
    const env = { exabgp_daemon_user: 'root', exabgp_log_level: 'INFO', exabgp_api_cli: 'false' };
    const exabgp = new Program('exabgp', [join(folder, 'exabgp.conf')], { namespace: namespace.pid, env });
    const speaker = await Speaker.start(t, optionsFor('outer4', { mode: 'passive' }), wanted('outer4'));
    const heard = () => readFileSync(log, 'utf8');
    await speaker.until('the session', ({ state, routes }) => state === 'up' && routes.length === 2, 30_000);
    for (const address of addressesOf('outer4')) {
      await poll(`${address} at ExaBGP`, () => heard().includes(`"${hostText(address)}"`), {
        explain: () => `${heard()}\n${exabgp.log}`,
      });
    }
    assert.match(heard(), /"as-path": \[ 65001, 65001, 65001 \]/);
    assert.match(heard(), /"med": 7/);
    assert.match(heard(), /"community": \[ \[ 65000, 100 \], \[ 65000, 200 \] \]/);
    assert.match(heard(), /"large-community": \[ \[ 65000, 1 ?, 2 \] \]/);
    await speaker.close('ticket 4711');
    await poll('the end at ExaBGP', () => /withdraw.*"state": "down"/s.test(heard()), {
      explain: heard,
    });
    await exabgp.stop();
  });
});

function hostText(address: string): string {
  return `${address}/${address.includes(':') ? 128 : 32}`;
}
