import assert from 'node:assert/strict';
import { test } from 'node:test';
import { logLine } from './log-sink.ts';

const time = new Date(0);

test('a line for people has time, level, text and fields', () => {
  assert.equal(
    logLine(time, 'info', 'ready', { workers: 2, listen: 'a b' }, 'text'),
    '1970-01-01T00:00:00.000Z info  ready workers=2 listen="a b"',
  );
});

test('a stack follows in lines of its own, each with level', () => {
  const line = logLine(
    time,
    'error',
    'worker died',
    { worker: 1, stack: 'Error: boom\n    at x' },
    'journal',
  );
  assert.equal(line, '<3>worker died worker=1\n<3>    Error: boom\n<3>        at x');
});

test('a stack that is empty is left out', () => {
  assert.equal(logLine(time, 'warn', 'x', { stack: '' }, 'journal'), '<4>x');
});

test('JSON has one object a line', () => {
  const line = logLine(time, 'error', 'two\nlines', { worker: 1 }, 'json');
  assert.deepEqual(JSON.parse(line), {
    time: '1970-01-01T00:00:00.000Z',
    level: 'error',
    text: 'two\nlines',
    worker: 1,
  });
  assert.ok(!line.includes('\n'));
});
