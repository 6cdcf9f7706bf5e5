/**
 * Whoever asks through Chorus gets what the backend itself would say: every real server, over UDP and TCP, IPv4 and
 * IPv6, by dig, kdig and drill, with both engines.
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { backend, Chorus, type Engine, engines } from '../support/chorus.ts';
import { ask, askMany, essence, type Shown } from '../support/clients.ts';
import { startLab } from '../support/lab.ts';
import { type DigQuestion, peculiarQuestions, plainQuestions } from '../support/questions.ts';
import type { Address } from '../support/raw.ts';
import { requires } from '../support/requires.ts';
import { type ResolverName, resolverNames, resolvers, startResolver } from '../support/resolvers.ts';
import type { NameServer } from '../support/server.ts';

const allQuestions = [...plainQuestions, ...peculiarQuestions];
const identity = 'front-of-the-house';

/** A front that only passes on, before these backends. */
function startFront(
  engine: Engine,
  servers: readonly NameServer[],
  more: Record<string, unknown> = {},
  ofPool: Record<string, unknown> = {},
) {
  const backends = servers.map(server => backend(server.name, server));
  const pools = { default: { policy: 'round-robin', timeout: '5s', probe: 'off', backends, ...ofPool } };
  return Chorus.start({ engine, identity, cache: 'off', pools, ...more });
}

async function compare(
  direct: Address,
  front: Address,
  questions: readonly DigQuestion[],
  options: readonly string[] = [],
  tool: 'dig' | 'kdig' = 'dig',
  flags?: readonly string[],
) {
  const full = questions.map(question => [...question, ...options]);
  const expected = await askMany(direct, full, { tool });
  const got = await askMany(front, full, { tool });
  for (const [index, question] of full.entries()) {
    same(got[index]!, expected[index]!, `${tool} ${question.join(' ')}`, flags);
  }
}

/** With `flags`, it may come from a cache: that keeps of a failure the code and the reason, and no records. */
function essenceOf(shown: Shown, flags?: readonly string[]) {
  const whole = essence(shown, flags);
  return flags && shown.status === 'SERVFAIL'
    ? { ...whole, answer: [], authority: [], additional: [] }
    : whole;
}

function same(got: Shown, expected: Shown, what: string, flags?: readonly string[]) {
  assert.deepEqual(
    essenceOf(got, flags),
    essenceOf(expected, flags),
    `${what}\n--- expected\n${expected.text}--- got\n${got.text}`,
  );
  assert.equal(got.transport, expected.transport, what);
  assert.equal(
    /^; EDNS:.* do/m.test(got.text),
    /^; EDNS:.* do/m.test(expected.text),
    `${what}: DO in the answer`,
  );
}

describe('answers through Chorus', requires('root', 'ip', 'named', 'dig'), () => {
  let lab: NameServer;
  before(async () => {
    lab = await startLab();
  });

  const servers: readonly (ResolverName | 'lab')[] = [...resolverNames, 'lab'];
  for (const name of servers) {
    describe(`are those of ${name}`, name === 'lab' ? {} : requires(resolvers[name].program), () => {
      let server: NameServer;
      let batch: Chorus;
      before(async () => {
        server = name === 'lab' ? lab : await startResolver(name);
        // Asked once, so that what comes from its cache is the same from now on.
        await askMany(server, allQuestions);
        batch = await startFront('batch', [server]);
      });
      after(async () => {
        assert.equal(await batch.stop(), 0);
        if (name !== 'lab') await server.stop();
      });

      test('batch engine: all questions, all ways', async () => {
        await compare(server, batch.v4, allQuestions);
        await compare(server, batch.v6, allQuestions, ['+tcp']);
        await compare(server, batch.v6, plainQuestions);
        await compare(server, batch.v4, plainQuestions, ['+tcp']);
      });

      test('loop engine: all questions over UDP, some over TCP', async () => {
        const front = await startFront('loop', [server]);
        await compare(server, front.v4, allQuestions);
        await compare(server, front.v6, plainQuestions, ['+tcp']);
        assert.equal(await front.stop(), 0);
      });

      for (const engine of engines) {
        test(`${engine} engine, with a cache: the same the first time and from the cache`, async () => {
          const front = await startFront(engine, [server], { cache: { memory: '16MiB' } });
          // Whether an answer is authoritative is not kept: a cache is no authority.
          for (const at of [front.v4, front.v6, front.v4]) {
            await compare(server, at, allQuestions, [], 'dig', ['qr', 'tc', 'rd', 'ra', 'ad', 'cd']);
          }
          assert.ok((await front.metric('chorus_cache_lookups_total', '"hit"')) > allQuestions.length);
          assert.equal(await front.stop(), 0);
        });
      }

      test('kdig sees no difference', requires('kdig'), async () => {
        const known = plainQuestions.filter(([owner]) => !owner!.includes('\\'));
        await compare(server, batch.v6, known, ['+bufsize=1232'], 'kdig');
        await compare(server, batch.v4, known, ['+tcp', '+dnssec'], 'kdig');
      });

      test('drill sees no difference', requires('drill'), async () => {
        for (const question of [
          ['www.lab.example', 'AAAA'],
          ['-D', 'www.signed.example'],
          ['-t', 'big.lab.example', 'TXT'],
        ]) {
          const expected = await ask(server, question, { tool: 'drill' });
          for (const at of [batch.v4, batch.v6]) {
            const got = await ask(at, question, { tool: 'drill' });
            assert.deepEqual(essence(got), essence(expected), got.text);
          }
        }
      });
    });
  }

  describe('come from a mixed pool', requires(...resolverNames.map(name => resolvers[name].program)), () => {
    let farm: NameServer[];
    before(async () => {
      farm = await Promise.all(resolverNames.map(startResolver));
    });

    for (const engine of engines) {
      test(`${engine} engine, without a cache: each backend answers its share`, async () => {
        const front = await startFront(engine, farm);
        const expected = await askMany(lab, plainQuestions);
        const got = await askMany(front.v4, plainQuestions);
        for (const [index, question] of plainQuestions.entries()) {
          const [theirs, ours] = [essence(expected[index]!), essence(got[index]!)];
          // What a delegation hides from the lab's own server, a resolver finds.
          if (question[0]!.includes('child')) assert.equal(ours.answer.length, 1);
          else
            assert.deepEqual([ours.status, ours.answer], [theirs.status, theirs.answer], question.join(' '));
        }
        for (const { name } of farm) {
          assert.ok(
            (await front.metric('chorus_backend_queries_total', `"${name}"`)) > 0,
            `${name} was asked`,
          );
        }
        assert.equal(await front.stop(), 0);
      });

      test(`${engine} engine, with a cache: the second answer is the first, its TTLs counted down`, async () => {
        // Without hedges: queries to backends are counted.
        const front = await startFront(engine, farm, { cache: { memory: '16MiB' } }, { hedge: 'off' });
        const first = await askMany(front.v4, plainQuestions);
        const asked = await front.metric('chorus_backend_queries_total');
        const second = await askMany(front.v6, plainQuestions);
        const seen = ['qr', 'tc', 'rd', 'ra', 'cd'];
        for (const [index, question] of plainQuestions.entries()) {
          assert.deepEqual(essence(second[index]!, seen), essence(first[index]!, seen), question.join(' '));
          assert.ok(
            ttls(second[index]!).every((ttl, at) => ttl <= ttls(first[index]!)[at]!),
            question.join(' '),
          );
        }
        const more = (await front.metric('chorus_backend_queries_total')) - asked;
        // What is too large to keep may be asked again.
        assert.ok(more <= 8, `${more} questions were asked again`);
        assert.equal(await front.stop(), 0);
      });
    }
  });

  describe('are cut to what the client can take', () => {
    for (const engine of engines) {
      test(`${engine} engine`, async () => {
        const front = await startFront(engine, [lab]);
        const size = (bytes: number) => [`+bufsize=${bytes}`, '+ignore'];
        const [small, medium, fits, many, big, huge, none] = await askMany(front.v4, [
          ['medium.lab.example', 'TXT', ...size(512)],
          ['medium.lab.example', 'TXT', ...size(1232)],
          ['medium.lab.example', 'TXT', ...size(4096)],
          ['many.lab.example', 'A', ...size(1232)],
          ['big.lab.example', 'TXT', ...size(1232)],
          ['huge.lab.example', 'TXT', ...size(4096)],
          ['medium.lab.example', 'TXT', '+noedns', '+ignore'],
        ]);
        for (const cut of [small!, big!, huge!, none!]) {
          assert.ok(cut.flags.includes('tc'), cut.text);
        }
        for (const whole of [medium!, fits!, many!]) {
          assert.ok(!whole.flags.includes('tc') && whole.answer.length > 0, whole.text);
        }
        assert.ok(small!.size <= 512 && none!.size <= 512 && huge!.size <= 1232);
        assert.ok(small!.edns.length > 0 && huge!.edns.length > 0, 'OPT is kept when an answer is cut');
        assert.equal(none!.edns.length, 0, 'no OPT for a client that sent none');
        assert.equal(await front.stop(), 0);
      });

      test(`${engine} engine, 4096 bytes allowed`, async () => {
        const front = await startFront(engine, [lab], { 'udp-size': 4096 });
        const whole = await ask(front.v6, ['big.lab.example', 'TXT', '+bufsize=4096', '+ignore']);
        assert.ok(!whole.flags.includes('tc') && whole.size > 3000, whole.text);
        assert.equal(await front.stop(), 0);
      });
    }
  });

  describe('about Chorus come from Chorus', () => {
    for (const engine of engines) {
      test(`${engine} engine`, async () => {
        const front = await startFront(engine, [lab]);
        for (const options of [[], ['+tcp']]) {
          const [id, host, version, nsid, future] = await askMany(front.v6, [
            ['id.server', 'TXT', 'CH', ...options],
            ['HOSTNAME.bind', 'TXT', 'CH', ...options],
            ['version.bind', 'TXT', 'CH', ...options],
            ['www.lab.example', 'A', '+nsid', ...options],
            ['www.lab.example', 'A', '+edns=1', '+noednsnegotiation', ...options],
          ]);
          assert.deepEqual([future!.status, future!.answer.length], ['BADVERS', 0], future!.text);
          for (const own of [id!, host!]) {
            assert.deepEqual([own.status, own.answer.length], ['NOERROR', 1], own.text);
            assert.ok(own.answer[0]!.endsWith(`CH TXT "${identity}"`), own.text);
          }
          assert.deepEqual(host!.question, ['HOSTNAME.bind. CH TXT']);
          assert.match(version!.answer[0]!, /CH TXT "[^"]+"$/);
          assert.ok(nsid!.text.includes(`("${identity}")`), nsid!.text);
        }
        assert.equal(await front.stop(), 0);
      });
    }
  });
});

function ttls(shown: Shown): number[] {
  const records = [...shown.answer, ...shown.authority];
  return records.sort().map(record => Number(record.split(' ')[1]));
}
