import assert from 'node:assert/strict';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, test } from 'node:test';
import type { Command } from 'commander';
import { parseDocument } from 'yaml';
import { program } from '#cli/main.ts';
import { loadConfig } from '#config/load.ts';
import { warningsOf } from '#config/warnings.ts';

const root = join(import.meta.dirname, '..');
const read = (file: string) => readFileSync(join(root, file), 'utf8');
const documents = [
  ...globSync('*.md', { cwd: root }),
  ...globSync('{docs,bench,examples,fuzz,packaging,test}/**/*.md', { cwd: root, exclude: ['bench/out'] }),
].toSorted();
const machine = { cores: 2, hostname: 'front-1' };

describe('the examples are right, and nothing about them is doubtful', () => {
  const files = globSync('examples/**/*.yaml', { cwd: root }).toSorted();
  assert.ok(files.length >= 4);
  for (const file of files) {
    test(file, () => assert.deepEqual(warningsOf(loadConfig(read(file), file, machine)), []));
  }
});

describe('every snippet of configuration in the documents is right', () => {
  for (const file of documents) {
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

describe('every command in the documents is one', () => {
  for (const file of documents) {
    for (const line of new Set(commandsIn(read(file)))) {
      test(`${file}: ${line}`, () => parses(line));
    }
  }

  test('a wrong one is found', async () => {
    await assert.rejects(parses('chorus sevre'), /unknown command/);
    await assert.rejects(parses('chorus status --jsn'), /unknown option/);
    assert.deepEqual(commandsIn("```sh\nchorus up   # look\nbin/chorus burst 'a b'\n```\n"), [
      'chorus up',
      "chorus burst 'a b'",
    ]);
  });
});

describe('every link in the documents leads to a file', () => {
  for (const file of documents) {
    const links = Array.from(
      read(file).matchAll(/\]\((?!https?:|mailto:|#)([^)#\s]+)[^)]*\)/g),
      found => found[1] ?? '',
    );
    const dead = links.filter(link => !existsSync(join(root, dirname(file), link)));
    if (links.length > 0) test(file, () => assert.deepEqual(dead, []));
  }
});

/** Command lines of Chorus in the shell snippets and the printed help of a Markdown text. */
function commandsIn(text: string): string[] {
  return snippets(text)
    .filter(([, words = '']) => ['sh', 'text'].includes(words.trim()))
    .flatMap(([, words = '', block = '']) =>
      block.split('\n').map(line => (words.trim() === 'sh' ? line : (/^ +\$ (.*)$/.exec(line)?.[1] ?? ''))),
    )
    .map(line => line.replace(/(\s+#|\s{2,}).*$/, '').trim())
    .filter(line => /^(sudo )?(bin\/)?chorus /.test(line) && !/[|&;<>\\]/.test(line))
    .map(line => line.replace(/^(sudo )?(bin\/)?/, ''));
}

/** Parses a command line without doing what it says. */
async function parses(line: string): Promise<void> {
  const quiet = (command: Command) => {
    command.action(() => {}).exitOverride();
    command.configureOutput({ writeErr: () => {}, writeOut: () => {} });
    command.commands.forEach(quiet);
  };
  const root = await program();
  root.commands.forEach(quiet);
  root.configureOutput({ writeErr: () => {}, writeOut: () => {} });
  const words = Array.from(
    line.matchAll(/'([^']*)'|"([^"]*)"|(\S+)/g),
    found => found[1] ?? found[2] ?? found[3] ?? '',
  );
  try {
    await root.parseAsync(words.slice(1), { from: 'user' });
  } catch (error) {
    // Help and version end with an error that is none.
    if (!(error instanceof Error && 'exitCode' in error && error.exitCode === 0)) throw error;
  }
}

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
  const ofPool = ['policy', 'timeout', 'backends', 'probe', 'probes', 'evidence'];
  if (Object.keys(given).length > 0 && Object.keys(given).every(key => ofPool.includes(key))) {
    return JSON.stringify({ listen: '127.0.0.1:5300', pools: { default: { ...pool, ...given } } });
  }
  return JSON.stringify({ listen: '127.0.0.1:5300', pools: { default: pool }, ...given });
}
