import assert from 'node:assert/strict';
import dgram from 'node:dgram';
import { test } from 'node:test';
import { freePort } from '#test/support/ports.ts';
import { LoopListeners } from './loop-listeners.ts';

test('a listener that was dropped serves on until it is closed', async () => {
  const port = await freePort();
  let heard: () => void = () => {};
  let closed = 0;
  let now = 0;
  const listeners = new LoopListeners({
    datagrams: { query: () => heard(), opened: () => {}, closed: () => closed++ },
    streams: undefined,
    shared: false,
    clock: () => now,
  });
  const client = dgram.createSocket('udp4');
  const ask = async (): Promise<void> => {
    const answer = new Promise<void>(resolve => {
      heard = resolve;
    });
    client.send('query', port, '127.0.0.1');
    await answer;
  };
  try {
    await listeners.prepare([{ address: '127.0.0.1', port }], 65_536);
    listeners.commit();
    await ask();
    await listeners.prepare([], 65_536);
    listeners.commit();
    await ask();
    assert.equal(closed, 0);
    now = 60_000;
    listeners.sweep(now);
    assert.equal(closed, 1);
  } finally {
    listeners.destroy();
    client.close();
  }
});
