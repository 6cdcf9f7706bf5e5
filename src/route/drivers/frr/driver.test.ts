/** The driver with a vtysh of the test's own: what it does when FRR is locked, hangs, or is something else. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import type { ErrorCode } from '#kit/errors.ts';
import { announcement } from '#test/contract/route-driver.ts';
import { poll } from '#test/support/poll.ts';
import { temporaryFolder } from '#test/support/process.ts';
import { driverFrom, TestWorld } from '#test/support/route-driver.ts';

/** A folder with bgpd's socket and a vtysh that runs `script`; a driver for them that wants one address. */
async function drive(t: TestContext, script: string, options: Record<string, unknown> = {}) {
  const folder = temporaryFolder('vtysh');
  writeFileSync(join(folder, 'vtysh'), `#!/bin/sh\ncd "\${0%/*}" || exit 9\n${script}`, { mode: 0o755 });
  const server = createServer().listen(join(folder, 'bgpd.vty'));
  const peers = new Set<{ destroy(): void }>();
  server.on('connection', peer => {
    peers.add(peer);
    peer.on('error', () => {});
  });
  const world = new TestWorld();
  const driver = await driverFrom(
    'frr',
    { 'local-as': 65_001, 'socket-dir': folder, vtysh: join(folder, 'vtysh'), ...options },
    world,
  );
  t.after(async () => {
    await driver.close(2_000, '');
    for (const peer of peers) peer.destroy();
    server.close();
  });
  driver.want([announcement('192.0.2.53')]);
  const problem = (code: ErrorCode) =>
    poll(`the problem ${code}`, () => driver.report().problem?.code === code, {
      explain: () => JSON.stringify(driver.report()),
    });
  return { folder, driver, problem, world };
}

const configuration = `frr version 10.2.1
router bgp 65001
 address-family ipv4 unicast
NETWORK
 exit-address-family
exit
MAPS
end
{ "10.0.0.1": { "bgpState": "Established" } }`;

/** Shows what it was told; the first LOCKED configurations meet a lock, as in FRR 9 and later. */
const obedient = (locked: number) => `
case "$*" in
*'configure terminal'*)
  [ ! -d "$HOME" ] || exit 8
  printf x >>tries
  if [ "$(wc -c <tries)" -le ${locked} ]; then echo '% command failed, could not lock candidate DS'; exit 1; fi
  printf '%s\\n' "$@" >told ;;
*)
  network= maps=
  if [ -e told ]; then
    network=$(sed -n 's/^network /  network /p' told)
    map=$(sed -n 's/^route-map \\(.*\\) permit 10$/\\1/p' told)
    [ -z "$map" ] || maps="route-map $map permit 10
 set metric 0
exit"
  fi
  cat <<END
${configuration.replace('NETWORK', '$network').replace('MAPS', '$maps')}
END
  [ -z "$network" ] || echo '{ "prefix": "192.0.2.53/32", "paths": [{ "sourced": true, "valid": true, "metric": 0 }] }' ;;
esac
`;

describe('the driver for FRR', () => {
  test('waits for its turn when another holds the configuration', async t => {
    const { folder, driver } = await drive(t, obedient(4));
    await poll('the route', () => driver.report().routes.length === 1, {
      explain: () => JSON.stringify(driver.report()),
    });
    assert.equal(readFileSync(join(folder, 'tries'), 'latin1').length, 5);
    assert.equal(driver.report().problem, null);
    assert.match(driver.report().detail, /FRR 10\.2\.1.*1 of 1 neighbours established/);
  });

  test('tells when it is held for ever, and goes on trying', async t => {
    const { problem, driver } = await drive(t, obedient(1_000));
    await problem('ROUTE_DAEMON_REFUSED');
    assert.match(driver.report().problem?.message ?? '', /could not lock candidate DS/);
  });

  test('gives up a vtysh that hangs, and ends it', async t => {
    const { problem, folder } = await drive(t, 'echo $$ >pid; exec sleep 1000', { timeout: '300ms' });
    await problem('ROUTE_DAEMON_SILENT');
    // One that was given up before it could write is followed by another.
    const file = join(folder, 'pid');
    const pid = await poll('its pid', () => {
      const text = existsSync(file) ? readFileSync(file, 'latin1') : '';
      return text.endsWith('\n') && Number(text);
    });
    await poll('its end', () => {
      try {
        return process.kill(pid, 0) ? undefined : true;
      } catch {
        return true;
      }
    });
  });

  test('does not understand what is no running configuration', async t => {
    const { problem, driver } = await drive(t, 'echo "% Unknown command: show running-config"; exit 1');
    await problem('ROUTE_DAEMON_UNKNOWN');
    assert.match(driver.report().problem?.message ?? '', /Unknown command/);
  });

  test('tells of a vtysh that is not there', async t => {
    const { problem } = await drive(t, '', { vtysh: '/nonexistent/vtysh' });
    await problem('ROUTE_PROGRAM');
  });

  test('another instance of BGP is left alone', async t => {
    const { problem, folder } = await drive(t, obedient(0), { 'local-as': 65_002 });
    await problem('ROUTE_AS');
    assert.ok(!existsSync(join(folder, 'told')));
  });
});
