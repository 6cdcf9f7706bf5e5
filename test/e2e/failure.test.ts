/** Backends die under load: clients go on being answered, the state tells what happened, and what returns is used again. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { backend, Chorus, engines } from '../support/chorus.ts';
import { ask, type Load, LoadRun } from '../support/clients.ts';
import { startLab } from '../support/lab.ts';
import { poll } from '../support/poll.ts';
import { requires } from '../support/requires.ts';
import { startResolver } from '../support/resolvers.ts';
import type { NameServer } from '../support/server.ts';

const names = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, index) => `n${from + index}.lab.example A`);
const questions = names(0, 500);
/** Others than those above: none of them joins a query that still waits for a dead backend. */
const otherQuestions = names(500, 1000);
const probe = { name: 'www.lab.example', type: 'A', interval: '200ms', timeout: '200ms' };

describe('failing backends', requires('root', 'ip', 'named', 'unbound', 'dig', 'dnsperf'), () => {
  let farm: NameServer[];
  before(async () => {
    await startLab();
    farm = await Promise.all([startResolver('unbound'), startResolver('bind')]);
  });
  after(async () => {
    await Promise.all(farm.map(server => server.stop()));
  });

  function start(engine: string) {
    const backends = farm.map(server => backend(server.name, server));
    const pools = { default: { policy: 'least-outstanding', timeout: '500ms', probe, backends } };
    return Chorus.start({ engine, cache: 'off', pools });
  }

  for (const engine of engines) {
    test(`${engine} engine: one of two is killed under load and started again`, async t => {
      const front = await start(engine);
      const [unbound] = farm;
      await front.reaches('unbound', ['up']);
      await front.reaches('bind', ['up']);

      const whole = new LoadRun(front.v4, { questions, seconds: 5, rate: 1000 });
      await poll(
        'load on unbound',
        async () => (await front.metric('chorus_backend_queries_total', '"unbound"')) > 200,
      );
      await unbound!.kill();
      await front.reaches('unbound', ['down']);

      const without = await new LoadRun(front.v6, {
        questions: otherQuestions,
        seconds: 2,
        rate: 500,
      }).result();
      assert.deepEqual(without.codes, { NOERROR: without.sent }, without.text);
      assert.equal(without.lost, 0);

      await unbound!.restart();
      await front.reaches('unbound', ['up']);
      const asked = await front.metric('chorus_backend_queries_total', '"unbound"');
      const again = await new LoadRun(front.v4, { questions, seconds: 1, rate: 500 }).result();
      assert.deepEqual(again.codes, { NOERROR: again.sent }, again.text);
      assert.ok(
        (await front.metric('chorus_backend_queries_total', '"unbound"')) > asked,
        'it is asked again',
      );

      const load = await whole.result();
      t.diagnostic(`${engine}: ${tell(load)}`);
      assert.equal(load.lost, 0, 'every client was answered, were it by SERVFAIL');
      assert.ok((load.codes.NOERROR ?? 0) > load.sent * 0.75, load.text);
      assert.equal(await front.stop(), 0);
    });

    test(`${engine} engine: one of two hangs under load and goes on later`, async t => {
      const front = await start(engine);
      const [unbound] = farm;
      await front.reaches('unbound', ['up']);
      const whole = new LoadRun(front.v4, { questions, seconds: 5, rate: 1000 });
      await poll(
        'load on unbound',
        async () => (await front.metric('chorus_backend_queries_total', '"unbound"')) > 200,
      );
      unbound!.program.signal('SIGSTOP');
      await front.reaches('unbound', ['down']);
      const without = await new LoadRun(front.v6, {
        questions: otherQuestions,
        seconds: 1,
        rate: 500,
      }).result();
      assert.deepEqual(without.codes, { NOERROR: without.sent }, without.text);
      unbound!.program.signal('SIGCONT');
      await front.reaches('unbound', ['up']);
      const load = await whole.result();
      t.diagnostic(`${engine}: ${tell(load)}`);
      assert.equal(load.lost, 0, 'every client was answered, were it by SERVFAIL');
      assert.ok((load.codes.NOERROR ?? 0) > load.sent * 0.75, load.text);
      assert.equal(await front.stop(), 0);
    });

    test(`${engine} engine: all are dead, and come back one by one`, async () => {
      const front = await start(engine);
      const [unbound, bind] = farm;
      await Promise.all([unbound!.kill(), bind!.kill()]);
      for (const at of [front.v4, front.v6]) {
        for (const way of ['+notcp', '+tcp']) {
          const shown = await ask(at, ['www.lab.example', 'A', way]);
          assert.equal(shown.status, 'SERVFAIL', shown.text);
          assert.match(shown.edns.join('\n'), /EDE: 2[23] /, shown.text);
        }
      }
      await front.reaches('unbound', ['down']);
      await front.reaches('bind', ['down']);
      // Still asked, though down: when all seem bad, all are used.
      const dead = await ask(front.v4, ['www.lab.example', 'A']);
      assert.match(dead.edns.join('\n'), /EDE: 2[23] /, dead.text);

      await bind!.restart();
      await poll(
        'an answer',
        async () => (await ask(front.v4, ['www.lab.example', 'A'])).status === 'NOERROR',
        {
          explain: () => front.program.log,
        },
      );
      await front.reaches('bind', ['up']);
      const load = await new LoadRun(front.v4, { questions, seconds: 1, rate: 500 }).result();
      assert.deepEqual(load.codes, { NOERROR: load.sent }, load.text);

      await unbound!.restart();
      await front.reaches('unbound', ['up']);
      assert.equal(await front.stop(), 0);
    });
  }

  for (const engine of engines) {
    test(`${engine} engine: a backend that no route leads to costs clients nothing`, async () => {
      const [unbound] = farm;
      const nowhere = ['203.0.113.1', '2001:db8:ffff::1'].map((address, at) =>
        backend(`far${at}`, { address, port: 53 }),
      );
      const pool = (backends: readonly unknown[]) => ({
        engine,
        cache: 'off',
        pools: { default: { policy: 'round-robin', timeout: '1s', probe: 'off', backends } },
      });
      const front = await Chorus.start(pool([...nowhere, backend('unbound', unbound!)]));
      const load = await new LoadRun(front.v4, { questions, seconds: 1, rate: 300 }).result();
      assert.deepEqual(load.codes, { NOERROR: load.sent }, load.text);
      const over = await ask(front.v6, ['www.lab.example', 'A', '+tcp']);
      assert.equal(over.status, 'NOERROR', over.text);
      front.write(pool(nowhere));
      assert.equal((await front.command('reload')).code, 0);
      for (const way of ['+notcp', '+tcp']) {
        const none = await ask(front.v4, ['www.lab.example', 'A', way]);
        assert.equal(none.status, 'SERVFAIL', none.text);
        assert.match(none.edns.join('\n'), /EDE: 2[23] /, none.text);
      }
      assert.equal(await front.stop(), 0);
    });
  }

  test('forced states: down takes no queries, drain neither, auto judges again', async () => {
    const front = await start('batch');
    const asked = (name: string) => front.metric('chorus_backend_queries_total', `"${name}"`);
    await front.reaches('unbound', ['up']);
    for (const [verb, state] of [
      ['down', 'disabled'],
      ['drain', 'draining'],
    ] as const) {
      const result = await front.command('backend', verb, 'unbound');
      assert.equal(result.code, 0, result.stderr);
      await front.reaches('unbound', [state]);
      const before = await asked('unbound');
      const load = await new LoadRun(front.v4, { questions, seconds: 1, rate: 300 }).result();
      assert.deepEqual(load.codes, { NOERROR: load.sent }, load.text);
      assert.equal(await asked('unbound'), before, `${verb}: no query`);
    }
    assert.equal((await front.command('backend', 'auto', 'unbound')).code, 0);
    await front.reaches('unbound', ['up']);
    const list = await front.command('backend', 'list');
    assert.match(list.stdout, /unbound/);
    assert.match(list.stdout, /bind/);
    assert.equal(await front.stop(), 0);
  });
});

function tell({ sent, codes, lost }: Load): string {
  const shares = Object.entries(codes).map(([name, count]) => `${count} ${name}`);
  return `of ${sent} queries: ${shares.join(', ')}, ${lost} lost`;
}
