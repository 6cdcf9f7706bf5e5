/** The instruments themselves: backends that fall ill, the client that counts what comes of it, the watch between them. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { findProgram } from '#test/support/requires.ts';
import { buildNative } from './build.ts';
import { Farm, type Illness } from './farm.ts';
import { pace } from './load.ts';
import { killAll } from './process.ts';
import { Watch } from './watch.ts';

const queries = 200;
const patience = 1.5;
const load = { seconds: 0.1, rate: queries * 10, patience };

describe('a farm', { skip: findProgram('cc') ? false : 'needs cc', timeout: 60_000 }, () => {
  let folder: string;
  let farm: Farm;
  before(async () => {
    await buildNative();
    folder = mkdtempSync(join(tmpdir(), 'bench-'));
    farm = await Farm.start(2, 60, folder);
  });
  after(async () => {
    await farm.stop();
    killAll();
    rmSync(folder, { recursive: true });
  });

  const port = (index = 0) => farm.ports[index]!;
  const ill = (illness: Illness, percent = 100) => farm.backends[0]!.order({ illness, percent, ms: 100 });

  it('answers well, counts by name, and is well again after an illness', async () => {
    await ill('servfail');
    await ill('none');
    const before = farm.heard;
    const { sent, received, codes, wrong, failed, unexpected } = await pace(port(), load);
    assert.deepEqual({ sent, received, good: codes[0] }, { sent: queries, received: queries, good: queries });
    assert.deepEqual({ wrong, failed, unexpected }, { wrong: 0, failed: 0, unexpected: 0 });
    await pace(port(1), { ...load, zone: 'storm', names: 10 });
    const { bench, storm, other } = farm.heard;
    assert.deepEqual(
      [bench - before.bench, storm - before.storm, other - before.other],
      [queries, queries, 0],
    );
    assert.deepEqual(farm.busiest(1), [farm.backends[0]]);
  });

  for (const [illness, code] of [
    ['servfail', 2],
    ['refused', 5],
    ['nxdomain', 3],
  ] as const) {
    it(`${illness} to all, and to a share`, async () => {
      await ill(illness);
      assert.equal((await pace(port(), load)).codes[code], queries);
      await ill(illness, 30);
      const { codes } = await pace(port(), load);
      assert.ok(codes[code]! > queries * 0.15 && codes[code]! < queries * 0.45, String(codes));
      assert.equal(codes[0]! + codes[code]!, queries);
    });
  }

  it('drops a share, which is lost and counts with the client’s patience', async () => {
    await ill('silent', 30);
    const { sent, received, max } = await pace(port(), load);
    assert.ok(sent - received > queries * 0.15 && sent - received < queries * 0.45, String(received));
    assert.ok(max >= patience * 1e6, String(max));
  });

  it('is slow, wrong about ids, or talks garbage', async () => {
    await ill('slow');
    const { received, p50 } = await pace(port(), load);
    assert.equal(received, queries);
    assert.ok(p50 >= 100_000, String(p50));
    await ill('wrongid', 50);
    const mistaken = await pace(port(), load);
    assert.ok(mistaken.unexpected > 0 && mistaken.received < queries);
    await ill('garbage', 50);
    assert.ok((await pace(port(), load)).failed + (await pace(port(), load)).wrong > 0);
  });

  it('fails only what it is told to', async () => {
    await farm.backends[0]!.order({ illness: 'servfail', stormOnly: true });
    assert.equal((await pace(port(), load)).codes[0], queries);
    assert.equal((await pace(port(), { ...load, zone: 'storm' })).codes[2], queries);
    await assert.rejects(farm.backends[0]!.order({ illness: 'tired' as Illness }), /no fault tired/);
  });

  it('asks new names between the others', async () => {
    const fresh = { every: 50, from: 1 << 29 };
    await ill('none');
    const { codes, sent } = await pace(port(), { ...load, names: 10, fresh });
    assert.equal(codes[0], sent);
  });

  it('is watched, also when a backend is gone, and keeps its count through a restart', async context => {
    const watch = await Watch.start(farm.ports, folder);
    await ill('none');
    const heard = farm.backends[0]!.heard.bench;
    await pace(port(), { ...load, first: 5000 });
    const killed = await farm.backends[0]!.kill();
    await assert.rejects(pace(port(), load), /no query was answered/);
    await farm.backends[0]!.start();
    assert.equal(farm.backends[0]!.heard.bench, heard + queries);
    const seen = await watch.stop();
    if (!seen) return context.skip('needs CAP_NET_RAW');
    const before = seen.filter(({ at }) => at < killed);
    const whole = Array.from({ length: queries }, (_, index) => index);
    assert.deepEqual(
      before.map(({ name }) => name),
      whole.map(index => index + 5000),
    );
    assert.deepEqual(
      seen.slice(before.length).map(({ name, backend }) => [name, backend]),
      whole.map(index => [index, 0]),
    );
    assert.equal(await watch.stop(), undefined);
  });
});
