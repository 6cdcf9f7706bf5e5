/**
 * Makes the pages that are generated from the code: `npm run docs`. With --check it writes nothing, names the pages that
 * are out of date, and fails if there are any.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { configSchemaText } from '#config/commands.ts';
import { cliPage } from './pages/cli.ts';
import { configPage, fullExample } from './pages/config.ts';
import { errorsPage } from './pages/errors.ts';
import { metricsPage } from './pages/metrics.ts';

/** Every generated file and what makes it. */
const pages: Readonly<Record<string, () => string | Promise<string>>> = {
  'docs/config.schema.json': configSchemaText,
  'docs/reference/cli.md': cliPage,
  'docs/reference/config.md': configPage,
  'docs/reference/errors.md': errorsPage,
  'docs/reference/metrics.md': metricsPage,
  'examples/full.yaml': fullExample,
};

const check = process.argv.includes('--check');
const root = join(import.meta.dirname, '..');
for (const [file, make] of Object.entries(pages)) {
  const path = join(root, file);
  const text = await make();
  if (read(path) === text) continue;
  if (check) {
    console.error(`${file} is out of date: run \`npm run docs\` and commit it`);
    process.exitCode = 1;
  } else {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
    console.log(`wrote ${file}`);
  }
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}
