/** `chorus check` and `chorus probe` against real servers, as monitoring systems, keepalived and operators run them. */
import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { backend, Chorus, chorus, chorusCommand } from '../support/chorus.ts';
import { answerTo, HandBackend, questionName, sendFramed } from '../support/hand-backend.ts';
import { startLab } from '../support/lab.ts';
import { freePort } from '../support/ports.ts';
import { Program } from '../support/process.ts';
import type { Address } from '../support/raw.ts';
import { requires } from '../support/requires.ts';
import { type ResolverName, startResolver } from '../support/resolvers.ts';
import type { NameServer } from '../support/server.ts';

const at = ({ address, port }: Address) => `@${address}:${port}`;

/** Runs a check. The line must be one, and say what the exit code says. */
async function check(...args: readonly string[]): Promise<{ code: number | null; line: string }> {
  const { code, stdout } = await chorus('check', ...args);
  const [line = '', ...more] = stdout.trimEnd().split('\n');
  assert.deepEqual(more, [], stdout);
  return { code, line };
}

type Report = {
  readonly verdict: string;
  readonly rows: readonly {
    readonly node: string;
    readonly transport: string;
    readonly sent: number;
    readonly servfail: number;
    readonly failed: number;
    readonly standsOut: readonly string[];
  }[];
  readonly failures: readonly { readonly node: string; readonly detail: string }[];
};

async function probe(...args: readonly string[]): Promise<{ code: number | null; report: Report }> {
  const { code, stdout, stderr } = await chorus('probe', ...args, '--json');
  assert.notEqual(stdout, '', stderr);
  return { code, report: JSON.parse(stdout) };
}

describe('check and probe', requires('root', 'ip', 'named', 'unbound'), () => {
  let lab: NameServer;
  const servers = new Map<ResolverName, NameServer>();
  before(async () => {
    lab = await startLab();
    for (const name of ['unbound', 'bind'] as const) servers.set(name, await startResolver(name));
  });

  for (const name of ['unbound', 'bind'] as const) {
    test(`${name}: good answers, over UDP and TCP, with the data expected`, async () => {
      const server = servers.get(name)!;
      const known = ['www.lab.example', '--expect-data', '198.51.100.10', '+time=10'];
      const udp = await check(at(server), ...known);
      assert.equal(udp.code, 0, udp.line);
      assert.match(
        udp.line,
        /^DNS OK: NOERROR in [\d.]+ms \(www\.lab\.example\. A at .*\) \| time=\d\.\d{6}s;;;0;30 tries=1;;;1;3$/,
      );
      const tcp = await check(
        at(server),
        'www.lab.example',
        'AAAA',
        '+tcp',
        '--expect-data',
        '2001:db8:1::10',
      );
      assert.equal(tcp.code, 0, tcp.line);
      assert.match(tcp.line, /over TCP/);
      const big = await check(at(server), 'big.lab.example', 'TXT', '--fail-on', 'zzzz');
      assert.match(big.line, /^DNS OK: .* over TCP/, 'what is truncated is asked for again');
      const none = await check(at(server), 'nothing.lab.example');
      assert.match(none.line, /^DNS OK: NXDOMAIN/);
      const wrong = await check(at(server), 'www.lab.example', '--expect-data', '198.51.100.11');
      assert.equal(wrong.code, 2, wrong.line);
      assert.match(wrong.line, /not the expected 198\.51\.100\.11; got 198\.51\.100\.10 /);
    });

    test(`${name}: SERVFAIL fails`, async () => {
      const { code, line } = await check(at(servers.get(name)!), 'broken.example');
      assert.equal(code, 2, line);
      assert.match(line, /^DNS CRITICAL: SERVFAIL in /);
    });
  }

  test('random names are names that no cache has', async () => {
    const server = servers.get('unbound')!;
    const args = [at(server), 'wild.lab.example', '--random', '--expect-data', '198.51.100.77', '--json'];
    const names = new Set<string>();
    for (let i = 0; i < 2; i++) {
      const { code, stdout } = await chorus('check', ...args);
      assert.equal(code, 0, stdout);
      names.add(JSON.parse(stdout).name);
    }
    assert.equal(names.size, 2);
  });

  test('REFUSED fails, unless it is expected', async () => {
    const refused = await check(at(lab), 'elsewhere.test');
    assert.equal(refused.code, 2, refused.line);
    assert.match(refused.line, /REFUSED/);
    assert.equal((await check(at(lab), 'elsewhere.test', '--expect-rcode', 'REFUSED')).code, 0);
  });

  test('silence, a closed port, a source that is not here', async () => {
    const silent = await HandBackend.start();
    const began = performance.now();
    const timeout = await check(at(silent), 'www.lab.example', '+time=0.1', '+tries=3');
    assert.equal(timeout.code, 2, timeout.line);
    assert.match(timeout.line, /^DNS CRITICAL: no answer within 3 times 100ms .* \| time=U;/);
    assert.ok(performance.now() - began >= 300);
    assert.equal(silent.queries.length, 3);
    assert.equal(new Set(silent.queries.map(query => query.readUInt16BE(0))).size, 3);
    const stream = await check(at(silent), 'www.lab.example', '--tcp', '--time', '100ms', '--tries', '1');
    assert.equal(stream.code, 2, stream.line);
    await silent.stop();

    const port = await freePort();
    for (const over of ['+notcp', '+tcp']) {
      const closed = await check(`@127.0.0.1:${port}`, 'www.lab.example', over);
      assert.equal(closed.code, 2, closed.line);
      assert.match(closed.line, /^DNS CRITICAL: refused/);
    }
    const foreign = await check(at(lab), 'www.lab.example', '-b', '203.0.113.99');
    assert.equal(foreign.code, 3, foreign.line);
    assert.match(foreign.line, /^DNS UNKNOWN: the source address is not on this machine/);
  });

  test('a server that is slower than it should be', async () => {
    const slow = await HandBackend.start({
      udp: ({ query, reply }) => setTimeout(() => reply(answerTo(query)), 150),
    });
    const limits = (warning: string, critical: string) =>
      check(at(slow), 'www.lab.example', '+time=10', '-w', warning, '-c', critical);
    assert.deepEqual(
      [(await limits('0.1', '5')).code, (await limits('0.05', '0.1')).code, (await limits('4', '5')).code],
      [1, 2, 0],
    );
    const weight = (await check(at(slow), 'x.test', '--dynamic', '-w', '100ms', '-c', '5s')).code ?? 0;
    assert.ok(weight > 2 && weight < 102, `exit code ${weight}`);
    await slow.stop();
  });

  test('the nine words of the script around dig, from another source address', async () => {
    const { address } = lab;
    const nine = (...more: string[]) =>
      check('127.0.0.2', 'IN', 'A', 'www.lab.example', address, '1', '2', ...more);
    assert.equal((await nine('SERVFAIL', 'udp')).code, 0);
    assert.equal((await nine('SERVFAIL')).code, 0);
    assert.equal((await nine('NOERROR', 'tcp')).code, 1, 'what the error match names is bad');
    const broken = await HandBackend.start({
      udp: ({ query, reply }) => reply(answerTo(query, { rcode: 2 })),
    });
    const { port } = broken;
    const bad = await check(
      '127.0.0.2',
      'IN',
      'A',
      'www.lab.example',
      '127.0.0.1',
      '1',
      '2',
      'X',
      '-p',
      `${port}`,
    );
    assert.equal(bad.code, 1, bad.line);
    assert.deepEqual([...broken.sources], ['127.0.0.2']);
    await broken.stop();
  });

  test('a wrong command line is UNKNOWN, and bad to keepalived', async () => {
    const cases: [string[], number, RegExp][] = [
      [[], 3, /^DNS UNKNOWN: which server/],
      [['--nothing'], 3, /^DNS UNKNOWN: unknown option '--nothing'/],
      [['@192.0.2.1', '--tries', '0'], 3, /^DNS UNKNOWN: .*from 1 to 20/],
      [['@192.0.2.1', 'a', 'a..b'], 3, /^DNS UNKNOWN: "a\.\.b" is no domain name$/],
      [['@192.0.2.1', '+trace', '--misc-check'], 1, /^DNS UNKNOWN/],
      [['127.0.0.2', 'IN', 'A', 'x.test', '192.0.2.2', 'soon', '2', 'X'], 1, /^DNS UNKNOWN/],
    ];
    for (const [args, expected, pattern] of cases) {
      const { code, line } = await check(...args);
      assert.equal(code, expected, line);
      assert.match(line, pattern);
    }
    const json = await chorus('check', '@nowhere', '--json');
    assert.deepEqual([json.code, JSON.parse(json.stdout).state], [3, 'UNKNOWN']);
    const help = await chorus('check', '--help');
    assert.equal(help.code, 0);
    assert.match(help.stdout, /Usage: chorus check/);
  });

  test('probe: the one node of three that fails now and then stands out, over UDP and TCP', async () => {
    // Counted for each transport: with one count, the turns of the two could meet only one of them.
    const asked = { udp: 0, tcp: 0 };
    const answer = (query: Buffer, over: keyof typeof asked) =>
      answerTo(query, { rcode: ++asked[over] % 4 === 0 ? 2 : 0 });
    const sick = await HandBackend.start({
      udp: ({ query, reply }) => reply(answer(query, 'udp')),
      tcp: (query, socket) => sendFramed(socket, answer(query, 'tcp')),
    });
    const nodes = [servers.get('unbound')!, sick, servers.get('bind')!];
    const args = ['--zone', 'wild.lab.example', '--count', '40', '--interval', '10ms', '--rate', '500'];
    const { code, report } = await probe(...nodes.map(({ address, port }) => `${address}:${port}`), ...args);
    assert.deepEqual([code, report.verdict], [1, 'stands-out'], JSON.stringify(report));
    assert.equal(report.rows.length, 6);
    for (const row of report.rows) {
      assert.equal(row.sent, 40);
      const own = row.node.endsWith(`:${sick.port}`);
      assert.equal(row.servfail > 0, own, row.node);
      // Real resolvers are slower than one made by hand; only failures are compared here.
      if (!own) assert.ok(!row.standsOut.some(reason => reason.includes('fail')), row.node);
    }
    assert.ok(report.failures.every(failure => /^SERVFAIL in /.test(failure.detail)));
    assert.equal(new Set(sick.queries.map(questionName)).size, 80, 'each name is asked for once');
    await sick.stop();
  });

  test('probe: the backends of a configuration and of the running Chorus; plain lines without a terminal', async () => {
    const [unbound, bind] = [servers.get('unbound')!, servers.get('bind')!];
    const config = {
      pools: { default: { probe: 'off', backends: [backend('kai', unbound), backend('nika', bind)] } },
    };
    const front = await Chorus.start(config);
    const args = ['--zone', 'wild.lab.example', '--count', '10', '--interval', '10ms', '--udp'];
    const file = await probe('--config', front.file, ...args);
    assert.deepEqual(
      file.report.rows.map(row => [row.node, row.transport, row.sent, row.failed]),
      [
        ['kai', 'udp', 10, 0],
        ['nika', 'udp', 10, 0],
      ],
    );
    assert.equal(file.code, 0);
    const running = await chorus(
      'probe',
      '--api',
      `127.0.0.1:${front.apiPort}`,
      '--name',
      'broken.example',
      ...args.slice(2),
    );
    assert.equal(running.code, 2, running.stdout);
    assert.match(running.stdout, /^\d\d:\d\d:\d\d\.\d{3} kai udp SERVFAIL in /m);
    assert.match(running.stdout, /^kai +udp +10 +10 +0 +10 /m);
    assert.match(running.stdout, /no node stands out: look at what all have in common/);
    assert.equal(await front.stop(), 0);
  });

  test('probe: without a count it goes on until it is interrupted, and then tells what came out', async () => {
    const server = servers.get('unbound')!;
    // It fails at once: with a bound on the time that soon tells silence, a healthy sibling would fail now and then.
    const failing = await HandBackend.start({
      udp: ({ query, reply }) => reply(answerTo(query, { rcode: 2 })),
    });
    const nodes = [server, failing].map(({ address, port }) => `${address}:${port}`);
    const args = ['--zone', 'wild.lab.example', '--count', '0', '--interval', '20ms', '--udp'];
    const program = new Program(chorusCommand, ['probe', ...nodes, ...args]);
    await program.until('some failures', () =>
      /further failures of .* are only counted/.test(program.stdout),
    );
    program.signal('SIGINT');
    assert.deepEqual(await program.ended, { code: 1, signal: null }, program.log);
    assert.match(program.stdout, /^127\.0\.0\.1:\d+ stands out over UDP: 100% fail, 0% of its siblings'$/m);
    await failing.stop();
  });

  test('probe: a wrong command line', async () => {
    const cases: [string[], RegExp][] = [
      [['127.0.0.1'], /what shall be asked/],
      [['127.0.0.1', '--zone', 'a', '--name', 'b'], /exclude each other/],
      [['here', '--zone', 'a'], /node here: expected ADDRESS/],
      [['127.0.0.1', '--zone', 'a..b'], /no domain name/],
      [['127.0.0.1', '--zone', 'a', '--interval', '0s'], /--interval 0s/],
    ];
    for (const [args, pattern] of cases) {
      const { code, stderr } = await chorus('probe', ...args);
      assert.equal(code, 64, stderr);
      assert.match(stderr, pattern);
    }
  });
});
