import assert from 'node:assert/strict';
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import fc from 'fast-check';
import type { DrainOrder } from '#route/evidence.ts';
import { DrainFolder, drainFileLimit, formatDrain, parseDrain } from './drain-store.ts';

const now = Date.parse('2026-05-01T12:00:00Z');
const order: DrainOrder = { since: now - 1000, who: 'ada@noc', reason: 'new disk', until: null, stop: false };
let folder = '';
before(() => {
  folder = mkdtempSync(join(tmpdir(), 'chorus-drain-'));
});
after(() => rmSync(folder, { recursive: true }));

test('a drain survives, in a folder that is made for it, and goes again', async () => {
  const state = join(folder, 'a/b');
  const store = new DrainFolder(state);
  assert.deepEqual(store.read(now), { order: null, problem: null });
  assert.equal(await store.write(order), null);
  assert.deepEqual(new DrainFolder(state).read(now), { order, problem: null });
  assert.deepEqual(readdirSync(state), ['drain.json']);
  assert.equal(await store.write(null), null);
  assert.deepEqual(store.read(now), { order: null, problem: null });
  assert.equal(await store.write(null), null);
});

test('the last of several writes counts', async () => {
  const store = new DrainFolder(join(folder, 'several'));
  await Promise.all([store.write(order), store.write(null), store.write({ ...order, reason: 'last' })]);
  assert.equal(store.read(now).order?.reason, 'last');
});

test('without a folder nothing is kept, and that is said', async () => {
  const store = new DrainFolder(null);
  assert.deepEqual(store.read(now), { order: null, problem: null });
  assert.equal((await store.write(order))?.code, 'DRAIN_NOT_KEPT');
  assert.equal(await store.write(null), null);
});

test('where nothing can be written, it says so', async () => {
  writeFileSync(join(folder, 'file'), '');
  const store = new DrainFolder(join(folder, 'file'));
  assert.deepEqual(store.read(now), { order: null, problem: null });
  assert.equal((await store.write(order))?.code, 'DRAIN_NOT_KEPT');
  assert.equal(await store.write(null), null);
});

test('what is left of a write that was cut off does no harm', async () => {
  const state = join(folder, 'cut');
  const store = new DrainFolder(state);
  await store.write(order);
  writeFileSync(join(state, 'drain.json.new'), '{"since":');
  chmodSync(join(state, 'drain.json.new'), 0o400);
  assert.equal(await store.write({ ...order, reason: 'again' }), null);
  assert.equal(store.read(now).order?.reason, 'again');
  assert.ok(!existsSync(join(state, 'drain.json.new')));
});

test('a file that is broken keeps the front drained and says so', () => {
  for (const text of [
    '',
    '{',
    'null',
    '[]',
    '{}',
    '{"since":1}',
    formatDrain(order).replace('ada', '\u0001').slice(3),
  ]) {
    const { order: found, problem } = parseDrain(text, 'drain.json', now);
    assert.equal(problem?.code, 'DRAIN_FILE_BROKEN', text);
    assert.deepEqual(found && [found.since, found.until, found.stop], [now, null, false]);
  }
});

test('a drain that has ended is none; a clock that went back does not lengthen it', () => {
  const half = { ...order, since: now, until: now + 1_800_000 };
  const text = formatDrain(half);
  assert.equal(parseDrain(text, 'f', now + 1_800_000).order, null);
  assert.equal(parseDrain(text, 'f', now + 60_000).order?.until, now + 1_800_000);
  assert.equal(parseDrain(text, 'f', 0).order?.until, 1_800_000);
});

test('a file of any size and content is read in bounds', () => {
  const state = join(folder, 'large');
  const store = new DrainFolder(state);
  return store.write(order).then(() => {
    writeFileSync(join(state, 'drain.json'), `${formatDrain(order)}${' '.repeat(drainFileLimit)}x`);
    assert.deepEqual(store.read(now).order, order);
    assert.ok(readFileSync(join(state, 'drain.json')).length > drainFileLimit);
  });
});

test('any text gives a drain or none, within bounds', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string({ unit: 'binary' }), fc.json()), text => {
      const { order: found } = parseDrain(text, 'f', now);
      assert.ok(found === null || found.reason.length <= 200);
    }),
  );
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' }), (who, reason) => {
      const { order: found, problem } = parseDrain(formatDrain({ ...order, who, reason }), 'f', now);
      assert.equal(problem, null);
      assert.ok(found && found.who.length <= 200 && !/\p{Cc}/u.test(found.who + found.reason));
    }),
  );
});
