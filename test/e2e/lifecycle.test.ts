/** Start and stop as an operator meets them: draining, addresses that are taken, ports that need privileges. */
import assert from 'node:assert/strict';
import { chmodSync, readdirSync, readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { dirname } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { backend, Chorus, chorus, chorusCommand, engines } from '../support/chorus.ts';
import { ask, LoadRun } from '../support/clients.ts';
import { type Asked, answerTo, HandBackend, questionName, sendFramed } from '../support/hand-backend.ts';
import { isolate } from '../support/isolate.ts';
import { poll } from '../support/poll.ts';
import { Program, run } from '../support/process.ts';
import { askUdp, header, packet, TcpClient, UdpClient } from '../support/raw.ts';
import { requires } from '../support/requires.ts';

const nobody = 65_534;
/** Arguments of setpriv that make a program run as nobody. */
const drop = ['--reuid', String(nobody), '--regid', String(nobody), '--clear-groups', '--inh-caps=-all'];

describe('the life of a front', requires('root', 'ip', 'dig', 'dnsperf'), () => {
  let server: HandBackend;
  const held: (() => void)[] = [];
  before(async () => {
    await isolate();
    const answer = (query: Buffer) => answerTo(query, { addresses: ['192.0.2.1'] });
    const soon = (query: Buffer, reply: () => void) => {
      if (questionName(query).startsWith('slow')) held.push(reply);
      else reply();
    };
    server = await HandBackend.start({
      udp: ({ query, reply }) => soon(query, () => reply(answer(query))),
      tcp: (query, socket) => soon(query, () => sendFramed(socket, answer(query))),
    });
  });
  after(() => server.stop());

  const config = (engine: string, more: Record<string, unknown> = {}) => ({
    engine,
    cache: 'off',
    pools: { default: { timeout: '20s', probe: 'off', backends: [backend('hand', server)] } },
    ...more,
  });

  for (const engine of engines) {
    test(`${engine} engine: threads that serve clients may interrupt the others, never the other way round`, async () => {
      const front = await Chorus.start(config(engine));
      const threads = threadsOf(front);
      const serves = ({ name }: { name: string }) => /^(packet|stream)-/.test(name);
      assert.ok(threads.some(serves), JSON.stringify(threads));
      for (const thread of threads) assert.equal(thread.policy, serves(thread) ? 0 : 3, thread.name);
      await front.program.stop();
    });

    test(`${engine} engine: SIGTERM drains: what was asked is answered, nothing new is taken, exit 0`, async () => {
      const front = await Chorus.start(config(engine, { 'drain-timeout': '20s' }));
      const udp = new UdpClient(front.v4);
      const tcp = new TcpClient(front.v6);
      udp.send(packet({ id: 1, name: 'slow1.example' }));
      tcp.send(packet({ id: 2, name: 'slow2.example' }));
      await poll('both queries at the backend', () => held.length === 2);

      front.program.signal('SIGTERM');
      await poll('new connections to be refused', () => refused(front.port));
      assert.equal(front.program.end, undefined, 'it waits for the answers');
      for (const reply of held.splice(0)) reply();
      const [first, second] = [await udp.take(() => true), await tcp.next()];
      assert.deepEqual([first && header(first).rcode, second && header(second).rcode], [0, 0]);
      assert.equal((await front.program.ended).code, 0, front.program.log);
      await udp.close();
      tcp.close();
    });

    test(`${engine} engine: SIGTERM under load: exit 0, and no wrong answer`, async () => {
      const front = await Chorus.start(config(engine));
      const load = new LoadRun(front.v4, {
        questions: ['www.example A'],
        seconds: 4,
        rate: 1000,
        timeout: 1,
      });
      await poll('load', () => server.queries.length > 300);
      server.queries.length = 0;
      assert.equal(await front.stop(), 0, front.program.log);
      load.program.signal('SIGINT');
      const { codes } = await load.result();
      assert.deepEqual(Object.keys(codes), ['NOERROR']);
    });

    test(`${engine} engine: a drain that takes too long is cut short, exit 0`, async () => {
      const front = await Chorus.start(config(engine, { 'drain-timeout': '300ms' }));
      const udp = new UdpClient(front.v4);
      udp.send(packet({ name: 'slow3.example' }));
      await poll('the query at the backend', () => held.length === 1);
      assert.equal(await front.stop(), 0);
      held.splice(0);
      await udp.close();
    });

    test(`${engine} engine: a taken port: a line that names it, exit 69`, async () => {
      const other = await HandBackend.start();
      const front = await Chorus.launch(config(engine, { listen: [`127.0.0.1:${other.port}`] }));
      const { code } = await front.program.ended;
      assert.equal(code, 69, front.program.log);
      assert.match(front.program.stderr, new RegExp(`127\\.0\\.0\\.1:${other.port}.*in use`));
      assert.doesNotMatch(front.program.stderr, /\n\s+at /, 'no stack trace');
      await other.stop();
    });

    test(`${engine} engine: a second Chorus on the same port: the same, and the first goes on`, async () => {
      const first = await Chorus.start(config(engine));
      const second = await Chorus.launch(config(engine, { listen: [`127.0.0.1:${first.port}`] }));
      assert.equal((await second.program.ended).code, 69, second.program.log);
      assert.match(second.program.stderr, new RegExp(`127\\.0\\.0\\.1:${first.port}.*in use`));
      for (let id = 0; id < 50; id++)
        assert.ok(await askUdp(first.v4, packet({ id, name: `n${id}.example` })));
      assert.equal(await first.stop(), 0);
    });

    test(`${engine} engine: an address that no interface has: a line that names it, exit 69`, async () => {
      const front = await Chorus.launch(config(engine, { listen: ['192.0.2.201:5353'] }));
      const { code } = await front.program.ended;
      assert.equal(code, 69, front.program.log);
      assert.match(front.program.stderr, /192\.0\.2\.201:5353.*no interface/);
    });

    test(`${engine} engine: port 53 without the right to it: a line that says what to do, exit 77`, async t => {
      const readable = await run('setpriv', [...drop, 'test', '-r', chorusCommand]);
      if (readable.code !== 0) {
        t.skip('the user nobody cannot read this checkout');
        return;
      }
      const template = await Chorus.launch(config(engine, { listen: ['127.0.0.1:53'] }));
      await template.program.stop();
      chmodSync(dirname(template.file), 0o755);
      const program = new Program('setpriv', [...drop, chorusCommand, 'serve', '--config', template.file]);
      const { code } = await program.ended;
      assert.equal(code, 77, program.log);
      assert.match(program.stderr, /127\.0\.0\.1:53 .*permission denied/);
      assert.match(program.stderr, /CAP_NET_BIND_SERVICE/);
    });

    test(`${engine} engine: binds port 53, then drops to nobody for good`, async t => {
      if ((await run('setpriv', [...drop, 'true'])).code !== 0) {
        t.skip('this root cannot become nobody (a user namespace)');
        return;
      }
      const front = await Chorus.launch(
        config(engine, { listen: ['127.0.0.1:53', '[::1]:53'], user: 'nobody' }),
      );
      chmodSync(dirname(front.file), 0o755);
      await front.ready({ address: '127.0.0.1', port: 53 });
      for (const address of ['127.0.0.1', '::1']) {
        for (const way of ['+notcp', '+tcp']) {
          assert.equal((await ask({ address, port: 53 }, ['www.example', 'A', way])).status, 'NOERROR');
        }
      }
      const tasks = `/proc/${front.program.pid}/task`;
      for (const task of readdirSync(tasks)) {
        const status = readFileSync(`${tasks}/${task}/status`, 'utf8');
        const field = (name: string) => new RegExp(`^${name}:\\s+(.*)$`, 'm').exec(status)?.[1]?.split(/\s+/);
        assert.deepEqual(field('Uid'), Array(4).fill(String(nobody)), `thread ${task}: user`);
        assert.deepEqual(field('Gid'), Array(4).fill(String(nobody)), `thread ${task}: group`);
        assert.deepEqual(
          field('Groups')?.filter(group => group === '0'),
          [],
          `thread ${task}: groups`,
        );
        assert.match(field('CapEff')?.[0] ?? '', /^0+$/, `thread ${task}: capabilities`);
      }
      const readable = await run('setpriv', [...drop, 'test', '-r', chorusCommand]);
      if (readable.code === 0) {
        front.write(
          config(engine, { listen: ['127.0.0.1:53', '[::1]:53'], user: 'nobody', identity: 'after-reload' }),
        );
        const reload = await front.command('reload');
        assert.equal(reload.code, 0, reload.stderr);
        const id = await ask({ address: '127.0.0.1', port: 53 }, ['id.server', 'TXT', 'CH']);
        assert.match(id.answer[0] ?? '', /after-reload/);
      } else t.diagnostic('reload not tried: the user nobody cannot read this checkout');
      assert.equal(await front.stop(), 0);
    });

    test(`${engine} engine: healthz, readyz and status tell that it serves`, async () => {
      const front = await Chorus.start(config(engine));
      await poll('readiness', async () => (await front.get('/readyz')).code === 200);
      assert.equal((await front.get('/healthz')).code, 200);
      const status = await front.command('status', '--json');
      assert.equal(status.code, 0, status.stderr);
      assert.match(status.stdout, /"hand"/);
      assert.equal(await front.stop(), 0);
    });
  }

  test('realtime: packet workers alone, from one reload to the next', async () => {
    const front = await Chorus.start(config('batch', { realtime: 'on' }));
    const policies = () => threadsOf(front).filter(({ name }) => /^(packet|stream)-/.test(name));
    const expected = (packet: number) => [
      { name: 'packet-0', policy: packet },
      { name: 'stream-1', policy: 0 },
    ];
    // What SCHED_RESET_ON_FORK adds is not shown there.
    assert.deepEqual(policies(), expected(2));
    for (const [realtime, policy] of [
      ['off', 0],
      ['on', 2],
    ] as const) {
      front.write(config('batch', { realtime }));
      const reload = await front.command('reload');
      assert.equal(reload.code, 0, reload.stderr);
      assert.deepEqual(policies(), expected(policy));
      assert.equal((await ask(front.v4, ['www.example', 'A'])).status, 'NOERROR');
    }
    assert.equal(await front.stop(), 0);
  });

  test('realtime: given before privileges are given up', async t => {
    if ((await run('setpriv', [...drop, 'true'])).code !== 0) {
      t.skip('this root cannot become nobody (a user namespace)');
      return;
    }
    const front = await Chorus.start(config('batch', { realtime: 'on', user: 'nobody' }));
    const packet = threadsOf(front).find(({ name }) => name === 'packet-0');
    assert.equal(packet?.policy, 2);
    assert.doesNotMatch(front.program.log, /realtime/);
    assert.equal(await front.stop(), 0);
  });

  test('realtime where the kernel refuses it: a warning that says what to do, and clients are served', async () => {
    const template = await Chorus.launch(config('batch', { realtime: 'on' }));
    await template.program.stop();
    const bound = ['--bounding-set', '-sys_nice', '--inh-caps', '-sys_nice'];
    const program = new Program('prlimit', [
      ...['--rtprio=0', 'setpriv', ...bound, chorusCommand, 'serve', '--config', template.file],
    ]);
    await program.until(
      'it to serve',
      async () => (await askUdp(template.v4, packet({ name: 'a.example' }), 300)) !== undefined,
    );
    // The answer of a worker may be here before the line that the main thread writes.
    await program.until('the warning', () =>
      /realtime: the kernel refuses it \(EPERM\): start Chorus with LimitRTPRIO=1/.test(program.stderr),
    );
    assert.equal((await program.stop()).code, 0);
  });

  test('nobody reads its log any more: it serves on', async () => {
    const front = await Chorus.start(config('batch'));
    front.program.closeOutput();
    front.write(config('batch', { identity: 'after-the-log' }));
    for (let times = 0; times < 5; times++) {
      front.program.signal('SIGHUP');
      assert.equal((await front.command('reload')).code, 0);
    }
    const id = await ask(front.v4, ['id.server', 'TXT', 'CH']);
    assert.match(id.answer[0] ?? '', /after-the-log/);
    assert.equal(await front.stop(), 0);
  });

  test('a user that does not exist: a line that names it, exit 77', async () => {
    const front = await Chorus.launch(config('batch', { user: 'no-such-user' }));
    assert.equal((await front.program.ended).code, 77, front.program.log);
    assert.match(front.program.stderr, /no-such-user/);
  });

  test('a configuration that is wrong or missing: what and where, exit 78', async () => {
    const front = await Chorus.launch({ ...config('batch'), lisen: [] });
    assert.equal((await front.program.ended).code, 78, front.program.log);
    assert.match(front.program.stderr, /chorus\.yaml:\d+:\d+.*lisen/);
    assert.match(front.program.stderr, /listen/);
    const missing = await chorus('serve', '--config', '/nonexistent/chorus.yaml');
    assert.equal(missing.code, 78, missing.stderr);
    assert.match(missing.stderr, /\/nonexistent\/chorus\.yaml/);
  });

  test('commands without a front to talk to: a line that says so, exit 69', async () => {
    const result = await chorus('status', '--api', '127.0.0.1:1');
    assert.equal(result.code, 69, result.stderr);
    assert.match(result.stderr, /127\.0\.0\.1:1/);
  });

  test('the first example of the project serves as it stands', async () => {
    const file = fileURLToPath(new URL('../../examples/two-unbounds.yaml', import.meta.url));
    const answer = (asked: Asked) => asked.reply(answerTo(asked.query, { addresses: ['192.0.2.1'] }));
    const pair = await Promise.all([5401, 5402].map(port => HandBackend.start({ udp: answer, port })));
    const program = new Program(chorusCommand, ['serve', '--config', file]);
    for (const address of ['127.0.0.1', '::1']) {
      await program.until('an answer', async () => {
        const got = await askUdp({ address, port: 5300 }, packet(), 300);
        return got !== undefined && header(got).counts[1] === 1;
      });
    }
    const list = await chorus('backend', 'list');
    assert.equal(list.code, 0, list.stderr);
    assert.match(list.stdout, /kai/);
    assert.match(list.stdout, /nika/);
    assert.equal((await program.stop()).code, 0, program.log);
    await Promise.all(pair.map(one => one.stop()));
  });
});

/** Whether nobody takes connections on a port of the loopback. */
function refused(port: number): Promise<boolean> {
  return new Promise(resolve => {
    const socket = connect({ host: '127.0.0.1', port });
    socket.on('connect', () => {
      socket.destroy();
      resolve(false);
    });
    socket.on('error', () => resolve(true));
  });
}

/** The threads of a front, with their scheduling policies (sched(7)). */
function threadsOf({ program }: Chorus): { readonly name: string; readonly policy: number }[] {
  return readdirSync(`/proc/${program.pid}/task`).map(tid => {
    const stat = readFileSync(`/proc/${program.pid}/task/${tid}/stat`, 'utf8');
    // The name in brackets may hold spaces; the policy is field 41 of proc_pid_stat(5).
    const [, name = '', rest = ''] = /\((.*)\) (.*)/s.exec(stat) ?? [];
    return { name, policy: Number(rest.split(' ')[38]) };
  });
}
