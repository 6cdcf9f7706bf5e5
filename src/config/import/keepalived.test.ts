// biome-ignore-all lint/suspicious/noTemplateCurlyInString: keepalived writes its definitions so.
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { ChorusError } from '#kit/errors.ts';
import { loadConfig } from '../load.ts';
import type { Snapshot, SnapshotPool } from '../snapshot.ts';
import { type Imported, type ImportOptions, importKeepalived } from './keepalived.ts';
import type { Verdict } from './remarks.ts';

const machine = { cores: 2, hostname: 'front' };
const options: ImportOptions = {
  file: 'k.conf',
  files: { read: () => undefined, list: () => [] },
  id: 'front',
  environment: {},
  only: [],
  listen: [],
  keepTimers: false,
};

type Got = Imported & { readonly snapshot: Snapshot; readonly pool: SnapshotPool };

/** Imports, and loads what comes of it with the real loader. */
function take(text: string, more: Partial<ImportOptions> = {}): Got {
  const imported = importKeepalived(text, { ...options, ...more });
  const snapshot = loadConfig(imported.configuration, 'imported', machine);
  assert.deepEqual(
    snapshot.pools.map(({ name }) => name),
    ['default'],
  );
  return { ...imported, snapshot, pool: snapshot.pools[0]! };
}

const failure = (text: string, more: Partial<ImportOptions> = {}): string => {
  try {
    importKeepalived(text, { ...options, ...more });
  } catch (error) {
    assert.ok(error instanceof ChorusError, String(error));
    assert.match(error.code, /^IMPORT_/);
    return error.message;
  }
  return assert.fail(`understood: ${text}`);
};

/** The remarks on something: verdict, lines, reason. */
const said = ({ remarks }: Imported, what: string): [Verdict, number[], string][] =>
  remarks
    .filter(remark => remark.what === what)
    .map(({ verdict, places, why }) => [verdict, places.map(({ line }) => line), why]);
const verdictOn = (got: Imported, what: string) => said(got, what).map(([verdict]) => verdict);

const check = 'DNS_CHECK {\n type A\n name example.net\n}';
const server = (address = '10.0.0.1 53', inner = check) => `real_server ${address} {\n${inner}\n}\n`;
const virtual = (inner = server(), head = '192.0.2.1 53') => `virtual_server ${head} {\n${inner}\n}\n`;

describe('golden files', () => {
  for (const name of ['report-3', 'dns-check', 'scripts']) {
    test(name, () => {
      const at = (end: string) => new URL(`../../../test/golden/keepalived/${name}${end}`, import.meta.url);
      const got = take(readFileSync(at('.conf'), 'utf8'), { file: `${name}.conf` });
      if (process.env.UPDATE_GOLDEN) {
        writeFileSync(at('.yaml.txt'), got.configuration);
        writeFileSync(at('.report.txt'), got.report);
      }
      assert.equal(got.configuration, readFileSync(at('.yaml.txt'), 'utf8'));
      assert.equal(got.report, readFileSync(at('.report.txt'), 'utf8'));
    });
  }
});

test('the configuration of the field report: one listener, 44 backends, a native probe', () => {
  const file = new URL('../../../test/golden/keepalived/report-3.conf', import.meta.url);
  const { snapshot, pool, removal } = take(readFileSync(file, 'utf8'));
  assert.deepEqual(snapshot.listen, [{ address: '192.0.2.53', port: 53 }]);
  assert.equal(pool.policy, 'round-robin');
  assert.equal(pool.backends.length, 44);
  assert.deepEqual(pool.backends[43], {
    name: '10.105.0.44',
    address: '10.105.0.44',
    port: 53,
    weight: 1,
    source: '10.105.1.1',
  });
  assert.deepEqual(removal[0]?.old, { silent: 11_000, servfail: 6000 });
  assert.deepEqual(removal[0]?.new, { silent: 4000, servfail: 3000 });
});

test('44 s until keepalived takes a silent server out, with a delay_loop of 6', () => {
  const { removal } = take(virtual(`delay_loop 6\n${server()}`));
  assert.deepEqual(removal, [
    {
      check: 'DNS_CHECK',
      program: false,
      servers: 1,
      old: { silent: 44_000, servfail: 24_000 },
      new: { silent: 4000, servfail: 3000 },
    },
  ]);
});

test('timers are inherited: virtual server, real server, check', () => {
  const old = (text: string) => take(text).removal[0]?.old.silent;
  assert.equal(old(virtual()), 60_000 + 4 * 5000 + 3 * 60_000);
  assert.equal(
    old(virtual(`delay_loop 2\nretry 1\nconnect_timeout 1.5\n${server()}`)),
    2000 + 2 * 1500 + 2000,
  );
  const inner = `retry 0\n${check}`;
  assert.equal(old(virtual(`delay_loop 2\nretry 1\nconnect_timeout 1\n${server('10.0.0.1', inner)}`)), 3000);
  const own = 'DNS_CHECK {\nretry 2\ndelay_before_retry .25\n}';
  assert.equal(old(virtual(`delay_loop 2\nretry 1\nconnect_timeout 1\n${server('10.0.0.1', own)}`)), 5500);
  const tcp = take(virtual(`delay_loop 6\n${server('10.0.0.1', 'TCP_CHECK {\n}')}`));
  assert.deepEqual(tcp.removal[0]?.old, { silent: 6000 + 2 * 5000 + 1000, servfail: null });
});

test('--keep-timers keeps them', () => {
  const { pool, removal } = take(virtual(`delay_loop 6\nconnect_timeout 2\n${server()}`), {
    keepTimers: true,
  });
  assert.match(JSON.stringify(pool), /"interval":6000,"timeout":2000,"window":\{"failures":4,"of":4\}/);
  assert.deepEqual(removal[0]?.old, { silent: 32_000, servfail: 24_000 });
  assert.deepEqual(removal[0]?.new, { silent: 26_000, servfail: 24_000 });
});

test('UDP and TCP of one address become one', () => {
  const text = virtual(`protocol UDP\n${server()}`) + virtual(`protocol TCP\n${server()}`);
  const got = take(text);
  assert.equal(got.snapshot.listen.length, 1);
  assert.equal(got.pool.backends.length, 1);
  assert.deepEqual(verdictOn(got, 'real_server'), ['kept']);
  assert.deepEqual(verdictOn(got, 'virtual_server 192.0.2.1 53'), ['kept']);
  const one = take(virtual(`protocol UDP\n${server()}`));
  assert.deepEqual(verdictOn(one, 'virtual_server 192.0.2.1 53'), ['approximated']);
  const uneven = take(
    virtual(server('10.0.0.1 53', 'weight 3')) +
      virtual(`protocol TCP\n${server('10.0.0.1 53', 'weight 4')}${server('10.0.0.2 53')}`),
  );
  assert.deepEqual(
    uneven.pool.backends.map(({ weight }) => weight),
    [3, 1],
  );
  assert.deepEqual(verdictOn(uneven, 'weight 4'), ['approximated']);
  assert.deepEqual(verdictOn(uneven, 'real_server'), ['kept', 'approximated'].toReversed());
});

test('several addresses before the same servers are listeners of one', () => {
  const got = take(virtual() + virtual(server(), '2001:db8::1 53'));
  assert.deepEqual(got.snapshot.listen, [
    { address: '192.0.2.1', port: 53 },
    { address: '2001:db8::1', port: 53 },
  ]);
});

test('other servers behind another address need a choice', () => {
  const text = virtual() + virtual(server('10.0.0.2 53'), '192.0.2.2 53');
  assert.match(failure(text), /has 2 farms[\s\S]* {2}192.0.2.1 53\n {2}192.0.2.2 53/);
  assert.equal(take(text, { only: ['192.0.2.2 53'] }).pool.backends[0]?.address, '10.0.0.2');
  assert.equal(take(text, { only: ['192.0.2.1'] }).pool.backends[0]?.address, '10.0.0.1');
  assert.match(
    failure(text, { only: ['192.0.2.3'] }),
    /no virtual server is called "192.0.2.3"; there are:\n {2}192/,
  );
});

test('what does not serve DNS stays with keepalived', () => {
  const web = virtual(server('10.0.0.80 80'), '192.0.2.1 80');
  const got = take(virtual() + web);
  assert.deepEqual(verdictOn(got, 'virtual_server 192.0.2.1 80'), ['kept']);
  assert.match(failure(web), /none of its virtual servers serves DNS \(port 53\):\n {2}192.0.2.1 80/);
  assert.deepEqual(take(web, { only: ['192.0.2.1 80'] }).snapshot.listen[0]?.port, 80);
  assert.match(failure('global_defs {\n}\n'), /it has no virtual server/);
});

test('schedulers', () => {
  const policy = (name: string) => {
    const got = take(virtual(`lb_algo ${name}\n${server()}`));
    return [got.pool.policy, verdictOn(got, `lb_algo ${name}`)[0]];
  };
  assert.deepEqual(policy('rr'), ['round-robin', 'kept']);
  assert.deepEqual(policy('wrr'), ['round-robin', 'kept']);
  for (const name of ['lc', 'wlc', 'sed', 'nq', 'twos'])
    assert.deepEqual(policy(name), ['least-outstanding', 'approximated'], name);
  for (const name of ['sh', 'mh']) assert.deepEqual(policy(name), ['client-hash', 'approximated']);
  for (const name of ['dh', 'lblc', 'lblcr'])
    assert.deepEqual(policy(name), ['consistent-hash', 'approximated']);
  assert.deepEqual(policy('fo'), ['first-available', 'kept']);
  assert.deepEqual(policy('ovf'), ['first-available', 'approximated']);
  assert.equal(take(virtual()).pool.policy, 'least-outstanding');
  const mixed = take(virtual(`lvs_sched rr\n${server()}`) + virtual(`protocol TCP\nlb_algo sh\n${server()}`));
  assert.equal(mixed.pool.policy, 'round-robin');
  assert.deepEqual(verdictOn(mixed, 'lb_algo sh'), ['approximated']);
  assert.match(
    failure(virtual('lb_algo wlx')),
    /k.conf:2:9: lb_algo: "wlx" is not right; expected one of rr, /,
  );
});

test('weights: kept, left out, divided, none', () => {
  const weights = (algorithm: string, ...list: number[]) => {
    const servers = list.map((weight, i) => server(`10.0.0.${i + 1} 53`, `weight ${weight}`)).join('');
    return take(virtual(`lb_algo ${algorithm}\n${servers}`)).pool.backends.map(({ weight }) => weight);
  };
  assert.deepEqual(weights('wrr', 3, 1, 1000), [3, 1, 1000]);
  assert.deepEqual(weights('rr', 3, 1), [1, 1]);
  assert.deepEqual(weights('wlc', 65_535, 6553, 1), [1000, 100, 1]);
  assert.deepEqual(weights('wrr', 3, 0, 2), [3, 2]);
  assert.deepEqual(take(virtual(`weight 7\n${server('10.0.0.1 53', '')}`)).pool.backends[0]?.weight, 7);
  assert.match(
    failure(virtual(server('10.0.0.1', 'weight 0'))),
    /no real server is left that could be a backend/,
  );
  assert.match(
    failure(virtual(server('10.0.0.1', 'weight -1'))),
    /:3:8: "-1" is not right; expected a whole number/,
  );
});

test('fo and ovf: by weight, with room by weight, the sorry server last', () => {
  const servers = server('10.0.0.1 53', 'weight 1') + server('10.0.0.2 53', 'weight 5\nuthreshold 9');
  const list = (algorithm: string) => {
    const got = take(virtual(`lb_algo ${algorithm}\nsorry_server 10.0.0.9 53\n${servers}`));
    assert.deepEqual(verdictOn(got, 'sorry_server'), ['kept']);
    return got.pool.backends.map(({ address, capacity }) => [address, capacity]);
  };
  assert.deepEqual(list('fo'), [
    ['10.0.0.2', 9],
    ['10.0.0.1', undefined],
    ['10.0.0.9', undefined],
  ]);
  assert.deepEqual(list('ovf'), [
    ['10.0.0.2', 9],
    ['10.0.0.1', 1],
    ['10.0.0.9', undefined],
  ]);
  const other = take(virtual(`sorry_server 10.0.0.9 53\n${servers}`));
  assert.deepEqual(verdictOn(other, 'sorry_server'), ['dropped']);
  assert.deepEqual(verdictOn(other, 'uthreshold'), ['dropped']);
});

test('persistence becomes a hash of the client', () => {
  const got = take(virtual(`persistence_timeout 50\npersistence_granularity 255.255.255.0\n${server()}`));
  assert.equal(got.pool.policy, 'client-hash');
  assert.deepEqual(verdictOn(got, 'persistence_timeout'), ['approximated']);
  assert.deepEqual(verdictOn(got, 'persistence_granularity'), ['dropped']);
  assert.equal(take(virtual(`persistence_timeout\nlb_algo fo\n${server()}`)).pool.policy, 'first-available');
});

test('groups: addresses, ranges, marks', () => {
  const group = (inner: string) => `virtual_server_group g {\n${inner}\n}\n${virtual(server(), 'group g')}`;
  const listen = (inner: string) => take(group(inner)).snapshot.listen.map(({ address }) => address);
  assert.deepEqual(listen('192.0.2.254-192.0.3.1 53\n2001:db8::9-b 53'), [
    '192.0.2.254',
    '192.0.2.255',
    '192.0.3.0',
    '192.0.3.1',
    '2001:db8::9',
    '2001:db8::a',
    '2001:db8::b',
  ]);
  assert.deepEqual(listen('192.0.2.8-9 53\n192.0.2.8/31 5300'), [
    '192.0.2.8',
    '192.0.2.9',
    '192.0.2.8',
    '192.0.2.9',
  ]);
  assert.match(
    failure(group('192.0.2.9-8 53')),
    /:2:1: "192.0.2.9-8" is no address and no range; expected an address, 192/,
  );
  assert.match(failure(group('10.0.0.0/8')), /no address and no range/);
  assert.match(
    failure(group('fwmark 3')),
    /group g: the file does not say which addresses it serves; expected .*--listen/,
  );
  assert.match(failure(virtual(server(), 'group h')), /there is no virtual_server_group h/);
  const marked = virtual(server(), 'fwmark 3');
  assert.match(failure(marked), /does not say which addresses/);
  const { snapshot } = take(marked, { listen: [{ address: '192.0.2.7', port: 53 }] });
  assert.deepEqual(snapshot.listen, [{ address: '192.0.2.7', port: 53 }]);
});

test('a nameserver at our own address is left out', () => {
  const got = take(virtual(server('192.0.2.1 53') + server()));
  assert.deepEqual(
    got.pool.backends.map(({ address }) => address),
    ['10.0.0.1'],
  );
  assert.deepEqual(verdictOn(got, 'real_server 192.0.2.1:53'), ['dropped']);
});

test('DNS_CHECK: the same question, NOERROR alone', () => {
  assert.deepEqual(take(virtual()).pool.probes, [
    {
      kind: 'dns-udp',
      name: 'example.net.',
      type: 1,
      expect: [0],
      interval: 1000,
      timeout: 1000,
      window: { failures: 3, of: 5 },
    },
  ]);
  const [plain] = take(virtual(server('10.0.0.1 53', 'DNS_CHECK {\n}'))).pool.probes;
  assert.deepEqual([plain?.name, plain?.type], ['.', 6]);
  assert.match(
    failure(virtual(server('10.0.0.1', 'DNS_CHECK {\ntype AXFR\n}'))),
    /type: "AXFR" is no record type that can/,
  );
  assert.match(
    failure(virtual(server('10.0.0.1', 'DNS_CHECK {\nname a..b\n}'))),
    /:4:1: name: "a..b" is no domain name/,
  );
});

test('addresses of checks: bindto is the source, connect_ip is not followed', () => {
  const inner = (lines: string) => `DNS_CHECK {\n${lines}\n}`;
  const bound = take(virtual(server('10.0.0.1 53', inner('bindto 10.0.0.8'))));
  assert.equal(bound.pool.backends[0]?.source, '10.0.0.8');
  assert.deepEqual(verdictOn(bound, 'bindto'), ['approximated']);
  const other = take(virtual(server('10.0.0.1 53', inner('connect_ip 10.0.0.3\nbindto ::1'))));
  assert.equal(other.pool.backends[0]?.source, undefined);
  assert.deepEqual(verdictOn(other, 'connect_ip'), ['approximated']);
});

test('servers that are checked in several ways: most decide', () => {
  const odd = server('10.0.0.3 53', 'DNS_CHECK {\nname other.example\n}');
  const got = take(virtual(server('10.0.0.1 53') + server('10.0.0.2 53') + odd));
  assert.match(JSON.stringify(got.pool), /example.net/);
  assert.deepEqual(
    got.remarks
      .filter(({ verdict }) => verdict === 'dropped')
      .map(({ what, places }) => [what, places[0]?.line]),
    [['DNS_CHECK', 15]],
  );
});

test('checks that are none of a nameserver are dropped; without any, the default probe asks', () => {
  const got = take(virtual(server('10.0.0.1 53', 'HTTP_GET {\nurl {\npath /\n}\n}\nBFD_CHECK {\nname x\n}')));
  assert.deepEqual(verdictOn(got, 'HTTP_GET'), ['dropped']);
  assert.deepEqual(verdictOn(got, 'BFD_CHECK'), ['dropped']);
  assert.deepEqual(verdictOn(got, 'no check'), ['approximated']);
  const [probe, ...others] = got.pool.probes;
  assert.deepEqual([probe?.name, probe?.type, probe?.expect, others], ['.', 2, [0, 3, 5], []]);
});

test('plain dig: its questions are kept, its blindness to SERVFAIL is not', () => {
  const misc =
    'MISC_CHECK {\nmisc_path "/usr/bin/dig -b 10.0.0.8 a x.example @10.0.0.1 +time=1 +tries=5 +fail > /dev/null"\nmisc_timeout 6\n}';
  const got = take(virtual(`delay_loop 10\n${server('10.0.0.1 53', misc)}`));
  assert.equal(got.pool.backends[0]?.source, '10.0.0.8');
  assert.deepEqual(got.removal[0]?.old, { silent: 15_000, servfail: null });
  assert.deepEqual(verdictOn(got, 'MISC_CHECK dig'), ['approximated']);
});

test('another program becomes a probe that runs it, once for all servers that it is the same for', () => {
  const misc = (address: string, more = '') =>
    server(
      `${address} 53`,
      `MISC_CHECK {\nmisc_path "/x/check -H ${address} -n 110.0.0.1 ${address}:53 'a b'"\nmisc_timeout 3\n${more}\n}`,
    );
  const got = take(virtual(`delay_loop 10\nretry 1\n${misc('10.0.0.1')}${misc('10.0.0.2')}`));
  assert.equal(got.pool.probes.length, 1);
  const { exec, interval, timeout, window } = got.pool.probes[0]!;
  assert.deepEqual(exec, ['/x/check', '-H', '{address}', '-n', '110.0.0.1', '{address}:53', 'a b']);
  assert.deepEqual(
    { interval, timeout, window },
    { interval: 5500, timeout: 3000, window: { failures: 2, of: 2 } },
  );
  assert.deepEqual(got.removal, [
    {
      check: 'MISC_CHECK check',
      program: true,
      servers: 2,
      old: { silent: 17_000, servfail: 11_000 },
      new: { silent: 14_000, servfail: 11_000 },
    },
  ]);
  assert.deepEqual(verdictOn(got, 'MISC_CHECK check'), ['kept']);
  const one = take(virtual(`delay_loop 10\n${misc('10.0.0.1', 'misc_dynamic\nuser nagios')}`));
  assert.equal(one.pool.probes[0]?.dynamic, true);
  assert.deepEqual(verdictOn(one, 'user nagios'), ['dropped']);
  const piped = 'MISC_CHECK {\nmisc_path "dig @10.0.0.1 a.b | grep -q NOERROR"\n}';
  assert.deepEqual(take(virtual(server('10.0.0.1 53', piped))).pool.probes[0]?.exec, [
    '/bin/sh',
    '-c',
    'dig @{address} a.b | grep -q NOERROR',
  ]);
  const none = take(virtual(server('10.0.0.1 53', `MISC_CHECK {\nmisc_path "'' x"\n}`)));
  assert.deepEqual(verdictOn(none, 'MISC_CHECK '), ['dropped']);
});

test('a program that is one server’s own is not run for others', () => {
  const own = (i: number) => server(`10.0.0.${i} 53`, `MISC_CHECK {\nmisc_path "/x/check-${i}"\n}`);
  const got = take(virtual(own(1) + own(2) + own(3)));
  assert.equal(got.pool.probes[0]?.kind, 'dns-udp');
  assert.deepEqual(verdictOn(got, 'MISC_CHECK check-2'), ['dropped']);
  assert.deepEqual(got.removal, []);
});

test('checks without a question of their own ask that of another check', () => {
  const plain = take(virtual(server('10.0.0.1 53', 'TCP_CHECK {\n}'))).pool.probes[0];
  assert.deepEqual([plain?.kind, plain?.name, plain?.expect], ['dns-tcp', '.', [0, 3, 5]]);
  const got = take(virtual(server('10.0.0.1 53', `PING_CHECK {\n}\nTCP_CHECK {\n}\n${check}`)));
  assert.deepEqual(
    got.pool.probes.map(({ kind, name, expect }) => [kind, name, expect]),
    [
      ['dns-udp', 'example.net.', [0]],
      ['dns-tcp', 'example.net.', [0]],
    ],
  );
});

test('two checks with the same question are one probe', () => {
  const dig = 'MISC_CHECK {\nmisc_path "dig @10.0.0.1 example.net A"\n}';
  const got = take(virtual(server('10.0.0.1 53', `${check}\n${dig}`)));
  assert.equal(got.pool.probes.length, 1);
});

test('names: what SNMP called it, else the address', () => {
  const names = take(
    virtual(
      server('10.0.0.1 53', 'snmp_name kai') +
        server('10.0.0.2 53', 'snmp_name kai') +
        server('10.0.0.3 54', 'snmp_name "not a label"') +
        server('2001:db8::1 53') +
        server('::ffff:10.0.0.4 53'),
    ),
  ).pool.backends.map(({ name, address }) => [name, address]);
  assert.deepEqual(names, [
    ['kai', '10.0.0.1'],
    ['10.0.0.2', '10.0.0.2'],
    ['10.0.0.3-54', '10.0.0.3'],
    ['v6-2001-db8--1', '2001:db8::1'],
    ['10.0.0.4', '10.0.0.4'],
  ]);
});

test('VRRP stays with keepalived, which is told once', () => {
  const vrrp = 'vrrp_instance V {\nvirtual_ipaddress {\n192.0.2.1/24 dev eth0\n}\n}\n';
  const got = take(vrrp + virtual());
  assert.deepEqual(verdictOn(got, 'vrrp_instance'), ['kept']);
  assert.deepEqual(verdictOn(got, 'virtual_server 192.0.2.1 53: its address'), ['approximated']);
});

test('keywords that there are not are told, with what may have been meant', () => {
  const got = take(
    virtual(`wieght 3\n${server('10.0.0.1 53', 'notifi_up x')}`).concat('virtual_sever x {\n}\n'),
  );
  assert.deepEqual(said(got, '"wieght"'), [
    ['dropped', [2], 'no keyword of a virtual server; did you mean weight?'],
  ]);
  assert.deepEqual(said(got, '"notifi_up"'), [
    ['dropped', [4], 'no keyword of a real server; did you mean notify_up?'],
  ]);
  assert.deepEqual(verdictOn(got, '"virtual_sever"'), ['dropped']);
});

test('mistakes are told all at once, with file, line, column and what was expected', () => {
  const text = virtual(
    `delay_loop 6s\nprotocol udb\nquorum\nalpha maybe\nreal_server kai 53 {\n}\n${server('10.0.0.1 530000')}`,
  );
  assert.deepEqual(failure(text).split('\n'), [
    'k.conf is not understood, 6 problem(s):',
    'k.conf:2:12: delay_loop: "6s" is not right; expected seconds, such as 6 or 0.5, above 0 to 4294; did you mean 6?',
    'k.conf:3:10: protocol: "udb" is not right; expected one of UDP, TCP, SCTP; did you mean UDP?',
    'k.conf:4:1: quorum says nothing; expected a whole number',
    'k.conf:5:7: alpha: "maybe" is not right; expected on, off, true, false, yes or no',
    'k.conf:6:13: real_server: "kai" is no IP address; expected an IP address',
    'k.conf:8:22: "530000" is not right; expected a port from 1 to 65535',
  ]);
  assert.match(failure('virtual_server 192.0.2.1 53 {\n'), /:1:1: the block "virtual_server" is not closed/);
  assert.match(
    failure(virtual(server('10.0.0.1', `weight 1 ${check}`))),
    /:3:1: weight has a block; expected no "{"/,
  );
  assert.equal(take(virtual(`protocol udp\n${server()}`)).pool.backends.length, 1);
  assert.match(failure('virtual_server 192.0.2.1 53\n'), /virtual_server has no block; expected "{" and "}"/);
  assert.match(failure(virtual(server('10.0.0.1', 'MISC_CHECK {\n}'))), /MISC_CHECK has no misc_path/);
  assert.match(failure('a'.repeat(4_000_001)), /the file has 4000001 characters; expected at most 4000000/);
});

test('too many servers are told', () => {
  const text = virtual('~SEQ(A, 0, 9) ~SEQ(B, 0, 255) real_server 10.0.${A}.${B} 53 { }\n');
  assert.match(failure(text), /there are 2560 real servers; expected at most 1024/);
});

test('any text gives an error of the importer, or what loads', () => {
  const words = fc.constantFrom(
    ...'virtual_server|192.0.2.1 53|{|}|\n|real_server|10.0.0.1 53|weight|0|7|delay_loop|DNS_CHECK {|}\n|lb_algo|fo|sh|group g|~SEQ(N,2)|$N|${N}|$N=|"|\'|\\|!|sorry_server|::1|MISC_CHECK {|misc_path|dig @10.0.0.1|name|type|ANY|protocol TCP\n|PING_CHECK {'.split(
      '|',
    ),
  );
  const text = fc.array(fc.oneof({ weight: 20, arbitrary: words }, fc.string({ maxLength: 4 })), {
    maxLength: 60,
  });
  fc.assert(
    fc.property(text, parts => {
      for (const whole of [parts.join(' '), virtual(parts.join(' ')), virtual(server() + parts.join(' '))]) {
        try {
          take(whole);
        } catch (error) {
          assert.ok(error instanceof ChorusError && error.code.startsWith('IMPORT_'), String(error));
        }
      }
    }),
    { numRuns: 150 },
  );
});
