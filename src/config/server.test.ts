import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ChorusError } from '#kit/errors.ts';
import { loadConfig } from './load.ts';
import { healthRules } from './plan.ts';

const load = (server: string, more = '') =>
  loadConfig(
    `listen: []\nservice-addresses: [{ address: 192.0.2.53 }]\n${more}server: ${server}\npools: { default: { backends: [{ name: a, address: 10.0.0.1 }] }, quiet: { backends: [{ name: a, address: 10.0.0.1 }], probe: off } }\n`,
    'f.yaml',
    { cores: 2, hostname: 'n1' },
  );
const problem = (server: string, more = '') => {
  try {
    load(server, more);
  } catch (error) {
    if (error instanceof ChorusError) return error.message;
  }
  return 'none';
};

test('a server takes what its kind gives', () => {
  const { server } = load('{ kind: bind }');
  assert.equal(server?.['stop-timeout'], 10_000);
  assert.equal(server?.['restart-after'], 15_000);
  assert.equal(load('{ kind: unbound, restart-after: off }').server?.['restart-after'], null);
  assert.equal(load('off').server, null);
  assert.deepEqual(load('{ kind: other, command: /usr/sbin/nsd }').server?.command, ['/usr/sbin/nsd']);
});

test('what cannot work is told with its place', () => {
  assert.match(problem('{ kind: other }'), /f\.yaml:3:\d+: server: nothing says how .*; expected `command`/);
  assert.match(
    problem('{ kind: bind, pool: none }'),
    /server: it is judged in the pool "none", which does not exist/,
  );
  assert.match(problem('{ kind: bind, pool: quiet }'), /server: the pool "quiet" has no probe/);
  assert.match(
    problem('{ kind: bind, user: bind }', 'user: chorus\n'),
    /server\.user: Chorus becomes another user itself/,
  );
  assert.match(problem('{ kind: named }'), /one of bind, unbound/);
  assert.match(problem('{ kind: bind, warm-up: { names: ["a..b"] } }'), /a domain name/);
  assert.match(problem('{ kind: bind, config: named.conf }'), /the path of a file, from the root/);
  assert.match(problem('{ kind: bind, stop-signal: SIGKILL }'), /SIGTERM/);
});

test('backends that clients ask themselves are told from those that we, or the kernel for us, hand queries to', () => {
  const direct = (text: string) =>
    healthRules(loadConfig(text, 'f.yaml', { cores: 2, hostname: 'n1' })).map(rules => rules.direct);
  const pools = 'pools: { default: { backends: [{ name: a, address: 10.0.0.1 }] } }\n';
  const services = 'layer4: { services: [{ address: 192.0.2.53, pool: default }] }\n';
  assert.deepEqual(direct(`service-addresses: [{ address: 192.0.2.53 }]\n${pools}`), [true]);
  assert.deepEqual(direct(`listen: 127.0.0.1\n${pools}`), [false]);
  assert.deepEqual(direct(`${services}${pools}`), [false]);
});
