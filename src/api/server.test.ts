import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type IncomingHttpHeaders, type RequestOptions, request } from 'node:http';
import { connect } from 'node:net';
import { after, before, beforeEach, test } from 'node:test';
import { ChorusError } from '#kit/errors.ts';
import { Log } from '#kit/log.ts';
import { bodyLimit } from './body.ts';
import type { Control } from './control.ts';
import { routes } from './routes.ts';
import { type ApiServer, startApi } from './server.ts';

const calls: string[] = [];
const logged: string[] = [];
let failNext: Error | null = null;
const unused = (): never => {
  throw new Error('not used here');
};
const control: Control = {
  status: unused,
  metrics: () => '# HELP chorus_uptime_seconds x\n',
  ready: () => ({ ok: false, reasons: ['worker 0 does not serve'] }),
  alive: () => ({ ok: true, reasons: [] }),
  backends: () => [],
  force(name, forcing) {
    if (name === 'nobody') throw new ChorusError('BACKEND_UNKNOWN', { name });
    calls.push(`force ${name} ${forcing}`);
    return { pool: 'default', backend: name, state: 'up', forced: forcing };
  },
  async reload() {
    if (failNext) throw failNext;
    calls.push('reload');
    return { generation: 2, changes: [], needsRestart: [], warnings: [] };
  },
  cache: () => null,
  routes() {
    throw new ChorusError('ROUTES_NONE');
  },
  layer4() {
    throw new ChorusError('LAYER4_NONE');
  },
  routesEvents: () => ['{"at":1}', '{"at":2}'],
  async drain(who, reason, ms) {
    calls.push(`drain ${who} ${reason} ${ms}`);
    return { drain: null, was: false, problem: null };
  },
  async undrain(who) {
    calls.push(`undrain ${who}`);
    return { drain: null, was: true, problem: null };
  },
  flush(name, subtree) {
    calls.push(`flush ${name} ${subtree}`);
    return 3;
  },
};

let api: ApiServer;
before(async () => {
  const log = new Log((level, text) => logged.push(`${level} ${text}`));
  api = await startApi({ address: '127.0.0.1', port: 0 }, control, log);
});
after(() => api.close());
beforeEach(() => {
  calls.length = 0;
  logged.length = 0;
  failNext = null;
});

type Got = { status: number; headers: IncomingHttpHeaders; body: string };
function ask(method: string, path: string, options: RequestOptions = {}, body?: string): Promise<Got> {
  return new Promise((resolve, reject) => {
    const { address: host, port } = api.endpoint;
    const sent = request({ host, port, method, path, agent: false, ...options }, response => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', chunk => {
        text += chunk;
      });
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body: text }),
      );
    });
    sent.on('error', reject);
    sent.end(body);
  });
}
const json = { 'content-type': 'application/json' };
const post = (path: string, body?: string, headers: Record<string, string> = json) =>
  ask('POST', path, { headers }, body);
const codeOf = (got: Got) => JSON.parse(got.body).code;

test('metrics, health and readiness', async () => {
  const metrics = await ask('GET', '/metrics');
  assert.equal(metrics.status, 200);
  assert.match(metrics.headers['content-type'] ?? '', /^text\/plain; version=0\.0\.4/);
  const health = await ask('GET', '/healthz?verbose');
  assert.equal(health.status, 200);
  const ready = await ask('GET', '/readyz');
  assert.equal(ready.status, 503);
  assert.deepEqual(JSON.parse(ready.body), { ok: false, reasons: ['worker 0 does not serve'] });
});

test('the index names every route', async () => {
  const { status, body } = await ask('GET', '/');
  assert.equal(status, 200);
  for (const { path } of routes) assert.ok(body.includes(path.replace('*', 'NAME')), path);
});

test('HEAD gives the head of GET', async () => {
  const got = await ask('HEAD', '/metrics');
  assert.equal(got.status, 200);
  assert.equal(got.body, '');
  assert.ok(Number(got.headers['content-length']) > 0);
});

test('commands reach the daemon', async () => {
  assert.equal((await post('/api/v1/backends/kai/down')).status, 200);
  assert.equal((await post('/api/v1/backends/default/nika/drain', '{}')).status, 200);
  assert.equal((await post('/api/v1/backends/a%2Fb/up')).status, 200);
  assert.equal((await post('/api/v1/reload')).status, 200);
  const flushed = await post('/api/v1/cache/flush', '{"name":"example.net","subtree":true}');
  assert.deepEqual(JSON.parse(flushed.body), { flushed: 3 });
  await post('/api/v1/cache/flush');
  assert.deepEqual(calls, [
    'force kai down',
    'force default/nika draining',
    'force a/b up',
    'reload',
    'flush example.net true',
    'flush null false',
  ]);
});

test('a drain says who, why and for how long; what it does not say is filled in', async () => {
  await post('/api/v1/drain', '{"who":"ada@noc","reason":" new disk ","for":"30m"}');
  await post('/api/v1/drain');
  await post('/api/v1/undrain', '{"who":"ada@noc"}');
  const client = 'API client 127.0.0.1';
  assert.deepEqual(calls, ['drain ada@noc new disk 1800000', `drain ${client}  null`, 'undrain ada@noc']);
  for (const body of [
    '{"for":"30"}',
    '{"for":"0s"}',
    '{"for":"400d"}',
    '{"for":30}',
    `{"reason":"${'x'.repeat(201)}"}`,
    '{"until":1}',
  ]) {
    assert.equal((await post('/api/v1/drain', body)).status, 400, body);
  }
  const events = await ask('GET', '/api/v1/routes/events');
  assert.deepEqual(
    [events.headers['content-type'], events.body],
    ['application/x-ndjson; charset=utf-8', '{"at":1}\n{"at":2}\n'],
  );
  assert.equal((await ask('GET', '/api/v1/routes')).status, 404);
});

test('errors of the table become answers with code, message and remedy', async () => {
  const unknown = await post('/api/v1/backends/nobody/up');
  assert.equal(unknown.status, 404);
  const { code, message, remedy, details } = JSON.parse(unknown.body);
  assert.equal(code, 'BACKEND_UNKNOWN');
  assert.equal(message, 'no backend has the name nobody');
  assert.match(remedy, /chorus backend list/);
  assert.deepEqual(details, { name: 'nobody' });
  failNext = new ChorusError('CONFIG_INVALID', { file: 'x', count: 1, problems: 'x:1:1: no' });
  assert.equal((await post('/api/v1/reload')).status, 422);
  assert.deepEqual(logged, []);
});

test('a fault of ours is a 500 and is logged with its stack', async () => {
  failNext = new Error('boom');
  const got = await post('/api/v1/reload');
  assert.equal(got.status, 500);
  assert.equal(codeOf(got), 'INTERNAL');
  assert.deepEqual(logged, ['error API request failed']);
});

test('what is not there, and what takes another method', async () => {
  for (const path of [
    '/nothing',
    '/api/v1',
    '/api/v1/backends//up',
    '/api/v1/backends/%ff/up',
    '/metrics/',
  ]) {
    const got = await ask('GET', path);
    assert.equal(got.status, 404, path);
    assert.equal(codeOf(got), 'HTTP_NOT_FOUND');
  }
  const get = await ask('GET', '/api/v1/reload');
  assert.equal(get.status, 405);
  assert.equal(get.headers.allow, 'POST');
  const remove = await ask('DELETE', '/metrics');
  assert.equal(remove.status, 405);
  assert.equal(remove.headers.allow, 'GET, HEAD');
});

test('a web page of another origin cannot command', async () => {
  const { port } = api.endpoint;
  const refused: Record<string, string>[] = [
    {},
    { 'content-type': 'text/plain' },
    { ...json, host: `evil.example:${port}` },
    { ...json, host: '192.0.2.9' },
    { ...json, origin: 'https://evil.example' },
    { ...json, origin: 'null' },
    { ...json, 'sec-fetch-site': 'cross-site' },
  ];
  for (const headers of refused) {
    const got = await post('/api/v1/reload', undefined, headers);
    assert.ok(got.status === 403 || got.status === 400, JSON.stringify(headers));
  }
  assert.deepEqual(calls, []);
  const obeyed: Record<string, string>[] = [
    { 'content-type': 'Application/JSON; charset=utf-8' },
    { ...json, host: `localhost:${port}` },
    { ...json, host: '[::1]:80' },
    { ...json, origin: `http://127.0.0.1:${port}`, 'sec-fetch-site': 'same-origin' },
  ];
  for (const headers of obeyed) {
    assert.equal((await post('/api/v1/reload', undefined, headers)).status, 200, JSON.stringify(headers));
  }
});

test('bodies that are too large, no JSON, or of another shape', async () => {
  const large = await post('/api/v1/cache/flush', `{"name":"${'x'.repeat(bodyLimit)}"}`);
  assert.equal(large.status, 413);
  assert.equal(large.headers.connection, 'close');
  for (const body of [
    '{',
    '[]',
    'null',
    '"x"',
    '{"name":1}',
    '{"name":""}',
    '{"other":1}',
    '{"subtree":true}',
  ]) {
    const got = await post('/api/v1/cache/flush', body);
    assert.equal(got.status, 400, body);
    assert.equal(codeOf(got), 'HTTP_BODY', body);
  }
  assert.equal((await post('/api/v1/reload', '{"now":true}')).status, 400);
  assert.deepEqual(calls, []);
});

test('garbage gets an error or a closed connection, and the server lives on', async () => {
  const garbage = [
    '\0\0\0\0\r\n\r\n',
    'GET\r\n\r\n',
    `GET /${'x'.repeat(20_000)} HTTP/1.1\r\nHost: x\r\n\r\n`,
    `GET / HTTP/1.1\r\nHost: x\r\n${'X: y\r\n'.repeat(4000)}\r\n`,
    'POST /api/v1/reload HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: -1\r\n\r\n',
    'POST /api/v1/reload HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n',
    'CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n',
    'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
  ];
  for (const text of garbage) {
    const answer = await new Promise<string>(resolve => {
      const socket = connect(api.endpoint.port, '127.0.0.1');
      let got = '';
      socket.on('data', chunk => {
        got += chunk;
      });
      socket.on('error', () => {});
      socket.on('close', () => resolve(got));
      socket.end(text);
    });
    assert.ok(answer === '' || /^HTTP\/1\.1 [45]\d\d /.test(answer), JSON.stringify(answer.slice(0, 60)));
  }
  assert.equal((await ask('GET', '/healthz')).status, 200);
  assert.deepEqual(calls, []);
});

test('clients that are refused and never close their side hold no place', async () => {
  const options = { port: api.endpoint.port, host: '127.0.0.1', allowHalfOpen: true };
  const sockets = await Promise.all(
    Array.from({ length: 256 }, async () => {
      const socket = connect(options);
      socket.on('error', () => {}).on('data', () => {});
      socket.write('garbage\r\n\r\n');
      await once(socket, 'end');
      return socket;
    }),
  );
  try {
    assert.equal((await ask('GET', '/healthz')).status, 200);
  } finally {
    for (const socket of sockets) socket.destroy();
  }
});

test('a client that leaves in the middle of its body does no harm', async () => {
  await new Promise<void>(resolve => {
    const socket = connect(api.endpoint.port, '127.0.0.1', () => {
      const head = 'POST /api/v1/reload HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n';
      socket.write(`${head}Content-Length: 100\r\n\r\n{`, () => socket.resetAndDestroy());
    });
    socket.on('close', () => resolve());
  });
  assert.equal((await ask('GET', '/healthz')).status, 200);
  assert.deepEqual(calls, []);
  assert.deepEqual(logged, []);
});

test('a port in use is told as such', async () => {
  await assert.rejects(
    startApi(api.endpoint, control, new Log(() => {})),
    (error: unknown) => error instanceof ChorusError && error.code === 'ADDRESS_IN_USE',
  );
});
