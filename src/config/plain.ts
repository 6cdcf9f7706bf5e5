/** A snapshot under the names and in the forms of the file, with every default in sight. */

import { formatPerSecond } from '#front/schema.ts';
import type { ProbeSettings } from '#health/targets.ts';
import { fileForm } from '#kit/option.ts';
import { formatDuration, formatSize } from '#kit/units.ts';
import { layer4Section } from '#layer4/schema.ts';
import { formatBlock, formatEndpoint } from '#net/address.ts';
import { serverSection } from '#node/schema.ts';
import { classes, className, rcodeName, typeName } from '#wire/types.ts';
import { plainRoutes } from './plain-routes.ts';
import { type Plain, type PlainMapping, plainValue } from './plain-value.ts';
import type { Snapshot, SnapshotBackend, SnapshotPool } from './snapshot.ts';

export type { Plain, PlainMapping };

/** The snapshot as a file would say it. Loading that gives the same snapshot again. */
export function plainOf(snapshot: Snapshot): PlainMapping {
  const { cache, tcp, limits } = snapshot;
  return {
    listen: snapshot.listen.map(formatEndpoint),
    allow: snapshot.allow.map(formatBlock),
    pools: Object.fromEntries(snapshot.pools.map(pool => [pool.name, plainPool(pool)])),
    domains: Object.fromEntries(snapshot.domains.map(({ suffix, pool }) => [suffix, pool])),
    cache: cache
      ? {
          memory: formatSize(cache.memory),
          'min-ttl': formatDuration(cache.minTtl * 1000),
          'max-ttl': formatDuration(cache.maxTtl * 1000),
          'max-negative-ttl': formatDuration(cache.maxNegativeTtl * 1000),
          'failure-ttl': formatDuration(cache.failureTtl * 1000),
          'max-failure-ttl': formatDuration(cache.maxFailureTtl * 1000),
          'stale-for': formatDuration(cache.staleFor * 1000),
          'stale-ttl': formatDuration(cache.staleTtl * 1000),
          'stale-after': formatDuration(cache.staleAfter),
          prefetch: cache.prefetch ? 'on' : 'off',
        }
      : 'off',
    api: snapshot.api ? formatEndpoint(snapshot.api) : 'off',
    workers: snapshot.workers,
    engine: snapshot.engine,
    limits: {
      'per-client': limits.perClient > 0 ? formatPerSecond(limits.perClient) : 'off',
      'per-network': limits.perNetwork > 0 ? formatPerSecond(limits.perNetwork) : 'off',
      networks: [limits.ipv4Bits, limits.ipv6Bits],
      slip: limits.slip,
      exempt: limits.exempt.map(formatBlock),
      'failing-zones': limits.zones ? 'on' : 'off',
    },
    ...(snapshot.user !== undefined && { user: snapshot.user }),
    ...(snapshot.group !== undefined && { group: snapshot.group }),
    identity: snapshot.identity,
    'udp-size': snapshot.udpSize,
    'receive-buffer': formatSize(snapshot.receiveBuffer),
    'ports-per-backend': snapshot.portsPerBackend,
    coalesce: snapshot.coalesce ? 'on' : 'off',
    realtime: snapshot.realtime ? 'on' : 'off',
    tcp: {
      idle: formatDuration(tcp.idle),
      connections: tcp.connections,
      'connections-per-client': tcp.connectionsPerClient,
      pipeline: tcp.pipeline,
      'send-buffer': formatSize(tcp.sendBuffer),
    },
    ...plainRoutes(snapshot.routes),
    layer4: snapshot.layer4 ? plainValue(fileForm(layer4Section, snapshot.layer4)) : 'off',
    server: snapshot.server ? plainValue(fileForm(serverSection, snapshot.server)) : 'off',
    'drain-timeout': formatDuration(snapshot.drainTimeout),
    log: { level: snapshot.log.level, format: snapshot.log.format },
  };
}

function plainPool({ policy, timeout, tries, hedge, backends, probes, evidence }: SnapshotPool): Plain {
  return {
    policy,
    timeout: formatDuration(timeout),
    tries,
    hedge: hedge
      ? {
          least: formatDuration(hedge.least),
          most: formatDuration(hedge.most),
          budget: hedge.budget,
          burst: hedge.burst,
        }
      : 'off',
    backends: backends.map(plainBackend),
    ...(probes.length > 1
      ? { probes: probes.map(plainProbe) }
      : { probe: probes[0] ? plainProbe(probes[0]) : 'off' }),
    evidence: {
      live: evidence.live ? 'on' : 'off',
      'evict-at-most': Math.round(evidence.evictAtMost * 100),
      hold: formatDuration(evidence.hold),
      'slow-start': formatDuration(evidence.slowStart),
    },
  };
}

function plainProbe(probe: ProbeSettings): Plain {
  const counts = probe.counts ?? true;
  const asks: PlainMapping = probe.exec
    ? { exec: probe.exec, dynamic: probe.dynamic ? 'on' : 'off' }
    : {
        name: probe.name,
        ...(probe.also && { also: probe.also }),
        type: typeName(probe.type),
        class: className(probe.class ?? classes.IN),
        transport: probe.kind?.endsWith('-tcp') ? 'tcp' : 'udp',
        'random-label': probe.randomLabel ? 'on' : 'off',
      };
  return {
    ...asks,
    interval: formatDuration(probe.interval),
    timeout: formatDuration(probe.timeout),
    window: { failures: probe.window.failures, of: probe.window.of },
    ...(probe.expect && { expect: probe.expect.map(rcodeName) }),
    ...(probe.answer && { answer: probe.answer }),
    ...(probe.dnssec && { dnssec: probe.dnssec }),
    ...(probe.local && { local: 'on' }),
    ...(counts !== (probe.dnssec !== 'broken') && { counts: counts ? 'on' : 'off' }),
  };
}

function plainBackend(backend: SnapshotBackend): Plain {
  const { name, weight, capacity, source } = backend;
  return {
    name,
    address: formatEndpoint(backend),
    weight,
    ...(capacity !== undefined && { capacity }),
    ...(source !== undefined && { source }),
  };
}
