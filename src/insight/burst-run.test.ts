import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { ChorusError } from '#kit/errors.ts';
import { type Faults, noFaults } from '#lab/fault.ts';
import { hasIpv6Loopback } from '#lab/loopback.ts';
import { type RunningNode, startNode } from '#lab/node-server.ts';
import { labZoneFile, loadZone } from '#lab/zone-file.ts';
import { batchUnavailable } from '#net/libc.ts';
import { type BurstOptions, isOwnGround, runBursts } from './burst-run.ts';

for (const [address, own] of [
  ['127.0.0.1', true],
  ['::1', true],
  ['10.1.2.3', true],
  ['172.16.0.1', true],
  ['192.168.0.1', true],
  ['fd00::1', true],
  ['fe80::1%1', true],
  ['169.254.0.1', true],
  ['::ffff:10.0.0.1', true],
  ['192.0.2.1', false],
  ['1.0.0.1', false],
  ['2001:db8::1', false],
  ['2600::1', false],
  ['::ffff:1.0.0.1', false],
  ['224.0.0.251', false],
  ['255.255.255.255', false],
  ['0.0.0.0', false],
] as const) {
  test(`${address} is ${own ? '' : 'not '}our own ground`, () => assert.equal(isOwnGround(address), own));
}

for (const engine of ['libc', 'dgram'] as const) {
  const reason = engine === 'libc' ? batchUnavailable() : null;
  describe(`bursts by ${engine}`, { skip: reason ?? false }, () => {
    const addresses = ['127.0.0.1', ...(hasIpv6Loopback() ? ['::1'] : [])];
    let node: RunningNode;
    before(async () => {
      const authority = { zone: loadZone(labZoneFile, 'kai'), identity: 'kai' };
      const listen = addresses.map(address => ({ address, port: 0 }));
      let turns = 0;
      // Every second query meets a share of one half.
      node = await startNode({ authority, listen, faults: noFaults, random: () => (turns++ % 2) / 2 });
    });
    after(() => node.close());

    const run = async (faults: Partial<Faults>, options: Partial<BurstOptions> = {}) => {
      node.setFaults({ ...noFaults, ...faults });
      const report = await runBursts({
        server: node.addresses[0]!,
        name: 'www.lab.internal',
        type: 'A',
        counts: [100],
        sockets: 8,
        repeat: 1,
        wait: 2000,
        engine,
        ...options,
      });
      return report.rows;
    };

    for (const [index, address] of addresses.entries()) {
      test(`all come back from ${address}, each size in its turn`, async () => {
        const rows = await run({}, { server: node.addresses[index]!, counts: [1, 50, 300], repeat: 2 });
        assert.deepEqual(
          rows.map(row => [row.count, row.answeredShare, row.lostMost, row.strange, row.rounds.length]),
          [
            [1, 1, 0, 0, 2],
            [50, 1, 0, 0, 2],
            [300, 1, 0, 0, 2],
          ],
        );
      });
    }

    test('each query has a name of its own where the pattern says so', async () => {
      const [row] = await run({}, { name: 'x{n}.wild.lab.internal' });
      assert.deepEqual(row?.rounds[0]?.rcodes, { NOERROR: 100 });
    });

    test('SERVFAIL is an answer', async () => {
      const [row] = await run({ servfail: 0.5 });
      assert.deepEqual([row?.answeredShare, row?.servfail, row?.lostMost], [1, 50, 0]);
    });

    test('what is dropped is lost', async () => {
      const [row] = await run({ drop: 0.5 }, { wait: 2000 });
      assert.deepEqual([row?.answeredShare, row?.lostMost], [0.5, 50]);
    });

    test('an answer with a wrong id is strange', async () => {
      const [row] = await run({ wrongid: 0.5 }, { wait: 2000 });
      assert.deepEqual([row?.answeredShare, row?.strange], [0.5, 50]);
    });

    test('nobody there is said so', async () => {
      const gone = await startNode({
        authority: { zone: loadZone(labZoneFile, 'gone'), identity: 'gone' },
        listen: [{ address: '127.0.0.1', port: 0 }],
        faults: noFaults,
        random: () => 0,
      });
      await gone.close();
      await assert.rejects(
        run({}, { server: gone.addresses[0]!, wait: 50 }),
        error => error instanceof ChorusError && error.code === 'SERVER_SILENT',
      );
    });
  });
}
