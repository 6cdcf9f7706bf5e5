import assert from 'node:assert/strict';
import { test } from 'node:test';
import { someReading } from './fixture.ts';
import { metricsText } from './metrics.ts';
import { metricFamilies } from './registry.ts';

type Parsed = {
  help: string;
  type: string;
  samples: { name: string; labels: Map<string, string>; value: number }[];
};

/** A strict reader of text format 0.0.4, written apart from the writer: throws at whatever is not as it should be. */
function parse(text: string): Map<string, Parsed> {
  assert.ok(text.endsWith('\n'), 'ends with a line feed');
  const families = new Map<string, Parsed>();
  let current: Parsed | undefined;
  let name = '';
  for (const line of text.slice(0, -1).split('\n')) {
    const help = /^# HELP ([a-zA-Z_:][a-zA-Z0-9_:]*) (.+)$/.exec(line);
    const type = /^# TYPE ([a-zA-Z_:][a-zA-Z0-9_:]*) (counter|gauge|histogram)$/.exec(line);
    if (help) {
      name = help[1]!;
      assert.ok(!families.has(name), `${name} comes twice`);
      current = { help: help[2]!, type: '', samples: [] };
      families.set(name, current);
    } else if (type) {
      assert.ok(current && type[1] === name && current.type === '', `TYPE out of place: ${line}`);
      current.type = type[2]!;
    } else {
      assert.ok(current?.type, `a sample before its TYPE: ${line}`);
      current.samples.push(parseSample(line, name, current.type));
    }
  }
  return families;
}

function parseSample(line: string, family: string, type: string) {
  const name = /^[a-zA-Z_:][a-zA-Z0-9_:]*/.exec(line)?.[0] ?? '';
  const endings = type === 'histogram' ? ['_bucket', '_sum', '_count'] : [''];
  assert.ok(
    endings.some(ending => name === family + ending),
    `a sample of another family: ${line}`,
  );
  let rest = line.slice(name.length);
  const labels = new Map<string, string>();
  if (rest.startsWith('{')) {
    rest = rest.slice(1);
    for (;;) {
      const pair = /^([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\n"])*)"([,}])/.exec(rest);
      assert.ok(pair, `labels: ${line}`);
      assert.ok(!labels.has(pair[1]!), `a label twice: ${line}`);
      labels.set(
        pair[1]!,
        pair[2]!.replace(/\\(.)/g, (_, c: string) => (c === 'n' ? '\n' : c)),
      );
      rest = rest.slice(pair[0].length);
      if (pair[3] === '}') break;
    }
  }
  const value = /^ (\+Inf|-?\d+(?:\.\d+)?(?:e[+-]?\d+)?)$/.exec(rest)?.[1];
  assert.ok(value, `value: ${line}`);
  return { name, labels, value: value === '+Inf' ? Infinity : Number(value) };
}

test('the text parses strictly, and has only declared families, with their type, help and labels', () => {
  const families = parse(metricsText(someReading()));
  const declared = new Map(metricFamilies.map(family => [family.name, family]));
  for (const [name, { help, type, samples }] of families) {
    const family = declared.get(name);
    assert.ok(family, name);
    assert.equal(type, family.type);
    assert.equal(help, family.help);
    assert.ok(samples.length > 0);
    const seen = new Set<string>();
    for (const sample of samples) {
      const labels = [...sample.labels.keys()].filter(label => label !== 'le');
      assert.deepEqual(labels, family.labels, name);
      const identity = JSON.stringify([sample.name, ...sample.labels]);
      assert.ok(!seen.has(identity), `a sample twice: ${identity}`);
      seen.add(identity);
    }
  }
  for (const name of declared.keys()) assert.ok(families.has(name), `${name} has no sample`);
});

test('counters are summed over the workers', () => {
  const families = parse(metricsText(someReading()));
  const of = (name: string, wanted: Record<string, string>) =>
    families
      .get(name)
      ?.samples.find(({ labels }) =>
        Object.entries(wanted).every(([key, value]) => labels.get(key) === value),
      )?.value;
  assert.equal(of('chorus_client_queries_total', { transport: 'udp' }), 20);
  assert.equal(of('chorus_backend_queries_total', { pool: 'default', backend: 'kai' }), 201);
  assert.equal(of('chorus_backend_failures_total', { backend: 'kai', kind: 'timeout' }), 6);
  assert.equal(of('chorus_backend_outstanding_queries', { backend: 'kai' }), 8);
  assert.equal(of('chorus_backend_state', { backend: 'nika', state: 'down' }), 1);
  assert.equal(of('chorus_backend_state', { backend: 'nika', state: 'up' }), 0);
  assert.equal(of('chorus_backend_serving', { backend: 'nika' }), 0);
  assert.equal(of('chorus_backend_weight', { backend: 'kai' }), 2);
  assert.equal(of('chorus_backend_evidence_total', { backend: 'kai', kind: 'failing' }), 2);
  assert.equal(of('chorus_probe_runs_total', { backend: 'kai', probe: 'NS . udp', outcome: 'good' }), 7);
  assert.equal(of('chorus_pool_everybody_fails', { pool: 'default' }), 0);
  assert.equal(of('chorus_listener_kernel_drops_total', { listener: '[::1]:53' }), 5);
  assert.equal(of('chorus_listener_receive_buffer_bytes', { listener: '[::1]:53' }), 12_288);
  assert.equal(of('chorus_config_last_reload_applied', {}), 0);
  assert.equal(of('chorus_build_info', { identity: 'front "one"\\' }), 1);
});

test('histograms are cumulated, end in +Inf, and agree with their count', () => {
  const latency = parse(metricsText(someReading())).get('chorus_backend_latency_seconds');
  const mine = latency?.samples.filter(({ labels }) => labels.get('backend') === 'kai') ?? [];
  const buckets = mine.filter(({ name }) => name.endsWith('_bucket'));
  const bounds = buckets.map(({ labels }) =>
    labels.get('le') === '+Inf' ? Infinity : Number(labels.get('le')),
  );
  assert.deepEqual(
    bounds,
    bounds.toSorted((a, b) => a - b),
  );
  assert.equal(bounds.at(-1), Infinity);
  assert.equal(bounds[10], 512e-6);
  const values = buckets.map(({ value }) => value);
  assert.deepEqual(
    values,
    values.toSorted((a, b) => a - b),
  );
  assert.equal(values[9], 0);
  assert.equal(values[10], 120);
  assert.equal(values.at(-1), 122);
  assert.equal(mine.find(({ name }) => name.endsWith('_count'))?.value, 122);
  assert.equal(mine.find(({ name }) => name.endsWith('_sum'))?.value, 3);
});

test('a front without cache, backends and kernel figures still gives text', () => {
  const families = parse(
    metricsText(someReading({ cache: null, kernel: null, backends: [], pools: [], counters: [] })),
  );
  assert.ok(!families.has('chorus_cache_entries'));
  assert.ok(families.has('chorus_uptime_seconds'));
});
