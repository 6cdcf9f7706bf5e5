import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { parseDocument } from 'yaml';
import { loadConfig } from '#config/load.ts';
import { warningsOf } from '#config/warnings.ts';

const root = join(import.meta.dirname, '..');
const read = (file: string) => readFileSync(join(root, file), 'utf8');
const machine = { cores: 2, hostname: 'front-1' };

describe('the examples are right, and nothing about them is doubtful', () => {
  const files = globSync('examples/*.yaml', { cwd: root }).toSorted();
  assert.ok(files.length >= 4);
  for (const file of files) {
    test(file, () => assert.deepEqual(warningsOf(loadConfig(read(file), file, machine)), []));
  }
});

describe('every snippet of configuration in the documents is right', () => {
  const documents = [
    ...globSync('*.md', { cwd: root }),
    ...globSync('{docs,bench,examples}/**/*.md', { cwd: root }),
  ];
  for (const file of documents.toSorted()) {
    for (const [, words = '', block = '', at] of snippets(read(file))) {
      if (words.trim() === 'yaml')
        test(`${file}:${at}`, () => assert.ok(loadConfig(completed(block), `${file}:${at}`, machine)));
    }
  }

  test('a part of a file is completed, and a wrong one is found', () => {
    assert.ok(loadConfig(completed('cache: off'), 'x', machine));
    assert.ok(loadConfig(completed('probe: off'), 'x', machine));
    assert.throws(() => loadConfig(completed('cach: off'), 'x', machine), /did you mean "cache"/);
    assert.equal(snippets('a\n```yaml\ncache: off\n```\n')[0]?.[3], '2');
  });
});

/** Fenced blocks of a Markdown text: [whole, words after the fence, contents, line]. */
function snippets(text: string): string[][] {
  return Array.from(text.matchAll(/^```(.*)\n([\s\S]*?)^```$/gm), found => [
    found[0],
    found[1] ?? '',
    found[2] ?? '',
    String(text.slice(0, found.index).split('\n').length),
  ]);
}

/** A snippet with what it leaves out: options of a pool get a pool around them, and a file its listeners and pools. */
function completed(snippet: string): string {
  const value: unknown = parseDocument(snippet).toJS();
  const given: object = typeof value === 'object' && value !== null ? value : {};
  const pool = { backends: [{ name: 'kai', address: '192.0.2.1' }] };
  const ofPool = ['policy', 'timeout', 'backends', 'probe'];
  if (Object.keys(given).length > 0 && Object.keys(given).every(key => ofPool.includes(key))) {
    return JSON.stringify({ listen: '127.0.0.1:5300', pools: { default: { ...pool, ...given } } });
  }
  return JSON.stringify({ listen: '127.0.0.1:5300', pools: { default: pool }, ...given });
}
