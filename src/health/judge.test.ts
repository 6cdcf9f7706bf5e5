import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { BackendState } from '#balance/board.ts';
import type { Finding } from './evidence.ts';
import { defaultHold, failsOpen, Judge, type JudgeRules, type StateChange } from './judge.ts';

const rules: JudgeRules = { failures: 3, of: 5, hold: defaultHold };
const second = 1000;

/** Feeds outcomes, one each second: `g` good, `b` bad. Gives the states after each. */
function feed(judge: Judge, outcomes: string, from = 0): { states: BackendState[]; changes: StateChange[] } {
  const states: BackendState[] = [];
  const changes: StateChange[] = [];
  for (const [index, outcome] of [...outcomes].entries()) {
    const good = outcome === 'g';
    const change = judge.take({
      family: 'ipv4',
      good,
      at: from + index * second,
      detail: good ? 'NOERROR in 1ms' : 'timeout after 500ms',
      latency: good ? 1 : null,
    });
    if (change) changes.push(change);
    states.push(judge.state);
  }
  return { states, changes };
}

test('a backend that answers is up, and one failure makes it suspect until the window is clean', () => {
  const judge = new Judge(rules, 0);
  assert.equal(judge.state, 'starting');
  assert.deepEqual(feed(judge, 'gbgggg').states, [
    'up',
    'suspect',
    'suspect',
    'suspect',
    'suspect',
    'suspect',
  ]);
  assert.deepEqual(feed(judge, 'g', 6000).states, ['up']);
  assert.equal(judge.reason, 'the last 5 probes were good');
  assert.equal(judge.since, 6000);
});

test('one that fails every other probe goes down and stays down', () => {
  const judge = new Judge(rules, 0);
  const { states, changes } = feed(judge, 'ggggbgbgbgbgbgbgbgbgbg');
  assert.equal(states[8], 'down');
  assert.deepEqual(new Set(states.slice(8)), new Set(['down']));
  const down = changes.at(-1);
  assert.equal(down?.from, 'suspect');
  assert.equal(down?.to, 'down');
  assert.equal(down?.reason, '3 of the last 5 probes failed: timeout after 500ms');
  assert.equal(down?.evidence?.at, 8000);
});

test('one that fails from the start goes down at the failure that fills the count', () => {
  const judge = new Judge(rules, 0);
  assert.deepEqual(feed(judge, 'bbb').states, ['suspect', 'suspect', 'down']);
  assert.equal(judge.reason, '3 of the last 3 probes failed: timeout after 500ms');
});

test('as many good ones in a row as failures bring it back, with an empty window', () => {
  const judge = new Judge(rules, 0);
  feed(judge, 'bbb');
  assert.deepEqual(feed(judge, 'ggbggg', 3000).states, ['down', 'down', 'down', 'down', 'down', 'up']);
  assert.equal(judge.reason, '3 probes in a row were good');
  assert.deepEqual(feed(judge, 'g', 9000).states, ['up'], 'old failures are forgotten');
});

test('hold-down doubles with each flap, up to its bound, and is forgotten after a long good time', () => {
  const hold = { first: 10_000, most: 40_000, forget: 600_000 };
  const judge = new Judge({ ...rules, hold }, 0);
  let at = 0;
  const next = (good: boolean) => {
    at += second;
    return judge.take({ family: 'ipv4', good, at, detail: 'x', latency: null });
  };
  const downFor = () => {
    while (judge.state !== 'down') next(false);
    const from = at;
    while (judge.state === 'down') next(true);
    return (at - from) / second;
  };
  assert.deepEqual([downFor(), downFor(), downFor(), downFor(), downFor()], [3, 10, 20, 40, 40]);
  const upFrom = at;
  while (at - upFrom < hold.forget) next(true);
  assert.equal(downFor(), 3);
});

test('while it is held down the reason says so', () => {
  const judge = new Judge(rules, 0);
  feed(judge, 'bbbgggbbb');
  assert.match(judge.reason, /^3 of the last 3 probes failed: .*flap 1: held down for at least 10s/);
  feed(judge, 'ggg', 9000);
  assert.equal(judge.state, 'down');
  assert.equal(judge.reason, '3 probes in a row were good, held down for 7s more (flap 1)');
});

test("an operator's word stands above the evidence, and auto finds it up to date", () => {
  const judge = new Judge(rules, 0);
  feed(judge, 'ggggg');
  assert.equal(judge.force('down', 5000)?.to, 'disabled');
  assert.equal(judge.since, 5000);
  assert.deepEqual(feed(judge, 'bbb', 6000).changes, [], 'evidence changes nothing that is in force');
  assert.match(judge.reason, /^down by the operator; by the evidence down: 3 of the last/);
  assert.equal(judge.force('down', 9000), null);
  assert.equal(judge.force('draining', 10_000)?.to, 'draining');
  assert.equal(judge.force('up', 11_000)?.to, 'up');
  const back = judge.force('auto', 12_000);
  assert.equal(back?.to, 'down');
  assert.equal(back?.evidence, null);
  assert.match(back?.reason ?? '', /^3 of the last 5 probes failed/);
});

test('one that is not probed is up', () => {
  const judge = new Judge({ ...rules, failures: 1, of: 1 }, 0, false);
  assert.equal(judge.state, 'up');
  assert.equal(judge.reason, 'not probed');
});

test('new rules keep what was seen', () => {
  const judge = new Judge(rules, 0);
  feed(judge, 'bb');
  judge.setRules({ ...rules, failures: 2, of: 10 });
  assert.deepEqual(feed(judge, 'g', 2000).states, ['down'], '2 of 3 are enough now');
});

test('for any rules and outcomes: down only with k failures in the window, up again only after k good in a row', () => {
  const anyRules = fc
    .tuple(fc.integer({ min: 1, max: 6 }), fc.integer({ min: 0, max: 6 }))
    .map(([failures, more]) => ({ failures, of: failures + more }));
  fc.assert(
    fc.property(anyRules, fc.array(fc.boolean(), { maxLength: 80 }), (window, outcomes) => {
      const judge = new Judge({ ...window, hold: { first: 0, most: 0, forget: 0 } }, 0);
      let began = 0;
      for (const [index, good] of outcomes.entries()) {
        const before = judge.state;
        judge.take({ family: 'ipv6', good, at: index, detail: 'x', latency: null });
        const seen = outcomes.slice(Math.max(began, index + 1 - window.of), index + 1);
        const failed = seen.filter(outcome => !outcome).length;
        if (before === 'down') {
          const run = outcomes.slice(Math.max(0, index + 1 - window.failures), index + 1);
          const back = run.length === window.failures && run.every(outcome => outcome);
          assert.equal(judge.state, back ? 'up' : 'down');
          if (back) began = index + 1;
        } else {
          assert.equal(judge.state, failed >= window.failures ? 'down' : failed > 0 ? 'suspect' : 'up');
        }
      }
    }),
  );
});

test('a pool fails open when none serves and one is down', () => {
  assert.equal(failsOpen(['down', 'down']), true);
  assert.equal(failsOpen(['down', 'suspect']), false);
  assert.equal(failsOpen(['down', 'disabled']), true);
  assert.equal(failsOpen(['disabled', 'draining']), false);
  assert.equal(failsOpen([]), false);
});

const finding = (score: number): Finding => ({ kind: 'failing', score, detail: 'half of it failed' });

test('live traffic takes a backend out at once, for longer each time; it comes back by time, with little weight', () => {
  const judge = new Judge({ ...rules, slowStart: 30_000 }, 0);
  feed(judge, 'ggggg');
  let at = 10_000;
  const outFor = () => {
    const change = judge.hear(finding(1.2), true, at);
    assert.equal(change?.to, 'down');
    const from = at;
    while (judge.state === 'down') {
      at += 50;
      judge.tick(at);
    }
    return (at - from) / second;
  };
  assert.equal(outFor(), 5);
  assert.match(judge.reason, /^tried again; it was out for: half of it failed$/);
  assert.equal(judge.weight(at), 0.1);
  assert.ok(Math.abs(judge.weight(at + 15_000) - 0.55) < 1e-9);
  assert.equal(judge.weight(at + 30_000), 1);
  assert.deepEqual([outFor(), outFor(), outFor()], [10, 20, 40]);
  assert.equal(judge.weight(at), 0.02, 'one that flaps comes back with less');
  for (let flap = 0; flap < 6; flap++) outFor();
  assert.equal(outFor(), 300, 'never longer');
});

test('while live traffic keeps it out, the reason says so, and good probes do not bring it back', () => {
  const judge = new Judge(rules, 0);
  feed(judge, 'ggggg');
  judge.hear(finding(1), true, 5000);
  assert.equal(judge.reason, 'live traffic: half of it failed (out for at least 5s)');
  assert.deepEqual(new Set(feed(judge, 'gggg', 6000).states), new Set(['down']));
  assert.equal(judge.reason, 'live traffic: half of it failed (out for 1s more)');
  assert.equal(judge.tick(9999), null);
  assert.equal(judge.tick(10_000)?.to, 'up');
});

test('one that is dead stays out after its time, until the probes are good', () => {
  const judge = new Judge(rules, 0);
  feed(judge, 'ggggg');
  judge.hear(finding(1), true, 5000);
  feed(judge, 'bbbbbb', 5500);
  assert.equal(judge.tick(60_000), null);
  assert.match(judge.reason, /^5 of the last 5 probes failed/);
  assert.deepEqual(feed(judge, 'ggg', 61_000).states, ['down', 'down', 'up']);
});

test('doubt takes weight before it takes the backend, and goes without a trace', () => {
  const judge = new Judge(rules, 0);
  feed(judge, 'ggggg');
  assert.equal(judge.hear(finding(0.5), true, 5000), null);
  assert.equal(judge.weight(5000), 1);
  assert.equal(judge.hear(finding(0.8), true, 5050)?.to, 'suspect');
  assert.equal(judge.reason, 'live traffic: half of it failed');
  assert.ok(Math.abs(judge.weight(5050) - 0.55) < 1e-9);
  assert.equal(judge.hear(finding(1.5), false, 5100), null, 'too much of the pool is out');
  assert.ok(Math.abs(judge.weight(5100) - 0.1) < 1e-9);
  assert.equal(judge.hear(null, true, 5150)?.to, 'up');
  assert.equal(judge.weight(5150), 1);
});

test('failed probes take weight too', () => {
  const judge = new Judge(rules, 0);
  feed(judge, 'gb');
  assert.ok(Math.abs(judge.weight(0) - (1 - 0.5 / 3)) < 1e-9);
  feed(judge, 'b', 2000);
  assert.ok(Math.abs(judge.weight(0) - (1 - 1 / 3)) < 1e-9);
});

test('each of several probes has a window of its own, and all that failed must be good again', () => {
  const windows = new Map([
    ['udp', { failures: 3, of: 5 }],
    ['tcp', { failures: 1, of: 1 }],
    ['idle', { failures: 1, of: 1 }],
  ]);
  const judge = new Judge({ ...rules, windows }, 0);
  let at = 0;
  const take = (source: string, good: boolean) => {
    at += second;
    judge.take({ source, family: 'ipv4', good, at, detail: 'x', latency: null });
    return judge.state;
  };
  for (const source of windows.keys()) take(source, true);
  assert.deepEqual(
    [take('udp', false), take('tcp', true), take('udp', false)],
    ['suspect', 'suspect', 'suspect'],
  );
  assert.equal(take('tcp', false), 'down');
  assert.equal(judge.reason, '1 of the last 1 probes "tcp" failed: x');
  assert.equal(take('tcp', true), 'down', 'udp has failed too');
  assert.deepEqual([take('udp', true), take('udp', true), take('udp', true)], ['down', 'down', 'up']);
  assert.equal(take('tcp', false), 'down');
  judge.setRules({ ...rules, windows: new Map([['udp', { failures: 3, of: 5 }]]) });
  at += 60_000;
  assert.deepEqual(
    [take('udp', true), take('udp', true), take('udp', true)].at(-1),
    'up',
    'a probe that is gone is forgotten',
  );
});

test('what is spared serves, without hold-down or slow start', () => {
  const judge = new Judge({ ...rules, slowStart: 30_000 }, 0);
  feed(judge, 'gggbb');
  judge.take({ family: 'ipv4', good: false, at: 5000, detail: 'x', latency: null });
  assert.equal(judge.spare('all fail alike', 5000)?.to, 'suspect');
  assert.equal(judge.reason, 'all fail alike: 3 of the last 5 probes failed: x');
  assert.deepEqual(feed(judge, 'ggg', 6000).states, ['suspect', 'suspect', 'up']);
  assert.equal(judge.weight(8000), 1);
  judge.spare(null, 9000);
  feed(judge, 'bbb', 10_000);
  assert.match(judge.reason, /^3 of the last 3 probes failed: .*500ms$/, 'no flap');
});
