import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { ChorusError } from '#kit/errors.ts';
import { gracefulShutdown } from '#route/announcement.ts';
import { pathsOf, replaced } from '#test/support/any-value.ts';
import { configText } from './commands.ts';
import { diffSnapshots, restartOnly } from './diff.ts';
import { loadConfig } from './load.ts';
import { plainOf } from './plain.ts';
import { routePlan } from './plan.ts';
import type { Snapshot } from './snapshot.ts';
import { warningsOf } from './warnings.ts';

const machine = { cores: 2, hostname: 'front-1' };
const load = (text: string) => loadConfig(text, 'f.yaml', machine);
const base = `listen: ["192.0.2.53", "[2001:db8::53]:53"]
pools: { default: { backends: [{ name: kai, address: 10.0.0.1 }, { name: nika, address: 10.0.0.2 }, { name: rin, address: "2001:db8::9" }] } }
route-drivers: { core1: { frr: { local-as: 65001 } } }
withdrawal-budget: {}
`;
/** One service address with these options. */
const one = (more: string) => `${base}service-addresses: [{ address: 192.0.2.53, ${more} }]\n`;

function problems(text: string): string[] {
  try {
    load(text);
  } catch (error) {
    assert.ok(error instanceof ChorusError, String(error));
    return String(error.details.problems).split('\n');
  }
  assert.fail('this configuration was taken');
}

function planOf(snapshot: Snapshot) {
  const [plan] = snapshot.routes.addresses;
  assert.ok(plan);
  return plan;
}

describe('a service address', () => {
  test('gets every default', () => {
    const snapshot = load(`${base}service-addresses: { address: 192.0.2.53 }`);
    assert.deepEqual(warningsOf(snapshot), []);
    const attributes = { med: 0, localPreference: 200, communities: [], largeCommunities: [], prepend: 0 };
    assert.deepEqual(planOf(snapshot), {
      address: '192.0.2.53',
      prefix: { address: '192.0.2.53', bits: 32 },
      via: ['core1'],
      pools: ['default'],
      family: 'any',
      least: 1,
      degradedBelow: 0.5,
      capacity: null,
      rise: 3000,
      fall: 0,
      hold: { first: 10_000, most: 300_000, forget: 600_000 },
      whenDown: 'withdraw',
      role: 'primary',
      attributes: {
        up: attributes,
        degraded: { ...attributes, med: 1000, localPreference: 50 },
        draining: {
          ...attributes,
          med: 4_294_967_295,
          localPreference: 0,
          communities: [gracefulShutdown],
        },
      },
    });
    assert.deepEqual(snapshot.routes.drain, {
      wait: 30_000,
      quiet: 0.01,
      settle: 2000,
      stop: { wait: 1000, settle: 500 },
    });
    assert.equal(snapshot.routes.state, '/var/lib/chorus');
    assert.equal(routePlan(snapshot), snapshot.routes);
  });

  test('no service address, no routes', () => {
    assert.equal(routePlan(load(base.replace('withdrawal-budget: {}', ''))), null);
  });

  test('IPv6, in any form', () => {
    const plan = planOf(
      load(`${base}service-addresses: [{ address: "2001:DB8:0::53", prefix: "2001:db8::/48" }]`),
    );
    assert.deepEqual([plan.address, plan.prefix], ['2001:db8::53', { address: '2001:db8::', bits: 48 }]);
  });

  test('the worse states follow from `up`', () => {
    const { up, degraded, draining } = planOf(
      load(
        one(
          'role: backup, up: { communities: [no-export, "65000:100", 65000:100, "65000:20"], prepend: 1, local-preference: 40 }',
        ),
      ),
    ).attributes;
    assert.deepEqual(up.communities, ['65000:20', '65000:100', '65535:65281']);
    assert.deepEqual([up.med, degraded.med], [100, 1100]);
    assert.deepEqual([up.localPreference, degraded.localPreference, draining.localPreference], [40, 40, 0]);
    assert.deepEqual([degraded.prepend, draining.prepend], [1, 1]);
    assert.deepEqual(draining.communities, ['65000:20', '65000:100', '65535:0', '65535:65281']);
  });
  test('what is not sent stays so, and a metric has an end', () => {
    const off = planOf(load(one('up: { med: off, local-preference: off }'))).attributes;
    assert.deepEqual(
      [off.up.med, off.up.localPreference, off.degraded.med, off.degraded.localPreference],
      [null, null, null, 50],
    );
    const most = planOf(load(one('up: { med: 4294967000 }'))).attributes;
    assert.equal(most.degraded.med, 4_294_967_295);
  });
  test('nothing is listened to where there is a service address', () => {
    const without = base.replace(/^listen.*\n/, '');
    assert.deepEqual(load(`${without}service-addresses: { address: 192.0.2.53 }`).listen, []);
    assert.deepEqual(load(`${without}listen: []\nservice-addresses: { address: 192.0.2.53 }`).listen, []);
    assert.deepEqual(warningsOf(load(`${without}service-addresses: { address: 192.0.2.53 }`)), []);
    assert.deepEqual(problems(without), [
      'f.yaml:1:1: listen is missing; expected a list of addresses with ports',
    ]);
    assert.deepEqual(problems(`${without}listen: []\nservice-addresses: []`), [
      'f.yaml:4:9: listen: an empty list is not right; expected at least one, where there are no `service-addresses`',
    ]);
  });
  test('shows as itself', () => {
    const snapshot = load(
      `${one('family: own, least: 1, capacity: 20000/s, when-down: degrade, degraded: { med: off, large-communities: ["65000:1:2"] }')}drain: { wait: 1m, quiet: 0 }\nstate: /tmp/x\n`,
    );
    assert.deepEqual(plainOf(load(configText(snapshot))), plainOf(snapshot));
    assert.deepEqual({ ...load(configText(snapshot)), file: '' }, { ...snapshot, file: '' });
  });
});

describe('problems of service addresses', () => {
  const of: Record<string, [string, string]> = {
    'an unknown driver': [
      'via: cor1',
      'service-addresses[0].via[0]: there is no route driver "cor1"; did you mean "core1"?',
    ],
    'a driver that nothing is like': [
      'via: [core1, x]',
      'service-addresses[0].via[1]: there is no route driver "x"; expected one of core1',
    ],
    'an unknown pool': [
      'pools: [defualt]',
      'service-addresses[0].pools[0]: there is no pool "defualt"; did you mean "default"?',
    ],
    'a prefix elsewhere': [
      'prefix: 198.51.100.0/24',
      'service-addresses[0].prefix: 192.0.2.53 is not in 198.51.100.0/24; expected a prefix with the address in it, such as 192.0.2.0/24',
    ],
    'a prefix of the other family': [
      'prefix: "2001:db8::/48"',
      'service-addresses[0].prefix: 192.0.2.53 is not in 2001:db8::/48; expected a prefix with the address in it, such as 192.0.2.0/24',
    ],
    'a prefix with bits beyond': [
      'prefix: 192.0.2.53/24',
      'service-addresses[0].prefix: "192.0.2.53/24" is not right; expected an address block without bits after its prefix length; did you mean 192.0.2.0/24?',
    ],
    'half the Internet': [
      'prefix: 128.0.0.0/1',
      'service-addresses[0].prefix: 128.0.0.0/1 is too large; expected at least /8',
    ],
    'more than there are': [
      'least: 4',
      'service-addresses[0].least: 4 backends must serve, and pool default has 3 backends; expected at most 3; fewer, so that one may fail',
    ],
    'more than there are of the family': [
      'family: own, least: 3',
      'service-addresses[0].least: 3 backends must serve, and pool default has 2 IPv4 backends; expected at most 2; fewer, so that one may fail',
    ],
    'a MED that is none': [
      'up: { med: 4294967296 }',
      'service-addresses[0].up.med: 4294967296 is not right; expected a whole number from 0 to 4294967295, or off',
    ],
    'a prepend that no router takes': [
      'up: { prepend: 17 }',
      'service-addresses[0].up.prepend: 17 is not right; expected a whole number from 0 to 16',
    ],
    'a community out of range': [
      'up: { communities: ["65536:1"] }',
      'service-addresses[0].up.communities[0]: "65536:1" is not right; expected a community, such as 65000:100 or graceful-shutdown',
    ],
    'a community with a slip': [
      'up: { communities: [no-exprot] }',
      'service-addresses[0].up.communities[0]: "no-exprot" is not right; expected a community, such as 65000:100 or graceful-shutdown; did you mean no-export?',
    ],
    'a black hole': [
      'up: { communities: [blackhole] }',
      'service-addresses[0].up.communities[0]: "blackhole" is not right; expected a community that keeps the service address reachable: routers drop what is sent to a black hole (RFC 7999)',
    ],
    'a black hole by number': [
      'up: { communities: ["65535:666"] }',
      'service-addresses[0].up.communities[0]: "65535:666" is not right; expected a community that keeps the service address reachable: routers drop what is sent to a black hole (RFC 7999)',
    ],
    'a large community among the others': [
      'up: { communities: ["65000:1:2"] }',
      'service-addresses[0].up.communities[0]: "65000:1:2" is not right; expected a community of two numbers; three stand in `large-communities`',
    ],
    'a community among the large ones': [
      'up: { large-communities: ["65000:1"] }',
      'service-addresses[0].up.large-communities[0]: "65000:1" is not right; expected a large community of three numbers; two stand in `communities`',
    ],
    'a hold that shrinks': [
      'hold: { first: 10m }',
      'service-addresses[0].hold.first: "10m" is not right; expected at most `most` (300000ms)',
    ],
    'a rate without unit': [
      'capacity: 20000',
      'service-addresses[0].capacity: 20000 is not right; expected a number of queries per second from 1/s to 10000000/s; did you mean 20000/s?',
    ],
    'an option with a slip': [
      'when-dwon: degrade',
      'service-addresses[0]: there is no option "when-dwon"; did you mean "when-down"?',
    ],
    'nothing at all': [
      'least: 0',
      'service-addresses[0].least: 0 is not right; expected a whole number from 1 to 1024',
    ],
  };
  for (const [name, [more, expected]] of Object.entries(of)) {
    test(name, () => {
      const [first = '', ...others] = problems(one(more));
      assert.deepEqual(others, []);
      assert.equal(first.replace(/^f\.yaml:5:\d+: /, ''), expected);
    });
  }

  test('of one that stands without brackets', () => {
    assert.deepEqual(problems(`${base}service-addresses: { adress: 192.0.2.53 }`), [
      'f.yaml:5:20: service-addresses: address is missing; expected an IP address, such as 192.0.2.1 or 2001:db8::1',
      'f.yaml:5:22: service-addresses: there is no option "adress"; did you mean "address"?',
    ]);
  });

  const core4 =
    'core4: { bgp: { peer: 10.0.0.9, peer-as: 1, local-as: 2, router-id: 10.0.0.3, families: ipv4 } }';
  const more4 = base.replace('route-drivers: {', `route-drivers: { ${core4}, lo: { lease: {} },`);
  const all: Record<string, [string, string]> = {
    'an address twice': [
      'service-addresses: [{ address: 192.0.2.53 }, { address: 192.0.2.53 }]',
      'f.yaml:5:57: service-addresses[1]: 192.0.2.53 is a service address already (line 5)',
    ],
    'a prefix twice': [
      'service-addresses: [{ address: 192.0.2.53, prefix: 192.0.2.0/24, via: core1 }, { address: 192.0.2.54, prefix: 192.0.2.0/24, via: core1 }]',
      'f.yaml:5:111: service-addresses[1]: 192.0.2.0/24 is announced for another service address already (line 5); expected a prefix of its own: one route cannot follow two addresses',
    ],
    'a multicast address': [
      'service-addresses: [{ address: 224.0.0.53 }]',
      'f.yaml:5:32: service-addresses[0].address: "224.0.0.53" is not right; expected the address of a service: no wildcard, no multicast and no link-local address',
    ],
    'a link-local address': [
      'service-addresses: [{ address: "fe80::53%eth0" }]',
      'f.yaml:5:32: service-addresses[0].address: "fe80::53%eth0" is not right; expected the address of a service: no wildcard, no multicast and no link-local address',
    ],
    'an address with a port': [
      'service-addresses: [{ address: "192.0.2.53:53" }]',
      'f.yaml:5:32: service-addresses[0].address: "192.0.2.53:53" is not right; expected an IP address, such as 192.0.2.1 or 2001:db8::1',
    ],
    'a backend at a service address': [
      'service-addresses: [{ address: 10.0.0.2 }]',
      'f.yaml:2:89: pools.default.backends[1]: 10.0.0.2 is a service address (line 5); whichever front announces it would be asked; expected an address of this one nameserver',
    ],
    'a driver of the other family': [
      'service-addresses: [{ address: "2001:db8::53", via: [core4] }]',
      'f.yaml:5:54: service-addresses[0].via[0]: the route driver core4 carries ipv4 only (line 3), and 2001:db8::53 is none; expected another driver, or ipv6 among its `families`',
    ],
    'a prefix on an interface': [
      'service-addresses: [{ address: 192.0.2.53, via: [lo], prefix: 192.0.2.0/24 }]',
      'f.yaml:5:63: service-addresses[0].prefix: the route driver lo raises addresses on an interface and cannot announce 192.0.2.0/24; expected no `prefix`, or `via` other drivers',
    ],
    'a state folder that is relative': [
      'state: var/chorus',
      'f.yaml:5:8: state: "var/chorus" is not right; expected the path of a folder, from the root',
    ],
    'a drain without a unit': [
      'drain: { wait: 30 }',
      'f.yaml:5:16: drain.wait: 30 is not right; expected a duration with a unit, from 0s to 1h; did you mean 30s?',
    ],
  };
  for (const [name, [more, expected]] of Object.entries(all)) {
    test(name, () => assert.deepEqual(problems(`${more4}${more}`), [expected]));
  }
});

describe('problems of route drivers', () => {
  const drivers = (text: string) =>
    problems(
      `${base.replace(/route-drivers.*/, `route-drivers: ${text}`)}service-addresses: { address: 192.0.2.53 }`,
    );
  test('two kinds under a name', () => {
    assert.deepEqual(drivers('{ core1: { frr: { local-as: 1 }, bird: {} } }'), [
      'f.yaml:3:32: route-drivers.core1.frr: a mapping is not right; expected one kind of driver under each name, and there is bird already',
    ]);
  });
  test('no kind', () => {
    assert.match(
      drivers('{ core1: {} }')[0] ?? '',
      /^f\.yaml:3:25: route-drivers\.core1: a mapping is not right; expected a kind of driver: one of bgp, bird, exabgp, frr, lease$/,
    );
  });
  test('a kind that there is not', () => {
    assert.ok(
      drivers('{ core1: { fr: { local-as: 1 } } }').includes(
        'f.yaml:3:27: route-drivers.core1: there is no option "fr"; did you mean "frr"?',
      ),
    );
  });
  test('a name that none may have', () => {
    assert.match(
      drivers('{ "a b": { frr: { local-as: 1 } } }')[0] ?? '',
      /"a b" cannot be a name here; expected the name of a route driver/,
    );
  });
});

describe('what is doubtful', () => {
  const warnings = (text: string) => warningsOf(load(text));
  const unbudgeted = base.replace('withdrawal-budget: {}\n', '');
  const cases: Record<string, [string, string]> = {
    'no budget': [
      `${unbudgeted}service-addresses: { address: 192.0.2.53 }`,
      'withdrawal-budget: off, so each front withdraws by its own judgement: a fault that all of them see withdraws the service everywhere at once',
    ],
    'no listener': [
      `${base}service-addresses: { address: 192.0.2.54 }`,
      'service-addresses.192.0.2.54: no listener has this address: its clients reach Chorus only if something brings them to another',
    ],
    'no driver': [
      `${base.replace(/route-drivers.*\n/, '')}service-addresses: { address: 192.0.2.53 }`,
      'service-addresses: there are no route-drivers, so no router is told of them',
    ],
    'a driver for nothing': [
      `${base.replace('core1:', 'core2: { frr: { local-as: 1 } }, core1:')}service-addresses: { address: 192.0.2.53, via: core1 }`,
      'route-drivers.core2: no service address goes via this driver',
    ],
    'a loopback address': [
      `${base.replace('"192.0.2.53"', '127.0.0.53')}service-addresses: { address: 127.0.0.53 }`,
      'service-addresses.127.0.0.53: a loopback address is reached from this machine only',
    ],
    'a shutdown for good': [
      one('up: { communities: graceful-shutdown }'),
      'service-addresses.192.0.2.53: `up` has the community graceful-shutdown: routers prefer any other route to it (RFC 8326)',
    ],
    'degraded that is better': [
      one('degraded: { local-preference: 300 }'),
      'service-addresses.192.0.2.53: `degraded` is preferred to `up` by routers',
    ],
    'draining that is the same': [
      one('draining: { local-preference: 200, med: 0, communities: [] }'),
      'service-addresses.192.0.2.53: `draining` is announced exactly as `up`: routers see no difference',
    ],
    'no backend of the family': [
      `${base.replace(', { name: rin, address: "2001:db8::9" }', '')}service-addresses: { address: "2001:db8::53", family: own }`,
      'service-addresses.2001:db8::53: pool default has no IPv6 backend, so all of its backends count for it',
    ],
    'drivers of the other family only': [
      `${base.replace(/route-drivers.*/, 'route-drivers: { core4: { bgp: { peer: 10.0.0.9, peer-as: 1, local-as: 2, router-id: 10.0.0.3, families: ipv4 } } }')}service-addresses: [{ address: 192.0.2.53 }, { address: "2001:db8::53" }]`,
      'service-addresses.2001:db8::53: no route driver carries IPv6, so no router is told of it',
    ],
    'drivers without addresses': [
      unbudgeted,
      'route-drivers: not used, since there are no service-addresses',
    ],
  };
  for (const [name, [text, expected]] of Object.entries(cases)) {
    test(name, () => assert.deepEqual(warnings(text), [expected]));
  }
  test('no budget is no matter where nothing is withdrawn', () => {
    assert.deepEqual(
      warnings(`${unbudgeted}service-addresses: { address: 192.0.2.53, when-down: degrade }`),
      [],
    );
  });
});

test('any value anywhere gives a snapshot that shows as itself, or a ChorusError', () => {
  const drivers = `core1: { bgp: { peer: 10.0.0.9, peer-as: 1, local-as: 2, router-id: 10.0.0.3 } }, lo: { lease: {} }, frr1: { frr: { local-as: 1 } }`;
  const right = plainOf(
    load(
      `${base.replace(/route-drivers.*/, `route-drivers: { ${drivers} }`)}service-addresses: [{ address: 192.0.2.53 }, { address: "2001:db8::53", via: core1, prefix: "2001:db8::/48" }]`,
    ),
  );
  const routes = [
    'listen',
    'pools',
    'route-drivers',
    'service-addresses',
    'drain',
    'withdrawal-budget',
    'state',
  ];
  const places = pathsOf(right).filter(([first = '']) => routes.includes(first));
  const value = fc.oneof(
    fc.jsonValue({ maxDepth: 3 }),
    fc.constantFrom<unknown>(
      '192.0.2.53',
      '::1',
      '2001:db8::/32',
      '0.0.0.0/0',
      'core1',
      ['core1', 'core1'],
      [{}],
      { lease: {} },
      'off',
      0,
      1e9,
    ),
  );
  fc.assert(
    fc.property(fc.constantFrom(...places), value, (path, put) => {
      let snapshot: Snapshot;
      try {
        snapshot = load(JSON.stringify(replaced(right, path, put)));
      } catch (error) {
        if (!(error instanceof ChorusError)) throw error;
        assert.match(error.message, /f\.yaml:\d+:\d+: /);
        return;
      }
      assert.deepEqual({ ...load(configText(snapshot)), file: '' }, { ...snapshot, file: '' });
      assert.ok(warningsOf(snapshot).every(line => line !== ''));
    }),
    { numRuns: 600 },
  );
});

test('a reload names what changes, and only the state folder needs a restart', () => {
  const before = load(one('least: 1'));
  const after = load(
    `${one('least: 2, up: { med: 5 }').replace('as: 65001', 'as: 65002').replace('withdrawal-budget: {}', 'withdrawal-budget: off')}drain: { wait: 10s }\nstate: /srv/x\n`,
  );
  assert.deepEqual(diffSnapshots(before, after), [
    'route-drivers.core1.frr.local-as: 65001 → 65002',
    'service-addresses.192.0.2.53.least: 1 → 2',
    'service-addresses.192.0.2.53.up.med: 0 → 5',
    'service-addresses.192.0.2.53.degraded.med: 1000 → 1005',
    'drain.wait: 30s → 10s',
    'withdrawal-budget: on → off',
    'state: /var/lib/chorus → /srv/x (needs a restart: stays /var/lib/chorus)',
  ]);
  assert.deepEqual(restartOnly(before, after), ['state']);
  const two = load(`${base}service-addresses: [{ address: 192.0.2.53 }, { address: "2001:db8::53" }]`);
  assert.deepEqual(diffSnapshots(before, two), ['service-addresses: 2001:db8::53 added']);
});
