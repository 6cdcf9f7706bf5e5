/** What an operator does to a running front: look at it, make it forget, take backends out; and what nobody else can do. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { backend, Chorus, chorus } from '../support/chorus.ts';
import { answerTo, HandBackend, questionName } from '../support/hand-backend.ts';
import { isolate } from '../support/isolate.ts';
import { temporaryFolder } from '../support/process.ts';
import { askUdp, header, packet } from '../support/raw.ts';
import { requires } from '../support/requires.ts';

describe('control', requires('root', 'ip'), () => {
  let server: HandBackend;
  let front: Chorus;
  before(async () => {
    await isolate();
    server = await HandBackend.start({
      udp: ({ query, reply }) => reply(answerTo(query, { addresses: ['192.0.2.1'], ttl: 300 })),
    });
    front = await Chorus.start({
      cache: { memory: '16MiB' },
      pools: { default: { probe: 'off', backends: [backend('hand', server)] } },
    });
  });
  after(async () => {
    assert.equal(await front.stop(), 0);
    await server.stop();
  });

  /** How often the backend was asked for each of these names when a client asked once for each. */
  async function asked(names: readonly string[]): Promise<number[]> {
    server.queries.length = 0;
    for (const name of names) {
      const answer = await askUdp(front.v4, packet({ name }));
      assert.equal(answer && header(answer).counts[1], 1);
    }
    return names.map(
      name => server.queries.filter(query => questionName(query) === name.toLowerCase()).length,
    );
  }

  test('the cache forgets a name, a subtree, everything', async () => {
    const names = ['example', 'www.example', 'a.www.example', 'wwww.example', 'www.example.net'];
    await asked(names);
    assert.deepEqual(await asked(names), [0, 0, 0, 0, 0]);
    assert.equal((await front.command('cache', 'flush', 'WWW.example')).code, 0);
    assert.deepEqual(await asked(names), [0, 1, 0, 0, 0]);
    assert.equal((await front.command('cache', 'flush', 'www.example.', '--subtree')).code, 0);
    assert.deepEqual(await asked(names), [0, 1, 1, 0, 0]);
    assert.equal((await front.command('cache', 'flush')).code, 0);
    assert.deepEqual(await asked(names), [1, 1, 1, 1, 1]);
    const shown = await front.command('cache', 'show');
    assert.equal(shown.code, 0, shown.stderr);
    const bad = await front.command('cache', 'flush', 'a..b');
    assert.notEqual(bad.code, 0);
    assert.match(bad.stderr, /a\.\.b/);
  });

  test('metrics are in the form that Prometheus reads, each with help and type', async () => {
    const { code, body } = await front.get('/metrics');
    assert.equal(code, 200);
    const kinds = new Map(
      [...body.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name, kind]) => [name!, kind!]),
    );
    const helps = new Set([...body.matchAll(/^# HELP (\S+) \S/gm)].map(([, name]) => name!));
    const samples = body.split('\n').filter(line => line !== '' && !line.startsWith('#'));
    assert.ok(samples.length > 30);
    const seen = new Set<string>();
    for (const line of samples) {
      const [, name, labels = ''] =
        /^(chorus_[a-z0-9_]+)(\{[a-z_]+="[^"]*"(?:,[a-z_]+="[^"]*")*\})? (?:[0-9.e+-]+|\+Inf|NaN)$/.exec(
          line,
        ) ?? [];
      assert.ok(name !== undefined, line);
      assert.ok(!seen.has(name + labels), `twice: ${line}`);
      seen.add(name + labels);
      const family = kinds.has(name) ? name : name.replace(/_(bucket|sum|count)$/, '');
      assert.ok(kinds.has(family) && helps.has(family), `no HELP and TYPE for ${name}`);
      if (kinds.get(family) === 'counter') assert.match(family, /_total$/);
    }
  });

  test('an unknown backend, an unknown command, an unknown option: a line, no stack trace', async () => {
    for (const [args, code] of [
      [['backend', 'down', 'nobody-knows'], 65],
      [['frobnicate'], 64],
      [['serve', '--confg', 'x'], 64],
    ] as const) {
      const result = args[0] === 'backend' ? await front.command(...args) : await chorus(...args);
      assert.equal(result.code, code, result.stderr);
      assert.ok(result.stderr.trim().length > 0);
      assert.doesNotMatch(result.stderr, /\n\s+at /);
    }
  });

  test('the API obeys no page of a browser and no other host name', async () => {
    const send = (headers: Record<string, string>, body = '{}') =>
      new Promise<number>((resolve, reject) => {
        const sent = request(
          { host: '127.0.0.1', port: front.apiPort, path: '/api/v1/cache/flush', method: 'POST', headers },
          response => {
            response.resume();
            resolve(response.statusCode ?? 0);
          },
        );
        sent.on('error', reject);
        sent.end(body);
      });
    const json = 'application/json';
    assert.equal(await send({ 'content-type': json }), 200);
    for (const headers of [
      { 'content-type': 'text/plain' },
      { 'content-type': 'application/x-www-form-urlencoded' },
      { 'content-type': json, host: 'evil.example' },
      { 'content-type': json, origin: 'http://evil.example' },
    ]) {
      const code = await send(headers as Record<string, string>);
      assert.ok(code >= 400 && code < 500, `${JSON.stringify(headers)}: ${code}`);
    }
    assert.equal(await send({ 'content-type': json }, '{"name":'), 400);
    assert.ok((await send({ 'content-type': json }, 'x'.repeat(5_000_000)).catch(() => 413)) >= 400);
    assert.equal((await front.get('/api/v1/nothing')).code, 404);
    assert.equal((await front.get('/healthz')).code, 200);
  });

  test('config check, show, schema and diff', async () => {
    const other = join(temporaryFolder('config'), 'other.yaml');
    const good = await chorus('config', 'check', front.file);
    assert.equal(good.code, 0, good.stderr);
    const show = await chorus('config', 'show', front.file);
    assert.equal(show.code, 0, show.stderr);
    assert.match(show.stdout, /drain-timeout: 5s/);
    // What `show` prints is a configuration again, and the same one.
    writeFileSync(other, show.stdout);
    const diff = await chorus('config', 'diff', front.file, other);
    assert.equal(diff.code, 0, diff.stdout + diff.stderr);
    assert.doesNotMatch(diff.stdout, /added|removed|->|→/);
    const schema = await chorus('config', 'schema');
    assert.equal(typeof JSON.parse(schema.stdout), 'object');
    writeFileSync(other, 'listen: [1\n');
    const bad = await chorus('config', 'check', other);
    assert.equal(bad.code, 78);
    assert.match(bad.stderr, /other\.yaml:\d+/);
  });

  test('a burst at the front comes back whole', async () => {
    const result = await chorus(
      'burst',
      '--server',
      `127.0.0.1:${front.port}`,
      '--name',
      'n{n}.example',
      '--counts',
      '10,500',
      '--repeat',
      '1',
      '--json',
    );
    assert.equal(result.code, 0, result.stderr);
    assert.equal(typeof JSON.parse(result.stdout), 'object');
  });
});
