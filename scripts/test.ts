/**
 * Runs the tests: `npm test`, or `npm test -- PART…` for the files whose path has one of the parts.
 *
 * First all that need only themselves, several at once; then those of test/e2e, which run real servers: one after another, but
 * for those that mostly wait for routing daemons.
 * Ends with what was skipped and why, what failed, and the totals. Fails when a test fails and when none ran.
 */
import { globSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join, relative } from 'node:path';
import { run } from 'node:test';
import { inspect } from 'node:util';

const root = join(import.meta.dirname, '..');
process.chdir(root);

const totals = { tests: 0, suites: 0, passed: 0, failed: 0, cancelled: 0, skipped: 0, todo: 0, duration: 0 };
const skipped = new Map<string, string[]>();
const failures: string[] = [];

const parts = process.argv.slice(2);
const files = globSync('{src,test,bench,fuzz,scripts}/**/*.test.ts')
  .filter(file => parts.length === 0 || parts.some(part => file.includes(part.replace(/^\.\//, ''))))
  .toSorted();
const isEndToEnd = (file: string) => file.startsWith('test/e2e/');
/** In namespaces of their own, with little load: two at once. */
const waits = (file: string) =>
  /^test\/e2e\/(bgp|budget|farm-net|layer4|lease|node|route|service-address|two-balancers)/.test(file);

// Stopped from outside (a time limit, Ctrl-C): what is known so far is still told.
for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  process.once(signal, () => {
    failures.push(`stopped by ${signal} before the end`);
    report();
    process.exit(1);
  });
}

const reported = new Set<string>();
await runFiles(
  files.filter(file => !isEndToEnd(file)),
  availableParallelism(),
  120_000,
);
// A file whose tests are over ends, even when a failed test has left a socket open.
const forced = ['--test-force-exit'];
await runFiles(
  files.filter(file => isEndToEnd(file) && !waits(file)),
  1,
  300_000,
  forced,
);
await runFiles(files.filter(waits), availableParallelism(), 300_000, forced);
// An end by force may cut off what a file had to say: it is asked again.
await runFiles(
  files.filter(file => !reported.has(file)),
  1,
  300_000,
);
for (const file of files) if (!reported.has(file)) failures.push(`${file}: ended without a report`);
report();

/** Runs files, `concurrency` at once, each test for at most `timeout` ms. */
async function runFiles(
  chosen: readonly string[],
  concurrency: number,
  timeout: number,
  options: readonly string[] = [],
): Promise<void> {
  if (chosen.length === 0) return;
  const stream = run({
    files: chosen.map(file => join(root, file)),
    concurrency,
    timeout,
    execArgv: ['--disable-warning=ExperimentalWarning', ...options],
  });
  for await (const event of stream) {
    if (event.type === 'test:pass' || event.type === 'test:fail') {
      const { data } = event;
      const file = data.file ? relative(root, data.file) : '';
      if (data.skip !== undefined && data.skip !== false) note(data.skip, `${file}: ${data.name}`);
      if (event.type === 'test:fail' && !isParentOfFailure(event.data.details.error)) {
        failures.push(describe(file, event.data));
        console.log(`FAIL  ${file}: ${data.name}`);
      }
    } else if (event.type === 'test:summary') {
      const { file, counts, duration_ms: duration } = event.data;
      if (file === undefined) {
        for (const key of ['tests', 'suites', 'passed', 'cancelled', 'skipped', 'todo'] as const)
          totals[key] += counts[key];
        totals.duration += duration;
      } else {
        reported.add(relative(root, file));
        const verdict = event.data.success ? 'ok  ' : 'FAIL';
        console.log(
          `${verdict}  ${relative(root, file)}  ${counts.tests} in ${(duration / 1000).toFixed(1)} s`,
        );
      }
    } else if (event.type === 'test:stderr' || event.type === 'test:stdout') {
      process.stderr.write(event.data.message);
    }
  }
}

/** A suite fails with its tests; the tests are told, not the suite. */
function isParentOfFailure(error: unknown): boolean {
  return error instanceof Error && 'failureType' in error && error.failureType === 'subtestsFailed';
}

function note(reason: string | true, test: string): void {
  const why = reason === true || reason === '' ? 'no reason given' : reason;
  const list = skipped.get(why);
  if (list) list.push(test);
  else skipped.set(why, [test]);
}

function describe(file: string, data: { name: string; line?: number; details: { error: unknown } }): string {
  const { error } = data.details;
  const cause = error instanceof Error && error.cause !== undefined ? error.cause : error;
  const place = data.line === undefined ? file : `${file}:${data.line}`;
  return `${place}: ${data.name}\n${inspect(cause, { depth: 4 }).replace(/^/gm, '    ')}`;
}

function report(): void {
  totals.failed = failures.length;
  if (failures.length > 0) console.log(`\nFailed:\n\n${failures.join('\n\n')}`);
  for (const [why, tests] of skipped) {
    console.log(`\nSkipped, ${why}:\n${tests.map(test => `  ${test}`).join('\n')}`);
  }
  if (totals.passed === 0) console.log(`\nNo test ran${parts.length > 0 ? ` for ${parts.join(' ')}` : ''}.`);
  console.log(`
ℹ tests ${totals.tests}
ℹ suites ${totals.suites}
ℹ pass ${totals.passed}
ℹ fail ${totals.failed}
ℹ cancelled ${totals.cancelled}
ℹ skipped ${totals.skipped}
ℹ todo ${totals.todo}
ℹ duration_ms ${totals.duration.toFixed(0)}`);
  process.exitCode = totals.failed > 0 || totals.cancelled > 0 || totals.passed === 0 ? 1 : 0;
}
