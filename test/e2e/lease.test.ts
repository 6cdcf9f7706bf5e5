/**
 * The address lease with real routing daemons: BIRD and FRR announce what is connected, each with the configuration of
 * docs/lease.md, and a router beside them sees what comes of it.
 */
import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { announcement, routeDriverContract } from '#test/contract/route-driver.ts';
import { Frr } from '#test/support/frr.ts';
import { isolate } from '#test/support/isolate.ts';
import { poll } from '#test/support/poll.ts';
import { must, Program, run, temporaryFolder } from '#test/support/process.ts';
import { requires } from '#test/support/requires.ts';
import { driverFrom, startDriver, TestWorld } from '#test/support/route-driver.ts';
import { Router, session } from '#test/support/router.ts';

/** The first listing of a language in docs/lease.md, as an operator would copy it. */
function listing(language: 'bird' | 'frr'): string {
  const page = readFileSync(new URL('../../docs/lease.md', import.meta.url), 'utf8');
  const found = new RegExp(`\`\`\`${language}\\n(.*?)\`\`\``, 's').exec(page)?.[1];
  assert.ok(found, `docs/lease.md has a listing for ${language}`);
  return found.replaceAll('10.0.0.1', session.outer.router).replaceAll('10.0.0.2', session.outer.ours);
}

/** BIRD of this namespace. */
async function startBird(configuration: string): Promise<Program> {
  const folder = temporaryFolder('bird');
  const socket = join(folder, 'ctl');
  writeFileSync(join(folder, 'bird.conf'), configuration);
  const bird = new Program('bird', ['-f', '-c', join(folder, 'bird.conf'), '-s', socket]);
  await bird.until(
    'an answer',
    async () => (await run('birdc', ['-s', socket, 'show', 'status'])).code === 0,
  );
  return bird;
}

const foreign = ['198.51.100.0/24', '2001:db8:99::/48'] as const;
const link = 'chorus0';

routeDriverContract({
  kind: 'lease',
  sessions: ['outer'],
  expresses: {
    med: false,
    localPreference: false,
    communities: false,
    largeCommunities: false,
    prepend: false,
  },
  foreign,
  // The lifetime is 2 s; the bound leaves room for a busy machine.
  deadMan: { dead: 8_000, hung: 8_000 },
  options: requires('bird', 'birdc', 'ip', 'root'),
  async start() {
    const software = await startBird(`router id ${session.outer.ours};
protocol device { }
protocol direct { ipv4; ipv6; interface "${link}"; }
protocol static { ipv4; route ${foreign[0]} blackhole; }
protocol static { ipv6; route ${foreign[1]} blackhole; }
protocol bgp outer {
  local ${session.outer.ours} as ${session.ourAs}; neighbor ${session.outer.router} as ${session.outer.routerAs};
  connect delay time 1; connect retry time 1; error wait time 1,2; error forget time 1;
  ipv4 { import none; export all; };
  ipv6 { import none; export all; next hop address ${session.ours6}; };
}
`);
    const raise = async () => {
      await must('ip', ['link', 'add', link, 'type', 'bridge']);
      await must('ip', ['link', 'set', link, 'up']);
    };
    await raise();
    return {
      options: (unreachable = false) => ({ create: 'off', interface: unreachable ? 'nowhere0' : link }),
      // What a lease drives is the kernel: its interface goes and comes.
      kill: async () => void (await must('ip', ['link', 'delete', link])),
      restart: raise,
      stop: async () => {
        await software.stop();
        await must('ip', ['link', 'delete', link]);
      },
      get log() {
        return software.log;
      },
    };
  },
});

const address = '192.0.2.53';
const prefix = `${address}/32`;
const interfaces = {
  primary: 'chorus-primary',
  backup: 'chorus-backup',
  degraded: 'chorus-degraded',
  draining: 'chorus-drain',
};
/** What both configurations of the page make of the grades. */
const meds = { primary: 0, backup: 100, degraded: 1000, draining: 2000 } as const;

for (const daemon of ['bird', 'frr'] as const) {
  describe(
    `a lease and ${daemon}, as docs/lease.md has it`,
    requires('bird', 'birdc', 'vtysh', 'ip', 'root'),
    () => {
      let router: Router;
      let stop: () => Promise<unknown>;
      before(async () => {
        await isolate();
        router = await Router.start();
        const configuration = listing(daemon);
        if (daemon === 'bird') {
          const bird = await startBird(configuration);
          stop = () => bird.stop();
        } else {
          const frr = await Frr.start(configuration);
          stop = () => frr.stop();
        }
        await poll('a session', () => router.established('outer'), { deadline: 30_000 });
      });
      after(async () => {
        await stop?.();
        await router?.stop();
      });
      const options = { interfaces, overlap: daemon === 'bird' ? 'on' : 'off' };
      const seen = async () => (await router.routes('outer')).find(route => route.prefix === prefix);
      const graded = (grade: keyof typeof meds) => ({ ...announcement(address), grade });

      test('the grade moves the metric, and the route is never gone', async t => {
        const driver = await driverFrom('lease', options, new TestWorld());
        const beat = setInterval(() => driver.beat(), 100);
        t.after(async () => {
          clearInterval(beat);
          await driver.close(1000, '');
        });
        const flaps: string[] = [];
        for (const grade of ['primary', 'backup', 'draining', 'degraded', 'primary'] as const) {
          const since = router.events.length;
          const began = performance.now();
          driver.want([graded(grade)]);
          const took = performance.now() - began;
          const route = await poll(
            `MED ${meds[grade]}`,
            async () => {
              const now = await seen();
              return now?.med === meds[grade] && now;
            },
            { explain: () => `${JSON.stringify(driver.report())}\n${router.program.log}` },
          );
          assert.deepEqual(route.communities, grade === 'draining' ? ['65535:0'] : []);
          // With FRR the address is away for a part of that, which bgpd overlooks for 50 ms at most: a machine that is too
          // busy to go on within 20 ms may show it.
          if (daemon === 'frr' && took > 20) t.diagnostic(`the move to ${grade} was held up: ${took} ms`);
          else if (router.events.slice(since).some(event => event.kind === 'removed')) flaps.push(grade);
        }
        // So may zebra, where it is held up between the two: once, not each time.
        const allowed = daemon === 'frr' ? 1 : 0;
        assert.ok(flaps.length <= allowed, `it was away at ${flaps}\n${router.program.log}`);
        const at = Date.now();
        driver.want([]);
        await poll('the route to go', async () => (await seen()) === undefined, { every: 5 });
        const gone = router.events.findLast(event => event.kind === 'removed' && event.prefix === prefix);
        t.diagnostic(`withdrawn after ${(gone?.at ?? 0) - at} ms`);
      });

      for (const signal of ['SIGKILL', 'SIGSTOP'] as const) {
        test(`${signal} of the process: the lease ends, and the route with it`, async t => {
          const program = startDriver('lease', options, [graded('primary')]);
          t.after(() => program.kill());
          await poll('the route', async () => (await seen()) !== undefined, { explain: () => program.log });
          const at = Date.now();
          program.signal(signal);
          await poll('the route to go', async () => (await seen()) === undefined, {
            deadline: 10_000,
            explain: () => `${program.log}\n${router.program.log}`,
          });
          const gone = router.events.findLast(event => event.kind === 'removed' && event.prefix === prefix);
          t.diagnostic(`gone after ${(gone?.at ?? 0) - at} ms`);
        });
      }
    },
  );
}

describe('packets under way', requires('ip', 'root'), () => {
  before(() => isolate());

  for (const [family, address] of [
    ['udp4', '192.0.2.77'],
    ['udp6', '2001:db8::77'],
  ] as const) {
    for (const permanent of ['route', 'lo'] as const) {
      test(`${family}, permanent: ${permanent}: a server is reached before, during and after the lease`, async t => {
        const world = new TestWorld();
        const driver = await driverFrom('lease', { permanent }, { ...world, addresses: () => [address] });
        t.after(() => driver.close(0, ''));
        driver.want([announcement(address)]);
        // IPv6 binds only to an address that an interface has.
        const server = createSocket(family, (message, from) => server.send(message, from.port, from.address));
        await new Promise<void>((resolve, reject) => {
          server.once('error', reject);
          server.bind(5300, address, resolve);
        });
        t.after(() => server.close());
        const client = createSocket(family);
        t.after(() => client.close());
        const ask = async () => {
          const answer = new Promise<string>((resolve, reject) => {
            const late = () => reject(new Error(`no answer in 3 s: ${JSON.stringify(driver.report())}`));
            const timer = setTimeout(late, 3000);
            client.once('message', (_, from) => {
              clearTimeout(timer);
              resolve(from.address);
            });
          });
          client.send('?', 5300, address);
          return await answer;
        };
        // The kernel makes the local route of an IPv6 address a moment after the address: until then it sends a packet out.
        const ip = ['-6', 'route', 'show', 'table', 'local', 'dev', permanent === 'lo' ? 'lo' : 'chorus0'];
        if (family === 'udp6')
          await poll('the local route', async () => (await must('ip', ip)).includes(address), {
            explain: () => JSON.stringify(driver.report()),
          });
        assert.equal(await ask(), address);
        driver.want([]);
        assert.equal(await ask(), address);
        driver.want([announcement(address)]);
        assert.equal(await ask(), address);
      });
    }
  }

  test('IPv6 that is switched off, told in words; IPv4 goes on', async t => {
    await must('ip', ['link', 'add', 'six0', 'type', 'bridge']);
    await must('ip', ['link', 'set', 'six0', 'up']);
    writeFileSync('/proc/sys/net/ipv6/conf/six0/disable_ipv6', '1');
    const driver = await driverFrom('lease', { interface: 'six0', permanent: 'off' }, new TestWorld());
    t.after(() => driver.close(0, ''));
    driver.want([announcement('2001:db8::1'), announcement('192.0.2.1')]);
    const { problem, routes } = driver.report();
    assert.equal(problem?.code, 'LEASE_FAMILY_OFF');
    assert.deepEqual(
      routes.map(({ prefix }) => prefix.address),
      ['192.0.2.1'],
    );
  });
});
