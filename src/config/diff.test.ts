import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { diffSnapshots, keepRestartOnly, restartOnly } from './diff.ts';
import { loadConfig } from './load.ts';
import { plainOf } from './plain.ts';
import { allOptions } from './walk.ts';

const machine = { cores: 2, hostname: 'front-1' };
const load = (text: string) => loadConfig(text, 'f.yaml', machine);
const base = `
listen: ["127.0.0.1:5300"]
pools:
  default:
    backends:
      - { name: kai, address: "192.0.2.1:53" }
      - { name: nika, address: "192.0.2.2:53" }
`;
const diff = (from: string, to: string, more = '') =>
  diffSnapshots(load(base + more), load(base.replace(from, to) + more));
const added = (before: string, after: string) => diffSnapshots(load(base + before), load(base + after));

describe('diff', () => {
  test('of the same is empty', () =>
    assert.deepEqual(added('', 'workers: auto\ncache: { memory: 65536KiB }'), []));

  test('lists: added, removed, changed, turned round', () => {
    assert.deepEqual(diff('"127.0.0.1:5300"', '"127.0.0.1:5300", "[::1]:5300"'), [
      'listen: [::1]:5300 added',
    ]);
    assert.deepEqual(diff('nika, address: "192.0.2.2:53"', 'rin, address: "192.0.2.3:53"'), [
      'pools.default.backends: nika (192.0.2.2:53) removed',
      'pools.default.backends: rin (192.0.2.3:53) added',
    ]);
    assert.deepEqual(diff('"192.0.2.2:53"', '"192.0.2.2:54", weight: 3, capacity: 9'), [
      'pools.default.backends.nika.address: 192.0.2.2:53 → 192.0.2.2:54',
      'pools.default.backends.nika.weight: 1 → 3',
      'pools.default.backends.nika.capacity: 9 added',
    ]);
    assert.deepEqual(
      diff(
        'kai, address: "192.0.2.1:53" }\n      - { name: nika, address: "192.0.2.2:53"',
        'nika, address: "192.0.2.2:53" }\n      - { name: kai, address: "192.0.2.1:53"',
      ),
      ['pools.default.backends: order kai, nika → nika, kai'],
    );
  });

  test('pools, domains, sections and off', () => {
    assert.deepEqual(
      diff('  default:', '  other: { backends: [{ name: x, address: 192.0.2.9 }] }\n  default:'),
      ['pools.other: a pool of x added'],
    );
    assert.deepEqual(added('', 'domains: { a.example: default }'), ['domains.a.example: default added']);
    assert.deepEqual(added('', 'tcp: { idle: 1m }\ncache: { max-ttl: 1h }'), [
      'cache.max-ttl: 1d → 1h',
      'tcp.idle: 10s → 1m',
    ]);
    assert.deepEqual(added('', 'cache: off'), ['cache: on → off']);
    assert.deepEqual(diff('    backends', '    probe: off\n    backends'), [
      'pools.default.probe: . NS → off',
    ]);
    const probes = (more = '') =>
      `    probes: [{ name: a.example }, { name: a.example, transport: tcp${more} }]\n    backends`;
    const [one, two] = ['', ', interval: 9s'].map(more => load(base.replace('    backends', probes(more))));
    assert.deepEqual(diffSnapshots(one!, two!), ['pools.default.probes.a.example. NS tcp.interval: 1s → 9s']);
  });

  test('says what needs a restart', () => {
    assert.deepEqual(added('', 'cache: { memory: 128MiB }\nworkers: 4\nuser: chorus\napi: off'), [
      'cache.memory: 64MiB → 128MiB (needs a restart: stays 64MiB)',
      'api: 127.0.0.1:8053 → off (needs a restart: stays 127.0.0.1:8053)',
      'workers: 2 → 4 (needs a restart: stays 2)',
      'user: chorus added (needs a restart: stays unset)',
    ]);
    assert.deepEqual(added('cache: off', ''), ['cache: off → on (needs a restart: stays off)']);
  });
});

describe('what needs a restart', () => {
  const changed = `
workers: 7
engine: loop
user: someone
group: some
api: "127.0.0.1:9999"
receive-buffer: 1MiB
ports-per-backend: 3
cache: { memory: 1MiB }
state: /var/lib/other
server: { kind: bind }
log: { level: debug }
`;

  test('is named', () => {
    const declared = allOptions()
      .filter(({ applies }) => applies === 'restart')
      .map(({ path }) => path.join('.'));
    assert.deepEqual(restartOnly(load(base), load(base + changed)).toSorted(), declared.toSorted());
    assert.deepEqual(restartOnly(load(base), load(`${base}log: { level: debug }`)), []);
  });

  test('stays as it runs, and the rest is put in force', () => {
    for (const [running, next] of [
      [load(base), load(base + changed)],
      [load(base + changed), load(base)],
      [load(`${base}cache: off`), load(base)],
    ] as const) {
      const kept = keepRestartOnly(running, next);
      assert.deepEqual(restartOnly(running, kept), []);
      assert.deepEqual(kept.log, next.log);
      assert.deepEqual(keepRestartOnly(running, running), running);
    }
    assert.equal(keepRestartOnly(load(base), load(`${base}cache: off`)).cache, null);
    assert.equal('user' in plainOf(keepRestartOnly(load(base), load(base + changed))), false);
  });
});
