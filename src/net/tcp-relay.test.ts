import assert from 'node:assert/strict';
import net, { type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { decodeMessage, encodeMessage, query } from '#wire/message.ts';
import { parseRecord } from '#wire/record.ts';
import { Frames, writePrefix } from './stream-framing.ts';
import { TcpRelay, type TransferResult } from './tcp-relay.ts';
import { TcpServer } from './tcp-server.ts';

async function until(condition: () => boolean, what: string): Promise<void> {
  for (let i = 0; i < 2_000; i++) {
    if (condition()) return;
    await pause(5);
  }
  assert.fail(`never: ${what}`);
}

function framed(bytes: Uint8Array): Uint8Array {
  const out = new Uint8Array(2 + bytes.length);
  writePrefix(out, 0, bytes.length);
  out.set(bytes, 2);
  return out;
}

function cut(socket: Socket, take: (message: Uint8Array) => void): void {
  const frames = new Frames();
  socket.on('error', () => {});
  socket.on('data', (chunk: Buffer) => {
    frames.push(chunk);
    for (let n = frames.next(); n >= 0; n = frames.next())
      take(Uint8Array.from(frames.bytes.subarray(frames.at, frames.at + n)));
  });
}

const asking = encodeMessage(query('zone.test.', 'AXFR'));
const soa = parseRecord('zone.test. 300 IN SOA ns.zone.test. host.zone.test. 7 1 2 3 4');
const long = parseRecord(
  `big.zone.test. 300 IN TXT ${Array.from({ length: 200 }, () => `"${'x'.repeat(250)}"`).join(' ')}`,
);
const part = (...records: (typeof soa)[]): Uint8Array =>
  encodeMessage({ ...decodeMessage(asking), qr: true, aa: true, answers: records });

/** A server whose AXFR queries go to a backend that `serve` plays; other queries are echoed as answers. */
async function start(t: TestContext, serve: (socket: Socket, query: Uint8Array) => void) {
  const accepted = new Set<Socket>();
  const backend = net.createServer(socket => {
    accepted.add(socket);
    cut(socket, message => serve(socket, message));
  });
  await new Promise<void>(resolve => backend.listen(0, '127.0.0.1', resolve));
  const address = backend.address();
  const port = typeof address === 'object' && address ? address.port : 0;
  const results: TransferResult[] = [];
  const clock = { now: 0 };
  const relay = new TcpRelay(
    () => clock.now,
    result => void results.push(result),
  );
  const server = new TcpServer(
    { idle: 60_000, connections: 10, connectionsPerClient: 10, pipeline: 10, sendBuffer: 1 << 19 },
    {
      query: (connection, bytes, at, length) => {
        const message = bytes.slice(at, at + length);
        if (message[length - 3] === 252) {
          assert.ok(relay.start(connection, { address: '127.0.0.1', port, timeout: 1_000 }, message));
          return;
        }
        message[2]! |= 0x80;
        connection.send(message, 0, length);
        connection.answered();
      },
      closed: connection => relay.clientGone(connection),
    },
    () => clock.now,
  );
  const listener = await server.listen('127.0.0.1', 0, false);
  listener.activate();
  t.after(() => {
    relay.destroy();
    server.destroy();
    for (const socket of accepted) socket.destroy();
    backend.close();
  });
  const client = net.connect({ port: listener.port, host: '127.0.0.1' });
  const messages: Uint8Array[] = [];
  let closed = false;
  cut(client, message => void messages.push(message));
  client.on('close', () => {
    closed = true;
  });
  t.after(() => client.destroy());
  return { client, messages, results, relay, server, clock, accepted, closed: () => closed };
}

test('the query goes unchanged and all messages come back; other queries are answered between', async t => {
  const seen: Uint8Array[] = [];
  const sockets: Socket[] = [];
  const { client, messages, results, server } = await start(t, (socket, message) => {
    seen.push(message);
    sockets.push(socket);
    socket.write(framed(part(soa, long)));
  });
  client.write(framed(asking));
  await until(() => messages.length === 1, 'the first message');
  const other = encodeMessage(query('www.zone.test.', 'A'));
  client.write(framed(other));
  await until(() => messages.length === 2, 'the other answer');
  sockets[0]!.write(framed(part(long)));
  sockets[0]!.write(framed(part(soa)));
  await until(() => results.length === 1, 'the end');
  await until(() => messages.length === 4, 'all messages');
  assert.deepEqual(seen, [Uint8Array.from(asking)]);
  assert.deepEqual(results, ['complete']);
  assert.deepEqual(
    [messages[0], messages[2], messages[3]],
    [part(soa, long), part(long), part(soa)].map(m => Uint8Array.from(m)),
  );
  client.end();
  await until(() => server.size === 0, 'closed: nothing is counted as waiting');
});

test('a client that does not read holds the backend back, and gets everything once it reads', async t => {
  const total = 400;
  let written = 0;
  const { client, messages, results } = await start(t, async socket => {
    for (let i = 0; i < total; i++) {
      const bytes = framed(i === 0 ? part(soa, long) : i === total - 1 ? part(long, soa) : part(long));
      written++;
      if (!socket.write(bytes)) await new Promise(resolve => socket.once('drain', resolve));
    }
  });
  client.pause();
  client.write(framed(asking));
  let before = -1;
  while (written !== before || written === 0) {
    before = written;
    await pause(100);
  }
  assert.ok(written < total, `${written} of ${total} messages were taken from the backend`);
  client.resume();
  await until(() => messages.length === total, 'all messages');
  assert.deepEqual(results, ['complete']);
});

test('a backend that nobody can reach is answered by SERVFAIL, and the connection serves on', async t => {
  const { client, messages, results, closed } = await start(t, socket => socket.destroy());
  client.write(framed(asking));
  await until(() => messages.length === 1, 'an answer');
  const answer = decodeMessage(messages[0]!);
  assert.equal(answer.rcode, 2);
  assert.equal(answer.id, decodeMessage(asking).id);
  assert.deepEqual(results, ['failed']);
  assert.equal(closed(), false);
});

test('a backend that dies in the middle ends the connection, so that the client knows', async t => {
  const { client, messages, results, closed } = await start(t, socket => {
    socket.write(framed(part(soa, long)));
    socket.end(framed(part(long)).subarray(0, 1_000));
  });
  client.write(framed(asking));
  await until(() => closed(), 'the end');
  assert.equal(messages.length, 1);
  assert.deepEqual(results, ['broken']);
});

test('a client that goes frees the backend', async t => {
  const { client, relay, accepted } = await start(t, socket => socket.write(framed(part(soa, long))));
  client.write(framed(asking));
  await until(() => relay.size === 1 && accepted.size === 1, 'begun');
  client.resetAndDestroy();
  await until(() => relay.size === 0, 'over');
  await until(() => [...accepted].every(socket => socket.destroyed || socket.readableEnded), 'closed');
});

test('a transfer in which nothing moves is ended', async t => {
  const { client, relay, clock, messages, closed } = await start(t, socket =>
    socket.write(framed(part(soa))),
  );
  client.write(framed(asking));
  await until(() => messages.length === 1, 'begun');
  clock.now = 31_000;
  relay.sweep(clock.now);
  await until(() => closed(), 'the end');
  assert.equal(relay.size, 0);
});
