import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { WorkerPlan } from '#daemon/protocol.ts';
import { loadConfig } from './load.ts';
import { healthTargets, workerPlan } from './plan.ts';

const snapshot = loadConfig(
  `
listen: ["127.0.0.1:5300", "[::1]:5300"]
allow: 127.0.0.0/8
identity: front
cache: { min-ttl: 1s }
limits: { per-client: 200/s }
domains: { Corp.Example.: inside }
pools:
  inside:
    probe: off
    backends: { name: rin, address: "[2001:db8::1]:54", source: "2001:db8::2" }
  default:
    policy: first-available
    timeout: 1s
    backends: [{ name: kai, address: 192.0.2.1, weight: 2, capacity: 5 }]
    probe: { name: www.example, type: AAAA, expect: [NOERROR] }
`,
  'f.yaml',
  { cores: 1, hostname: 'h' },
);
const slotOf = (pool: string, backend: string) => (pool === 'default' && backend === 'kai' ? 7 : 9);

test('a worker is told what it needs', () => {
  const plan: WorkerPlan = workerPlan(snapshot, slotOf, 3);
  assert.deepEqual(plan.listeners, [
    { address: '127.0.0.1', port: 5300 },
    { address: '::1', port: 5300 },
  ]);
  assert.equal(plan.receiveBuffer, 16 * 2 ** 20);
  assert.equal(plan.streamLimits.connectionsPerClient, 64);
  const { version, ...rest } = plan.plan;
  assert.match(version, /^Chorus \d/);
  assert.deepEqual(rest, {
    generation: 3,
    allow: [{ bytes: [127, 0, 0, 0], bits: 8 }],
    identity: 'front',
    udpSize: 1232,
    pools: [
      {
        name: 'inside',
        policy: 'least-outstanding',
        timeout: 2000,
        tries: 4,
        hedge: { least: 8, most: 500, unknown: 100, budget: 0.01, burst: 400 },
        backends: [
          { name: 'rin', address: '2001:db8::1', port: 54, weight: 1, source: '2001:db8::2', slot: 9 },
        ],
      },
      {
        name: 'default',
        policy: 'first-available',
        timeout: 1000,
        tries: 4,
        hedge: { least: 8, most: 500, unknown: 100, budget: 0.01, burst: 400 },
        backends: [{ name: 'kai', address: '192.0.2.1', port: 53, weight: 2, capacity: 5, slot: 7 }],
      },
    ],
    defaultPool: 1,
    domains: [{ suffix: 'corp.example', pool: 0 }],
    cache: {
      minTtl: 1,
      maxTtl: 86_400,
      maxNegativeTtl: 3600,
      failureTtl: 5,
      maxFailureTtl: 300,
      staleFor: 86_400,
      staleTtl: 30,
      staleAfter: 1800,
      prefetch: true,
    },
    limits: {
      perClient: 200,
      perNetwork: 0,
      ipv4Bits: 24,
      ipv6Bits: 56,
      slip: 2,
      exempt: [
        { bytes: [127, 0, 0, 0], bits: 8 },
        { bytes: [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1], bits: 128 },
      ],
      zones: true,
    },
  });
  assert.deepEqual(structuredClone(plan), plan, 'it can be posted to a thread');
});

test('a root domain takes the place of the pool default', () => {
  const all = workerPlan({ ...snapshot, domains: [{ suffix: '.', pool: 'inside' }] }, slotOf, 1).plan;
  assert.equal(all.defaultPool, 0);
  assert.deepEqual(all.domains, []);
});

test('health is told each backend and its probe', () => {
  assert.deepEqual(healthTargets(snapshot, slotOf), [
    {
      pool: 'inside',
      name: 'rin',
      slot: 9,
      weight: 1,
      address: '2001:db8::1',
      port: 54,
      source: '2001:db8::2',
      probes: [],
    },
    {
      pool: 'default',
      name: 'kai',
      slot: 7,
      weight: 2,
      address: '192.0.2.1',
      port: 53,
      probes: [
        {
          kind: 'dns-udp',
          name: 'www.example.',
          type: 28,
          interval: 1000,
          timeout: 500,
          window: { failures: 3, of: 5 },
          expect: [0],
        },
      ],
    },
  ]);
});
