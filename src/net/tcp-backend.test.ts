import assert from 'node:assert/strict';
import net, { type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { Channels } from './channels.ts';
import { Frames, writePrefix } from './stream-framing.ts';
import { type BackendConnection, type ConnectionEvent, maxConnections, TcpBackend } from './tcp-backend.ts';

async function until(condition: () => boolean, what: string): Promise<void> {
  for (let i = 0; i < 1_000; i++) {
    if (condition()) return;
    await pause(5);
  }
  assert.fail(`never: ${what}`);
}

function message(mark: number, length = 20): Uint8Array {
  const bytes = new Uint8Array(length);
  bytes[0] = mark;
  return bytes;
}

function framed(bytes: Uint8Array): Uint8Array {
  const out = new Uint8Array(2 + bytes.length);
  writePrefix(out, 0, bytes.length);
  out.set(bytes, 2);
  return out;
}

/** A backend that hands each query to `serve`. */
async function start(t: TestContext, serve: (socket: Socket, query: Uint8Array) => void = () => {}) {
  const sockets = new Set<Socket>();
  const server = net.createServer(socket => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => sockets.delete(socket));
    const frames = new Frames();
    socket.on('data', (chunk: Buffer) => {
      frames.push(chunk);
      for (let n = frames.next(); n >= 0; n = frames.next())
        serve(socket, frames.bytes.slice(frames.at, frames.at + n));
    });
  });
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const port = typeof address === 'object' && address ? address.port : 0;
  const answers: number[] = [];
  const broken: number[] = [];
  const counts: Record<ConnectionEvent, number> = { opened: 0, malformed: 0, unasked: 0, silent: 0 };
  const clock = { now: 0 };
  const channels = new Channels<BackendConnection>(16);
  const backend = new TcpBackend(
    { address: '127.0.0.1', port, timeout: 2_000 },
    {
      answer: (_connection, bytes, at) => void answers.push(bytes[at]!),
      broken: connection => {
        broken.push(connection.channel);
        channels.release(connection.channel);
      },
      count: event => void counts[event]++,
    },
    connection => channels.take(() => connection),
    () => clock.now,
  );
  t.after(() => {
    backend.destroy();
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const ask = (mark: number): number => {
    const channel = backend.pick();
    channels.get(channel)?.send(message(mark), 0, 20);
    return channel;
  };
  return { backend, answers, broken, counts, clock, sockets, server, ask };
}

test('queries share a connection, and answers come in any order', async t => {
  const held: [Socket, Uint8Array][] = [];
  const { answers, ask, counts, backend } = await start(
    t,
    (socket, query) => void held.push([socket, query]),
  );
  assert.equal(ask(1), ask(2));
  await until(() => held.length === 2, 'both queries');
  for (const [socket, query] of held.reverse()) socket.write(framed(query));
  await until(() => answers.length === 2, 'both answers');
  assert.deepEqual(answers, [2, 1]);
  assert.equal(counts.opened, 1);
  assert.equal(backend.size, 1);
});

test('more connections are opened for many queries, up to the bound', async t => {
  const { ask, backend, counts } = await start(t);
  const channels = new Set<number>();
  for (let i = 0; i < 1_000; i++) channels.add(ask(i & 255));
  assert.equal(channels.size, maxConnections);
  assert.equal(backend.size, maxConnections);
  await until(() => counts.opened === maxConnections, 'connected');
});

test('a backend that closes in the middle of an answer breaks the channel; the next query opens another', async t => {
  let deaths = 0;
  const { ask, broken, answers, backend } = await start(t, (socket, query) => {
    if (deaths++ === 0) socket.end(framed(query).subarray(0, 9));
    else socket.write(framed(query));
  });
  const first = ask(1);
  await until(() => broken.length === 1, 'broken');
  assert.deepEqual(broken, [first]);
  assert.deepEqual(answers, []);
  assert.equal(backend.size, 0);
  ask(2);
  await until(() => answers.length === 1, 'answered');
});

test('a refused connection breaks the channel, and none is tried for a moment', async t => {
  const { ask, broken, backend, clock, server } = await start(t);
  await new Promise(resolve => server.close(resolve));
  ask(1);
  await until(() => broken.length === 1, 'broken');
  assert.equal(backend.pick(), -1);
  clock.now += 1_000;
  assert.notEqual(backend.pick(), -1);
});

test('a backend that answers what nobody asked is cut off', async t => {
  const { ask, broken, answers, counts } = await start(t, (socket, query) => {
    const flood = Buffer.concat(Array.from({ length: 100 }, () => framed(query)));
    const more = (): void => {
      if (!socket.destroyed) socket.write(flood, more);
    };
    more();
  });
  ask(1);
  await until(() => broken.length === 1, 'cut off');
  assert.equal(counts.unasked, 1);
  assert.ok(answers.length < 100);
});

test('a backend that sends what is no message is cut off', async t => {
  const { ask, broken, counts } = await start(t, socket => socket.write(Uint8Array.of(0, 3, 1, 2, 3)));
  ask(1);
  await until(() => broken.length === 1, 'cut off');
  assert.equal(counts.malformed, 1);
});

test('a connection whose backend says nothing is replaced; one that is idle is closed', async t => {
  const { ask, backend, broken, clock, counts } = await start(t, (socket, query) => {
    if (query[0] === 2) socket.write(framed(query));
  });
  ask(1);
  await until(() => counts.opened === 1, 'connected');
  clock.now = 2_400;
  backend.sweep(clock.now);
  assert.equal(backend.size, 1);
  clock.now = 2_600;
  backend.sweep(clock.now);
  await until(() => broken.length === 1, 'replaced');
  assert.equal(counts.silent, 1);

  ask(2);
  await until(() => backend.size === 1 && counts.opened === 2, 'a new one');
  clock.now = 12_000;
  backend.sweep(clock.now);
  await until(() => broken.length === 2, 'closed');
});

test('retired, it closes what is idle and keeps what is not', async t => {
  const { ask, backend, counts, broken } = await start(t);
  for (let i = 0; i < 40; i++) ask(i);
  await until(() => counts.opened === 2, 'two connections');
  assert.equal(
    backend.retire(channel => channel === 0),
    1,
  );
  assert.equal(
    backend.retire(() => true),
    0,
  );
  await until(() => broken.length === 2, 'closed');
});
