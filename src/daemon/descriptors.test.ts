import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type DescriptorWorld,
  descriptorLimit,
  descriptorsBesideClients,
  fitDescriptors,
} from './descriptors.ts';
import type { WorkerPlan } from './protocol.ts';

const backends = Array.from({ length: 4 }, (_, slot) => ({
  name: `b${slot}`,
  slot,
  address: '192.0.2.1',
  port: 53 + slot,
  weight: 1,
}));
const plan: WorkerPlan = {
  plan: {
    generation: 1,
    allow: [],
    identity: 'front',
    version: 'test',
    udpSize: 1232,
    pools: [{ name: 'default', policy: 'round-robin', timeout: 1000, tries: 4, hedge: null, backends }],
    defaultPool: 0,
    domains: [],
  },
  listeners: [{ address: '192.0.2.9', port: 53 }],
  receiveBuffer: 0,
  portsPerBackend: 16,
  coalesce: true,
  realtime: false,
  streamLimits: { idle: 1, connections: 4096, connectionsPerClient: 1, pipeline: 1, sendBuffer: 1 },
};
const world: DescriptorWorld = { engine: 'batch', workers: 3, api: true, limit: 1024 };

test('the limit is read as the kernel writes it; elsewhere it is not known', () => {
  const text = (soft: string) =>
    `Max data size  1  1  bytes\nMax open files            ${soft}      524288     files\n`;
  assert.equal(
    descriptorLimit(() => text('1024')),
    1024,
  );
  assert.equal(
    descriptorLimit(() => text('unlimited')),
    null,
  );
  assert.equal(
    descriptorLimit(() => {
      throw new Error('ENOENT');
    }),
    null,
  );
});

test('sockets to backends count for each worker', () => {
  const less = descriptorsBesideClients(plan, { ...world, workers: 2 });
  const more = descriptorsBesideClients(plan, world);
  assert.ok(more - less >= 4 * 16, `${less} ${more}`);
});

test('TCP clients get what the others leave', () => {
  const { plan: fitted, shortage } = fitDescriptors(plan, world);
  const beside = descriptorsBesideClients(plan, world);
  assert.equal(fitted.streamLimits.connections, 1024 - beside);
  assert.deepEqual(shortage, { limit: 1024, wanted: beside + 4096, connections: 1024 - beside });
  assert.equal(fitDescriptors(plan, { ...world, limit: 64 }).plan.streamLimits.connections, 16);
});

test('nothing changes where there are enough, or nobody knows', () => {
  for (const limit of [65_536, null]) {
    const fit = fitDescriptors(plan, { ...world, limit });
    assert.equal(fit.plan, plan);
    assert.equal(fit.shortage, null);
  }
});
