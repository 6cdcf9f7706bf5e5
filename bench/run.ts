/** `npm run bench`: runs the cases, keeps their results and draws them. README.md says how to read them. */
import { execFileSync } from 'node:child_process';
import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { loadavg } from 'node:os';
import { join, relative } from 'node:path';
import { Command, InvalidArgumentError } from 'commander';
import type { Options } from './cases/case.ts';
import { cases } from './cases/registry.ts';
import { benchDir, buildNative, outDir, rootDir } from './lib/build.ts';
import { describeMachine, type Machine } from './lib/machine.ts';
import { caseTable, format, page } from './lib/markdown.ts';
import { killAll, pinProcesses } from './lib/process.ts';
import { isMet, type Result, readResult, writeResult } from './lib/result.ts';
import { Stage } from './lib/stage.ts';
import { picture } from './lib/svg.ts';

type Flags = {
  quick?: true;
  rounds?: number;
  seconds?: number;
  soak?: number;
  only?: string[];
  parts?: string[];
  pin?: true;
  out?: string;
  render?: true;
};

/** Seconds: a number, or a number with s or m. */
function duration(value: string): number {
  const [, number, unit] = /^(\d+(?:\.\d+)?)(s|m)?$/.exec(value) ?? [];
  if (!number) throw new InvalidArgumentError('expected seconds, such as 5, 45s or 10m');
  return Number(number) * (unit === 'm' ? 60 : 1);
}

function count(value: string): number {
  if (!/^[1-9]\d*$/.test(value)) throw new InvalidArgumentError('expected a number from 1 up');
  return Number(value);
}

function caseNames(value: string): string[] {
  const names = value.split(',');
  const known = cases.map(({ name }) => name);
  const unknown = names.find(name => !known.includes(name));
  if (unknown) throw new InvalidArgumentError(`no case ${unknown}; there are ${known.join(', ')}`);
  return names;
}

const program = new Command('bench')
  .description(
    `Measures Chorus and its rivals side by side. Cases: ${cases.map(({ name }) => name).join(', ')}`,
  )
  .option('--only <cases>', 'these cases, separated by commas', caseNames)
  .option(
    '--parts <names>',
    'of cases with parts, such as faults, these: silent, chorus, dnsdist:slow (results as with --quick)',
    value => value.split(','),
  )
  .option('--rounds <n>', 'how often each server is measured, in turn (5)', count)
  .option('--seconds <n>', 'how long one measurement lasts (4)', duration)
  .option('--soak <time>', 'how long the soak lasts (90s)', duration)
  .option('--quick', 'one round of 1 s, a soak of 6 s, results in bench/out/results: to see that all runs')
  .option('--pin', 'servers on processor 0, clients and backends on processor 1')
  .option('--out <folder>', 'where the results go (bench/results)')
  .option('--render', 'measure nothing: write page and pictures again from the kept results');

const flags = program.parse().opts<Flags>();
const options: Options = {
  rounds: flags.rounds ?? (flags.quick ? 1 : 5),
  seconds: flags.seconds ?? (flags.quick ? 1 : 4),
  soak: flags.soak ?? (flags.quick ? 6 : 90),
  ...(flags.quick ? { quick: true } : {}),
  ...(flags.parts ? { parts: flags.parts } : {}),
};
const resultsDir = flags.out ?? join(flags.quick || flags.parts ? outDir : benchDir, 'results');
const say = (text: string) => console.log(text);

/** Writes the pages and pictures of whatever results there are. */
function render(): void {
  const results = cases.flatMap(({ name }) => readResult(resultsDir, name) ?? []);
  for (const { name, title, outcome } of results) {
    const path = join(resultsDir, `${name}.svg`);
    const drawn = picture(title, outcome);
    if (drawn) writeFileSync(path, drawn);
    else if (existsSync(path)) rmSync(path);
  }
  if (results.length) writeFileSync(join(resultsDir, 'README.md'), page(results));
}

function commit(): string {
  try {
    const git = (...args: string[]) => execFileSync('git', args, { cwd: rootDir, encoding: 'utf8' }).trim();
    const changed = git('status', '--porcelain', '--untracked-files=no', 'src', 'bin');
    return git('rev-parse', '--short', 'HEAD') + (changed ? '+' : '');
  } catch {
    return 'unknown';
  }
}

/** Runs the chosen cases one after the other; gives the names of those that could not be run. */
async function measure(machine: Machine): Promise<string[]> {
  const failed: string[] = [];
  for (const one of cases.filter(({ name }) => !flags.only || flags.only.includes(name))) {
    say(`\n${one.name}: ${one.title}`);
    const stage = new Stage(one.name);
    const begun = performance.now();
    const loadBefore = loadavg()[0]!;
    try {
      const outcome = await one.run(stage, options, say);
      const result: Result = {
        name: one.name,
        title: one.title,
        about: one.about,
        measured: new Date().toISOString().slice(0, 10),
        commit: commit(),
        machine,
        loadBefore,
        pinned: flags.pin ?? false,
        options,
        took: Math.round((performance.now() - begun) / 1000),
        outcome,
      };
      writeResult(resultsDir, result);
      say(caseTable(result));
      for (const goal of outcome.goals) {
        const met = isMet(goal);
        const verdict = met === null ? 'NOT MEASURED' : met ? 'met' : 'MISSED';
        say(`  ${verdict}: ${goal.text}: ${format(goal.measured, goal.digits)} ${goal.unit}`);
      }
      say(`  (${result.took} s)`);
    } catch (error) {
      failed.push(one.name);
      console.error(`  ${one.name} could not be run: ${error instanceof Error ? error.message : error}`);
    } finally {
      await stage.clear();
    }
    render();
  }
  return failed;
}

process.on('exit', killAll);
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => process.exit(130));
process.env.PATH = `${process.env.PATH}:/usr/sbin:/sbin`;

if (flags.render) {
  render();
} else {
  if (flags.pin) pinProcesses();
  await buildNative();
  const begun = performance.now();
  const failed = await measure(describeMachine());
  say(
    `\n${format((performance.now() - begun) / 60_000, 1)} minutes; results in ${relative(process.cwd(), resultsDir) || '.'}`,
  );
  if (failed.length) {
    console.error(`could not be run: ${failed.join(', ')}`);
    process.exitCode = 1;
  }
}
