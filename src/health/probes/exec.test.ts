import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Listening, Programs } from '../programs.ts';
import { exec, firstLine } from './exec.ts';
import type { ProbeOutcome, ProbeWorld } from './probe.ts';

/** Programs that do what the test says. */
class Made implements Programs {
  command: readonly string[] = [];
  environment: Readonly<Record<string, string>> = {};
  listening: Listening | undefined;
  closed = false;

  run(command: readonly string[], environment: Readonly<Record<string, string>>, listening: Listening) {
    Object.assign(this, { command, environment, listening });
    return () => {
      this.closed = true;
    };
  }
}

const silent = { exchange: () => () => {} };
const target = { address: '2001:db8::1', port: 5300, source: '2001:db8::9' };

function start(words: readonly string[], dynamic = false, to: Parameters<typeof exec>[0] = target) {
  const programs = new Made();
  const outcomes: ProbeOutcome[] = [];
  let now = 100;
  const world: ProbeWorld = { datagrams: silent, streams: silent, programs, now: () => now, random: () => 0 };
  const run = exec(to, { kind: 'exec', name: '.', type: 2, exec: words, dynamic }).start(world, outcome =>
    outcomes.push(outcome),
  );
  const end = (code: number | null, signal: string | null = null) => {
    now = 112.3;
    programs.listening?.ended({ code, signal });
    return outcomes[0];
  };
  return { programs, outcomes, run, end };
}

test('placeholders stand for the backend', () => {
  const { programs } = start([
    '/x/check',
    '-s{address}',
    '{port}',
    '{source}',
    '{name}',
    '{address}{address}',
  ]);
  assert.deepEqual(programs.command, [
    '/x/check',
    '-s2001:db8::1',
    '5300',
    '2001:db8::9',
    '{name}',
    '2001:db8::12001:db8::1',
  ]);
  assert.deepEqual(programs.environment, { CHORUS_ADDRESS: '2001:db8::1', CHORUS_PORT: '5300' });
  const bare = start(['x', '{source}'], false, { address: '192.0.2.1', port: 53 });
  assert.deepEqual(bare.programs.command, ['x', '']);
});

test('0 is good, all else is bad, with the reason in words', () => {
  const nothing = { latency: null, rcode: null, answer: null };
  assert.deepEqual(start(['/x/check']).end(0), { ...nothing, good: true, detail: 'check: exit 0 in 12.3ms' });
  const bad = start(['/x/check']);
  bad.programs.listening?.output('\n\x1b[31mCRITICAL\x07: no answer\nmore');
  assert.equal(bad.run.heard, '?[31mCRITICAL?: no answer');
  assert.deepEqual(bad.end(2), {
    ...nothing,
    good: false,
    detail: 'check: exit 2 in 12.3ms: ?[31mCRITICAL?: no answer',
  });
  assert.equal(start(['/x/check']).end(null, 'SIGSEGV')?.detail, 'check: ended by SIGSEGV in 12.3ms');
});

test('dynamic: only 1 is bad, and from 2 on it is a weight', () => {
  const ends = (code: number | null, signal: string | null = null) => {
    const { good, weight } = start(['x'], true).end(code, signal) ?? {};
    return [good, weight];
  };
  assert.deepEqual(ends(0), [true, undefined]);
  assert.deepEqual(ends(1), [false, undefined]);
  assert.deepEqual(ends(2), [true, 0]);
  assert.deepEqual(ends(255), [true, 253]);
  assert.deepEqual(ends(null, 'SIGTERM'), [false, undefined]);
  assert.equal(start(['x']).end(7)?.weight, undefined);
});

test('what cannot be run says nothing of the backend', async () => {
  const { programs, outcomes } = start(['x']);
  programs.listening?.failed('there is no program x');
  assert.deepEqual(outcomes[0]?.void, true);
  assert.equal(outcomes[0]?.detail, 'not made: there is no program x');
  const none: ProbeOutcome[] = [];
  const world: ProbeWorld = { datagrams: silent, streams: silent, now: () => 0, random: () => 0 };
  exec(target, { name: '.', type: 2, exec: ['x'] }).start(world, outcome => none.push(outcome));
  assert.equal(none.length, 0);
  await Promise.resolve();
  assert.equal(none[0]?.void, true);
});

test('a run that is closed ends its program', () => {
  const { programs, run } = start(['x']);
  run.close();
  assert.equal(programs.closed, true);
});

test('a long line is shortened', () => {
  assert.equal(firstLine('x'.repeat(500)).length, 120);
  assert.equal(firstLine('  \n  a\r\nb'), 'a');
  assert.equal(firstLine(''), '');
});
