import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import { test } from 'node:test';
import { isTaken, takes } from './taken.ts';

const head =
  '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n';
const row = (local: string, state = '0A') =>
  `   0: ${local} 00000000:0000 ${state} 00000000:00000000 00:00000000 00000000     0        0 1 1 0 100 0 0 10 0\n`;
const row6 = (local: string) =>
  `   1: ${local} 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1\n`;

test('a listener at the address or at all addresses, on the port', () => {
  assert.equal(takes(head + row('0B01000A:0035'), '10.0.1.11', 53, true), true);
  assert.equal(takes(head + row('0A00010B:0035'), '10.0.1.11', 53, false), true);
  assert.equal(takes(head + row('00000000:0035'), '10.0.1.11', 53, true), true);
  assert.equal(takes(head + row('0C01000A:0035'), '10.0.1.11', 53, true), false);
  assert.equal(takes(head + row('0B01000A:0036'), '10.0.1.11', 53, true), false);
  assert.equal(takes(head + row('0B01000A:0035', '01'), '10.0.1.11', 53, true), false);
  assert.equal(takes(head + row6('B80D0120000000000000000011000000:0035'), '2001:db8::11', 53, true), true);
  assert.equal(takes(head + row6('00000000000000000000000000000000:0035'), '2001:db8::11', 53, true), true);
  assert.equal(takes('nonsense\n', '10.0.1.11', 53), false);
});

test('of this machine', async () => {
  for (const address of ['127.0.0.1', '::1']) {
    const server = createServer();
    await new Promise<void>(resolve => server.listen(0, address, resolve));
    const at = server.address();
    assert.ok(at && typeof at === 'object');
    assert.equal(isTaken(address, at.port), true);
    await new Promise(resolve => server.close(resolve));
    assert.equal(isTaken(address, at.port), false);
  }
});
