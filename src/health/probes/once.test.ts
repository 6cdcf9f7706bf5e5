import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { after, test } from 'node:test';
import { rcodes, types } from '#wire/types.ts';
import { answerTo } from '../network.ts';
import { probeOnce } from './once.ts';

const question = { name: 'check.test', type: types.A };
const ends: (() => void)[] = [];
after(() => {
  for (const end of ends) end();
});

async function udp(rcode: number | null): Promise<number> {
  const socket = createSocket('udp4');
  socket.on('message', (query, from) => {
    if (rcode !== null) socket.send(answerTo(query, rcode), from.port, from.address);
  });
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  ends.push(() => socket.close());
  return socket.address().port;
}

async function tcp(serve: (socket: Socket, query: Buffer) => void): Promise<number> {
  const server = createServer(socket => {
    socket.on('error', () => {});
    socket.on('data', (query: Buffer) => serve(socket, query));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  ends.push(() => server.close());
  const address = server.address();
  assert.ok(address !== null && typeof address === 'object');
  return address.port;
}

const ask = (port: number, kind: string, timeout = 5000) =>
  probeOnce({ address: '127.0.0.1', port }, { ...question, kind }, timeout);

test('over UDP: the outcome has the code, the answer and the time', async () => {
  const outcome = await ask(await udp(rcodes.SERVFAIL), 'dns-udp');
  assert.equal(outcome.good, false);
  assert.equal(outcome.rcode, rcodes.SERVFAIL);
  assert.match(outcome.detail, /^SERVFAIL in [\d.]+ms$/);
  assert.ok(outcome.answer !== null && outcome.latency !== null);
  assert.equal((await ask(await udp(0), 'dns-udp')).good, true);
});

test('over TCP: an answer in pieces counts', async () => {
  const port = await tcp((socket, query) => {
    const framed = Buffer.from(answerTo(query.subarray(2)));
    socket.write(query.subarray(0, 1));
    setImmediate(() => socket.write(Buffer.concat([query.subarray(1, 2), framed])));
  });
  assert.deepEqual([(await ask(port, 'dns-tcp')).good, (await ask(port, 'dns-tcp')).rcode], [true, 0]);
});

test('over TCP: a connection that is closed, or that nobody takes, is a failure in words', async () => {
  const closes = await tcp(socket => socket.end());
  assert.equal((await ask(closes, 'dns-tcp')).detail, 'the connection was closed without an answer');
  const gone = await tcp(() => {});
  ends.pop()!();
  const outcome = await ask(gone, 'dns-tcp');
  assert.deepEqual([outcome.detail, outcome.nobody], ['refused: nothing listens there', true]);
});

test('silence is a timeout', async () => {
  assert.equal((await ask(await udp(null), 'dns-udp', 30)).detail, 'timeout after 30ms');
  assert.equal((await ask(await tcp(() => {}), 'dns-tcp', 30)).detail, 'timeout after 30ms');
});

test('an unknown kind throws', () => {
  assert.throws(() => probeOnce({ address: '::1', port: 1 }, { ...question, kind: 'x' }, 1), TypeError);
});
