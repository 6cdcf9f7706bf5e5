import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { familyFault, type MetricFamily } from './families.ts';
import { counterSets, metricFamilies } from './registry.ts';

test('every family keeps the rules of names, units and help', () => {
  assert.deepEqual(
    metricFamilies.map(familyFault).filter(fault => fault !== null),
    [],
  );
});

test('no family is declared twice', () => {
  const names = metricFamilies.map(({ name }) => name);
  assert.deepEqual(names, [...new Set(names)]);
});

test('counters of one family agree on help, kind and labels', () => {
  for (const set of counterSets) {
    const seen = new Map<string, string>();
    for (const key of set.keys) {
      const { family, help, kind = 'counter', labels = {} } = set.declarations[key]!;
      const rest = JSON.stringify([help, kind, Object.keys(labels)]);
      assert.equal(seen.get(family) ?? rest, rest, family);
      seen.set(family, rest);
    }
  }
});

test('every set of counters in the tree is on /metrics', () => {
  const src = new URL('..', import.meta.url).pathname;
  const defined = readdirSync(src, { recursive: true, encoding: 'utf8' })
    .filter(file => file.endsWith('.ts') && !file.endsWith('.test.ts'))
    .flatMap(file =>
      Array.from(readFileSync(join(src, file), 'utf8').matchAll(/^export const (\w+) = defineCounters\(/gm)),
    )
    .map(found => found[1]);
  assert.deepEqual(defined.toSorted(), ['backendCounters', 'frontCounters', 'netCounters']);
  assert.equal(counterSets.length, 2, 'the backends are told by a source of their own');
});

test('the metrics that the page names are there, with the labels that it uses', () => {
  const page = readFileSync(new URL('../../docs/metrics.md', import.meta.url), 'utf8');
  const families = new Map(metricFamilies.map(family => [family.name, family]));
  const named = Array.from(page.matchAll(/\b(chorus_[a-z0-9_]*[a-z0-9])(?:\{([a-z]+)!?=)?/g));
  assert.ok(named.length > 15);
  for (const [, name = '', label] of named) {
    const family = families.get(name) ?? families.get(name.replace(/_bucket$/, ''));
    assert.ok(family, name);
    if (label !== undefined) assert.ok(family.labels.includes(label), `${name}{${label}}`);
  }
});

test('the rules find what they are for', () => {
  const good: MetricFamily = { name: 'chorus_x_total', help: 'Things.', type: 'counter', labels: ['pool'] };
  assert.equal(familyFault(good), null);
  const bad: Partial<MetricFamily>[] = [
    { name: 'x_total' },
    { name: 'chorus_x' },
    { type: 'gauge' },
    { name: 'chorus_wait_ms_total' },
    { name: 'chorus_wait_seconds_total' },
    { unit: 'bytes' },
    { help: 'things' },
    { labels: ['le'] },
  ];
  for (const change of bad)
    assert.notEqual(familyFault({ ...good, ...change }), null, JSON.stringify(change));
});
