/** A new configuration under load: no query is lost, and a bad one changes nothing. */
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { backend, Chorus, engines } from '../support/chorus.ts';
import { ask, LoadRun } from '../support/clients.ts';
import { answerTo, HandBackend } from '../support/hand-backend.ts';
import { isolate } from '../support/isolate.ts';
import { poll } from '../support/poll.ts';
import { freePort } from '../support/ports.ts';
import { requires } from '../support/requires.ts';

const questions = Array.from({ length: 1000 }, (_, index) => `n${index}.lab.example A`);

describe('reload', requires('root', 'ip', 'dig', 'dnsperf'), () => {
  let backends: HandBackend[];
  before(async () => {
    await isolate();
    const start = () =>
      HandBackend.start({ udp: ({ query, reply }) => reply(answerTo(query, { addresses: ['192.0.2.1'] })) });
    backends = await Promise.all([start(), start(), start()]);
  });
  after(async () => {
    await Promise.all(backends.map(server => server.stop()));
  });

  const pools = (policy: string, servers: readonly HandBackend[]) => ({
    default: {
      policy,
      probe: 'off',
      backends: servers.map(server => backend(`b${backends.indexOf(server)}`, server)),
    },
  });

  for (const engine of engines) {
    test(`${engine} engine: backends come and go, the policy changes, and no query is lost`, async t => {
      const [first, second, third] = backends as [HandBackend, HandBackend, HandBackend];
      const basics = { engine, cache: 'off' };
      const front = await Chorus.start({ ...basics, pools: pools('round-robin', [first, second]) });
      // Until all has been done, however long that takes.
      const load = new LoadRun(front.v4, { questions, seconds: 120, rate: 1000 });
      const over = new LoadRun(front.v4, { questions, seconds: 120, rate: 200, tcp: true, clients: 2 });
      const asked = (server: HandBackend, since: number) =>
        poll('queries', () => server.queries.length > since, { explain: () => front.program.log });
      await asked(first, 200);

      // A third backend, by signal.
      front.write({ ...basics, pools: pools('round-robin', [first, second, third]) });
      front.program.signal('SIGHUP');
      await asked(third, 50);

      // The first one goes, another policy comes, by command.
      front.write({ ...basics, pools: pools('least-outstanding', [second, third]) });
      const reload = await front.command('reload');
      assert.equal(reload.code, 0, reload.stderr);
      // What it was asked before may still lie in its socket: at most so much later, none comes while others are asked.
      for (let looks = 1, left = -1; left !== first.queries.length; looks++) {
        assert.ok(looks <= 10, `a removed backend gets queries: ${first.queries.length - left} more`);
        left = first.queries.length;
        await asked(third, third.queries.length + 100);
      }

      // Nonsense, by both ways: refused with its place, and nothing changes.
      front.write(
        `listen: ["127.0.0.1:${front.port}"]\nworkers: 1\npools:\n  default:\n    polcy: round-robin\n`,
      );
      const refused = await front.command('reload');
      assert.notEqual(refused.code, 0);
      assert.match(refused.stderr, /chorus\.yaml:5:\d+/, refused.stderr);
      assert.match(refused.stderr, /policy/, 'suggests the right word');
      const said = front.program.stderr.length;
      front.program.signal('SIGHUP');
      await poll('the log line', () => /chorus\.yaml:5/.test(front.program.stderr.slice(said)), {
        explain: () => front.program.log,
      });
      await asked(second, second.queries.length + 100);
      await asked(third, third.queries.length + 100);

      // And the first one back.
      front.write({ ...basics, pools: pools('round-robin', [first, second]) });
      front.program.signal('SIGHUP');
      await asked(first, first.queries.length + 50);

      for (const run of [load, over]) {
        run.program.signal('SIGINT');
        const result = await run.result();
        t.diagnostic(`${engine}: ${result.completed} of ${result.sent} answered`);
        assert.equal(result.lost, 0, result.text);
        assert.deepEqual(result.codes, { NOERROR: result.sent - result.interrupted }, result.text);
      }
      assert.equal(await front.stop(), 0);
    });

    test(`${engine} engine: fifty reloads in a row under load: nothing lost, nothing left open`, async () => {
      const [first, second, third] = backends as [HandBackend, HandBackend, HandBackend];
      const other = await freePort();
      const configs = [
        { engine, cache: 'off', pools: pools('round-robin', [first, second]) },
        { engine, cache: 'off', pools: pools('fastest', [second, third]) },
        { engine, cache: 'off', pools: pools('consistent-hash', [third]), 'ports-per-backend': 4 },
      ];
      const front = await Chorus.start({ ...configs[0] });
      const open = () => readdirSync(`/proc/${front.program.pid}/fd`).length;
      const settled = async (config: Record<string, unknown>) => {
        front.write(config);
        assert.equal((await front.command('reload')).code, 0);
        await ask(front.v4, ['settled.lab.example', 'A']);
      };
      await settled(configs[1]!);
      await settled(configs[0]!);
      const before = open();
      const load = new LoadRun(front.v4, { questions, seconds: 5, rate: 1000 });
      for (let turn = 0; turn < 50; turn++) {
        const listen = [`127.0.0.1:${front.port}`, `[::1]:${turn % 2 ? front.port : other}`];
        front.write({ ...configs[turn % configs.length], listen });
        if (turn % 5 === 0) front.program.signal('SIGHUP');
        // All at once now and then: whoever comes second waits or is told so.
        if (turn % 7 === 0) void front.command('reload');
        const { code, stderr } = await front.command('reload');
        assert.equal(code, 0, stderr);
      }
      const result = await load.result();
      assert.equal(result.lost, 0, result.text);
      assert.deepEqual(result.codes, { NOERROR: result.sent }, result.text);
      await settled(configs[0]!);
      await poll('what was opened to be closed', () => open() <= before + 5, {
        explain: () => `${open()}, before ${before}`,
      });
      assert.equal(await front.stop(), 0);
    });

    test(`${engine} engine: listeners come and go, the cache stays`, async () => {
      const [first] = backends as [HandBackend];
      const other = await freePort();
      const basics = { engine, cache: { memory: '16MiB' }, pools: pools('round-robin', [first]) };
      const front = await Chorus.start(basics);
      await ask(front.v4, ['kept.lab.example', 'A']);
      const asked = first.queries.length;

      front.write({ ...basics, listen: [`127.0.0.1:${front.port}`, `[::1]:${other}`] });
      const added = await front.command('reload');
      assert.equal(added.code, 0, added.stderr);
      const from = await ask({ address: '::1', port: other }, ['kept.lab.example', 'A']);
      assert.equal(from.answer.length, 1);
      assert.equal(first.queries.length, asked, 'the answer came from the cache');

      front.write(basics);
      assert.equal((await front.command('reload')).code, 0);
      assert.equal((await ask(front.v6, ['kept.lab.example', 'A'])).answer.length, 1);
      assert.equal(await front.stop(), 0);
    });

    test(`${engine} engine: a reload whose address is taken is refused and changes nothing`, async () => {
      const [first, second, third] = backends as [HandBackend, HandBackend, HandBackend];
      const basics = { engine, cache: 'off', pools: pools('round-robin', [first]) };
      const front = await Chorus.start(basics);
      front.write({
        ...basics,
        listen: [`127.0.0.1:${front.port}`, `127.0.0.1:${third.port}`],
        pools: pools('round-robin', [second]),
      });
      const refused = await front.command('reload');
      assert.notEqual(refused.code, 0);
      assert.match(refused.stderr, new RegExp(`127\\.0\\.0\\.1:${third.port}.*in use`), refused.stderr);
      const asked = second.queries.length;
      assert.equal((await ask(front.v6, ['still.lab.example', 'A'])).status, 'NOERROR');
      assert.equal(second.queries.length, asked, 'the pools are the old ones');
      assert.equal(await front.stop(), 0);
    });
  }
});
