/** What must hold besides the tests: types, format and lint, generated pages, no test left alone, shell syntax. `npm run lint`. */
import { execFile } from 'node:child_process';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';

process.chdir(join(import.meta.dirname, '..'));

/** Gives what is wrong, empty when nothing is. */
type Check = () => Promise<string>;

const checks: Readonly<Record<string, Check>> = {
  types: () => command('bin/node', 'node_modules/.bin/tsc', '-p', '.'),
  'format and lint': () =>
    command('node_modules/.bin/biome', 'ci', '--error-on-warnings', '--colors=off', '.'),
  'generated pages': () => command('bin/node', 'scripts/docs.ts', '--check'),
  'no test runs alone': onlyTests,
  'shell syntax': shellSyntax,
};

for (const [name, check] of Object.entries(checks)) {
  const wrong = (await check()).trim();
  console.log(`${wrong === '' ? 'ok  ' : 'FAIL'}  ${name}`);
  if (wrong === '') continue;
  console.log(wrong.replace(/^/gm, '      '));
  process.exitCode = 1;
}

/** Runs a command; gives its output when it fails. */
async function command(file: string, ...args: string[]): Promise<string> {
  try {
    await promisify(execFile)(file, args, { maxBuffer: 2 ** 26 });
    return '';
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    const outputs = ['stdout', 'stderr'].map(key => String(Reflect.get(error, key) ?? ''));
    return outputs.join('').trim() || error.message;
  }
}

async function onlyTests(): Promise<string> {
  const alone = /\b(test|it|describe|suite)\.only\(|\bonly: true/;
  return globSync('{src,test,bench,fuzz,scripts}/**/*.test.ts')
    .flatMap(file =>
      readFileSync(file, 'utf8')
        .split('\n')
        .flatMap((line, i) =>
          alone.test(line) ? [`${file}:${i + 1}: a test with \`only\` hides the others`] : [],
        ),
    )
    .join('\n');
}

async function shellSyntax(): Promise<string> {
  const files = globSync(['{scripts,bench,packaging,fuzz}/**/*.sh', 'bin/*', '.ci/run']);
  const results = await Promise.all(
    files.map(file => {
      const [first = ''] = readFileSync(file, 'utf8').split('\n', 1);
      return /^#!.*\bsh\b|\.sh$/.test(first || file)
        ? command('sh', '-n', file)
        : command('bash', '-n', file);
    }),
  );
  return results.join('\n');
}
