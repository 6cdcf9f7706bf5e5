/** The configurations of docs/bgp.md, as they stand: the router's, and those of the daemon of the same machine. */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { parse } from 'yaml';
import { type Announcement, hostPrefix } from '#route/announcement.ts';
import { BirdPeer, FrrPeer, GoBgpPeer, layCable } from '#test/support/bgp-peers.ts';
import { Frr } from '#test/support/frr.ts';
import { addAddress, isolate } from '#test/support/isolate.ts';
import { poll } from '#test/support/poll.ts';
import { Program, run, temporaryFolder } from '#test/support/process.ts';
import { requires } from '#test/support/requires.ts';
import { driverFrom, TestWorld } from '#test/support/route-driver.ts';
import { Router } from '#test/support/router.ts';

const text = readFileSync(join(import.meta.dirname, '../../docs/bgp.md'), 'utf8');

/** The `at`th block of the document in a language. */
function block(language: string, at = 0): string {
  const found = [...text.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\``, 'gms'))][at]?.[1];
  assert.ok(found, `docs/bgp.md has a block of ${language}`);
  return found;
}

/** The options of the one driver of a YAML block. */
function driverOf(yaml: string): object {
  const drivers: unknown = parse(yaml)['route-drivers'];
  assert.ok(typeof drivers === 'object' && drivers !== null);
  const [driver] = Object.values(drivers) as { readonly bgp: object }[];
  assert.ok(driver?.bgp);
  return driver.bgp;
}

const addresses = ['192.0.2.53', '2001:db8::53'];
const wanted = addresses.map(
  (address): Announcement => ({
    prefix: hostPrefix(address),
    address,
    grade: 'primary',
    attributes: {
      med: 7,
      localPreference: 200,
      communities: ['65000:100'],
      largeCommunities: [],
      prepend: 0,
    },
  }),
);

const hostText = (address: string): string => `${address}/${address.includes(':') ? 128 : 32}`;

async function speak(t: TestContext, options: object) {
  const driver = await driverFrom('bgp', options, new TestWorld());
  const beat = setInterval(() => driver.beat(), 100);
  t.after(async () => {
    clearInterval(beat);
    await driver.close(2_000, 'the test has ended');
  });
  driver.want(wanted);
  return driver;
}

describe('the routers of docs/bgp.md', () => {
  const routers = [
    { language: 'bird', make: BirdPeer, options: requires('bird', 'birdc', 'ip', 'root') },
    { language: 'frr', make: FrrPeer, options: requires('vtysh', 'ip', 'root') },
    { language: 'toml', make: GoBgpPeer, options: requires('gobgpd', 'ip', 'root') },
  ] as const;
  for (const { language, make, options } of routers) {
    test(language, options, async t => {
      await isolate();
      const namespace = await layCable();
      t.after(() => namespace.stop());
      const peer = new make(namespace, { text: block(language) });
      t.after(() => peer.stop());
      await peer.start();
      const driver = await speak(t, driverOf(block('yaml')));
      await poll('the routes', async () => (await peer.routes()).length === 2, {
        explain: () => `${JSON.stringify(driver.report())}\n${peer.log}`,
      });
      for (const route of await peer.routes()) assert.deepEqual(route.communities, ['65000:100']);
      assert.deepEqual(driver.report().warnings, []);
    });
  }
});

describe('the daemons of the same machine of docs/bgp.md', () => {
  const daemons = [
    {
      language: 'bird-local',
      options: requires('bird', 'birdc', 'ip', 'root'),
      start: async (configuration: string) => {
        const folder = temporaryFolder('local');
        writeFileSync(join(folder, 'bird.conf'), configuration);
        return new Program('bird', ['-f', '-c', join(folder, 'bird.conf'), '-s', join(folder, 'ctl')]);
      },
    },
    {
      language: 'frr-local',
      options: requires('vtysh', 'bird', 'ip', 'root'),
      start: async (configuration: string) => await Frr.start(configuration),
    },
  ] as const;
  for (const { language, options, start } of daemons) {
    test(language, options, async t => {
      // The service addresses stand on the loopback interface, as clients' packets need it.
      await isolate();
      for (const address of addresses) {
        await addAddress('lo', address);
        t.after(() => run('ip', ['address', 'delete', hostText(address), 'dev', 'lo']));
      }
      const router = await Router.start();
      t.after(() => router.stop());
      const daemon = await start(block(language));
      t.after(async () => void (await daemon.stop()));
      const driver = await speak(t, driverOf(block('yaml', 1)));
      const explain = () => `${JSON.stringify(driver.report())}\n${daemon.log}`;
      await poll('the routes at the router', async () => (await router.routes()).length === 2, { explain });
      for (const route of await router.routes()) {
        assert.deepEqual(route.path, [65001], 'the private AS is gone');
        assert.equal(route.med, 7);
        assert.deepEqual(route.communities, ['65000:100']);
      }
      await driver.close(2_000, 'the test goes on');
      await poll('nothing at the router', async () => (await router.routes()).length === 0, { explain });
    });
  }
});
