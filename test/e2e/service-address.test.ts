/** A service address in the hands of a running Chorus, leased on a bridge: raised, withdrawn, drained, and gone with its process. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, afterEach, before, describe, test } from 'node:test';
import type { RoutesStatus } from '#route/report.ts';
import { backend, Chorus, chorus as command } from '../support/chorus.ts';
import { answerTo, HandBackend } from '../support/hand-backend.ts';
import { isolate } from '../support/isolate.ts';
import { poll } from '../support/poll.ts';
import { run, temporaryFolder } from '../support/process.ts';
import { askUdp, header, packet } from '../support/raw.ts';
import { requires } from '../support/requires.ts';

const four = '192.0.2.53';
const six = '2001:db8::53';
const servfail = 2;

describe('a service address', requires('root', 'ip'), () => {
  let server: HandBackend;
  let rcode = 0;
  before(async () => {
    await isolate();
    server = await HandBackend.start({
      udp: ({ query, reply }) => reply(answerTo(query, { addresses: ['192.0.2.1'], rcode })),
    });
  });
  after(() => server.stop());
  const started: Chorus[] = [];
  afterEach(async () => {
    for (const chorus of started.splice(0)) await chorus.program.kill();
  });
  const launch = async (config: Readonly<Record<string, unknown>>) => {
    const chorus = await Chorus.launch(config);
    started.push(chorus);
    return chorus;
  };

  const config = (state: string, addresses: readonly string[] = [four, six], lifetime = '2s') => ({
    listen: ['0.0.0.0:53', '[::]:53'],
    // Who asks a service address on its own machine asks from that address.
    allow: ['0.0.0.0/0', '::/0'],
    engine: 'batch',
    state,
    cache: 'off',
    pools: {
      default: {
        probe: { interval: '300ms', timeout: '300ms', window: { failures: 4, of: 4 } },
        backends: [backend('hand', server)],
      },
    },
    'route-drivers': { leased: { lease: { lifetime } } },
    'service-addresses': addresses.map(address => ({ address, rise: '300ms' })),
    drain: { wait: '1s', settle: '200ms', stop: { wait: '2s', settle: '100ms' } },
  });
  const dns = { address: '127.0.0.1', port: 53 };
  const start = async (state: string) => {
    rcode = 0;
    const chorus = await launch(config(state));
    await chorus.ready(dns);
    return chorus;
  };
  /** Service addresses that the bridge has now. */
  const leased = async (): Promise<string[]> => {
    const { stdout } = await run('ip', ['-o', 'address', 'show', 'dev', 'chorus0', 'scope', 'global']);
    return [four, six].filter(address => stdout.includes(` ${address}/`));
  };
  const reach = (wanted: readonly string[], chorus?: Chorus) =>
    poll(
      `${wanted.length === 0 ? 'nothing' : wanted.join(' and ')} to be leased`,
      async () => {
        return (await leased()).join(' ') === wanted.join(' ');
      },
      { explain: () => chorus?.program.log ?? '' },
    );
  const routes = async (chorus: Chorus): Promise<RoutesStatus> =>
    JSON.parse((await chorus.get('/api/v1/routes')).body);
  const answers = async (address: string) => {
    const answer = await askUdp({ address, port: 53 }, packet({ name: 'www.example' }), 3000);
    return answer !== undefined && header(answer).rcode === 0;
  };

  test('is raised when all is well, withdrawn when it is not, and answers what comes late', async () => {
    const chorus = await start(temporaryFolder('state'));
    await reach([four, six], chorus);
    assert.ok((await answers(four)) && (await answers(six)));
    const shown = await poll('the routes as they are wanted', async () => {
      const told = await chorus.command('routes');
      if (told.code !== 0) throw new Error(told.stdout + told.stderr);
      return told;
    });
    assert.match(shown.stdout, /192\.0\.2\.53\/32 +up/);
    rcode = servfail;
    await reach([], chorus);
    rcode = 0;
    assert.ok((await answers(four)) && (await answers(six)), 'packets under way are answered');
    await reach([four, six], chorus);
    assert.ok((await chorus.metric('chorus_service_address_changes_total', six)) >= 3);
    const events = await chorus.command('routes', '--events');
    const file = join(temporaryFolder('events'), 'events.jsonl');
    writeFileSync(file, events.stdout);
    const replayed = await command('routes', '--replay', file, '--config', chorus.file);
    assert.equal(replayed.code, 0, replayed.stderr);
    assert.match(replayed.stdout, /WITHDRAWN via leased/);
    await chorus.stop();
    assert.deepEqual(await leased(), []);
  });

  test('goes with its process: killed, stopped, or told to end', async () => {
    const chorus = await start(temporaryFolder('state'));
    await reach([four, six], chorus);
    chorus.program.signal('SIGSTOP');
    await reach([]);
    chorus.program.signal('SIGCONT');
    await reach([four, six], chorus);
    await chorus.program.kill();
    await reach([]);
    // Long, so that the second signal of a busy machine does not come after the end.
    const drain = { wait: '1s', settle: '200ms', stop: { wait: '2s', settle: '20s' } };
    rcode = 0;
    const next = await launch({ ...config(temporaryFolder('state')), drain });
    await next.ready(dns);
    await reach([four, six], next);
    // A second signal ends it at once, and leaves nothing.
    next.program.signal('SIGTERM');
    await next.program.until('the stop to begin', () => next.program.stderr.includes('stopping'));
    next.program.signal('SIGINT');
    assert.equal((await next.program.ended).code, 130, next.program.log);
    await reach([]);
  });

  test('is drained by an operator, over a restart too', async () => {
    const state = temporaryFolder('state');
    const chorus = await start(state);
    await reach([four, six], chorus);
    const drained = await chorus.command('drain', '--reason', 'new disk', '--for', '30m');
    assert.equal(drained.code, 0, drained.stdout + drained.stderr);
    assert.match(drained.stdout, /safe to stop/);
    assert.deepEqual(await leased(), []);
    assert.equal((await chorus.get('/readyz')).code, 503);
    assert.match((await chorus.command('status')).stdout, /drained +by .*: new disk, safe to stop/);
    assert.match((await chorus.command('routes')).stdout, /new disk.*safe to stop/);
    assert.ok(await answers('127.0.0.1'), 'it still answers');
    await chorus.stop();

    const next = await start(state);
    await poll('the backend to be up', async () => (await next.state('hand')) === 'up');
    assert.equal((await routes(next)).drain?.reason, 'new disk');
    await poll('that it is safe to stop', async () => (await routes(next)).safe, {
      explain: () => next.program.log,
    });
    assert.deepEqual(await leased(), []);
    const back = await next.command('undrain', '--json');
    assert.equal(JSON.parse(back.stdout).was, true);
    assert.ok(!existsSync(join(state, 'drain.json')));
    await reach([four, six], next);
    await next.stop();

    writeFileSync(join(state, 'drain.json'), '{"since":');
    const careful = await start(state);
    await poll('the backend to be up', async () => (await careful.state('hand')) === 'up');
    assert.match((await careful.command('routes')).stdout, /cannot tell from .*drain\.json/);
    assert.deepEqual(await leased(), []);
    await careful.command('undrain');
    await reach([four, six], careful);
    await careful.stop();
  });

  test('is announced by one process of a machine; the other takes over', async () => {
    const first = await start(temporaryFolder('state'));
    await reach([four, six], first);
    const second = await launch({ ...config(temporaryFolder('state')), listen: ['127.0.0.1:54'] });
    await second.ready({ address: '127.0.0.1', port: 54 });
    await poll(
      'the second to say who has them',
      async () => {
        const { stdout, stderr } = await second.command('routes');
        if (stdout.includes(`another Chorus (pid ${first.program.pid},`)) return true;
        throw new Error(stdout + stderr);
      },
      { explain: () => second.program.log },
    );
    const { routes: theirs } = await routes(second);
    assert.ok(theirs.every(({ wanted }) => wanted === null));
    await first.program.kill();
    await poll('the second to announce', async () => {
      const now = await routes(second);
      return now.routes.length === 2 && now.routes.every(({ actual, agrees }) => actual !== null && agrees);
    });
    assert.deepEqual(await leased(), [four, six]);
    await second.stop();
  });

  test('changes with a reload: the new one is there before the old one goes', async () => {
    const state = temporaryFolder('state');
    // Long, so that a busy machine does not let the lease run out meanwhile.
    const lifetime = '1m';
    const chorus = await launch(config(state, [four], lifetime));
    await chorus.ready(dns);
    await reach([four], chorus);
    chorus.write(config(state, [six], lifetime));
    const seen = new Set<string>();
    const reloaded = chorus.command('reload');
    await poll(
      'the other address alone',
      async () => {
        const now = (await leased()).join(' ');
        seen.add(now);
        return now === six;
      },
      { explain: () => `${[...seen].join('; ')}\n${chorus.program.log}` },
    );
    assert.equal((await reloaded).code, 0);
    assert.ok(!seen.has(''), `${[...seen].join('; ')}\n${chorus.program.log}`);
    chorus.write({ ...config(state, [], lifetime), 'service-addresses': [], 'route-drivers': {} });
    assert.equal((await chorus.command('reload')).code, 0);
    await reach([]);
    const none = await chorus.command('drain');
    assert.match(none.stderr, /nothing to drain/);
    assert.equal((await chorus.command('routes')).code, 78);
    await chorus.stop();
    assert.match(readFileSync(chorus.file, 'utf8'), /service-addresses: \[\]/);
  });
});
