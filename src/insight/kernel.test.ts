import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import {
  dropsAt,
  parseReceiveBufferErrors,
  parseReceiveBufferErrors6,
  parseSockets,
  readKernelUdp,
} from './kernel.ts';

const udp = `   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops             
  457: 0100007F:14B4 00000000:0000 07 00000000:00000300 00:00000000 00000000  1000        0 51234 2 0000000000000000 17        
  457: 0100007F:14B4 00000000:0000 07 00000000:00000000 00:00000000 00000000  1000        0 51235 2 0000000000000000 4         
  800: 0100007F:8F01 0100007F:1519 01 00000000:00000000 00:00000000 00000000     0        0 51236 2 ffff9b3c4a5d0000 9         
12000: 00000000:0035 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 51237 2 0000000000000000 1         
  this line is not one
`;
const udp6 = `  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops
  457: 00000000000000000000000001000000:14B4 00000000000000000000000000000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 51240 2 0000000000000000 6
  458: B80D0120000000000000000001000000:0035 00000000000000000000000000000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 51241 2 0000000000000000 8
`;
const snmp = `Tcp: RtoAlgorithm RtoMin
Tcp: 1 200
Udp: InDatagrams NoPorts InErrors OutDatagrams RcvbufErrors SndbufErrors InCsumErrors IgnoredMulti MemErrors
Udp: 100 2 33 100 31 0 0 0 0
UdpLite: InDatagrams NoPorts InErrors OutDatagrams RcvbufErrors
UdpLite: 0 0 0 0 99
`;
const snmp6 =
  'Ip6InReceives                   \t10\nUdp6RcvbufErrors                \t5\nUdpLite6RcvbufErrors            \t7\n';
const files: Record<string, string> = {
  '/proc/net/udp': udp,
  '/proc/net/udp6': udp6,
  '/proc/net/snmp': snmp,
  '/proc/net/snmp6': snmp6,
};
const read = (path: string) => {
  const text = files[path];
  if (text === undefined) throw new Error(`no ${path}`);
  return text;
};

test('sockets are read from captured text', () => {
  const sockets = parseSockets(udp, true);
  assert.equal(sockets.length, 4);
  assert.deepEqual(sockets[0], {
    address: '127.0.0.1',
    port: 5300,
    listening: true,
    inode: 51234,
    waiting: 0x300,
    drops: 17,
  });
  assert.equal(sockets[2]?.listening, false);
  assert.deepEqual(
    parseSockets(udp6, true).map(({ address, port }) => [address, port]),
    [
      ['::1', 5300],
      ['2001:db8::1', 53],
    ],
  );
  assert.equal(parseSockets(udp.replaceAll('0100007F', '7F000001'), false)[0]?.address, '127.0.0.1');
});

test('drops of all sockets at one address are summed, connected ones left out', () => {
  const kernel = {
    sockets: [...parseSockets(udp, true), ...parseSockets(udp6, true)],
    receiveBufferErrors: 0,
  };
  assert.equal(dropsAt(kernel, '127.0.0.1', 5300), 21);
  assert.equal(dropsAt(kernel, '0:0:0:0:0:0:0:1', 5300), 6);
  assert.equal(dropsAt(kernel, '2001:DB8::1%lo', 53), 8);
  assert.equal(dropsAt(kernel, '0.0.0.0', 53), 1);
  assert.equal(dropsAt(kernel, '127.0.0.1', 36609), 0);
});

test('errors of the whole host are read from captured text', () => {
  assert.equal(parseReceiveBufferErrors(snmp), 31);
  assert.equal(parseReceiveBufferErrors('Udp: InDatagrams\nUdp: 4\n'), 0);
  assert.equal(parseReceiveBufferErrors(''), 0);
  assert.equal(parseReceiveBufferErrors6(snmp6), 5);
});

test('a machine without /proc has no figures, one without IPv6 has those of IPv4', () => {
  assert.equal(
    readKernelUdp(() => {
      throw new Error('no such file');
    }),
    null,
  );
  assert.equal(readKernelUdp(read)?.receiveBufferErrors, 36);
  const without6 = readKernelUdp(path => (path.endsWith('6') ? read('nowhere') : read(path)));
  assert.equal(without6?.sockets.length, 4);
});

test('a real socket is found, and what it cannot hold is counted', {
  skip: process.platform !== 'linux',
}, async () => {
  const server = createSocket({ type: 'udp4', recvBufferSize: 4096 });
  server.bind(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  const client = createSocket('udp4');
  client.connect(port, '127.0.0.1');
  await once(client, 'connect');
  const readNow = () => readKernelUdp(path => readFileSync(path, 'utf8'));
  const before = readNow();
  assert.ok(before);
  assert.ok(before.sockets.some(socket => socket.listening && socket.port === port && socket.drops === 0));
  // In one turn, so that nobody reads while they are sent.
  for (let sent = 0; sent < 200; sent++) client.send(new Uint8Array(1000));
  // Nor while they are counted: the kernel may be later than the calls that sent them.
  const end = performance.now() + 10_000;
  let after = readNow();
  while (after && dropsAt(after, '127.0.0.1', port) <= 100 && performance.now() < end) after = readNow();
  client.close();
  server.close();
  assert.ok(after && dropsAt(after, '127.0.0.1', port) > 100, 'most were dropped');
  assert.ok(after.receiveBufferErrors - before.receiveBufferErrors > 100);
});
