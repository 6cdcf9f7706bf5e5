/** A backend that answers wrongly, by mistake or on purpose: none of it reaches a client, and the front lives on. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { backend, Chorus, engines } from '../support/chorus.ts';
import { ask } from '../support/clients.ts';
import {
  type Asked,
  answerTo,
  HandBackend,
  questionEnd,
  questionName,
  sendFramed,
  withId,
} from '../support/hand-backend.ts';
import { isolate } from '../support/isolate.ts';
import { poll } from '../support/poll.ts';
import { askTcp, askUdp, header, opt, packet, UdpClient, wireName } from '../support/raw.ts';
import { requires } from '../support/requires.ts';

const right = '192.0.2.1';
const wrong = '192.0.2.66';
const good = (query: Buffer) => answerTo(query, { addresses: [right] });
const evil = (query: Buffer) => answerTo(query, { addresses: [wrong] });

/** The answer with another question in the place of the one asked. */
function otherQuestion(answer: Buffer, query: Buffer, name: string, type = 1): Buffer {
  const tail = Buffer.of(0, type, 0, 1);
  return Buffer.concat([answer.subarray(0, 12), wireName(name), tail, answer.subarray(questionEnd(query))]);
}

/** What a backend may send first; the client must not see any of it. Each is followed by the right answer. */
const lies: Readonly<Record<string, (asked: Asked) => void>> = {
  'a wrong id': ({ query, reply }) => reply(withId(evil(query), query.readUInt16BE(0) ^ 0x5555)),
  'another name': ({ query, reply }) => reply(otherQuestion(evil(query), query, 'evil.example')),
  'another type': ({ query, reply }) => reply(otherQuestion(evil(query), query, questionName(query), 28)),
  'another port': ({ query, replyElsewhere }) => replyElsewhere(evil(query)),
  'the query itself': ({ query, reply }) => reply(query),
  'eleven bytes': ({ query, reply }) => reply(evil(query).subarray(0, 11)),
  'no byte': ({ reply }) => reply(Buffer.alloc(0)),
  'half a question': ({ query, reply }) => reply(evil(query).subarray(0, 20)),
  garbage: ({ query, reply }) =>
    reply(Buffer.concat([withId(Buffer.alloc(2), query.readUInt16BE(0)), Buffer.alloc(200, 0xc0)])),
  '60,000 bytes of garbage': ({ reply }) => reply(Buffer.alloc(60_000, 0xff)),
};

describe('a backend that answers wrongly', requires('root', 'ip', 'dig'), () => {
  before(() => isolate());

  async function start(engine: string, server: HandBackend, more: Record<string, unknown> = {}) {
    const pools = { default: { timeout: '700ms', probe: 'off', backends: [backend('hand', server)] } };
    return await Chorus.start({ engine, cache: 'off', pools, ...more });
  }

  for (const engine of engines) {
    describe(`${engine} engine`, () => {
      describe('lies first: only the right answer that follows reaches the client', () => {
        let server: HandBackend;
        let front: Chorus;
        before(async () => {
          server = await HandBackend.start();
          front = await start(engine, server);
        });
        after(async () => {
          assert.equal(await front.stop(), 0);
          await server.stop();
        });
        for (const [what, lie] of Object.entries(lies)) {
          test(what, async () => {
            server.options = {
              udp: asked => {
                lie(asked);
                setTimeout(() => asked.reply(good(asked.query)), 30);
              },
            };
            const client = new UdpClient(front.v4);
            const query = packet({ id: 0x7777, name: 'Some.Name.example' });
            client.send(query);
            const answer = await client.take(() => true);
            assert.deepEqual(answer, good(query), 'id, letter case and all of the right answer');
            // A second query's answer is the next thing that comes: nothing of the lie was still on its way.
            const next = packet({ id: 0x8888, name: 'next.example' });
            client.send(next);
            assert.deepEqual(await client.take(() => true), good(next));
            await client.close();
          });
        }
      });

      test('nothing but lies: SERVFAIL with the reason, never the lie', async () => {
        const server = await HandBackend.start({
          udp: asked => {
            for (const lie of Object.values(lies)) lie(asked);
          },
        });
        const front = await start(engine, server);
        const shown = await ask(front.v4, ['lied.example', 'A']);
        assert.equal(shown.status, 'SERVFAIL', shown.text);
        assert.match(shown.edns.join('\n'), /EDE: 2[23] /, shown.text);
        assert.ok((await front.metric('chorus_backend_unexpected_answers_total')) > 0, 'they are counted');
        assert.equal(await front.stop(), 0);
        await server.stop();
      });

      test('twice and late: each client gets one answer', async () => {
        const held: (() => void)[] = [];
        const server = await HandBackend.start({
          udp: ({ query, reply }) => {
            if (questionName(query).startsWith('late')) held.push(() => reply(evil(query)));
            else for (let times = 0; times < 3; times++) reply(good(query));
          },
        });
        const front = await start(engine, server);
        const client = new UdpClient(front.v4);
        client.send(packet({ id: 1, name: 'late.example' }));
        const failed = await client.take(() => true, 5000);
        assert.deepEqual([failed && header(failed).id, failed && header(failed).rcode], [1, 2]);
        for (const reply of held) reply();
        for (let id = 2; id < 50; id++) {
          client.send(packet({ id, name: `n${id}.example` }));
          const answer = await client.take(() => true);
          assert.equal(answer && header(answer).id, id, 'the answers come one by one, nothing between them');
        }
        assert.equal(client.received.length, 0);
        await client.close();
        assert.equal(await front.stop(), 0);
        await server.stop();
      });

      test('ids and source ports cannot be guessed', async () => {
        const server = await HandBackend.start({ udp: ({ query, reply }) => reply(good(query)) });
        const front = await start(engine, server);
        const client = new UdpClient(front.v4);
        for (let id = 0; id < 200; id++) {
          client.send(packet({ id, name: `n${id}.example` }));
          await client.take(() => true);
        }
        await client.close();
        const ids = server.queries.map(query => query.readUInt16BE(0));
        // One whose answer was late is asked again.
        assert.ok(ids.length >= 200, `${ids.length} queries`);
        assert.ok(new Set(ids).size > 190, 'ids differ');
        const steps = new Set(ids.slice(1).map((id, at) => (id - ids[at]!) & 0xffff));
        assert.ok(steps.size > 150, 'ids do not count up');
        assert.ok(server.sourcePorts.size >= 8, `${server.sourcePorts.size} source ports`);
        assert.equal(await front.stop(), 0);
        await server.stop();
      });

      test('identical questions in flight are asked once', async () => {
        const held: (() => void)[] = [];
        const server = await HandBackend.start({
          udp: ({ query, reply }) => held.push(() => reply(good(query))),
        });
        const front = await start(engine, server, {
          pools: { default: { timeout: '10s', probe: 'off', backends: [backend('hand', server)] } },
        });
        const clients = [new UdpClient(front.v4), new UdpClient(front.v6)];
        const names = ['Twin.example', 'tWIN.example'];
        clients.forEach((client, at) => {
          for (let id = 1; id <= 5; id++) client.send(packet({ id: at * 100 + id, name: names[at]! }));
        });
        // Asked after them by each client: when these have come, the front has seen all of them.
        clients.forEach((client, at) => {
          client.send(packet({ id: 999, name: `other${at}.example` }));
        });
        await poll('the other questions', () => {
          const seen = server.queries.map(questionName);
          return seen.includes('other0.example') && seen.includes('other1.example');
        });
        const twins = server.queries.filter(query => questionName(query) === 'twin.example').length;
        assert.ok(twins <= 2, `${twins} queries for ten questions`);
        for (const reply of held) reply();
        for (const [at, client] of clients.entries()) {
          for (let id = 1; id <= 5; id++) {
            const query = packet({ id: at * 100 + id, name: names[at]! });
            const answer = await client.take(got => header(got).id === at * 100 + id);
            assert.deepEqual(answer, good(query), 'own id and own letter case');
          }
          await client.close();
        }
        assert.equal(await front.stop(), 0);
        await server.stop();
      });

      test('an answer too large for the client is cut, with TC', async () => {
        const many = Array.from({ length: 60 }, (_, at) => `192.0.2.${at}`);
        const server = await HandBackend.start({
          udp: ({ query, reply }) => reply(answerTo(query, { addresses: many })),
          tcp: (query, socket) => sendFramed(socket, answerTo(query, { addresses: many })),
        });
        const front = await start(engine, server);
        const cut = await askUdp(front.v4, packet({ name: 'many.example' }));
        assert.ok(cut !== undefined && cut.length <= 512 && header(cut).tc);
        const whole = await askTcp(front.v4, packet({ name: 'many.example' }));
        assert.equal(whole && header(whole).counts[1], 60);
        assert.equal(await front.stop(), 0);
        await server.stop();
      });

      test('TC from the backend: passed to UDP clients, asked again over TCP for TCP clients', async () => {
        const server = await HandBackend.start({
          udp: ({ query, reply }) => reply(answerTo(query, { truncated: true })),
          tcp: (query, socket) => sendFramed(socket, answerTo(query, { addresses: [right, right] })),
        });
        const front = await start(engine, server);
        const query = packet({ name: 'large.example' });
        const cut = await askUdp(front.v4, query);
        assert.ok(cut !== undefined && header(cut).tc);
        const whole = await askTcp(front.v6, query);
        assert.deepEqual(whole && [header(whole).tc, header(whole).counts[1]], [false, 2]);
        assert.equal(await front.stop(), 0);
        await server.stop();
      });

      test('over TCP: wrong ids, silence, half messages, an early end, megabytes', async () => {
        const flood = Buffer.alloc(65_535, 0x41);
        const server = await HandBackend.start({
          udp: ({ query, reply }) => reply(answerTo(query, { truncated: true })),
          tcp: (query, socket) => {
            const kind = questionName(query).split('.')[0];
            if (kind === 'wrong') sendFramed(socket, withId(evil(query), query.readUInt16BE(0) ^ 1));
            else if (kind === 'other') sendFramed(socket, otherQuestion(evil(query), query, 'evil.example'));
            else if (kind === 'half') socket.write(Buffer.of(0, 200, 1, 2, 3));
            else if (kind === 'end') socket.end();
            else if (kind === 'reset') socket.resetAndDestroy();
            else if (kind === 'zero') socket.write(Buffer.alloc(2));
            else if (kind === 'megabytes') for (let at = 0; at < 200; at++) sendFramed(socket, flood);
            else if (kind === 'good') sendFramed(socket, good(query));
          },
        });
        const front = await start(engine, server);
        for (const kind of ['wrong', 'other', 'half', 'end', 'reset', 'zero', 'megabytes', 'silence']) {
          const answer = await askTcp(
            front.v4,
            packet({ name: `${kind}.example`, counts: [1, 0, 0, 1], rest: opt() }),
            10_000,
          );
          assert.equal(answer && header(answer).rcode, 2, `${kind}: SERVFAIL`);
          assert.equal(answer?.indexOf(Buffer.from(wrong.split('.').map(Number))), -1, kind);
          const next = await askTcp(front.v4, packet({ name: 'good.example' }), 10_000);
          assert.equal(next && header(next).counts[1], 1, `a good answer after ${kind}`);
        }
        assert.equal(await front.stop(), 0);
        await server.stop();
      });

      test('records that are broken never crash the front, cache on or off', async () => {
        const broken: Readonly<Record<string, Buffer>> = {
          loop: Buffer.of(0xc0, 0x0c, 0, 5, 0, 1, 0, 0, 0, 60, 0, 2, 0xc0, 0x28),
          short: Buffer.of(0xc0, 0x0c, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192),
          beyond: Buffer.of(0xff, 0xff, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 1),
          lengthless: Buffer.of(0xc0, 0x0c, 0, 1, 0, 1, 0, 0, 0, 60, 0xff, 0xff, 1, 2, 3, 4),
          nothing: Buffer.alloc(0),
          trailing: Buffer.concat([good(packet()).subarray(questionEnd(packet())), Buffer.alloc(300, 7)]),
        };
        for (const cache of ['off', { memory: '16MiB' }]) {
          const server = await HandBackend.start({
            udp: ({ query, reply }) => {
              const bytes = broken[questionName(query).split('.')[0] ?? ''];
              if (bytes === undefined) reply(good(query));
              else for (const count of [1, 0xffff]) reply(answerTo(query, { records: { count, bytes } }));
            },
          });
          const front = await start(engine, server, { cache });
          for (const name of Object.keys(broken)) {
            await askUdp(front.v4, packet({ name: `${name}.example` }), 1500);
            const next = await askUdp(front.v4, packet({ name: `after-${name}.example` }));
            assert.equal(next && header(next).counts[1], 1, `a good answer after ${name}`);
          }
          assert.equal(await front.stop(), 0);
          await server.stop();
        }
      });
    });
  }
});
