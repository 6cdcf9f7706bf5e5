/**
 * The kernel as data plane: clients, a balancer with nftables that Chorus keeps, and real nameservers behind it, each on a host of
 * its own.
 */
import assert from 'node:assert/strict';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { backend, Chorus, chorusCommand } from '#test/support/chorus.ts';
import { addAddress, isolate, Namespace } from '#test/support/isolate.ts';
import { poll } from '#test/support/poll.ts';
import { must, Program, run, temporaryFolder } from '#test/support/process.ts';
import { askTcp, askUdp, opt, packet, TcpClient, UdpClient } from '#test/support/raw.ts';
import { requires } from '#test/support/requires.ts';

const service4 = { address: '192.0.2.53', port: 53 };
const service6 = { address: '2001:db8::53', port: 53 };
const names = ['ann', 'ida', 'kai'] as const;
type Name = (typeof names)[number];
/** One of them answers on another port. */
const port = (name: Name) => (name === 'kai' ? 5353 : 53);
const index = (name: Name) => names.indexOf(name) + 1;
const address4 = (name: Name) => `10.80.${index(name)}.2`;
const address6 = (name: Name) => `fd80:${index(name)}::2`;

/** BIND with a zone that says who it is, and answers that take several packets. */
async function startNamed(name: Name, namespace: Namespace): Promise<Program> {
  const folder = temporaryFolder('named');
  const big = Array.from({ length: 16 }, () => `"${'x'.repeat(250)}"`).join(' ');
  writeFileSync(
    join(folder, 'zone'),
    `$TTL 60
@ IN SOA ns host 1 3600 600 86400 60
@ IN NS ns
ns IN A ${address4(name)}
id IN TXT "${name}"
big IN TXT ${big}
`,
  );
  writeFileSync(
    join(folder, 'named.conf'),
    `options { directory "${folder}"; pid-file none; recursion no; max-udp-size 4096;
  listen-on port ${port(name)} { any; }; listen-on-v6 port ${port(name)} { any; }; };
controls { };
zone "farm.test" { type primary; file "${folder}/zone"; };
`,
  );
  const named = new Program('named', ['-g', '-c', join(folder, 'named.conf')], { namespace: namespace.pid });
  await named.until('its zones', () => named.stderr.includes('running'));
  return named;
}

const question = (id: number) => packet({ id, name: 'id.farm.test', type: 16 });
/** Who has answered. */
function who(answer: Buffer | undefined): Name | undefined {
  return names.find(name => answer?.includes(Buffer.from(`\x03${name}`, 'latin1')));
}

describe('nftables', requires('root', 'ip', 'nft', 'named', 'nsenter', 'unshare', 'setpriv'), () => {
  let balancer: Namespace;
  let chorus: Chorus;
  const hosts = new Map<Name, Namespace>();
  const servers = new Map<Name, Program>();

  before(async () => {
    await isolate();
    balancer = await Namespace.make();
    await balancer.cable('client', 'front');
    await addAddress('client', '10.80.0.1/24');
    await addAddress('client', 'fd80::1/64');
    const on = { namespace: balancer.pid };
    await addAddress('front', '10.80.0.2/24', balancer.pid);
    await addAddress('front', 'fd80::2/64', balancer.pid);
    await must('ip', ['route', 'add', `${service4.address}/32`, 'via', '10.80.0.2']);
    await must('ip', ['-6', 'route', 'add', `${service6.address}/128`, 'via', 'fd80::2']);
    for (const [key, value] of [
      ['net/ipv4/ip_forward', '1'],
      ['net/ipv6/conf/all/forwarding', '1'],
    ])
      await must('sh', ['-c', `echo ${value} > /proc/sys/${key}`], on);
    for (const name of names) {
      const host = await Namespace.make();
      hosts.set(name, host);
      const n = index(name);
      const veth = [
        'link',
        'add',
        `to-${name}`,
        'type',
        'veth',
        'peer',
        'name',
        'eth0',
        'netns',
        `${host.pid}`,
      ];
      await must('ip', veth, on);
      await must('ip', ['link', 'set', `to-${name}`, 'up'], on);
      await must('ip', ['link', 'set', 'eth0', 'up'], { namespace: host.pid });
      await addAddress(`to-${name}`, `10.80.${n}.1/24`, balancer.pid);
      await addAddress(`to-${name}`, `fd80:${n}::1/64`, balancer.pid);
      await addAddress('eth0', `${address4(name)}/24`, host.pid);
      await addAddress('eth0', `${address6(name)}/64`, host.pid);
      await must('ip', ['route', 'add', 'default', 'via', `10.80.${n}.1`], { namespace: host.pid });
      await must('ip', ['-6', 'route', 'add', 'default', 'via', `fd80:${n}::1`], { namespace: host.pid });
      servers.set(name, await startNamed(name, host));
    }
    chorus = await Chorus.launch(
      {
        listen: [],
        cache: 'off',
        pools: {
          default: {
            policy: 'round-robin',
            timeout: '1s',
            probe: {
              name: 'id.farm.test',
              type: 'TXT',
              interval: '500ms',
              timeout: '500ms',
              // A machine that is busy may be late with an answer or two: only ida dies here.
              window: { failures: 4, of: 4 },
            },
            backends: names.flatMap(name => [
              backend(name, { address: address4(name), port: port(name) }),
              backend(`${name}6`, { address: address6(name), port: port(name) }),
            ]),
          },
        },
        layer4: { check: '1s', services: [{ address: service4.address }, { address: service6.address }] },
      },
      on,
    );
    await agrees();
  });
  after(async () => {
    for (const program of servers.values()) await program.stop();
    for (const host of hosts.values()) await host.stop();
    await balancer?.stop();
  });

  const command = (...args: string[]) =>
    run(chorusCommand, [...args, '--api', `127.0.0.1:${chorus.apiPort}`], { namespace: balancer.pid });
  const agrees = () =>
    poll('the kernel to have what is wanted', async () => (await command('layer4')).code === 0, {
      deadline: 30_000,
      explain: () => chorus.program.log,
    });
  /** Shares of a service's backends in the kernel, by name. */
  const shares = async (at: number) => {
    const { stdout } = await command('layer4', '--json');
    const status: { services: { backends: { name: string; actual: number }[] }[] } = JSON.parse(stdout);
    return Object.fromEntries(status.services[at]!.backends.map(({ name, actual }) => [name, actual]));
  };
  const listing = () => must('nft', ['list', 'ruleset'], { namespace: balancer.pid });

  for (const service of [service4, service6]) {
    test(`${service.address}: 300 of 300 answered while slots change, by all three`, async () => {
      const seen = new Map<Name | undefined, number>();
      let changing = true;
      const changes = (async () => {
        const six = service === service6 ? '6' : '';
        for (let turn = 0; changing && turn < 20; turn++) {
          await command('backend', turn % 2 === 0 ? 'drain' : 'auto', `kai${six}`);
        }
        await command('backend', 'auto', `kai${six}`);
        await agrees();
      })();
      for (let round = 0; round < 30; round++) {
        // Each from a port of its own.
        const answers = await Promise.all(
          Array.from({ length: 10 }, (_, i) => askUdp(service, question(round * 10 + i), 10_000)),
        );
        for (const answer of answers) seen.set(who(answer), (seen.get(who(answer)) ?? 0) + 1);
      }
      changing = false;
      await changes;
      assert.equal(seen.get(undefined), undefined, JSON.stringify([...seen]));
      assert.ok((seen.get('ann') ?? 0) > 30 && (seen.get('ida') ?? 0) > 30, JSON.stringify([...seen]));
      for (let id = 0; id < 10; id++)
        assert.ok(who(await askTcp(service, question(id), 15_000)), chorus.program.log);
    });

    test(`${service.address}: an answer of several fragments arrives whole`, async () => {
      const big = packet({ name: 'big.farm.test', type: 16, counts: [1, 0, 0, 1], rest: opt(4096) });
      const answer = await askUdp(service, big, 10_000);
      assert.ok((answer?.length ?? 0) > 3000, `${answer?.length} octets`);
    });
  }

  test('no conntrack entry is made for UDP; our own probes have theirs', async t => {
    if (!existsSync('/proc/net/nf_conntrack')) return t.skip('this kernel shows no conntrack entries');
    await askUdp(service4, question(1));
    await poll('no entry of a client, and none of a probe without its answer', async () => {
      const entries = await must('cat', ['/proc/net/nf_conntrack'], { namespace: balancer.pid });
      const udp = entries.split('\n').filter(line => /\budp\b/.test(line));
      assert.deepEqual(
        udp.filter(line => /src=(10\.80\.0\.1|fd80:0*[:0]*1) /.test(line)),
        [],
      );
      // Probes are our own, and firewalls look at them.
      return udp.every(line => !line.includes('UNREPLIED'));
    });
  });

  test('a backend that health removes gets nothing any more, and no flow sticks to it', async () => {
    // Clients that keep their port, as stub resolvers and other resolvers do, some of them on the one that dies: of so many that
    // choose by their ports, one in three on average.
    const clients = Array.from({ length: 48 }, () => new UdpClient(service4));
    const connections = Array.from({ length: 12 }, () => new TcpClient(service4));
    /** Fails with all that there is to know. */
    const check = async (good: boolean, what: string) => {
      if (good) return;
      assert.fail(`${what}\n${JSON.stringify(await shares(0))}\n${await listing()}\n${chorus.program.log}`);
    };
    /** Who answers each of them; every answer comes from the address that was asked. */
    const asked = (id: number) =>
      Promise.all(
        clients.map(async client => {
          client.send(question(id));
          const { bytes, from } = await poll('an answer', () => client.received.shift(), {
            explain: () => chorus.program.log,
          });
          assert.equal(from, `${service4.address}#${service4.port}`);
          return who(bytes);
        }),
      );
    try {
      const first = await asked(1);
      await check(first.includes('ida'), `${first}: some of them are with ida`);
      for (const connection of connections) connection.send(question(1));
      const held = await Promise.all(connections.map(async connection => who(await connection.next(15_000))));
      await check(!held.includes(undefined), `${held}: all are answered`);
      servers.get('ida')!.signal('SIGSTOP');
      await poll('ida to have no slot', async () => (await shares(0)).ida === 0, {
        deadline: 30_000,
        explain: () => chorus.program.log,
      });
      const then = await asked(2);
      await check([...new Set(then)].sort().join() === 'ann,kai', `${then}: all are with the other two`);
      // Those of others were left where they were.
      const moved = first.flatMap((name, at) =>
        name === 'ida' || then[at] === name ? [] : [`${name} → ${then[at]}`],
      );
      await check(moved.length === 0, `moved: ${moved}`);
      for (const [at, connection] of connections.entries()) {
        connection.send(question(2));
        // A connection to one that is gone is reset, so that its client asks again at once.
        if (held[at] === 'ida')
          await check(await connection.ends(15_000), `connection ${at} of ${held}: it is reset`);
        else
          await check(
            who(await connection.next(15_000)) === held[at],
            `connection ${at} of ${held}: it is answered`,
          );
      }
      for (let id = 0; id < 30; id++) {
        const name = who(await askTcp(service4, question(id), 15_000));
        await check(name !== undefined, `question ${id} over TCP`);
      }
    } finally {
      servers.get('ida')!.signal('SIGCONT');
      for (const client of clients) await client.close();
      for (const connection of connections) connection.close();
    }
    await poll('ida to be back', async () => Number((await shares(0)).ida) > 0.3, {
      deadline: 30_000,
      explain: () => chorus.program.log,
    });
  });

  test('what somebody else does to the table is put right', async () => {
    const on = { namespace: balancer.pid };
    await must('nft', ['add', 'table', 'inet', 'foreign'], on);
    for (const spoil of [
      ['flush', 'chain', 'inet', 'chorus_dns', 'queries'],
      ['flush', 'map', 'inet', 'chorus_dns', 's0_address'],
      ['delete', 'table', 'inet', 'chorus_dns'],
    ]) {
      await must('nft', spoil, on);
      await poll('an answer', async () => who(await askUdp(service4, question(7), 300)), {
        deadline: 20_000,
        explain: () => `${spoil.join(' ')}\n${chorus.program.log}`,
      });
    }
    assert.match(await listing(), /table inet foreign/);
  });

  test('the dry run is text that nft takes; the end takes our table away and no other', async () => {
    const dry = await run(chorusCommand, ['layer4', '--dry-run', '--config', chorus.file]);
    assert.equal(dry.code, 0, dry.stderr);
    await must('nft', ['-c', '-f', '-'], { namespace: balancer.pid, input: dry.stdout });
    await chorus.stop();
    const left = await listing();
    assert.doesNotMatch(left, /chorus/);
    assert.match(left, /table inet foreign/);
  });
});

describe('IPVS', requires('root', 'ipvsadm'), () => {
  test('all that ipvsadm has to say is that the kernel has none; or it takes the lines', async () => {
    await isolate();
    const file = join(temporaryFolder('ipvs'), 'chorus.yaml');
    writeFileSync(
      file,
      `listen: []
pools: { default: { backends: [{ name: a, address: "10.0.0.1:53" }, { name: b, address: "10.0.0.2:53", weight: 3 }] } }
layer4: { data-plane: ipvs, services: [{ address: 192.0.2.53 }] }
`,
    );
    const dry = await run(chorusCommand, ['layer4', '--dry-run', '--config', file]);
    assert.equal(dry.code, 0, dry.stderr);
    assert.match(dry.stdout, /^-A -u 192\.0\.2\.53:53 -s mh -b mh-fallback,mh-port -o$/m);
    const { code, stderr } = await run('ipvsadm', ['--restore'], { input: dry.stdout });
    if (code !== 0)
      assert.match(stderr, /^Can't initialize ipvs: .*\nAre you sure that IP Virtual Server is built/);
  });
});
