import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import fc from 'fast-check';
import { ChorusError } from '#kit/errors.ts';
import { type InitMachine, type InitOptions, initKinds, planNode, routingKinds } from './plan.ts';
import { nodeFiles, writeFiles } from './write.ts';

const folder = mkdtempSync(join(tmpdir(), 'chorus-init-'));
after(() => rmSync(folder, { recursive: true }));

const machine: InitMachine = {
  hostname: 'n1.example.net',
  addresses: [
    { address: '192.0.2.53', link: 'chorus0' },
    { address: '10.0.1.11', link: 'eth0' },
    { address: '2001:db8:0:1::11', link: 'eth0' },
  ],
};
const service = ['192.0.2.53', '2001:db8:53::53'];
const plan = (kind: string, options: InitOptions = {}) => planNode(kind, { service, ...options }, machine);
const file = (kind: string, path: string, options: InitOptions = {}) =>
  nodeFiles(plan(kind, options)).find(each => each.path === path)?.text ?? '';

describe('what is not given comes from the machine', () => {
  test('addresses, interface and name', () => {
    const { unicast, protocol, name, user } = plan('bind');
    assert.deepEqual(unicast, { ipv4: '10.0.1.11', ipv6: '2001:db8:0:1::11' });
    assert.deepEqual(protocol, { kind: 'ospf', area: '0', link: 'eth0', hello: null });
    assert.deepEqual([name, user], ['n1', 'bind']);
  });
  test('BGP when an AS is given', () => {
    assert.deepEqual(plan('knot', { as: '65001', peer: ['10.0.1.1'] }).protocol, {
      kind: 'bgp',
      as: 65_001,
      peerAs: 65_001,
      peers: ['10.0.1.1'],
    });
    assert.equal(plan('knot', { routing: 'none' }).protocol, null);
  });
});

describe('what cannot be is refused', () => {
  const wrong: [string, string, InitOptions, RegExp][] = [
    ['a server that nobody knows', 'named', {}, /named: expected one of bind, unbound/],
    ['no service address', 'bind', { service: [] }, /--service: at least one/],
    ['a service address that is none', 'bind', { service: ['x'] }, /--service x: expected an address/],
    ['two unicast addresses', 'bind', { address: ['10.0.0.1', '10.0.0.2'] }, /at most one of IPv4/],
    [
      'a family that is not judged',
      'bind',
      { address: ['10.0.0.1'] },
      /2001:db8:53::53: a unicast address of the same/,
    ],
    ['the same address twice', 'bind', { address: ['192.0.2.53', '2001:db8::1'] }, /cannot be both/],
    ['a daemon that nobody knows', 'bind', { routing: 'quagga' }, /--routing quagga/],
    ['BGP without a peer', 'bind', { as: '65001' }, /--peer/],
    ['a peer without our AS', 'bind', { peer: ['10.0.1.1'] }, /--as: /],
    ['OSPF and BGP', 'bind', { ospf: true, as: '65001', peer: ['10.0.1.1'] }, /one of the two/],
    ['AS 0', 'bind', { as: '0', peer: ['10.0.1.1'] }, /--as 0: expected a number/],
    ['a network that is none', 'bind', { allow: ['any'] }, /--allow any/],
    ['a name that is none', 'bind', { probe: ['a..b'] }, /--probe a\.\.b/],
    ['OSPF without an interface', 'bind', { address: ['10.9.9.9', '2001:db8::9'] }, /--interface/],
  ];
  for (const [what, kind, options, message] of wrong) {
    test(what, () => {
      assert.throws(
        () => plan(kind, options),
        (error: unknown) =>
          error instanceof ChorusError && error.code === 'USAGE' && message.test(error.message),
      );
    });
  }

  test('words that would end a string or a line in one of the files', () => {
    const nasty = fc.string({
      unit: fc.constantFrom('"', "'", ';', '\n', '{', '}', '\\', '#', ' ', '$', 'a'),
      minLength: 1,
    });
    fc.assert(
      fc.property(
        nasty,
        fc.constantFrom('name', 'out', 'user', 'state', 'interface', 'ospf', 'probe'),
        (text, option) => {
          fc.pre(!/^[a]+$/.test(text));
          const given = option === 'probe' ? [text] : text;
          assert.throws(
            () => plan('bind', { [option]: given }),
            (error: unknown) => error instanceof ChorusError && error.code === 'USAGE',
          );
        },
      ),
    );
  });
});

describe('the files', () => {
  test('queries, transfers and NOTIFY leave from the unicast addresses, service addresses are only listened on', () => {
    const bind = file('bind', 'named.conf');
    assert.match(bind, /listen-on port 53 \{ 127\.0\.0\.1; 10\.0\.1\.11; 192\.0\.2\.53; \};/);
    for (const source of ['query-source address', 'transfer-source', 'notify-source'])
      assert.ok(bind.includes(`${source} 10.0.1.11;`), source);
    assert.match(file('unbound', 'unbound.conf'), /^ {2}outgoing-interface: 10\.0\.1\.11$/m);
    assert.match(
      file('pdns-recursor', 'recursor.conf'),
      /^query-local-address=10\.0\.1\.11, 2001:db8:0:1::11$/m,
    );
    assert.match(file('knot', 'kresd.conf'), /^net\.outgoing_v4\('10\.0\.1\.11'\)$/m);
  });

  test('a node without IPv6 asks nobody over it', () => {
    const options = { address: ['10.0.1.11'], service: ['192.0.2.53'] };
    assert.match(file('bind', 'named.conf', options), /server ::\/0 \{ bogus yes; \};/);
    assert.match(file('unbound', 'unbound.conf', options), /do-ip6: no/);
    assert.match(file('knot', 'kresd.conf', options), /net\.ipv6 = false/);
    for (const kind of initKinds)
      for (const { path, text } of nodeFiles(plan(kind, options)))
        if (path !== 'README.md') assert.doesNotMatch(text, /2001:db8/, `${kind} ${path}`);
  });

  test('each routing daemon lets nothing but the service addresses out', () => {
    const bgp = { as: '65001', peer: ['10.0.1.1', '2001:db8:0:1::1'], peerAs: '65000' };
    for (const protocol of [bgp, {}]) {
      const frr = file('bind', 'frr.conf', { routing: 'frr', ...protocol });
      assert.match(frr, /ip prefix-list service seq 5 permit 192\.0\.2\.53\/32/);
      assert.match(
        frr,
        /redistribute connected .*route-map service|redistribute connected route-map service/,
      );
      const bird = file('bind', 'bird.conf', protocol);
      assert.match(bird, /net !~ \[ 192\.0\.2\.53\/32 \] then reject/);
      assert.doesNotMatch(bird, /export all/);
    }
  });

  test('all kinds, routing daemons and families give files', () => {
    for (const kind of initKinds)
      for (const routing of routingKinds)
        for (const supervise of [true, false]) {
          const files = nodeFiles(plan(kind, { routing, supervise, probe: ['a.example', 'b.example'] }));
          assert.equal(new Set(files.map(({ path }) => path)).size, files.length);
          assert.ok(files.some(({ path }) => path === 'chorus.yaml'));
          for (const { path, text } of files) {
            assert.ok(text.endsWith('\n'), path);
            assert.doesNotMatch(text, /undefined|null,|\[object/, `${kind} ${path}`);
          }
        }
  });

  test('nothing is written over without --force, and not even one file then', () => {
    const out = join(folder, 'a');
    const files = nodeFiles(plan('bind'));
    const written = writeFiles(out, files, false);
    assert.equal(written.length, files.length);
    writeFiles(out, files, false);
    const changed = join(out, 'chorus.yaml');
    writeFileSync(changed, 'mine');
    const others = nodeFiles(plan('bind', { name: 'n2' }));
    assert.throws(
      () => writeFiles(out, others, false),
      (error: unknown) => error instanceof ChorusError && error.code === 'FILE_EXISTS',
    );
    assert.equal(readFileSync(changed, 'utf8'), 'mine');
    assert.match(readFileSync(join(out, 'named.conf'), 'utf8'), /server-id "n1"/);
    writeFiles(out, others, true);
    assert.match(readFileSync(changed, 'utf8'), /identity: n2/);
  });

  test('a folder that cannot be made is told', () => {
    writeFileSync(join(folder, 'file'), '');
    assert.throws(
      () => writeFiles(join(folder, 'file/below'), nodeFiles(plan('bind')), false),
      (error: unknown) => error instanceof ChorusError && error.code === 'FILE_UNWRITABLE',
    );
  });
});
