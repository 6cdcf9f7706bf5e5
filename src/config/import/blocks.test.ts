// biome-ignore-all lint/suspicious/noTemplateCurlyInString: keepalived writes its definitions so.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readBlocks, type Statement } from './blocks.ts';
import { readLines } from './lines.ts';
import { Enough, Problems } from './problems.ts';

function parse(text: string): { statements: Statement[]; told: string } {
  const problems = new Problems();
  let statements: Statement[] = [];
  try {
    const lines = readLines(text, {
      file: 'k.conf',
      files: { read: () => undefined, list: () => [] },
      id: '',
      environment: {},
      problems,
    });
    statements = readBlocks(lines, problems);
  } catch (error) {
    if (!(error instanceof Enough)) throw error;
  }
  return { statements, told: problems.none ? '' : problems.error('k.conf').message };
}

/** Statements as nested lists of words. */
type Shape = (string | Shape)[];
const shape = (statements: readonly Statement[]): Shape[] =>
  statements.map(({ key, words, block }) => [
    key.text,
    ...words.map(({ text }) => text),
    ...(block === undefined ? [] : [shape(block)]),
  ]);
const shapeOf = (text: string) => {
  const { statements, told } = parse(text);
  assert.equal(told, '');
  return shape(statements);
};

test('blocks, with their braces on the same line or the next, on one line or many', () => {
  const expected = [
    [
      'a',
      'b',
      [
        ['c', '1'],
        ['d', [['e']]],
      ],
    ],
    ['f'],
  ];
  assert.deepEqual(shapeOf('a b {\n c 1\n d {\n e\n }\n}\nf\n'), expected);
  assert.deepEqual(shapeOf('a b\n{\nc 1\nd\n{\ne\n}\n}\nf\n'), expected);
  assert.deepEqual(shapeOf('a b { c 1 \n d { e } }\nf'), expected);
  assert.deepEqual(shapeOf('a b{ c 1\n d{ e} }\nf'), expected);
  assert.deepEqual(shapeOf('a {\n}\nb { }'), [
    ['a', []],
    ['b', []],
  ]);
});

test('quotes join words, keep blanks and braces, and may be half of a word', () => {
  assert.deepEqual(shapeOf(`a abcd" efg h jkl "mnop 'x "y" z' "" "{" '}'`), [
    ['a', 'abcd efg h jkl mnop', 'x "y" z', '', '{', '}'],
  ]);
  assert.deepEqual(shapeOf("a it's\n"), [['a', "it's"]]);
  assert.deepEqual(shapeOf('a ${NO} x{y,z}'), [['a', '${NO}', 'x{y,z}']]);
});

test('escapes, as in a shell', () => {
  assert.deepEqual(shapeOf(String.raw`a "\a\b\E\f\n\r\t\v" \101\x41\x4 \cA \\ \" \q\{`), [
    ['a', '\x07\b\x1b\f\n\r\t\v', 'AA\x04', '\x01', '\\', '"', 'q{'],
  ]);
});

test('mistakes are told with line, column and what was expected', () => {
  for (const [text, expected] of [
    [
      'a {\n b {\n }\n',
      /^k.conf:1:1: the block "a" is not closed; expected "}" before the end of the file$/m,
    ],
    ['a {\n}\n  }\n', /^k.conf:3:3: "}" closes a block that was not opened; expected a keyword/m],
    ['{\n}\n', /^k.conf:1:1: "{" opens a block that has no name; expected a keyword before it$/m],
    ['a { } {\n}\n', /^k.conf:1:7: "{" opens a block that has no name/m],
    [
      'a b "c\n',
      /^k.conf:1:5: a quote is opened here and not closed on its line; expected " before the end/m,
    ],
    ['a {\n'.repeat(40), /more than 32 blocks are open here/],
  ] as const) {
    assert.match(parse(text).told, expected, text);
  }
});
