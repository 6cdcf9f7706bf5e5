/** A made-up moment of a running front: for tests. */
import { Board, backendCounters, latencyBuckets, viewField } from '#balance/board.ts';
import { frontCounters } from '#front/counters.ts';
import { netCounters } from '#net/counters.ts';
import type { BackendReading, Reading } from './reading.ts';

/** A backend on `slot`, up since one second after the epoch. */
export function someBackend(
  backend: string,
  slot: number,
  change: Partial<BackendReading> = {},
): BackendReading {
  return {
    pool: 'default',
    backend,
    slot,
    address: '127.0.0.1',
    port: 5401 + slot,
    family: 'ipv4',
    state: 'up',
    reason: 'the last 5 probes were good',
    since: 1000,
    forced: 'auto',
    weight: 2,
    strained: null,
    evidence: { probe: 1, silent: 0, failing: 2, sporadic: 0, lies: 0, slow: 0 },
    probes: [
      {
        kind: 'dns-udp',
        label: 'NS . udp',
        counts: true,
        good: 7,
        failed: 1,
        latency: 0.5,
        last: { at: 2000, good: true, answered: true, detail: 'NOERROR in 0.50ms' },
      },
    ],
    ...change,
  };
}

/** Two workers, two backends, some numbers. */
export function someReading(change: Partial<Reading> = {}): Reading {
  const board = new Board(2);
  board.clear(0);
  board.clear(1);
  for (const worker of [0, 1]) {
    board.counters(worker)[backendCounters.at.queries] = 100 + worker;
    board.counters(worker)[backendCounters.at.timeout] = 3;
    board.counters(worker)[backendCounters.at.latencySum] = 1_500_000;
    board.histogram(worker)[10] = 60;
    board.histogram(worker)[latencyBuckets - 1] = 1;
    board.view(worker)[viewField.outstanding] = 4;
  }
  const rows = [new Float64Array(frontCounters.size), new Float64Array(frontCounters.size)];
  for (const row of rows) {
    row[frontCounters.at.queriesUdp] = 10;
    row[frontCounters.at.queriesTcp] = 1;
    row[frontCounters.at.noerror] = 9;
    row[frontCounters.at.cacheHits] = 6;
    row[frontCounters.at.cacheMisses] = 2;
    row[frontCounters.at.staleTimer] = 1;
    row[frontCounters.at.staleFailure] = 2;
  }
  return {
    at: 61_000,
    startedAt: 1000,
    version: '0.1.0',
    identity: 'front "one"\\',
    workers: 2,
    generation: 3,
    configFile: '/etc/chorus.yaml',
    reloads: { applied: 2, refused: 1, last: { at: 5000, applied: false, message: 'line 3' } },
    listeners: [
      { address: '::1', port: 53, protocol: 'udp', engine: 'batch', receiveBuffers: [8192, 4096] },
      { address: '::1', port: 53, protocol: 'tcp', engine: 'loop', receiveBuffers: [] },
    ],
    pools: [{ name: 'default', policy: 'round-robin', failOpen: false, everybody: null }],
    backends: [someBackend('kai', 0), someBackend('nika', 1, { probes: [], state: 'down' })],
    board,
    counters: [
      { set: frontCounters, rows },
      { set: netCounters, rows: [new Float64Array(netCounters.size)] },
    ],
    cache: {
      memory: 1 << 20,
      entries: 5,
      failures: 1,
      stale: 2,
      bytes: 500,
      stores: 9,
      evictions: 1,
      expired: 3,
      skipped: 0,
    },
    server: {
      name: 'bind',
      state: 'running',
      since: 3000,
      startedAt: 2000,
      detail: 'answers',
      pid: 4711,
      restarts: 1,
      lastEnd: { at: 1900, reason: 'exit 1' },
      warm: true,
    },
    routes: {
      addresses: [
        {
          address: '192.0.2.53',
          prefix: '192.0.2.53/32',
          state: 'up',
          since: 2000,
          reason: 'all 2 backends of pool default serve',
          wanted: null,
          via: ['core1'],
          drain: 'none',
          found: { verdict: 'well', since: 1500, reason: 'all 2 backends of pool default serve' },
          asks: false,
          budget: { verdict: 'free', detail: '' },
          heldUntil: null,
          changes: 3,
        },
      ],
      drivers: [
        {
          name: 'core1',
          kind: 'bgp',
          state: 'up',
          since: 1000,
          detail: 'established',
          problem: null,
          warnings: [],
          unread: false,
        },
      ],
      routes: [
        {
          address: '192.0.2.53',
          prefix: '192.0.2.53/32',
          driver: 'core1',
          wanted: { med: 0, localPreference: 200, communities: [], largeCommunities: [], prepend: 0 },
          actual: { attributes: null, since: 2010 },
          agrees: true,
          convergence: 10,
        },
      ],
      drain: null,
      safe: false,
      traffic: 20,
      problems: [],
      farm: [],
      budget: null,
    },
    kernel: {
      sockets: [
        { address: '::1', port: 53, listening: true, inode: 1, waiting: 0, drops: 2 },
        { address: '::1', port: 53, listening: true, inode: 2, waiting: 0, drops: 3 },
        { address: '::1', port: 53, listening: false, inode: 3, waiting: 0, drops: 100 },
      ],
      receiveBufferErrors: 12,
    },
    memory: { resident: 100 << 20, heapUsed: 20 << 20 },
    processor: { user: 1.5, system: 0.5 },
    ...change,
  };
}
