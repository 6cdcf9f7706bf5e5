import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { keptLines, lineBurst, lineLimit, lineRate, Output, plainLine } from './output.ts';

function setUp() {
  const lines: string[] = [];
  const lost: number[] = [];
  let now = 0;
  const output = new Output(
    () => now,
    line => lines.push(line),
    count => lost.push(count),
  );
  return { output, lines, lost, pass: (ms: number) => (now += ms) };
}

test('pieces become lines, without control characters', () => {
  const { output, lines } = setUp();
  const stream = output.stream();
  for (const piece of ['star', 'ted\nlis', 'tening\r\n\n', '\x1b[31mred\x07\ta\u202eb\n', 'end'])
    stream.write(piece);
  stream.end();
  assert.deepEqual(lines, ['started', 'listening', '[31mred ab', 'end']);
  assert.deepEqual(output.last, lines);
});

test('two streams do not mix', () => {
  const { output, lines } = setUp();
  const [a, b] = [output.stream(), output.stream()];
  a.write('one ');
  b.write('two\n');
  a.write('three\n');
  assert.deepEqual(lines, ['two', 'one three']);
});

test('a line is cut, a line without an end is not kept in memory', () => {
  const { output, lines } = setUp();
  const stream = output.stream();
  for (let i = 0; i < 1000; i++) stream.write('x'.repeat(1000));
  stream.write('\nnext\n');
  assert.equal(lines.length, 2);
  assert.equal(lines[0]?.length, lineLimit);
  assert.equal(lines[1], 'next');
});

test('too many lines are counted, not shown; the last are kept all the same', () => {
  const { output, lines, lost, pass } = setUp();
  const stream = output.stream();
  for (let i = 0; i < lineBurst + 100; i++) stream.write(`line ${i}\n`);
  assert.equal(lines.length, lineBurst);
  assert.deepEqual(lost, []);
  pass(1000);
  stream.write('later\n');
  assert.deepEqual(lost, [100]);
  assert.equal(lines.at(-1), 'later');
  for (let i = 0; i < 100; i++) stream.write('more\n');
  assert.equal(lines.length, lineBurst + lineRate);
  assert.equal(output.last.length, keptLines);
});

test('whatever comes in whatever pieces: bounded, printable lines', () => {
  fc.assert(
    fc.property(fc.array(fc.string({ unit: 'binary', maxLength: 3000 }), { maxLength: 30 }), pieces => {
      const { output, lines } = setUp();
      const stream = output.stream();
      for (const piece of pieces) stream.write(piece);
      stream.end();
      for (const line of [...lines, ...output.last]) {
        assert.ok(line.length > 0 && line.length <= lineLimit);
        assert.equal(line, plainLine(line));
      }
      assert.ok(lines.length <= lineBurst && output.last.length <= keptLines);
    }),
  );
});
