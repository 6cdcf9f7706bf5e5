/** The files of examples/two-balancers/ as they stand: two balancers, two routers, and what the routers make of it. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { after, afterEach, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import {
  FarmNet,
  frontAddress,
  frontAddress6,
  nodeAddress,
  type Router,
  service,
  startBird,
  startFrr,
} from '../support/farm-net.ts';
import { poll } from '../support/poll.ts';
import type { Program } from '../support/process.ts';
import { requires } from '../support/requires.ts';
import { RoutedFront, startNode } from '../support/routed-front.ts';

const folder = (name: string) =>
  fileURLToPath(new URL(`../../examples/two-balancers/${name}`, import.meta.url));
const names = ['ffm4', 'dus2'] as const;
const [ffm4, dus2] = [1, 2];
/** The other pair of service addresses. */
const second = { ipv4: '192.0.2.54', ipv6: '2001:db8:53::54' };
const needs = ['root', 'ip', 'nsenter', 'unshare', 'bird', 'vtysh'] as const;

describe('two balancers: the examples as they stand', requires(...needs), () => {
  let farm: FarmNet;
  let fronts: RoutedFront[] = [];
  let daemons: Program[] = [];

  before(async () => {
    farm = await FarmNet.make({
      routers: ['frr', 'bird'],
      routerFiles: [folder('routers/core1.frr.conf'), folder('routers/core2.bird.conf')],
      fronts: 2,
      nodes: 4,
    });
    for (const [i, host] of farm.nodes.entries()) {
      host.write('/run/example.zone', zone);
      await startNode(host, [nodeAddress(i + 1)], { zone: '/run/example.zone' });
    }
    // What tmpfiles.d makes on a real machine.
    for (const host of farm.fronts) await host.must('mkdir', ['/run/chorus']);
  });
  afterEach(async () => {
    await Promise.all([
      ...fronts.map(({ program }) => program.kill()),
      ...daemons.map(daemon => daemon.kill()),
    ]);
    [fronts, daemons] = [[], []];
    // The next one is not to take for its own what the routers still have of this.
    const all = [service, second].flatMap(({ ipv4, ipv6 }) => [ipv4, ipv6]);
    for (const { watch } of farm.routers)
      await poll('nothing to be announced', () => all.every(address => watch.hops(address).size === 0), {
        deadline: 30_000,
        explain: () => all.map(address => watch.story(address)).join('\n'),
      });
  });
  after(() => farm?.stop());

  /** Starts all that an example has on both balancers; `ours`: addresses that it wants on the loopback interface. */
  async function start(
    example: string,
    ours: readonly (typeof service | typeof second)[] = [],
  ): Promise<void> {
    for (const [i, name] of names.entries()) {
      const host = farm.fronts[i]!;
      await host.must('ip', ['address', 'flush', 'dev', 'lo', 'scope', 'global']);
      for (const { ipv4, ipv6 } of ours)
        await host.ip(`address add ${ipv4}/32 dev lo`, `address add ${ipv6}/128 dev lo nodad`);
      const file = (kind: string) => folder(`${example}/${name}.${kind}`);
      if (existsSync(file('bird.conf'))) daemons.push(await startBird(host, file('bird.conf')));
      if (existsSync(file('frr.conf'))) daemons.push(...(await startFrr(host, file('frr.conf'))));
      fronts.push(RoutedFront.launch(host, file('yaml')));
    }
  }

  /** Waits until each router sends an address, in both families, exactly by these fronts. */
  async function goesBy(address: typeof service | typeof second, wanted: readonly number[]): Promise<void> {
    const hops = (router: Router) => [
      [...router.watch.hops(address.ipv4)].toSorted(),
      [...router.watch.hops(address.ipv6)].toSorted(),
    ];
    const want = ({ number }: Router) => [
      wanted.map(front => frontAddress(front, number)),
      wanted.map(front => frontAddress6(front, number)),
    ];
    await poll(
      `${address.ipv4} by way of ${wanted.map(front => names[front - 1]).join(' and ')}`,
      () => farm.routers.every(router => JSON.stringify(hops(router)) === JSON.stringify(want(router))),
      {
        deadline: 30_000,
        explain: () =>
          [
            ...farm.routers.map(router => `${router.kind}: ${JSON.stringify(hops(router))}`),
            ...fronts.map(({ program }) => program.log),
            ...daemons.map(daemon => daemon.log),
          ].join('\n'),
      },
    );
  }

  const variants = {
    'primary-backup': ['drained', 'killed'],
    // Each shows what it does in its own way: the attributes of a drain, and what a lease is for.
    bird: ['drained'],
    frr: ['drained'],
    'lease-bird': ['killed'],
    'lease-frr': ['killed'],
  } as const;
  for (const [example, events] of Object.entries(variants)) {
    test(`${example}: at ffm4; at dus2 when that is ${events.join(', and ')}`, async () => {
      await start(example, example === 'primary-backup' ? [service] : []);
      await goesBy(service, [ffm4]);
      // The backup stands ready: its routes are at the routers, and lose.
      for (const front of fronts) await front.logged(/service address changed address=192\.0\.2\.53 .*to=up/);
      for (const event of events) {
        if (event === 'killed') {
          await fronts[0]!.program.kill();
          await goesBy(service, [dus2]);
          continue;
        }
        const drain = await fronts[0]!.command('drain', '--no-wait');
        assert.equal(drain.code, 0, drain.stdout + drain.stderr);
        await goesBy(service, [dus2]);
        const undrain = await fronts[0]!.command('undrain');
        assert.equal(undrain.code, 0, undrain.stdout + undrain.stderr);
        await goesBy(service, [ffm4]);
      }
    });
  }

  test('equal-cost: at both; at the other alone when one has died', async () => {
    await start('equal-cost', [service]);
    await goesBy(service, [ffm4, dus2]);
    await fronts[0]!.program.kill();
    await goesBy(service, [dus2]);
  });

  test('each-other: one address at each, both at the one that is left', async () => {
    await start('each-other', [service, second]);
    await goesBy(service, [ffm4]);
    await goesBy(second, [dus2]);
    await fronts[1]!.program.kill();
    await goesBy(service, [ffm4]);
    await goesBy(second, [ffm4]);
  });
});

const zone = `$ORIGIN example.net.
$TTL 60
@ IN SOA ns host 1 3600 600 86400 30
@ IN NS ns
ns IN A 192.0.2.1
check IN A 192.0.2.1
www IN A 192.0.2.80
`;
