import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Command } from 'commander';
import fc from 'fast-check';
import { type CheckLine, checkOptions, readCheckLine } from '#insight/check-options.ts';
import { lineOf, register } from './check.ts';

/** What the whole command line makes of the words after `check`; null where it refuses them or shows help. */
function whole(argv: readonly string[]): CheckLine | null {
  const root = new Command().exitOverride().configureOutput({ writeOut: () => {}, outputError: () => {} });
  register(root);
  let line: CheckLine | null = null;
  const [command] = root.commands;
  command!.action((words, options) => {
    line = lineOf(words, options);
  });
  try {
    root.parse(['check', ...argv], { from: 'user' });
  } catch {
    return null;
  }
  return line;
}

/** Without what was not said. */
function said(line: CheckLine): unknown {
  return JSON.parse(JSON.stringify(line));
}

test('the quick reader understands what the whole command line understands, and leaves the rest to it', () => {
  const flags = checkOptions.flatMap(option =>
    option.flags.split(/[ ,]+/).filter(word => word.startsWith('-')),
  );
  const word = fc.oneof(
    fc.constantFrom(
      ...flags,
      '--',
      '-h',
      '--help',
      '--debug',
      '--server=192.0.2.1',
      '-p53',
      '--nothing',
      '-',
    ),
    fc.constantFrom('@192.0.2.1', 'www.example.net', 'A', '+time=1', '5', '53', '0', '', 'a b', '1s'),
  );
  let read = 0;
  fc.assert(
    fc.property(fc.array(word, { maxLength: 8 }), argv => {
      const quick = readCheckLine(argv);
      if (quick === null) return;
      read++;
      const full = whole(argv);
      assert.ok(full, `${argv} is refused`);
      assert.deepEqual(said(quick), said(full));
    }),
    { numRuns: 2000 },
  );
  assert.ok(read > 100, `${read} were read`);
});

test('the quick reader takes the usual forms', () => {
  const line = readCheckLine(
    '@192.0.2.1 www.example.net -b 192.0.2.9 -p 5353 --tcp --no-edns --expect-data 1 --expect-data 2 --json'.split(
      ' ',
    ),
  );
  assert.deepEqual(line, {
    words: ['@192.0.2.1', 'www.example.net'],
    options: { source: '192.0.2.9', port: 5353, tcp: true, edns: false, expectData: ['1', '2'] },
    json: true,
  });
  for (const odd of ['--help', '--tries 0', '--tries', '--server -x', '--nothing']) {
    assert.equal(readCheckLine(odd.split(' ')), null, odd);
  }
});
