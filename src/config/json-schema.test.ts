import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { parse } from 'yaml';
import { z } from 'zod';
import { jsonSchema } from './json-schema.ts';
import { loadConfig } from './load.ts';
import { plainOf } from './plain.ts';
import { allOptions } from './walk.ts';

const examples = globSync(join(import.meta.dirname, '../../examples/*.yaml'));
const editor = z.fromJSONSchema(jsonSchema());
const minimal = {
  listen: '127.0.0.1',
  pools: { default: { backends: [{ name: 'kai', address: '192.0.2.1' }] } },
};

describe('the JSON Schema', () => {
  test('takes what the loader takes, short and complete', () => {
    assert.ok(examples.length >= 4);
    for (const file of examples) {
      const text = readFileSync(file, 'utf8');
      assert.ok(editor.safeParse(parse(text)).success, file);
      assert.ok(editor.safeParse(plainOf(loadConfig(text, file))).success, file);
    }
    for (const more of [{ cache: 'off', api: false }, { workers: 'auto' }, { allow: '::1/128' }]) {
      assert.ok(editor.safeParse({ ...minimal, ...more }).success);
    }
  });

  test('sees slips that an editor should see', () => {
    for (const more of [
      { cach: 'off' },
      { cache: { memory: '64MB' } },
      { 'drain-timeout': 5 },
      { engine: 'fast' },
      { 'udp-size': 100 },
      { pools: { default: { backends: [] } } },
      { pools: { default: { policy: 'best', ...minimal.pools.default } } },
    ]) {
      assert.equal(editor.safeParse({ ...minimal, ...more }).success, false, JSON.stringify(more));
    }
    assert.equal(editor.safeParse({ listen: minimal.listen }).success, false);
  });
});

describe('every option', () => {
  for (const { path, docs, default: standing, optional, example, section } of allOptions()) {
    test(path.join('.'), () => {
      assert.match(docs, /^[A-Z`].*[.]$/, 'documented in sentences');
      assert.match(path.at(-1) ?? '', /^[a-z][a-z0-9]*(-[a-z][a-z0-9]*)*$/);
      assert.ok(standing === undefined || optional === undefined, 'a default or none');
      assert.ok(standing !== undefined || example !== undefined, 'an example where there is no default');
      const kind = path[0] === 'route-drivers' && path.length === 3;
      assert.ok(
        !section || optional === undefined || Array.isArray(example) || kind,
        'only a list may be left out, and a kind of driver',
      );
    });
  }
});
