/**
 * Runs scenarios from the command line:
 *
 *     bin/node test/sim/run.ts --scenario silent --seed 1            one run, its report
 *     bin/node test/sim/run.ts --scenario random --seed 77 --trace   all that happened in it
 *     bin/node test/sim/run.ts --scenario random --seed 1..5000      many, only what is wrong
 *     bin/node test/sim/run.ts                                       the names of the scenarios
 */
import { parseArgs } from 'node:util';
import { simulate } from './farm.ts';
import { healthy, oneIsFaulty, randomScenario } from './random.ts';
import { scenarios } from './scenarios.ts';

const { values } = parseArgs({
  options: {
    scenario: { type: 'string' },
    seed: { type: 'string', default: '1' },
    trace: { type: 'boolean', default: false },
  },
});
const { scenario: name, trace } = values;
const random = new Map([
  ['random', randomScenario],
  ['one-is-faulty', oneIsFaulty],
  ['healthy', healthy],
]);
const [first = 1, last = first] = values.seed.split('..').map(Number);

if (name === undefined || !(random.has(name) || scenarios.has(name))) {
  console.log([...random.keys(), ...scenarios.keys()].join('\n'));
  process.exitCode = name === undefined ? 0 : 64;
} else {
  const started = performance.now();
  let broken = 0;
  let events = 0;
  for (let seed = first; seed <= last; seed++) {
    const scenario = scenarios.get(name) ?? random.get(name)!(seed);
    if (trace) console.log(JSON.stringify(scenario));
    const report = simulate(scenario, seed, trace ? line => console.log(line) : null);
    events += report.events;
    if (report.violations.length > 0) broken++;
    if (first === last || report.violations.length > 0) console.log(report.text());
  }
  const took = performance.now() - started;
  console.log(
    `${last - first + 1} runs, ${broken} broken, ${events} events in ${(took / 1000).toFixed(1)} s`,
  );
  process.exitCode = broken > 0 ? 1 : 0;
}
