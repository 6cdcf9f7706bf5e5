import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type IpvsOptions, ipvsChange, ipvsRemoval, ipvsWanted, parseIpvs } from './ipvs.ts';
import type { BackendRole, Layer4Service } from './plan.ts';

const options: IpvsOptions = { scheduler: 'mh', forwarding: 'nat' };
const backend = (name: string, address: string, role: BackendRole = 'serves', weight = 1) => ({
  name,
  address,
  port: 53,
  weight,
  role,
});
const service = (...backends: ReturnType<typeof backend>[]): Layer4Service => ({
  address: '192.0.2.53',
  port: 53,
  udp: true,
  tcp: true,
  backends,
});
const [a, b] = ['10.0.0.1', '10.0.0.2'] as const;

/** What the table becomes when lines are given to `ipvsadm --restore`, by the rules of ipvsadm(8). Fails where ipvsadm would. */
function restore(start: string, lines: string): string {
  const table = new Map<string, { head: string; servers: Map<string, string> }>();
  for (const line of `${start}${lines}`.split('\n').filter(line => line !== '')) {
    const form =
      /^-([AEDaed]) (-[ut] (?:\d+\.\d+\.\d+\.\d+|\[[0-9a-f:]+\]):\d+)(?: (.*))?$/.exec(line) ??
      assert.fail(`ipvsadm(8) knows no line such as: ${line}`);
    const [, command = '', key = '', rest = ''] = form;
    const entry = table.get(key);
    if (command === 'A') {
      assert.match(rest, /^-s (mh|wrr|wlc|sh)( -b [a-z,-]+)?( -o)?$/);
      assert.ok(!entry && !(rest.endsWith('-o') && key.startsWith('-t')), line);
      table.set(key, { head: rest, servers: new Map() });
      continue;
    }
    assert.ok(entry, `no such service: ${line}`);
    if (command === 'E') {
      assert.match(rest, /^-s (mh|wrr|wlc|sh)( -b [a-z,-]+)?( -o)?$/);
      entry.head = rest;
    } else if (command === 'D') table.delete(key);
    else {
      const server =
        /^-r (\S+)( -[gim] -w \d{1,5})?$/.exec(rest) ??
        assert.fail(`ipvsadm(8) knows no server such as: ${line}`);
      assert.equal(entry.servers.has(server[1]!), command !== 'a', line);
      if (command === 'd') entry.servers.delete(server[1]!);
      else entry.servers.set(server[1]!, server[2] ?? assert.fail(line));
    }
  }
  return [...table]
    .map(([key, { head, servers }]) =>
      [`-A ${key} ${head}\n`, ...[...servers].map(([at, how]) => `-a ${key} -r ${at}${how}\n`)].join(''),
    )
    .join('');
}

test('the lines for a service', () => {
  const lines = ipvsChange(
    ipvsWanted([service(backend('a', a), backend('b', b, 'drains', 3))], options),
    new Map(),
  );
  assert.equal(
    lines,
    `-A -u 192.0.2.53:53 -s mh -b mh-fallback,mh-port -o
-a -u 192.0.2.53:53 -r 10.0.0.1:53 -m -w 1
-a -u 192.0.2.53:53 -r 10.0.0.2:53 -m -w 0
-A -t 192.0.2.53:53 -s mh -b mh-fallback,mh-port
-a -t 192.0.2.53:53 -r 10.0.0.1:53 -m -w 1
-a -t 192.0.2.53:53 -r 10.0.0.2:53 -m -w 0
`,
  );
  const six = { ...service(backend('c', 'fd00::1')), address: '2001:db8::53', tcp: false };
  assert.equal(
    ipvsChange(ipvsWanted([six], { scheduler: 'wrr', forwarding: 'direct' }), new Map()),
    '-A -u [2001:db8::53]:53 -s wrr -o\n-a -u [2001:db8::53]:53 -r [fd00::1]:53 -g -w 1\n',
  );
});

test('one that goes is taken out, others are not touched', () => {
  const before = ipvsWanted([service(backend('a', a), backend('b', b))], options);
  const after = ipvsWanted([service(backend('a', a), backend('b', b, 'gone'))], options);
  assert.equal(
    ipvsChange(after, before),
    '-d -u 192.0.2.53:53 -r 10.0.0.2:53\n-d -t 192.0.2.53:53 -r 10.0.0.2:53\n',
  );
  assert.equal(ipvsChange(before, before), '');
});

test('services of others stay', () => {
  const actual = parseIpvs(
    '-A -t 198.51.100.1:80 -s wlc -p 300\n-a -t 198.51.100.1:80 -r 10.0.0.9:80 -g -w 1\n-A -u 192.0.2.53:53 -s wrr -o\n-A -f 7 -s rr\n-a -f 7 -r 10.0.0.9:0 -g -w 1\n',
  )!;
  const lines = ipvsChange(ipvsWanted([service(backend('a', a))], options), actual);
  assert.doesNotMatch(lines, /198\.51/);
  assert.match(lines, /^-E -u 192\.0\.2\.53:53 -s mh/m);
  assert.equal(ipvsRemoval(['-u 192.0.2.53:53', '-t 192.0.2.53:53'], actual), '-D -u 192.0.2.53:53\n');
});

test('a fraction of a weight is not lost', () => {
  const table = ipvsWanted(
    [service(backend('a', a, 'serves', 0.5), backend('b', b, 'serves', 0.001))],
    options,
  );
  assert.deepEqual(
    [...table.get('-u 192.0.2.53:53')!.servers.values()].map(({ weight }) => weight),
    [50, 1],
  );
});

test('what is not understood is refused whole', () => {
  for (const text of [
    '-A -u 192.0.2.53:53 -s mh --frob',
    '-a -u 192.0.2.53:53 -r 10.0.0.1:53 -m -w 1',
    '-A -u 192.0.2.53:53\n-a -u 192.0.2.53:53 -r 10.0.0.1 -m -w 1',
    '-A -u 192.0.2.53:53\n-a -u 192.0.2.53:53 -r 10.0.0.1:53 -m -g',
    '-A -u 192.0.2.53:53\n-A -u 192.0.2.53:53',
    '-C',
    'IP Virtual Server version 1.2.1',
  ])
    assert.equal(parseIpvs(text), null, text);
  fc.assert(
    fc.property(fc.string(), text => {
      parseIpvs(text);
    }),
  );
});

test('from any table to any other by lines that ipvsadm takes, and read back the same', () => {
  const servers = fc.uniqueArray(
    fc.record({
      name: fc.constant('x'),
      address: fc.nat(5).map(n => `10.0.0.${n + 1}`),
      port: fc.constant(53),
      weight: fc.nat(9),
      role: fc.constantFrom<BackendRole>('serves', 'drains', 'gone'),
    }),
    { selector: ({ address }) => address },
  );
  const services = fc.uniqueArray(
    fc.record({
      address: fc.constantFrom('192.0.2.53', '192.0.2.54', '2001:db8::53'),
      port: fc.constantFrom(53, 853),
      udp: fc.boolean(),
      tcp: fc.boolean(),
      backends: servers,
    }),
    { selector: ({ address, port }) => `${address} ${port}` },
  );
  const how = fc.record({
    scheduler: fc.constantFrom('mh' as const, 'wrr' as const, 'sh' as const),
    forwarding: fc.constantFrom('nat' as const, 'direct' as const),
  });
  fc.assert(
    fc.property(services, how, services, how, (before, first, after, second) => {
      const start = ipvsWanted(before, first);
      const wanted = ipvsWanted(after, second);
      const text = restore('', ipvsChange(start, new Map()));
      const read = parseIpvs(text)!;
      assert.equal(ipvsChange(start, read), '');
      const then = parseIpvs(restore(text, ipvsChange(wanted, read, start.keys())))!;
      assert.equal(ipvsChange(wanted, then, start.keys()), '');
      assert.deepEqual([...then.keys()].sort(), [...wanted.keys()].sort());
    }),
  );
});
