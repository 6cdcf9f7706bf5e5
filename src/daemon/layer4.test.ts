import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { BackendState } from '#balance/board.ts';
import { backendsFor } from '#layer4/plan.ts';
import { layer4Section } from '#layer4/schema.ts';
import { layer4Services, poolMembers } from './layer4.ts';

const backend = (name: string, address: string, weight = 1) => ({ name, address, port: 53, weight });
const snapshot = {
  pools: [
    {
      name: 'default',
      backends: [backend('kai', '10.0.0.1', 3), backend('ida', '10.0.0.2'), backend('rin', 'fd00::1')],
    },
  ],
};

test('services have the backends of their family, by what health says of them', () => {
  const states: Record<string, BackendState> = { kai: 'suspect', ida: 'down', rin: 'draining' };
  const options = layer4Section.parse({
    services: [{ address: '192.0.2.53' }, { address: '2001:db8::53', port: 5300, protocols: 'tcp' }],
  });
  const services = layer4Services(
    options,
    pool => poolMembers(snapshot, pool, name => states[name] ?? 'absent'),
    () => false,
  );
  assert.deepEqual(services, [
    {
      address: '192.0.2.53',
      port: 53,
      udp: true,
      tcp: true,
      backends: [
        { ...backend('kai', '10.0.0.1', 3), role: 'serves' },
        { ...backend('ida', '10.0.0.2'), role: 'gone' },
      ],
    },
    {
      address: '2001:db8::53',
      port: 5300,
      udp: false,
      tcp: true,
      backends: [{ ...backend('rin', 'fd00::1'), role: 'drains' }],
    },
  ]);
  assert.deepEqual(poolMembers(snapshot, 'nine'), []);
});

test('a pool that fails open has those that are down serve, and no others', () => {
  const members = (['down', 'disabled', 'draining'] as const).map((state, at) => ({
    ...backend(`b${at}`, `10.0.0.${at + 1}`),
    state,
  }));
  const roles = (open: boolean) => backendsFor('192.0.2.53', members, open).map(({ role }) => role);
  assert.deepEqual(roles(false), ['gone', 'gone', 'drains']);
  assert.deepEqual(roles(true), ['serves', 'gone', 'drains']);
});
