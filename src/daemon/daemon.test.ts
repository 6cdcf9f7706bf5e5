import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { ChorusError } from '#kit/errors.ts';
import { Log } from '#kit/log.ts';
import { Daemon } from './daemon.ts';
import { spawnEntry } from './thread.ts';

const double = new URL('./double-worker.ts', import.meta.url);
let folder = '';
let daemon: Daemon | null = null;
let lines: string[] = [];
let fatal: ChorusError[] = [];

const config = (more = '', backends = 'kai, nika') => `
listen: ["127.0.0.1:53"]
api: off
engine: loop
workers: 2
cache: { memory: 1MiB }
drain-timeout: 1s
${more}
pools:
  default:
    probe: off
    backends:
${backends
  .split(', ')
  .map((name, at) => `      - { name: ${name}, address: "127.0.0.1:${1000 + at}" }`)
  .join('\n')}
`;
const file = () => join(folder, 'chorus.yaml');

async function start(text: string): Promise<Daemon> {
  writeFileSync(file(), text);
  daemon = await Daemon.start({
    file: file(),
    log: new Log((level, line, fields) => lines.push(`${level} ${line} ${JSON.stringify(fields)}`), 'debug'),
    setLog: () => {},
    onFatal: error => fatal.push(error),
    spawn: (workerStart, events) => spawnEntry(double, workerStart, events),
  });
  return daemon;
}

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'chorus-daemon-'));
  lines = [];
  fatal = [];
});
afterEach(async () => {
  await daemon?.stop();
  daemon = null;
  rmSync(folder, { recursive: true });
});

const withCode = (code: string) => (error: unknown) => error instanceof ChorusError && error.code === code;

/** Polls until the condition holds. */
async function until(what: () => boolean): Promise<void> {
  const deadline = Date.now() + 20_000;
  while (!what()) {
    if (Date.now() > deadline) throw new Error(`not in time: ${what}`);
    await new Promise(resolve => setTimeout(resolve, 10));
  }
}

test('starts, tells its state, and stops', async () => {
  const { control } = await start(config('identity: front-1'));
  assert.deepEqual(control.ready(), { ok: true, reasons: [] });
  assert.deepEqual(control.alive(), { ok: true, reasons: [] });
  const status = control.status();
  assert.equal(status.identity, 'front-1');
  assert.equal(status.config.generation, 1);
  assert.deepEqual(
    status.pools[0]?.backends.map(({ name, state }) => [name, state]),
    [
      ['kai', 'up'],
      ['nika', 'up'],
    ],
  );
  assert.match(control.metrics(), /^chorus_config_generation 1$/m);
  const stopped = daemon!.stop();
  assert.deepEqual(control.ready(), { ok: false, reasons: ['Chorus is shutting down'] });
  await stopped;
  daemon = null;
  await assert.rejects(control.reload(), withCode('SHUTTING_DOWN'));
});

test('a reload is applied and reported; what needs a restart stays', async () => {
  const { control } = await start(config());
  writeFileSync(file(), config('udp-size: 1400', 'kai, sumi').replace('workers: 2', 'workers: 3'));
  const report = await control.reload();
  assert.equal(report.generation, 2);
  assert.deepEqual(report.needsRestart, ['workers']);
  assert.match(report.changes.join('\n'), /udp-size: 1232 → 1400/);
  const status = control.status();
  assert.equal(status.workers, 2);
  assert.deepEqual(
    status.pools[0]?.backends.map(({ name }) => name),
    ['kai', 'sumi'],
  );
  assert.equal(status.config.lastReload?.applied, true);
  assert.deepEqual(control.ready(), { ok: true, reasons: [] });
});

test('an operator’s word and the slot of a backend survive a reload', async () => {
  const { control } = await start(config());
  control.force('nika', 'down');
  writeFileSync(file(), config('udp-size: 1400'));
  await control.reload();
  const states = control.backends()[0]?.backends.map(({ name, state, forced }) => [name, state, forced]);
  assert.deepEqual(states, [
    ['kai', 'up', 'auto'],
    ['nika', 'disabled', 'down'],
  ]);
});

test('a bad file changes nothing and says why', async () => {
  const { control } = await start(config());
  for (const text of ['', 'listen: [', config('udp-sise: 1400'), '\u0000']) {
    writeFileSync(file(), text);
    await assert.rejects(control.reload(), withCode('CONFIG_INVALID'));
  }
  rmSync(file());
  await assert.rejects(control.reload(), withCode('CONFIG_UNREADABLE'));
  const status = control.status();
  assert.equal(status.config.generation, 1);
  assert.equal(status.config.lastReload?.applied, false);
  assert.match(status.config.lastReload?.message ?? '', /no such file/);
  assert.match(control.metrics(), /^chorus_config_reloads_total\{result="refused"\} 5$/m);
  assert.match(lines.join('\n'), /error configuration not reloaded, nothing changed/);
  assert.equal(control.ready().ok, true);
  writeFileSync(file(), config());
  assert.deepEqual((await control.reload()).changes, []);
});

test('a file that a worker cannot put in force changes nothing anywhere', async () => {
  const { control } = await start(config());
  writeFileSync(file(), config('identity: refuse', 'kai, sumi'));
  await assert.rejects(control.reload(), withCode('ADDRESS_NOT_AVAILABLE'));
  assert.equal(control.status().config.generation, 1);
  assert.deepEqual(
    control.backends()[0]?.backends.map(({ name }) => name),
    ['kai', 'nika'],
  );
  assert.equal(control.ready().ok, true);
});

test('many reloads at once are few', async () => {
  const { control } = await start(config());
  const reports = await Promise.all(Array.from({ length: 20 }, () => control.reload()));
  assert.equal(new Set(reports).size, 1);
  assert.equal(control.status().config.generation, 2);
});

test('workers that die again and again are fatal', async () => {
  const { control } = await start(config());
  writeFileSync(file(), config('identity: die'));
  await control.reload();
  await until(() => fatal.length > 0);
  assert.equal(fatal[0]?.code, 'WORKER_DIED');
});

test('names of backends: in full, alone, ambiguous, unknown', async () => {
  const { control } = await start(
    `${config()}  other:\n    probe: off\n    backends: [{ name: kai, address: "127.0.0.1:2000" }]\n`,
  );
  assert.throws(() => control.force('kai', 'down'), withCode('BACKEND_AMBIGUOUS'));
  assert.throws(() => control.force('nobody', 'down'), withCode('BACKEND_UNKNOWN'));
  assert.deepEqual(control.force('other/kai', 'draining'), {
    pool: 'other',
    backend: 'kai',
    state: 'draining',
    forced: 'draining',
  });
  assert.equal(control.force('nika', 'down').pool, 'default');
  const { ok, reasons } = control.ready();
  assert.equal(ok, true);
  assert.deepEqual(reasons, ['pool other: no backend serves, its queries fail']);
});

test('a flush takes a domain name', async () => {
  const { control } = await start(config());
  assert.equal(control.flush(null, false), 0);
  assert.equal(control.flush('WWW.example.net', true), 0);
  assert.throws(() => control.flush('a..b', false), withCode('NAME_INVALID'));
});

test('what stands in the way of a start', async () => {
  await assert.rejects(start('listen: ['), withCode('CONFIG_INVALID'));
  await assert.rejects(start(config('user: nobody-of-that-name')), withCode('USER_UNKNOWN'));
  await assert.rejects(start(config('identity: refuse')), withCode('ADDRESS_NOT_AVAILABLE'));
});

const node = (more = '') => `
listen: []
api: off
service-addresses: [{ address: "192.0.2.53" }]
state: ${folder}
${more}
pools:
  default:
    backends: [{ name: own, address: "127.0.0.1:1" }]
`;

test('without a listener it starts no worker and takes no cache, and a reload cannot add one', async () => {
  const { control } = await start(node());
  const status = control.status();
  assert.equal(status.workers, 0);
  assert.equal(status.cache, null);
  assert.deepEqual(status.listeners, []);
  assert.equal(control.alive().ok, true);
  await until(() => !control.ready().ok);
  assert.deepEqual(control.ready().reasons, ['pool default: no backend serves']);
  writeFileSync(file(), node().replace('listen: []', 'listen: ["127.0.0.1:53"]'));
  const report = await control.reload();
  assert.deepEqual(report.changes, ['listen: 127.0.0.1:53 added (needs a restart: stays unset)']);
  assert.deepEqual(report.needsRestart, ['listen']);
  assert.deepEqual(control.status().listeners, []);
});

test('a supervised server that ends again and again is told with what it said, and is stopped', async () => {
  const server = 'server: { kind: other, command: [sh, -c, "echo no zone here; exit 1"] }';
  const { control } = await start(node(server));
  await until(() => lines.some(line => line.startsWith('error server ends again and again')));
  assert.match(lines.join('\n'), /"said":"no zone here/);
  const { server: status } = control.status();
  assert.equal(status?.lastEnd?.reason, 'exit 1');
  assert.match(control.metrics(), /chorus_server_restarts_total\{server="other"\} [1-9]/);
  await daemon?.stop();
  assert.equal(control.status().server?.state, 'stopped');
});
