import assert from 'node:assert/strict';
import dgram, { type Socket } from 'node:dgram';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import { poll } from '#test/support/poll.ts';
import { Channels } from './channels.ts';
import { DatagramBackend, type DatagramChannel } from './dgram-backend.ts';
import { DatagramListener, type DatagramSocket } from './dgram-listener.ts';
import { openDatagram } from './dgram-socket.ts';
import { localAddresses } from './local-addresses.ts';

async function peer(t: TestContext, address = '127.0.0.1'): Promise<Socket> {
  const socket = dgram.createSocket(address.includes(':') ? 'udp6' : 'udp4');
  socket.bind(0, address);
  await once(socket, 'listening');
  let open = true;
  socket.on('close', () => {
    open = false;
  });
  t.after(() => open && socket.close());
  return socket;
}

function backendOf(t: TestContext, port: number, ports: number, address = '127.0.0.1') {
  const channels = new Channels<DatagramChannel>(64);
  const answers: [number, number][] = [];
  const broken: number[] = [];
  const clock = { now: 0 };
  let seed = 1;
  const random = (bound: number): number => {
    seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0;
    return (seed >>> 8) % bound;
  };
  const backend = new DatagramBackend(
    { address, port },
    ports,
    {
      answer: (channel, packet) => void answers.push([channel.channel, packet[0]!]),
      broken: channel => void broken.push(channel.channel),
    },
    channel => channels.take(() => channel),
    random,
    () => clock.now,
  );
  t.after(() => backend.destroy());
  const ask = (mark: number): number => {
    const channel = backend.pick();
    channels.get(channel)?.send(new Uint8Array(20).fill(mark), 0, 20);
    return channel;
  };
  return { backend, channels, answers, broken, clock, ask };
}

test('queries leave from all of the source ports, and answers come back on their channel', async t => {
  const server = await peer(t);
  const ports = new Set<number>();
  server.on('message', (packet, from) => {
    ports.add(from.port);
    server.send(packet, from.port, from.address);
  });
  const { ask, answers } = backendOf(t, server.address().port, 4);
  const asked: [number, number][] = [];
  for (let mark = 0; mark < 100; mark++) asked.push([ask(mark), mark]);
  await poll('all answers', () => answers.length === 100);
  assert.equal(ports.size, 4);
  assert.deepEqual(
    answers.sort((a, b) => a[1] - b[1]),
    asked,
  );
});

test('IPv6 alike', async t => {
  const server = await peer(t, '::1');
  server.on('message', (packet, from) => server.send(packet, from.port, from.address));
  const { ask, answers } = backendOf(t, server.address().port, 2, '::1');
  ask(5);
  await poll('an answer', () => answers.length === 1);
});

test('a packet from another address or port is not taken', async t => {
  const server = await peer(t);
  const stranger = await peer(t);
  server.on('message', (packet, from) => {
    stranger.send(Uint8Array.of(66), from.port, from.address, () =>
      server.send(packet, from.port, from.address),
    );
  });
  const { ask, answers } = backendOf(t, server.address().port, 1);
  ask(7);
  await poll('an answer', () => answers.length > 0);
  assert.deepEqual(answers, [[0, 7]]);
});

test('a port where nobody listens breaks the channel, whoever the kernel tells of it', async t => {
  const gone = await peer(t);
  const { port } = gone.address();
  await new Promise<void>(resolve => gone.close(resolve));
  const { ask, broken } = backendOf(t, port, 1);
  ask(1);
  await poll('broken', () => broken.length === 1);
  ask(2);
  ask(3);
  await poll('broken again', () => broken.length >= 2);
});

test('sockets are replaced after a while, and the old ones stay while something waits on them', async t => {
  const server = await peer(t);
  const { backend, ask, clock, channels } = backendOf(t, server.address().port, 1);
  const first = ask(1);
  const closed: number[] = [];
  const sweep = (idle: boolean): void =>
    backend.sweep(
      clock.now,
      () => idle,
      channel => {
        closed.push(channel.channel);
        channels.release(channel.channel);
      },
    );
  sweep(true);
  assert.equal(ask(2), first);
  clock.now = 200_000;
  sweep(false);
  assert.notEqual(ask(3), first);
  assert.deepEqual(closed, []);
  sweep(true);
  assert.deepEqual(closed, [first]);
});

test('a backend that leaves keeps sockets until nothing waits on them', async t => {
  const server = await peer(t);
  const { backend, ask } = backendOf(t, server.address().port, 2);
  const waits = ask(1);
  while (ask(2) === waits);
  const closed: number[] = [];
  const retire = (idle: (channel: number) => boolean): number =>
    backend.retire(idle, channel => void closed.push(channel.channel));
  assert.equal(
    retire(channel => channel !== waits),
    1,
  );
  assert.equal(
    retire(() => true),
    0,
  );
  assert.equal(closed.length, 2);
});

test('an address that cannot be had throws its code at once', () => {
  assert.throws(() => openDatagram({ address: '192.0.2.1', port: 0 }), { code: 'EADDRNOTAVAIL' });
  const taken = openDatagram({ address: '127.0.0.1', port: 0 });
  assert.throws(() => openDatagram({ address: '127.0.0.1', port: taken.address().port }), {
    code: 'EADDRINUSE',
  });
  taken.close();
});

function listenerOn(t: TestContext, address: string, port: number, local?: () => string[]) {
  const open = new Set<string>();
  const listener = new DatagramListener(
    address,
    port,
    { reusePort: false, receiveBuffer: 65_536 },
    {
      query: (socket, packet, from) => void socket.send(packet, 0, packet.length, from.port, from.address),
      opened: (socket: DatagramSocket) => void open.add(socket.address),
      closed: (socket: DatagramSocket) => void open.delete(socket.address),
    },
    local,
  );
  t.after(() => listener.close());
  return { listener, open };
}

/** Whether something waits to be read from an IPv4 socket on this port: the queues of /proc/net/udp, proc_pid_net(5). */
function hasWaiting(port: number): boolean {
  const digits = port.toString(16).toUpperCase().padStart(4, '0');
  const row = new RegExp(`^ *\\d+: [0-9A-F]{8}:${digits} \\S+ \\S+ [0-9A-F]{8}:(?!0{8})`, 'm');
  return row.test(readFileSync('/proc/net/udp', 'latin1'));
}

test('a listener answers once it is in force, and says what buffer it got', async t => {
  const { listener } = listenerOn(t, '127.0.0.1', 0);
  assert.equal(listener.receiveBuffer, 65_536);
  const client = await peer(t);
  const got: number[] = [];
  client.on('message', packet => void got.push(packet[0]!));
  await new Promise(resolve => client.send(Uint8Array.of(1), listener.port, '127.0.0.1', resolve));
  // The kernel may be later than the call that sent it. Once it lies in the listener's buffer, the event loop brings it within two turns.
  const end = performance.now() + 10_000;
  while (!hasWaiting(listener.port)) assert.ok(performance.now() < end, 'the first packet came');
  for (let turn = 0; turn < 2; turn++) await new Promise(resolve => setImmediate(resolve));
  listener.active = true;
  client.send(Uint8Array.of(2), listener.port, '127.0.0.1');
  await poll('an answer', () => got.length > 0);
  assert.deepEqual(got, [2]);
});

test('a listener on all addresses has a socket for each, and follows them', async t => {
  const free = await peer(t);
  const { port } = free.address();
  let addresses = ['127.0.0.2', '127.0.0.3', '192.0.2.1'];
  const { listener, open } = listenerOn(t, '0.0.0.0', port, () => addresses);
  assert.deepEqual([...open], ['127.0.0.2', '127.0.0.3']);
  addresses = ['127.0.0.3', '127.0.0.4'];
  listener.refresh();
  assert.deepEqual([...open], ['127.0.0.3', '127.0.0.4']);
  listener.active = true;
  const client = await peer(t, '127.0.0.9');
  const from: string[] = [];
  client.on('message', (_packet, info) => void from.push(info.address));
  client.send(Uint8Array.of(1), port, '127.0.0.4');
  await poll('an answer', () => from.length === 1);
  assert.deepEqual(from, ['127.0.0.4']);
});

test('an address in use is no listener on all addresses', async t => {
  const taken = await peer(t, '127.0.0.3');
  assert.throws(() => listenerOn(t, '0.0.0.0', taken.address().port, () => ['127.0.0.2', '127.0.0.3']), {
    code: 'EADDRINUSE',
  });
});

test('local addresses: one family, link-local ones with their scope', () => {
  const interfaces = {
    lo: [
      { address: '127.0.0.1', family: 'IPv4' },
      { address: '::1', family: 'IPv6' },
    ],
    eth0: [{ address: 'fe80::1', family: 'IPv6' }],
    none: undefined,
  };
  assert.deepEqual(localAddresses('0.0.0.0', interfaces), ['127.0.0.1']);
  assert.deepEqual(localAddresses('::', interfaces), ['::1', 'fe80::1%eth0']);
});
