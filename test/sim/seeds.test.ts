/** Thousands of short farms at random: whatever happens, no rule is broken. README.md says which rules these are. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { simulate } from './farm.ts';
import { healthy, oneIsFaulty, randomScenario } from './random.ts';
import { replay } from './replay.ts';

const seeds = 2000;
const atOnce = 250;

for (let first = 1; first <= seeds; first += atOnce) {
  test(`no rule is broken in farms ${first} to ${first + atOnce - 1}`, () => {
    let questions = 0;
    for (let seed = first; seed < first + atOnce; seed++) {
      const report = simulate(randomScenario(seed), seed);
      questions += report.lookups;
      assert.deepEqual(report.violations, [], replay('random', seed));
    }
    assert.ok(questions > atOnce * 100, `${questions} questions: too few to show anything`);
  });
}

const faulty = 1000;

for (let first = 1; first <= faulty; first += atOnce) {
  test(`no client sees that one is faulty in farms ${first} to ${first + atOnce - 1}, and nobody else is blamed`, () => {
    for (let seed = first; seed < first + atOnce; seed++) {
      const scenario = oneIsFaulty(seed);
      const report = simulate(scenario, seed);
      const sick = scenario.faults[0]!.backend;
      const wronged = report.changes.filter(({ slot, to }) => to === 'down' && slot !== sick);
      assert.deepEqual(
        [report.violations, report.failures, report.retransmitted, wronged],
        [[], [], 0, []],
        replay('one-is-faulty', seed),
      );
    }
  });
}

test('nobody is taken out of 300 healthy farms, whatever names and losses they have', () => {
  for (let seed = 1; seed <= 300; seed++) {
    const report = simulate(healthy(seed), seed);
    const out = report.changes.filter(({ to }) => to === 'down');
    assert.deepEqual([report.violations, out], [[], []], replay('healthy', seed));
  }
});

test('a seed is the same farm each time, event by event', () => {
  const hashes = new Set<string>();
  for (let seed = 1; seed <= 25; seed++) {
    const { hash, events } = simulate(randomScenario(seed), seed);
    const again = simulate(randomScenario(seed), seed);
    assert.deepEqual([again.hash, again.events], [hash, events], replay('random', seed));
    hashes.add(hash);
  }
  assert.equal(hashes.size, 25, 'and another seed is another one');
});

test('the trace tells what happened, and telling changes nothing', () => {
  const lines: string[] = [];
  const scenario = randomScenario(3);
  const told = simulate(scenario, 3, line => lines.push(line));
  assert.equal(told.hash, simulate(scenario, 3).hash);
  assert.ok(lines.some(line => / worker 0 asks b\d for [0-9a-f]+ /.test(line)));
  assert.ok(lines.some(line => / reply to #\d+/.test(line)));
});
