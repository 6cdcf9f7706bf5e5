import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { FarmStatus } from './farm-status.ts';
import { changes, drawScreen, type Scene, summary } from './screen.ts';
import { fit } from './terminal.ts';

const plain = (_: string, text: string) => text;
const backend = (name: string, state: string, reason: string) => ({
  name,
  state,
  reason,
  queries: 10,
  failures: { timeout: state === 'down' ? 3 : 0 },
  queriesPerSecond: 5.25,
  latencyMs: { p50: 0.42, p99: null },
});
const status: FarmStatus = {
  workers: 2,
  listeners: [{ protocol: 'udp', engine: 'batch' }],
  clients: { queries: 100, queriesPerSecond: 20, byRcode: { noerror: 98, servfail: 2 } },
  cache: { hitRatio: 0.5, entries: 5 },
  pools: [
    {
      name: 'default',
      failOpen: false,
      backends: [backend('kai', 'up', '5 good probes'), backend('nika', 'down', '3 of 5 probes failed')],
    },
  ],
};
const ended = { how: 'SIGKILL', at: 60_000, restartAt: 80_000 };
const scene: Scene = {
  now: 65_000,
  startedAt: 0,
  listen: [
    { address: '127.0.0.1', port: 5300 },
    { address: '::1', port: 5300 },
  ],
  api: { address: '127.0.0.1', port: 8053 },
  frontPid: 99,
  nodes: [
    { name: 'kai', address: '127.0.0.1', port: 5401, pid: 100, ended: null },
    { name: 'nika', address: '127.0.0.1', port: 5402, pid: 101, ended },
  ],
  status,
  client: { asked: 50, answered: 50, failed: 0, lost: 0, perSecond: 20, p50: 0.5, p99: 12 },
  configFile: '/tmp/farm.yaml',
  logs: '/tmp/farm',
  events: ['something happened'],
  chorus: 'chorus',
};

const tall = { columns: 140, rows: 40 };

describe('the screen', () => {
  const text = drawScreen(scene, plain, tall).join('\n');
  for (const [what, wanted] of [
    ['where clients ask', '127.0.0.1:5300 and [::1]:5300 (process 99, 2 workers, batch engine)'],
    ['the service', '20.0 queries/s, 100 in all, 50% from the cache, 2 failed'],
    ['the client', '50 of 50 answered, 0 failed, 0 lost; p50 0.50 ms, p99 12 ms'],
    ['a dead node and why', 'ended by SIGKILL 5 s ago, again in 15 s; 3 of 5 probes failed'],
    ['a dig', 'dig @127.0.0.1 -p 5300 www.lab.internal'],
    ['a dig over IPv6', 'dig @::1 -p 5300 whoami.lab.internal TXT +short'],
    ['a kill of a live node', 'kill -9 100 '],
    ['the configuration and the logs', 'Configuration /tmp/farm.yaml, logs in /tmp/farm'],
    ['events', 'something happened'],
  ] as const) {
    test(`shows ${what}`, () => assert.ok(text.includes(wanted), text));
  }

  test('columns of the table stand under each other', () => {
    const lines = drawScreen(scene, plain, tall);
    const at = lines.findIndex(line => line.startsWith('node '));
    const state = lines[at]!.indexOf('state');
    assert.equal(lines[at + 1]!.slice(state, state + 3), 'up ');
    assert.equal(lines[at + 2]!.slice(state, state + 4), 'down');
  });

  test('a terminal of 80x24 shows the newest events, whole reasons and the keys', () => {
    const reason = '3 of the last 5 probes failed: refused (ICMP port unreachable): nothing listens there';
    const backends = ['kai', 'nika', 'sumi'].map(name =>
      backend(name, name === 'kai' ? 'up' : 'down', reason),
    );
    const [live, dead] = scene.nodes;
    const crowded = {
      ...scene,
      nodes: [live!, dead!, { ...dead!, name: 'sumi', port: 5403 }],
      status: { ...status, pools: [{ ...status.pools[0]!, backends }] },
      events: ['first', 'second', 'third', 'last'],
    };
    const lines = drawScreen(crowded, plain, { columns: 80, rows: 24 });
    assert.deepEqual(lines.slice(-3), ['second', 'third', 'last']);
    assert.equal(lines.length, 23);
    assert.ok(
      lines.every(line => line.length <= 80),
      lines.join('\n'),
    );
    const text = lines.join(' ').replace(/ +/g, ' ');
    assert.ok(text.includes(`again in 15 s; ${reason}`) && text.includes('Keys: r '), text);
  });

  test('a terminal that is too short for events and commands keeps the rest', () => {
    const lines = drawScreen(scene, plain, { columns: 80, rows: 14 });
    assert.ok(lines.length <= 13 && lines.at(-1)!.startsWith('Keys: '), lines.join('\n'));
  });

  test('lives without a status, without a load and with all nodes dead', () => {
    const nodes = scene.nodes.map(node => ({ ...node, ended: { ...ended, restartAt: null } }));
    const silent = { ...scene, status: null, client: null, nodes, events: [] };
    const bare = drawScreen(silent, plain, tall).join('\n');
    assert.ok(
      bare.includes('the API of the front does not answer') && bare.includes('ended by SIGKILL 5 s ago'),
    );
    assert.ok(!bare.includes('kill -9'));
  });
});

test('a summary is one line', () => {
  const line = summary(scene);
  assert.ok(line.endsWith('kai up, nika down') && !line.includes('\n'), line);
});

test('changes of state are told once', () => {
  assert.deepEqual(changes(null, status), ['nika is down: 3 of 5 probes failed']);
  assert.deepEqual(changes(status, status), []);
  const [pool] = status.pools;
  const after = { ...status, pools: [{ ...pool!, backends: [backend('kai', 'suspect', 'late')] }] };
  assert.deepEqual(changes(status, after), ['kai is suspect, was up: late']);
});

test('lines fit the terminal; colours do not count', () => {
  const red = '\u001b[31mabcdef\u001b[39m';
  assert.deepEqual(fit([red, 'long line', 'third', 'fourth'], 4, 4), [
    '\u001b[31mabc…\u001b[39m',
    'lon…',
    'thi…',
  ]);
});
