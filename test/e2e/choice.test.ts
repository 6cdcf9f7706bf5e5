/** Which backend gets a query: policies, domains, source addresses, several workers, and fronts that ask each other. */
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { policyNames } from '#balance/registry.ts';
import { backend, Chorus, engines } from '../support/chorus.ts';
import { answerTo, HandBackend } from '../support/hand-backend.ts';
import { addAddress, isolate } from '../support/isolate.ts';
import { askTcp, askUdp, header, packet } from '../support/raw.ts';
import { requires } from '../support/requires.ts';

describe('the choice of a backend', requires('root', 'ip'), () => {
  let farm: HandBackend[];
  before(async () => {
    await isolate();
    farm = await Promise.all(
      [1, 2, 3].map(number =>
        HandBackend.start({
          udp: ({ query, reply }) => reply(answerTo(query, { addresses: [`192.0.2.${number}`] })),
        }),
      ),
    );
  });
  beforeEach(() => {
    for (const server of farm) {
      server.queries.length = 0;
      server.sources.clear();
    }
  });
  after(() => Promise.all(farm.map(server => server.stop())));

  const backends = () => farm.map((server, index) => backend(`b${index}`, server));
  /** Without hedges: which backend is chosen is counted, and one that this process lets wait 8 ms would get company. */
  const pool = (more: Record<string, unknown> = {}) => ({
    probe: 'off',
    hedge: 'off',
    backends: backends(),
    ...more,
  });

  /** Which backend answered each name: its number. All at once, or one after another so that none has to wait. */
  async function answerers(front: Chorus, names: readonly string[], atOnce = true): Promise<number[]> {
    const chosen: number[] = [];
    const ask = async (name: string, id: number) => {
      const answer = await askUdp(front.v4, packet({ id, name }));
      assert.equal(answer && header(answer).rcode, 0);
      chosen[id] = answer!.at(-1)!;
    };
    if (atOnce) await Promise.all(names.map(ask));
    else for (const [id, name] of names.entries()) await ask(name, id);
    return chosen;
  }
  const names = Array.from({ length: 120 }, (_, index) => `n${index}.example`);
  const shares = (chosen: readonly number[]) =>
    [1, 2, 3].map(number => chosen.filter(one => one === number).length);

  for (const policy of policyNames) {
    test(`${policy}: all queries are answered, again after a reload`, async () => {
      const config = { engine: 'batch', cache: 'off', workers: 2, pools: { default: pool({ policy }) } };
      const front = await Chorus.start(config);
      // Those that hash go elsewhere only when a backend has more than its share of queries waiting.
      const atOnce = !policy.endsWith('-hash');
      const first = await answerers(front, names, atOnce);
      const same = await answerers(front, ['same.example', 'SAME.example', 'Same.Example'], false);
      front.write({ ...config, identity: 'other' });
      assert.equal((await front.command('reload')).code, 0);
      const second = await answerers(front, names, atOnce);
      const used = shares(first).filter(share => share > 0).length;
      if (policy === 'first-available') assert.deepEqual(shares(first), [120, 0, 0]);
      else if (policy === 'client-hash') assert.equal(used, 1, 'one client, one backend');
      else assert.equal(used, 3, `shares ${shares(first)}`);
      if (policy === 'round-robin')
        assert.ok(
          shares(first).every(share => share >= 30),
          `shares ${shares(first)}`,
        );
      if (policy === 'consistent-hash') {
        assert.equal(new Set(same).size, 1, 'the same name, whatever its letters, asks the same backend');
        assert.deepEqual(second, first, 'also after a reload');
      }
      assert.equal(await front.stop(), 0);
    });
  }

  for (const engine of engines) {
    test(`${engine} engine: names go to the pool of their domain`, async () => {
      const [one, two, three] = backends();
      const front = await Chorus.start({
        engine,
        cache: { memory: '16MiB' },
        domains: { 'corp.example': 'internal', 'lab.corp.example': 'lab' },
        pools: {
          default: pool({ backends: [one] }),
          internal: pool({ backends: [two] }),
          lab: pool({ backends: [three] }),
        },
      });
      const asked = [
        'www.example',
        'corp.example',
        'WWW.Corp.Example',
        'xcorp.example',
        'a.lab.corp.example',
        'lab.corp.example',
        'example',
      ];
      assert.deepEqual(await answerers(front, asked), [1, 2, 2, 1, 3, 3, 1]);
      assert.equal(await front.stop(), 0);
    });

    test(`${engine} engine: a backend is asked from its source address`, async () => {
      await addAddress('lo', '192.0.2.201').catch(() => {});
      const [one, two] = farm;
      const front = await Chorus.start({
        engine,
        cache: 'off',
        pools: {
          default: pool({
            policy: 'round-robin',
            backends: [backend('near', one!, { source: '127.0.0.77' }), backend('far', two!)],
          }),
        },
      });
      await answerers(front, names.slice(0, 20));
      assert.deepEqual([[...one!.sources], [...two!.sources]], [['127.0.0.77'], ['127.0.0.1']]);
      assert.equal(await front.stop(), 0);
    });

    test(`${engine} engine: two fronts that ask each other fail the query and live on`, async () => {
      const config = { engine, cache: 'off', pools: { default: pool({ timeout: '500ms' }) } };
      const [left, right] = await Promise.all([Chorus.start(config), Chorus.start(config)]);
      const ask = (front: Chorus, other: Chorus) => {
        front.write({
          ...config,
          pools: { default: { timeout: '500ms', probe: 'off', backends: [backend('other', other.v4)] } },
        });
        return front.command('reload');
      };
      assert.equal((await ask(left, right)).code, 0);
      assert.equal((await ask(right, left)).code, 0);
      for (const way of [askUdp, askTcp]) {
        const plain = await way(left.v4, packet({ name: 'loop.example' }));
        assert.equal(plain && header(plain).rcode, 2, 'SERVFAIL');
        // A NOTIFY is passed on as it is: it must not go round for ever.
        await way(left.v4, packet({ name: 'loop.example', type: 6, flags: 4 << 11 }));
      }
      const before = await left.metric('chorus_client_queries_total');
      // What was on its way has timed out by the time that this one has.
      for (let turn = 0; turn < 2; turn++) {
        const failed = await askUdp(right.v6, packet({ name: `turn${turn}.example` }));
        assert.equal(failed && header(failed).rcode, 2);
      }
      const more = (await left.metric('chorus_client_queries_total')) - before;
      assert.ok(more < 1000, `${more} queries went round`);
      for (const front of [left, right]) {
        front.write(config);
        assert.equal((await front.command('reload')).code, 0);
        assert.equal((await answerers(front, ['after.example'])).length, 1);
        assert.equal(await front.stop(), 0);
      }
    });
  }

  test('two workers: both serve, and their counts add up', async () => {
    const front = await Chorus.start({
      engine: 'batch',
      cache: { memory: '16MiB' },
      workers: 2,
      pools: { default: pool() },
    });
    const before = await front.metric('chorus_client_queries_total');
    await answerers(front, names);
    await answerers(front, names);
    assert.equal((await front.metric('chorus_client_queries_total')) - before, 240);
    // One cache for all: whichever worker the second question reached, no backend was asked again.
    const asked = farm.reduce((sum, server) => sum + server.queries.length, 0);
    assert.equal(asked, 120);
    assert.equal(await front.stop(), 0);
  });
});
