import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { describe, test } from 'node:test';
import { batchUnavailable } from '#net/libc.ts';
import { types } from '#wire/types.ts';
import { systemClock } from './clock.ts';
import { systemDatagrams } from './datagrams.ts';
import type { Exchanger } from './exchange.ts';
import { Health, type HealthEvent } from './health.ts';
import { LibcDatagrams } from './libc-datagrams.ts';
import { answerTo } from './network.ts';
import type { HealthTarget } from './targets.ts';

/** A server on a free port of the loopback; it remembers who asked. */
async function serve(address: string) {
  const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4');
  const ports = new Set<number>();
  const sources = new Set<string>();
  socket.on('message', (query, from) => {
    ports.add(from.port);
    sources.add(from.address);
    socket.send(answerTo(query), from.port, from.address);
  });
  socket.bind(0, address);
  await once(socket, 'listening');
  return { port: socket.address().port, ports, sources, close: () => socket.close() };
}

function targetAt(address: string, port: number, source?: string): HealthTarget {
  const window = { failures: 3, of: 5 };
  const probe = { kind: 'dns-udp', name: 'check.test', type: types.A, interval: 20, timeout: 400, window };
  return { pool: 'default', name: 'kai', slot: 0, address, port, probes: [probe], ...(source && { source }) };
}

/** Probes until `wanted` holds of the events; gives them. Fails after ten seconds. */
async function watch(
  make: () => Exchanger,
  target: HealthTarget,
  wanted: (events: readonly HealthEvent[], health: Health) => boolean,
) {
  const events: HealthEvent[] = [];
  const health = new Health({
    clock: systemClock,
    random: bound => randomInt(bound),
    datagrams: make(),
    setState: () => {},
    onChange: event => events.push(event),
  });
  health.apply([target]);
  const deadline = performance.now() + 10_000;
  while (!wanted(events, health) && performance.now() < deadline)
    await new Promise(resolve => setTimeout(resolve, 5));
  const [report] = health.report();
  health.stop();
  assert.ok(wanted(events, health), `in time: ${JSON.stringify(report)}`);
  return { events, report };
}

/** The same of both ways to send. */
function contract(make: () => Exchanger) {
  for (const address of ['127.0.0.1', '::1']) {
    test(`a real server on ${address} comes up; probes come from one source port after another`, async () => {
      const server = await serve(address);
      const { events } = await watch(make, targetAt(address, server.port), () => server.ports.size >= 3);
      server.close();
      assert.equal(events[0]?.to, 'up');
    });
  }

  test('a port where nobody listens is refused, and the reason says so', async () => {
    const server = await serve('127.0.0.1');
    server.close();
    const { events } = await watch(make, targetAt('127.0.0.1', server.port), seen =>
      seen.some(({ to }) => to === 'down'),
    );
    assert.match(
      events.at(-1)?.reason ?? '',
      /3 of the last 3 probes failed: refused \(ICMP port unreachable\)/,
    );
  });

  test('probes come from the source address that is set', async () => {
    const server = await serve('127.0.0.1');
    await watch(make, targetAt('127.0.0.1', server.port, '127.0.0.9'), () => server.sources.size > 0);
    server.close();
    assert.deepEqual([...server.sources], ['127.0.0.9']);
  });

  test('a place that the kernel does not let us connect to is a failure, and no fault', async () => {
    // 127.0.0.1 asks nobody beyond this machine: EINVAL, or ENETUNREACH where there is no route at all.
    const { events } = await watch(make, targetAt('192.0.2.1', 9, '127.0.0.1'), seen =>
      seen.some(({ to }) => to === 'down'),
    );
    assert.match(events.at(-1)?.reason ?? '', /3 of the last 3 probes failed: /);
  });

  test('a source address that the machine has not is a failure in words', async () => {
    const { events } = await watch(make, targetAt('127.0.0.1', 9, '192.0.2.1'), seen =>
      seen.some(({ to }) => to === 'down'),
    );
    assert.match(events.at(-1)?.reason ?? '', /the source address is not on this machine/);
  });
}

describe('by Node', () => contract(() => systemDatagrams));
describe('by libc', { skip: batchUnavailable() ?? false }, () =>
  contract(() => new LibcDatagrams(systemClock, bound => randomInt(bound))),
);
