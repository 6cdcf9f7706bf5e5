import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { type Announcement, type Attributes, formatPrefix, hostPrefix } from '../../announcement.ts';
import {
  changeOf,
  type Instance,
  jsonDocuments,
  parseNeighbors,
  parsePath,
  parseRunningConfig,
  type RunningConfig,
  setLines,
} from './grammar.ts';

const golden = (name: string) =>
  readFileSync(new URL(`../../../../test/golden/frr/${name}`, import.meta.url), 'utf8');
const instance: Instance = { as: 65001, vrf: null };
const owner = 'CHORUS-frr1-';
const plain: Attributes = {
  med: null,
  localPreference: null,
  communities: [],
  largeCommunities: [],
  prepend: 0,
};
const announce = (address: string, attributes: Partial<Attributes> = {}): Announcement => ({
  prefix: hostPrefix(address),
  address,
  attributes: { ...plain, ...attributes },
  grade: 'primary',
});
const empty: RunningConfig = {
  version: null,
  instances: ['65001'],
  found: true,
  importCheck: false,
  networks: new Map(),
  routeMaps: new Map(),
};

describe('the running configuration of FRR 8.4', () => {
  test('is taken apart', () => {
    const config = parseRunningConfig(golden('running-config.txt'), instance);
    assert.ok(config);
    assert.equal(config.version, '8.4.4');
    assert.deepEqual(config.instances, ['65001', '65001 vrf dns']);
    assert.equal(config.found, true);
    assert.equal(config.importCheck, false);
    assert.deepEqual(
      [...config.networks],
      [
        ['192.0.2.53/32', 'CHORUS-frr1-0badcafe'],
        ['198.51.100.0/24', null],
        ['203.0.113.0/24', 'OTHER'],
        ['2001:db8:53::53/128', 'CHORUS-frr1-0badcafe'],
      ],
    );
    assert.equal(config.routeMaps.get('OTHER'), null);
    assert.equal(
      config.routeMaps.get('CHORUS-frr1-0badcafe'),
      [
        'set as-path prepend 65001 65001',
        'set community 65000:100 65535:0',
        'set large-community 65000:1:2',
        'set local-preference 50',
        'set metric 10',
      ].join('\n'),
    );
  });

  test('of a VRF, of another AS, and cut short', () => {
    const text = golden('running-config.txt');
    const dns = parseRunningConfig(text, { as: 65001, vrf: 'dns' });
    assert.deepEqual([...(dns?.networks ?? [])], [['192.0.2.99/32', null]]);
    assert.equal(dns?.importCheck, true);
    assert.equal(parseRunningConfig(text, { as: 65009, vrf: null })?.found, false);
    for (const cut of [0, 1, 100, text.length - 5])
      assert.equal(parseRunningConfig(text.slice(0, cut), instance), null);
    // RFC 5396: FRR 9 can be told to write numbers so.
    const dotted = text.replace('router bgp 65001\n', 'router bgp 1.10 as-notation dot\n');
    assert.equal(parseRunningConfig(dotted, { as: 65_546, vrf: null })?.found, true);
  });

  test('what is shown of it all together', () => {
    const text = golden('read.txt');
    const [neighbors, v4, v6, nothing] = jsonDocuments(text.slice(text.indexOf('\nend\n')));
    assert.deepEqual(parseNeighbors(neighbors), [
      { address: '10.99.0.1', established: true, keeps: 120 },
      { address: '10.99.1.1', established: true, keeps: 120 },
    ]);
    const attributes = {
      med: 10,
      localPreference: 50,
      communities: ['65000:100', '65535:0'],
      largeCommunities: ['65000:1:2'],
      prepend: 2,
    };
    assert.deepEqual(parsePath(v4), { prefix: '192.0.2.53/32', attributes });
    assert.deepEqual(parsePath(v6), { prefix: '2001:db8:53::53/128', attributes });
    assert.equal(parsePath(nothing), null);
  });

  test('a route that is not valid does not stand', () => {
    const path = { sourced: true, valid: false, metric: 0, aspath: { string: 'Local' } };
    assert.equal(parsePath({ prefix: '192.0.2.53/32', paths: [path] }), null);
    assert.equal(
      parsePath({ prefix: '192.0.2.53/32', paths: [{ ...path, valid: true }] })?.attributes.prepend,
      0,
    );
    assert.equal(parsePath({ prefix: '192.0.2.53/32', paths: [{ valid: true }] }), null, 'a neighbour’s');
  });
});

describe('commands for FRR', () => {
  test('announce, worsen and withdraw', () => {
    const { commands } = changeOf(empty, [announce('192.0.2.53', { med: 7 })], instance, owner);
    const map = commands.find(line => line.startsWith('route-map'))?.split(' ')[1];
    assert.match(map ?? '', /^CHORUS-frr1-[0-9a-f]{8}$/);
    assert.deepEqual(commands, [
      'configure terminal',
      `route-map ${map} permit 10`,
      'set metric 7',
      'exit',
      'router bgp 65001',
      'address-family ipv4 unicast',
      `network 192.0.2.53/32 route-map ${map}`,
      'exit-address-family',
      'exit',
    ]);
    const there = apply(empty, commands);
    const worse = changeOf(there, [announce('192.0.2.53', { med: 1000 })], instance, owner).commands;
    // Never taken out in between; the old map goes when nothing uses it any more.
    assert.ok(!worse.some(line => line.startsWith('no network')));
    assert.equal(worse.at(-1), `no route-map ${map}`);
    assert.deepEqual(changeOf(there, [], instance, owner).commands, [
      'configure terminal',
      'router bgp 65001',
      'address-family ipv4 unicast',
      'no network 192.0.2.53/32',
      'exit-address-family',
      'exit',
      `no route-map ${map}`,
    ]);
  });

  test('in a VRF', () => {
    const { commands } = changeOf(empty, [announce('192.0.2.53')], { as: 65001, vrf: 'dns' }, owner);
    assert.ok(commands.includes('router bgp 65001 vrf dns'));
  });

  test('leave what is of another hand, and say so', () => {
    const config = {
      ...empty,
      networks: new Map([
        ['192.0.2.53/32', null],
        ['192.0.2.54/32', 'CHORUS-frr2-x'],
        ['192.0.2.55/32', 'CHORUS-frr1-x'],
      ]),
      routeMaps: new Map([['CHORUS-frr2-x', '']]),
    };
    const { commands, foreign } = changeOf(
      config,
      [announce('192.0.2.53'), announce('192.0.2.54')],
      instance,
      owner,
    );
    assert.deepEqual(foreign, [
      { prefix: '192.0.2.53/32', what: 'network 192.0.2.53/32' },
      { prefix: '192.0.2.54/32', what: 'network 192.0.2.54/32 route-map CHORUS-frr2-x' },
    ]);
    assert.deepEqual(
      commands.filter(line => line.includes('network')),
      ['no network 192.0.2.55/32'],
    );
    assert.ok(!commands.some(line => line.includes('frr2')));
  });

  test('a map of ours that somebody changed is replaced by one of another name', () => {
    const wanted = [announce('192.0.2.53', { med: 7 })];
    const there = apply(empty, changeOf(empty, wanted, instance, owner).commands);
    const [name = ''] = there.routeMaps.keys();
    const changed = { ...there, routeMaps: new Map([[name, 'set metric 8']]) };
    const mended = apply(changed, changeOf(changed, wanted, instance, owner).commands);
    assert.deepEqual([...mended.routeMaps], [[`${name}-2`, 'set metric 7']]);
    assert.equal(mended.networks.get('192.0.2.53/32'), `${name}-2`);
  });

  test('whatever was there, they lead to what is wanted, and then to nothing more', () => {
    const address = fc.integer({ min: 1, max: 5 }).map(n => (n < 4 ? `192.0.2.${n}` : `2001:db8::${n}`));
    const attributes = fc.record({
      med: fc.option(fc.nat(3)),
      localPreference: fc.option(fc.nat(2)),
      communities: fc.subarray(['65000:1', '65535:0']),
      largeCommunities: fc.subarray(['1:2:3']),
      prepend: fc.nat(2),
    });
    const wish = fc
      .uniqueArray(fc.tuple(address, attributes), { selector: ([each]) => each, maxLength: 5 })
      .map(all => all.map(([each, rest]) => announce(each, rest)));
    const foreign = fc.subarray(['192.0.2.1/32', '198.51.100.0/24']);
    fc.assert(
      fc.property(fc.array(wish, { maxLength: 6 }), foreign, (wishes, theirs) => {
        let config: RunningConfig = {
          ...empty,
          networks: new Map(theirs.map(prefix => [prefix, null])),
          routeMaps: new Map([['OTHER', null]]),
        };
        for (const wanted of wishes) {
          config = apply(config, changeOf(config, wanted, instance, owner).commands);
          assert.deepEqual(changeOf(config, wanted, instance, owner).commands, []);
          for (const prefix of theirs) assert.equal(config.networks.get(prefix), null);
          assert.equal(config.routeMaps.get('OTHER'), null);
          for (const { prefix, attributes: expected } of wanted) {
            const written = formatPrefix(prefix);
            if (theirs.includes(written)) continue;
            const map = config.networks.get(written);
            assert.equal(config.routeMaps.get(map ?? ''), setLines(expected, 65001).toSorted().join('\n'));
          }
        }
        const rest = apply(config, changeOf(config, [], instance, owner).commands);
        assert.deepEqual([...rest.networks.keys()].sort(), [...theirs].sort());
        assert.deepEqual([...rest.routeMaps.keys()], ['OTHER']);
      }),
    );
  });
});

/** Does what bgpd does with commands; fails where it would refuse. */
function apply(config: RunningConfig, commands: readonly string[]): RunningConfig {
  const networks = new Map(config.networks);
  const routeMaps = new Map(config.routeMaps);
  let map: string | undefined;
  for (const command of commands) {
    const words = command.split(' ');
    if (words[0] === 'route-map') {
      map = words[1]!;
      assert.ok(!routeMaps.has(map), 'a map is never changed');
      routeMaps.set(map, '');
    } else if (words[0] === 'set') {
      routeMaps.set(
        map!,
        [...routeMaps.get(map!)!.split('\n').filter(Boolean), command].toSorted().join('\n'),
      );
    } else if (words[0] === 'network') {
      assert.ok(routeMaps.has(words[3]!), 'the map is there before it is used');
      networks.set(words[1]!, words[3]!);
    } else if (command.startsWith('no network ')) {
      assert.ok(networks.delete(words[2]!));
    } else if (command.startsWith('no route-map ')) {
      assert.ok(![...networks.values()].includes(words[2]!), 'no map goes that is used');
      assert.ok(routeMaps.delete(words[2]!));
    }
  }
  return { ...config, networks, routeMaps };
}
