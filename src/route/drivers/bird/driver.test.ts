/** The driver with a control socket of the test's own: a BIRD that greets and hangs. */
import assert from 'node:assert/strict';
import { existsSync, statSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { announcement } from '#test/contract/route-driver.ts';
import { poll } from '#test/support/poll.ts';
import { temporaryFolder } from '#test/support/process.ts';
import { driverFrom, TestWorld } from '#test/support/route-driver.ts';

test('a BIRD that hangs has not ended: what it announces may stand', async t => {
  const folder = temporaryFolder('bird');
  const socket = join(folder, 'bird.ctl');
  const peers = new Set<Socket>();
  const server = createServer(peer => {
    peers.add(peer.on('error', () => {}));
    peer.write('0001 BIRD 2.0.12 ready.\n');
  }).listen(socket);
  const options = { socket, file: join(folder, 'chorus.conf'), timeout: '100ms' };
  const world = new TestWorld();
  const driver = await driverFrom('bird', options, world);
  const told: string[] = [];
  t.after(async () => {
    await driver.close(1000, '');
    server.close();
  });
  driver.want([announcement('192.0.2.53')]);
  await poll('several attempts', () => {
    const { problem, unread } = driver.report();
    if (problem) told.push(`${problem.code} ${unread}`);
    return peers.size >= 3;
  });
  assert.deepEqual([...new Set(told)], ['ROUTE_DAEMON_SILENT true']);
  server.close();
  for (const peer of peers) peer.destroy();
  await poll('its end', () => {
    const { problem, unread } = driver.report();
    return problem?.code === 'ROUTE_DAEMON_UNREACHABLE' && unread === false;
  });
});

test('BIRD, which has a user of its own, may read the file whatever our umask is', async t => {
  const folder = temporaryFolder('bird');
  const socket = join(folder, 'bird.ctl');
  const server = createServer(peer => {
    peer.on('error', () => {});
    peer.on('data', text =>
      peer.write(String(text).startsWith('configure') ? '0003 Reconfigured\n' : '0000 \n'),
    );
    peer.write('0001 BIRD 2.0.12 ready.\n');
  }).listen(socket);
  const file = join(folder, 'run', 'chorus.conf');
  const before = process.umask(0o077);
  t.after(() => process.umask(before));
  const driver = await driverFrom('bird', { socket, file, timeout: '1s' }, new TestWorld());
  t.after(async () => {
    await driver.close(1000, '');
    server.close();
  });
  driver.want([announcement('192.0.2.53')]);
  await poll('the file', () => existsSync(file));
  assert.equal(statSync(file).mode & 0o777, 0o644);
  assert.equal(statSync(join(folder, 'run')).mode & 0o777, 0o755);
});
