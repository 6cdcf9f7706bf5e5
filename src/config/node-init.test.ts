import assert from 'node:assert/strict';
import { test } from 'node:test';
import { initKinds, planNode } from '#node/init/plan.ts';
import { nodeFiles } from '#node/init/write.ts';
import { loadConfig } from './load.ts';

test('what `chorus node init` writes is a configuration that Chorus takes', () => {
  const machine = { hostname: 'n1', addresses: [{ address: '10.0.1.11', link: 'eth0' }] };
  for (const kind of initKinds) {
    for (const more of [
      {},
      { supervise: false },
      { probe: ['a.example', 'b.example'] },
      { forward: ['10.0.0.1'] },
    ]) {
      const plan = planNode(kind, { service: ['192.0.2.53'], ...more }, machine);
      const { text } = nodeFiles(plan).find(({ path }) => path === 'chorus.yaml')!;
      const { listen, server, routes } = loadConfig(text, 'chorus.yaml', { cores: 2, hostname: 'n1' });
      assert.deepEqual(listen, []);
      assert.equal(server === null, 'supervise' in more);
      assert.equal(routes.addresses[0]?.family, 'own');
    }
  }
});
