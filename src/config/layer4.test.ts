import assert from 'node:assert/strict';
import { test } from 'node:test';
import { stringify } from 'yaml';
import { ChorusError } from '#kit/errors.ts';
import { loadConfig } from './load.ts';
import { plainOf } from './plain.ts';

const machine = { cores: 2, hostname: 'front-1' };
const load = (text: string) => loadConfig(text, 'f.yaml', machine);
const base = `listen: []
pools: { default: { backends: [{ name: kai, address: 10.0.0.1 }] }, six: { backends: [{ name: rin, address: "2001:db8::9" }] } }
`;
function problems(layer4: string): string {
  try {
    load(`${base}layer4: ${layer4}\n`);
  } catch (error) {
    assert.ok(error instanceof ChorusError, String(error));
    return String(error.details.problems);
  }
  assert.fail('this configuration was taken');
}

test('a service gets every default, and the plain form loads to the same', () => {
  const snapshot = load(`${base}layer4: { services: { address: 192.0.2.53 } }`);
  assert.deepEqual(snapshot.layer4, {
    'data-plane': 'nftables',
    name: 'dns',
    services: [{ address: '192.0.2.53', port: 53, pool: 'default', protocols: ['udp', 'tcp'] }],
    scheduler: 'mh',
    forwarding: 'nat',
    check: 5000,
    'at-stop': 'remove',
  });
  assert.deepEqual(load(stringify(plainOf(snapshot))).layer4, snapshot.layer4);
});

test('it stands in for a listener; `off` does not', () => {
  assert.match(problems('off'), /listen/);
});

test('what cannot work is told with its place', () => {
  for (const [text, expected] of [
    [
      '{ services: [{ address: 192.0.2.53, pool: nine }] }',
      /f\.yaml:3:.*pool "nine", which does not exist.*default, six/,
    ],
    ['{ services: [{ address: 192.0.2.53, pool: six }] }', /no backend of the family of 192\.0\.2\.53/],
    ['{ services: [{ address: "2001:db8::53" }] }', /no backend of the family of 2001:db8::53/],
    ['{ services: [{ address: 10.0.0.1 }] }', /its own backend/],
    ['{ services: [{ address: 192.0.2.53 }, { address: 192.0.2.53 }] }', /is a service already \(line 3\)/],
    [
      '{ services: [{ address: 192.0.2.53 }, { address: 192.0.2.54 }] }',
      /10\.0\.0\.1 port 53 serves 192\.0\.2\.53 port 53 too/,
    ],
    ['{ services: [{ address: host.example }] }', /an IP address/],
    ['{ services: [], name: "a b" }', /1 to 20 letters/],
    ['{ data-plane: xdp, services: [{ address: 192.0.2.53 }] }', /one of nftables, ipvs/],
  ] as const)
    assert.match(problems(text), expected);
  // Without answers to be told apart it is right.
  for (const more of ['data-plane: ipvs, ', ''])
    load(
      `${base}layer4: { ${more}services: [{ address: 192.0.2.53 }, { address: 192.0.2.54, ${more === '' ? 'protocols: tcp' : 'port: 53'} }] }`,
    );
});
