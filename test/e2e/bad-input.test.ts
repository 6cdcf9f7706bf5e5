/** Clients that send nonsense, vanish, or never read: each gets what the standards say, and the next client is served. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, afterEach, before, describe, test } from 'node:test';
import { backend, Chorus, engines } from '../support/chorus.ts';
import { answerTo, HandBackend, questionName, sendFramed } from '../support/hand-backend.ts';
import { isolate } from '../support/isolate.ts';
import { poll } from '../support/poll.ts';
import { askTcp, askUdp, frame, header, opt, packet, TcpClient, UdpClient } from '../support/raw.ts';
import { requires } from '../support/requires.ts';

const formErr = 1;
const badVersLow = 0; // The low four bits of BADVERS (16); the rest is in OPT.

/** What must be met with silence (RFC 1035 says nothing of answers to what is no query; answering would make loops). */
const silence: Readonly<Record<string, Buffer>> = {
  'no byte': Buffer.alloc(0),
  'one byte': Buffer.of(0x42),
  'eleven bytes': packet().subarray(0, 11),
  'an answer': packet({ flags: 0x8180 }),
  'an answer with opcode 5': packet({ flags: 0x8000 | (5 << 11) }),
  'an answer without question': packet({ flags: 0x8180, questions: 0 }),
  'garbage with QR set': Buffer.alloc(400, 0xff),
};

/** What must be answered with FORMERR. */
const malformed: Readonly<Record<string, Buffer>> = {
  'a header alone': packet({ questions: 0 }),
  'two questions': packet({ questions: 2 }),
  'a question that is not there': packet({ questions: 0, counts: [1, 0, 0, 0] }),
  'half a question': packet().subarray(0, 20),
  'a label beyond the end': Buffer.concat([
    packet({ questions: 0, counts: [1, 0, 0, 0] }),
    Buffer.of(63, 1, 2),
  ]),
  'a label type of old': Buffer.concat([
    packet({ questions: 0, counts: [1, 0, 0, 0] }),
    Buffer.of(0x41, 0, 0, 1, 0, 1),
  ]),
  'a pointer to itself': Buffer.concat([
    packet({ questions: 0, counts: [1, 0, 0, 0] }),
    Buffer.of(0xc0, 12, 0, 1, 0, 1),
  ]),
  'a name of 300 bytes': packet({ name: Array(10).fill('a'.repeat(29)).join('.') }),
  'a record that is not there': packet({ counts: [1, 0, 0, 1] }),
  'an OPT that is cut': packet({ counts: [1, 0, 0, 1], rest: opt().subarray(0, 7) }),
  'an option longer than its OPT': packet({
    counts: [1, 0, 0, 1],
    rest: opt(1232, 0, Buffer.of(0, 3, 0xff, 0xff)),
  }),
};

describe('bad input from clients', requires('root', 'ip'), () => {
  let server: HandBackend;
  before(async () => {
    await isolate();
    const many = Array.from({ length: 4000 }, (_, at) => `10.0.${at >> 8}.${at & 255}`);
    const answer = (query: Buffer) =>
      answerTo(query, { addresses: questionName(query).startsWith('huge') ? many : ['192.0.2.1'] });
    server = await HandBackend.start({
      udp: ({ query, reply }) =>
        reply(questionName(query).startsWith('huge') ? answerTo(query, { truncated: true }) : answer(query)),
      tcp: (query, socket) => sendFramed(socket, answer(query)),
    });
  });
  after(() => server.stop());

  for (const engine of engines) {
    describe(`${engine} engine`, () => {
      let front: Chorus;
      let count = 0;
      before(async () => {
        front = await Chorus.start({
          engine,
          cache: 'off',
          tcp: { idle: '1s', 'connections-per-client': 20, 'send-buffer': '1MiB' },
          pools: { default: { timeout: '2s', probe: 'off', backends: [backend('hand', server)] } },
        });
      });
      after(async () => {
        assert.equal(await front.stop(), 0);
      });
      // Whatever a test did: the next client is answered, over both transports.
      afterEach(async () => {
        for (const way of [askUdp, askTcp]) {
          await poll(
            'an answer for the next client',
            async () => {
              const answer = await way(front.v6, packet({ name: `next${count++}.example` }), 1000);
              return answer !== undefined && header(answer).counts[1] === 1;
            },
            { explain: () => front.program.log },
          );
        }
      });

      test('over UDP, no answer to what is no query', async () => {
        const client = new UdpClient(front.v4);
        client.send(...Object.values(silence));
        // The answer to a good query is the first thing that comes back.
        client.send(packet({ id: 0x4444, name: 'good.example' }));
        const answer = await client.take(() => true);
        assert.equal(answer && header(answer).id, 0x4444);
        assert.equal(client.received.length, 0);
        await client.close();
      });

      test('over TCP, no answer to what is no query', async () => {
        for (const [what, bytes] of Object.entries(silence)) {
          const client = new TcpClient(front.v4);
          client.send(bytes, packet({ id: 0x4444, name: 'good.example' }));
          const answer = await client.next();
          // The connection may be ended over it; what comes, if anything, is the answer to the good query.
          assert.ok(answer === undefined ? client.closed : header(answer).id === 0x4444, what);
          client.close();
        }
      });

      for (const [what, bytes] of Object.entries(malformed)) {
        test(`${what}: FORMERR`, async () => {
          for (const way of [askUdp, askTcp]) {
            const answer = await way(front.v4, bytes);
            assert.ok(answer, 'an answer');
            const { id, qr, rcode } = header(answer);
            assert.deepEqual({ id, qr, rcode }, { id: 0x1234, qr: true, rcode: formErr });
          }
        });
      }

      test('an EDNS version of the future: BADVERS', async () => {
        const bytes = packet({ counts: [1, 0, 0, 1], rest: opt(1232, 0, Buffer.alloc(0), 9) });
        const answer = await askUdp(front.v4, bytes);
        assert.equal(answer && header(answer).rcode, badVersLow);
        const at = answer!.length - 11;
        assert.deepEqual(
          [answer!.readUInt16BE(at + 1), answer![at + 5], answer![at + 6]],
          [41, 1, 0],
          'OPT: extended 1, version 0',
        );
      });

      test('bytes behind the message, and packets of all sizes', async () => {
        const client = new UdpClient(front.v4);
        for (const size of [12, 13, 16, 17, 100, 511, 512, 513, 1232, 4096, 4097, 9000, 65_507]) {
          client.send(
            Buffer.concat([packet({ name: 'tail.example' }), Buffer.alloc(Math.max(0, size - 30), 0x5a)]),
          );
          client.send(Buffer.alloc(size, 0x01), Buffer.alloc(size, 0x7f), Buffer.alloc(size));
        }
        client.send(packet({ id: 0x4444, name: 'good.example' }));
        assert.ok(await client.take(bytes => header(bytes).id === 0x4444));
        assert.ok(client.received.every(({ bytes }) => header(bytes).qr));
        await client.close();
      });

      test('TCP in any fragmentation', async () => {
        const client = new TcpClient(front.v4);
        const stream = Buffer.concat([1, 2, 3].map(id => frame(packet({ id, name: `f${id}.example` }))));
        for (const byte of stream) {
          client.write(Buffer.of(byte));
          await new Promise(setImmediate);
        }
        const ids = new Set<number>();
        for (let at = 0; at < 3; at++) ids.add(header((await client.next())!).id);
        assert.deepEqual([...ids].sort(), [1, 2, 3]);
        client.close();
      });

      test('a hundred queries in one piece: a hundred answers', async () => {
        const client = new TcpClient(front.v6);
        client.send(...Array.from({ length: 100 }, (_, id) => packet({ id, name: `p${id}.example` })));
        const ids = new Set<number>();
        for (let at = 0; at < 100; at++) {
          const answer = await client.next();
          assert.ok(answer, `answer ${at}`);
          ids.add(header(answer).id);
        }
        assert.equal(ids.size, 100);
        client.close();
      });

      test('half a message, then silence: the connection is ended', async () => {
        for (const bytes of [Buffer.alloc(0), Buffer.of(0), frame(packet()).subarray(0, 20)]) {
          const client = new TcpClient(front.v4);
          client.write(bytes);
          assert.ok(await client.ends(10_000), `${bytes.length} bytes`);
        }
      });

      test('half a message, then the end; a full query, then the end', async () => {
        for (let at = 0; at < 20; at++) {
          const client = new TcpClient(front.v4);
          client.socket.end(frame(packet()).subarray(0, at * 2));
          assert.ok(await client.ends(10_000));
        }
        // A client that sends its query and closes its side still gets the answer (RFC 7766, section 6.2.4).
        const client = new TcpClient(front.v4);
        client.socket.end(frame(packet({ id: 77, name: 'half-closed.example' })));
        const answer = await client.next();
        assert.equal(answer && header(answer).id, 77);
      });

      test('a message of no bytes, of five bytes, of garbage', async () => {
        for (const bytes of [
          Buffer.alloc(0),
          Buffer.alloc(5),
          Buffer.alloc(65_535, 0xee),
          Buffer.alloc(65_535, 0x01),
        ]) {
          const client = new TcpClient(front.v4);
          client.send(bytes);
          await client.next(500);
          client.close();
        }
      });

      test('clients that vanish while their query is asked', async () => {
        for (let at = 0; at < 50; at++) {
          const client = new TcpClient(front.v4);
          client.socket.once('connect', () => {
            client.send(packet({ name: `gone${at}.example` }));
            client.socket.resetAndDestroy();
          });
          await client.ends();
        }
      });

      test('a flood of connections: the surplus is ended, others are served', async () => {
        const clients = Array.from({ length: 300 }, () => new TcpClient(front.v4));
        await poll('the surplus to be ended', () => clients.filter(({ closed }) => !closed).length <= 20);
        const other = await askTcp(front.v6, packet({ name: 'other-client.example' }));
        assert.equal(other && header(other).rcode, 0, 'another client is served meanwhile');
        for (const client of clients) client.close();
      });

      test('a client that never reads is cut off, and memory stays bounded', async () => {
        const resident = () => {
          const status = readFileSync(`/proc/${front.program.pid}/status`, 'utf8');
          return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) * 1024;
        };
        const before = resident();
        const client = new TcpClient(front.v4);
        client.socket.pause();
        // 64 kB each, far more than the socket buffers and the send buffer hold.
        for (let at = 0; at < 2000; at++) client.send(packet({ id: at, name: `huge${at % 10}.example` }));
        await poll(
          'the slow client to be cut off',
          async () => (await front.metric('chorus_tcp_connections_slow_total')) > 0,
        );
        client.close();
        const grown = resident() - before;
        assert.ok(grown < 100 * 1024 * 1024, `resident memory grew by ${grown} bytes`);
      });
    });
  }
});
