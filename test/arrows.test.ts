import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { breaches } from './arrows.ts';
import { codeOf, importsOf } from './source-text.ts';

const src = join(import.meta.dirname, '../src');

function house(): Map<string, string> {
  const files = globSync('**/*.ts', { cwd: src }).filter(file => !file.endsWith('.test.ts'));
  return new Map(files.map(file => [file, readFileSync(join(src, file), 'utf8')]));
}

describe('the arrows of src/', () => {
  test('point down, form no circle, and leave pure folders pure', () => {
    const sources = house();
    assert.ok(sources.size > 20, 'the sources were found');
    assert.deepEqual(breaches(sources), []);
  });
});

describe('the check itself', () => {
  const found = (files: Record<string, string>) => breaches(new Map(Object.entries(files)));
  const one = (files: Record<string, string>, pattern: RegExp) => {
    const list = found(files);
    assert.equal(list.length, 1, list.join('\n'));
    assert.match(list[0]!, pattern);
  };

  test('lets arrows down and within a folder pass', () => {
    const down = "import { b } from '#wire/b.ts';\nimport type { C } from './c.ts';";
    assert.deepEqual(
      found({
        'front/a.ts': down,
        'front/c.ts': '',
        'wire/b.ts': "export * from '#kit/d.ts';",
        'kit/d.ts': '',
      }),
      [],
    );
  });

  test('finds an arrow that points up, types included', () => {
    one(
      { 'wire/a.ts': "import { b } from '#front/b.ts';", 'front/b.ts': '' },
      /wire\/a\.ts imports front\/b\.ts/,
    );
    one({ 'wire/a.ts': "import type { b } from '../front/b.ts';", 'front/b.ts': '' }, /not below wire/);
    one({ 'kit/a.ts': "export {\n  b,\n} from '#net/b.ts';", 'net/b.ts': '' }, /kit\/a\.ts/);
    one({ 'net/a.ts': "const b = await import('#cli/b.ts');", 'cli/b.ts': '' }, /net\/a\.ts/);
    one({ 'kit/a.ts': "import '#test/b.ts';" }, /not below kit/);
  });

  test('finds a circle, within a folder too', () => {
    one(
      { 'net/a.ts': "import './b.ts';", 'net/b.ts': "import './c.ts';", 'net/c.ts': "import './a.ts';" },
      /net\/a\.ts → net\/b\.ts → net\/c\.ts → net\/a\.ts/,
    );
  });

  test('finds a folder that is not in the list', () => {
    one({ 'misc/a.ts': '' }, /misc\/a\.ts is in no folder/);
  });

  test('finds I/O, clock and chance in pure folders', () => {
    one({ 'wire/a.ts': "import { readFileSync } from 'node:fs';" }, /uses node:fs/);
    one({ 'cache/a.ts': "import koffi from 'koffi';" }, /uses koffi/);
    for (const code of [
      'const now = Date.now();',
      'const at = new Date();',
      'performance.now()',
      'Math.random()',
      'setTimeout(f, 1)',
      'console.log(1)',
      'process.env.X',
      'globalThis.crypto.getRandomValues(x)',
      // biome-ignore lint/suspicious/noTemplateCurlyInString: it is source code
      '`${process.pid}`',
    ]) {
      one({ 'front/a.ts': code }, /must be pure/);
      assert.deepEqual(found({ 'net/a.ts': code }), []);
    }
    one({ 'health/judge.ts': 'Date.now()' }, /must be pure/);
    assert.deepEqual(found({ 'wire/a.ts': 'new Date(given * 1000).toISOString(); Date.UTC(1, 2);' }), []);
  });

  test('finds I/O behind another file, unless only its types are used', () => {
    const files = { 'net/io.ts': "import 'node:net';" };
    one(
      { ...files, 'front/a.ts': "import '#net/io.ts';" },
      /front\/a\.ts must be pure, but reaches net\/io\.ts, which uses node:net/,
    );
    assert.deepEqual(found({ ...files, 'front/a.ts': "import type { X } from '#net/io.ts';" }), []);
    assert.deepEqual(found({ ...files, 'front/a.ts': "import { type X, type Y } from '#net/io.ts';" }), []);
  });

  test('is not misled by comments, strings, regular expressions and properties', () => {
    const misleading = [
      '// process.exit() and Date.now()',
      '/* setTimeout */',
      // biome-ignore lint/suspicious/noTemplateCurlyInString: it is source code
      "const text = 'console.log'; const other = \"it's process\"; const also = `Date ${text} process`;",
      'const pattern = /process\\/[/"]/; const after = 1;',
      'query.process(1); a.Date; x = { process: 1 }.process;',
    ];
    assert.deepEqual(found({ 'wire/a.ts': misleading.join('\n') }), []);
    // biome-ignore lint/suspicious/noTemplateCurlyInString: it is source code
    assert.equal(codeOf("a('x') /* y */ + `b${c('}')}d` + e").replace(/\s+/g, ''), "a('')+c('')+e");
    assert.match(codeOf('const a = /["\']/; Date.now()'), /Date\.now/);
    assert.deepEqual(importsOf("import a, { type B } from './c.ts';\nexport const x = 'from';"), [
      { specifier: './c.ts', typeOnly: false },
    ]);
  });
});
