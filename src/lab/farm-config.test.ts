import assert from 'node:assert/strict';
import { test } from 'node:test';
import { loadConfig } from '#config/load.ts';
import { farmConfig } from './farm-config.ts';

test('the configuration of a farm is one that serve takes', () => {
  const listen = [
    { address: '127.0.0.1', port: 5300 },
    { address: '::1', port: 5300 },
  ];
  const api = { address: '127.0.0.1', port: 8053 };
  const nodes = [
    { name: 'kai', address: '127.0.0.1', port: 5401 },
    { name: 'nika', address: '::1', port: 5402 },
  ];
  const snapshot = loadConfig(farmConfig({ listen, api, nodes }), 'farm.yaml');
  assert.deepEqual(snapshot.listen, listen);
  assert.deepEqual(snapshot.api, api);
  assert.deepEqual(
    snapshot.pools[0]?.backends.map(({ name, address, port }) => ({ name, address, port })),
    nodes,
  );
});
