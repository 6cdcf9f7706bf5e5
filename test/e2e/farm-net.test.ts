/** The farm of `farm-net.ts` itself: traffic is shared over the routers' ways, and what they see is told with its time. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { chorusCommand } from '../support/chorus.ts';
import {
  FarmNet,
  frontAddress,
  frontAddress6,
  routerAddress,
  routerAddress6,
  routerAs,
  service,
  startBird,
} from '../support/farm-net.ts';
import { Flow } from '../support/flow.ts';
import { poll } from '../support/poll.ts';
import type { Program } from '../support/process.ts';
import { requires } from '../support/requires.ts';

describe(
  'a farm of network namespaces',
  requires('root', 'ip', 'nsenter', 'unshare', 'bird', 'vtysh'),
  () => {
    let farm: FarmNet;
    const speakers: Program[] = [];
    before(async () => {
      farm = await FarmNet.make({ routers: ['bird', 'frr'], fronts: 2, nodes: 0 });
      for (const [i, host] of farm.fronts.entries()) {
        await host.ip(
          `address add ${service.ipv4}/32 dev lo`,
          `address add ${service.ipv6}/128 dev lo nodad`,
        );
        const listen = ['--listen', `${service.ipv4}:53`, `[${service.ipv6}]:53`];
        const server = host.start(chorusCommand, ['node', '--name', host.name, ...listen]);
        await server.until('a nameserver', () => server.stdout.includes('answers on'));
        speakers.push(await startBird(host, birdSpeaker(i + 1)));
      }
    });
    after(() => farm?.stop());

    test('both routers share both service addresses over both fronts', async () => {
      for (const { number, watch } of farm.routers) {
        for (const front of [1, 2]) {
          await watch.appears(service.ipv4, frontAddress(front, number), 0);
          await watch.appears(service.ipv6, frontAddress6(front, number), 0);
        }
      }
    });

    test('no query is lost; after the end of one speaker its way is gone at once, and the other has all', async t => {
      const flow = await Flow.start(farm.client, { to: service.ipv4, connections: 4 });
      const killed = Date.now();
      await speakers[0]!.kill();
      for (const { number, watch, kind } of farm.routers) {
        const gone = await watch.vanishes(service.ipv4, frontAddress(1, number), killed);
        t.diagnostic(`${kind}: gone after ${(gone - killed).toFixed(0)} ms`);
        assert.deepEqual([...watch.hops(service.ipv4)], [frontAddress(2, number)]);
      }
      const { sent, answered, lost } = await flow.end();
      assert.equal(answered, sent);
      assert.deepEqual(lost, []);
      await poll('IPv6 by one way', () =>
        farm.routers.every(({ watch }) => watch.hops(service.ipv6).size === 1),
      );
    });
  },
);

function birdSpeaker(front: number): string {
  const session = (name: string, from: string, to: string, family: string) =>
    `protocol bgp ${name} { local ${from} as 65001; neighbor ${to} as ${routerAs}; graceful restart off; connect delay time 1; connect retry time 1; ` +
    `${family} { import none; export all; }; }\n`;
  const sessions = [1, 2].map(
    r =>
      session(`r${r}`, frontAddress(front, r), routerAddress(r), 'ipv4') +
      session(`r${r}v6`, frontAddress6(front, r), routerAddress6(r), 'ipv6'),
  );
  return `log stderr all;\nrouter id 10.254.0.${front};\nprotocol device { }
protocol direct { ipv4; ipv6; interface "lo"; }\n${sessions.join('')}`;
}
