import assert from 'node:assert/strict';
import net, { type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { Frames, writePrefix } from './stream-framing.ts';
import type { TcpConnection } from './tcp-connection.ts';
import { type ServerEvent, type ServerEvents, type ServerLimits, TcpServer } from './tcp-server.ts';

const generous: ServerLimits = {
  idle: 10_000,
  connections: 100,
  connectionsPerClient: 100,
  pipeline: 100,
  sendBuffer: 1 << 19,
};

/** A header and some padding; the first byte tells messages apart. */
function message(mark: number, length = 20): Uint8Array {
  const bytes = new Uint8Array(length);
  bytes[0] = mark;
  return bytes;
}

function framed(...messages: Uint8Array[]): Buffer {
  return Buffer.concat(
    messages.map(bytes => {
      const out = new Uint8Array(2 + bytes.length);
      writePrefix(out, 0, bytes.length);
      out.set(bytes, 2);
      return out;
    }),
  );
}

async function until(condition: () => boolean, what: string): Promise<void> {
  for (let i = 0; i < 1_000; i++) {
    if (condition()) return;
    await pause(5);
  }
  assert.fail(`never: ${what}`);
}

type Setup = { limits?: Partial<ServerLimits>; query?: ServerEvents['query'] };

async function start(t: TestContext, { limits, query }: Setup = {}) {
  const counts: Record<ServerEvent, number> = {
    accepted: 0,
    refused: 0,
    shed: 0,
    idle: 0,
    slow: 0,
    malformed: 0,
  };
  const waiting: { connection: TcpConnection; mark: number }[] = [];
  const clock = { now: 0 };
  const server = new TcpServer(
    { ...generous, ...limits },
    {
      query: query ?? ((connection, bytes, at) => void waiting.push({ connection, mark: bytes[at]! })),
      count: event => void counts[event]++,
    },
    () => clock.now,
  );
  const listener = await server.listen('127.0.0.1', 0, false);
  listener.activate();
  t.after(() => server.destroy());
  const connect = (
    localAddress = '127.0.0.1',
  ): { socket: Socket; answers: Uint8Array[]; closed: () => boolean } => {
    const socket = net.connect({ port: listener.port, host: '127.0.0.1', localAddress });
    const frames = new Frames();
    const answers: Uint8Array[] = [];
    let closed = false;
    socket.on('error', () => {});
    socket.on('close', () => {
      closed = true;
    });
    socket.on('data', (chunk: Buffer) => {
      frames.push(chunk);
      for (let n = frames.next(); n >= 0; n = frames.next())
        answers.push(frames.bytes.slice(frames.at, frames.at + n));
    });
    t.after(() => socket.destroy());
    return { socket, answers, closed: () => closed };
  };
  const answer = (at: number): void => {
    const [entry] = waiting.splice(at, 1);
    const bytes = message(entry!.mark);
    entry!.connection.send(bytes, 0, bytes.length);
    entry!.connection.answered();
  };
  return { server, listener, counts, waiting, clock, connect, answer };
}

test('answers go out in the order they are given, not the order asked', async t => {
  const { connect, waiting, answer } = await start(t);
  const client = connect();
  client.socket.write(framed(message(1), message(2), message(3)));
  await until(() => waiting.length === 3, 'three queries');
  answer(2);
  answer(0);
  answer(0);
  await until(() => client.answers.length === 3, 'three answers');
  assert.deepEqual(
    client.answers.map(bytes => bytes[0]),
    [3, 1, 2],
  );
});

test('queries come through one byte at a time', async t => {
  const { connect, waiting } = await start(t);
  const { socket } = connect();
  socket.setNoDelay(true);
  for (const byte of framed(message(7), message(8))) {
    socket.write(Uint8Array.of(byte));
    await new Promise(resolve => setImmediate(resolve));
  }
  await until(() => waiting.length === 2, 'two queries');
});

test('reading stops while the pipeline is full and goes on after an answer', async t => {
  const { connect, waiting, answer } = await start(t, { limits: { pipeline: 2 } });
  const client = connect();
  client.socket.write(framed(...[1, 2, 3, 4, 5].map(mark => message(mark))));
  await until(() => waiting.length === 2, 'two queries');
  answer(0);
  await until(() => waiting.length === 2, 'the third');
  assert.deepEqual(
    waiting.map(({ mark }) => mark),
    [2, 3],
  );
  for (let left = 4; left > 0; left--) {
    await until(() => waiting.length > 0, 'another query');
    answer(0);
  }
  await until(() => client.answers.length === 5, 'all answers');
});

test('a query is never given from inside an answer', async t => {
  let inside = false;
  let depth = 0;
  const parked: TcpConnection[] = [];
  const { connect } = await start(t, {
    limits: { pipeline: 1 },
    query: connection => {
      if (inside) depth++;
      parked.push(connection);
    },
  });
  const client = connect();
  client.socket.write(framed(message(1), message(2)));
  for (let i = 0; i < 2; i++) {
    await until(() => parked.length === 1, 'a query');
    inside = true;
    const connection = parked.pop()!;
    connection.send(message(1), 0, 20);
    connection.answered();
    inside = false;
  }
  await until(() => client.answers.length === 2, 'both answers');
  assert.equal(depth, 0);
});

test('too many connections, in all and of one client, are reset', async t => {
  const all = await start(t, { limits: { connections: 2 } });
  const clients = [all.connect(), all.connect()];
  await until(() => all.counts.accepted === 2, 'two connections');
  const third = all.connect();
  await until(() => third.closed() && all.counts.refused === 1, 'the third refused');
  clients[0]!.socket.destroy();
  await until(() => all.server.size === 1, 'room again');
  all.connect();
  await until(() => all.counts.accepted === 3, 'a newcomer');

  const each = await start(t, { limits: { connectionsPerClient: 1 } });
  each.connect();
  await until(() => each.counts.accepted === 1, 'one connection');
  const second = each.connect();
  await until(() => second.closed() && each.counts.refused === 1, 'the second refused');
});

test('when all are taken, the client with most gives its longest idle connection to one with fewer', async t => {
  const all = await start(t, { limits: { connections: 4 } });
  const heavy: ReturnType<typeof all.connect>[] = [];
  for (let i = 0; i < 3; i++) {
    all.clock.now = 10 - i;
    heavy.push(all.connect());
    await until(() => all.counts.accepted === i + 1, 'a connection of the heavy client');
  }
  heavy[2]!.socket.write(framed(message(1)));
  await until(() => all.waiting.length === 1, 'a query');
  all.connect('127.0.0.2');
  await until(() => all.counts.accepted === 4, 'one of a light client');
  const newcomer = all.connect('127.0.0.3');
  await until(() => all.counts.accepted === 5, 'a newcomer');
  await until(() => heavy[1]!.closed(), 'the longest idle one closed');
  assert.deepEqual([all.server.size, all.counts.shed, all.counts.refused], [4, 1, 0]);
  newcomer.socket.write(framed(message(2)));
  await until(() => all.waiting.length === 2, 'its query');
  // Two and two with one more: nobody has fewer enough.
  const fourth = all.connect('127.0.0.3');
  await until(() => fourth.closed() && all.counts.refused === 1, 'refused');
  assert.equal(heavy[0]!.closed() || heavy[2]!.closed(), false);
});

test('an idle connection is closed, a busy one is not', async t => {
  const { connect, clock, server, counts, waiting, answer } = await start(t, { limits: { idle: 1_000 } });
  const idle = connect();
  await until(() => counts.accepted === 1, 'one connection');
  clock.now = 900;
  server.sweep(clock.now);
  const busy = connect();
  busy.socket.write(framed(message(1)));
  await until(() => waiting.length === 1, 'a query');
  clock.now = 5_000;
  server.sweep(clock.now);
  await until(() => idle.closed(), 'the idle one closed');
  assert.equal(counts.idle, 1);
  answer(0);
  await until(() => busy.answers.length === 1, 'its answer');
  assert.equal(busy.closed(), false);
});

test('a trickle of bytes that makes no message counts as idle', async t => {
  const { connect, clock, server, counts } = await start(t, { limits: { idle: 1_000 } });
  const client = connect();
  await until(() => counts.accepted === 1, 'a connection');
  for (let i = 0; i < 4; i++) {
    clock.now += 300;
    client.socket.write(Uint8Array.of(1));
    await pause(1);
  }
  server.sweep(clock.now);
  await until(() => client.closed(), 'closed');
});

test('a client that reads nothing is not read from, and is cut off when idle', async t => {
  const big = message(1, 60_000);
  let asked = 0;
  const { connect, clock, server, counts } = await start(t, {
    limits: { idle: 1_000, sendBuffer: 1 << 18 },
    query: connection => {
      asked++;
      connection.send(big, 0, big.length);
      connection.answered();
    },
  });
  const client = connect();
  client.socket.pause();
  const queries = framed(...Array.from({ length: 500 }, () => message(1)));
  client.socket.write(queries);
  // Until no more are taken: the pause may have been one of the whole process, so what has come meanwhile is looked at after it.
  let before = -1;
  while (before !== asked || asked === 0) {
    before = asked;
    await pause(50);
    for (let turn = 0; turn < 3; turn++) await new Promise(resolve => setImmediate(resolve));
  }
  assert.ok(asked < 500, `${asked} queries were taken`);
  assert.equal(counts.slow, 0);
  server.sweep(clock.now);
  clock.now = 2_000;
  server.sweep(clock.now);
  await until(() => server.size === 0, 'cut off');
  assert.equal(counts.slow, 1);
});

test('a client that reads slowly is not idle', async t => {
  const { connect, waiting, clock, server, counts } = await start(t, { limits: { idle: 1_000 } });
  const client = connect();
  client.socket.pause();
  client.socket.write(framed(...Array.from({ length: 100 }, () => message(1))));
  await until(() => waiting.length === 100, 'all queries');
  const big = message(1, 60_000);
  // More than the kernel takes, less than the bound.
  while (counts.slow === 0 && waiting[0]!.connection.backlog < 1 << 18) {
    const { connection } = waiting[0]!;
    connection.send(big, 0, big.length);
    await new Promise(resolve => setImmediate(resolve));
  }
  server.sweep(clock.now);
  const before = waiting[0]!.connection.backlog;
  client.socket.resume();
  await until(() => waiting[0]!.connection.backlog < before, 'something read');
  clock.now = 2_000;
  server.sweep(clock.now);
  assert.equal(counts.slow, 0);
  assert.equal(server.size, 1);
});

test('a slow reader with many answers under way is cut off at the bound', async t => {
  const { connect, counts, waiting, server } = await start(t, { limits: { sendBuffer: 1 << 16 } });
  const client = connect();
  client.socket.pause();
  client.socket.write(framed(...Array.from({ length: 100 }, () => message(1))));
  await until(() => waiting.length === 100, 'all queries');
  const big = message(1, 65_000);
  for (const { connection } of waiting) connection.send(big, 0, big.length);
  assert.equal(counts.slow, 1);
  await until(() => server.size === 0, 'cut off');
});

test('a client that vanishes, also inside a message, leaves nothing; its late answer goes nowhere', async t => {
  const { connect, counts, waiting, server, answer } = await start(t);
  const first = connect();
  first.socket.write(Buffer.concat([framed(message(1)), Uint8Array.of(0)]));
  await until(() => waiting.length === 1, 'a query');
  const { index, generation } = waiting[0]!.connection;
  first.socket.resetAndDestroy();
  await until(() => server.size === 0, 'gone');
  const second = connect();
  await until(() => counts.accepted === 2, 'the next client');
  assert.equal(server.get(index, generation), undefined);
  assert.equal(server.get(index, generation + 1)?.generation, generation + 1);
  answer(0);
  await pause(10);
  assert.equal(second.answers.length, 0);
});

test('a client that has said all it will still gets its answers', async t => {
  const { connect, waiting, answer } = await start(t);
  const client = connect();
  client.socket.end(framed(message(1), message(2)));
  await until(() => waiting.length === 2, 'queries');
  answer(0);
  answer(0);
  await until(() => client.closed(), 'closed after the answers');
  assert.equal(client.answers.length, 2);
});

for (const [what, bytes] of [
  ['a message of no bytes', Uint8Array.of(0, 0)],
  ['a message shorter than a header', framed(new Uint8Array(11))],
  ['an answer', framed(Uint8Array.from({ length: 12 }, (_, at) => (at === 2 ? 0x80 : 0)))],
] as const) {
  test(`${what} closes the connection`, async t => {
    const { connect, counts } = await start(t);
    const client = connect();
    client.socket.write(bytes);
    await until(() => client.closed(), 'closed');
    assert.equal(counts.malformed, 1);
  });
}

test('drain: no newcomer, no further query, what is in flight is answered, then the end', async t => {
  const { connect, waiting, answer, server, listener } = await start(t);
  const busy = connect();
  const idle = connect();
  await until(() => server.size === 2, 'both connected');
  busy.socket.write(framed(message(1)));
  await until(() => waiting.length === 1, 'a query');
  server.drain();
  await until(() => idle.closed(), 'the idle one ended');
  busy.socket.write(framed(message(2)));
  const late = net.connect({ port: listener.port, host: '127.0.0.1' });
  await new Promise(resolve => late.once('error', resolve));
  answer(0);
  await until(() => busy.closed(), 'ended');
  assert.equal(busy.answers.length, 1);
  assert.equal(waiting.length, 0);
  assert.equal(server.size, 0);
});

test('before it is put in force a listener holds connections unread', async t => {
  const { server, waiting } = await start(t);
  const listener = await server.listen('127.0.0.1', 0, false);
  const socket = net.connect({ port: listener.port, host: '127.0.0.1' });
  t.after(() => socket.destroy());
  socket.write(framed(message(5)));
  await pause(20);
  assert.equal(waiting.length, 0);
  listener.activate();
  await until(() => waiting.length === 1, 'the query');
});

test('an address in use is refused with its code', async t => {
  const { server, listener } = await start(t);
  await assert.rejects(server.listen('127.0.0.1', listener.port, false), { code: 'EADDRINUSE' });
});
