/** Folders of the benchmark, and the compiler for its C programs. */
import { mkdirSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { run } from './process.ts';

export const benchDir = join(import.meta.dirname, '..');
export const rootDir = join(benchDir, '..');
/** Compiled programs; not in the repository. */
export const binDir = join(benchDir, 'bin');
/** Name lists, logs and configurations of a run; not in the repository. */
export const outDir = join(benchDir, 'out');

/** Compiles native/*.c into bin/ where the source is newer. */
export async function buildNative(): Promise<void> {
  mkdirSync(binDir, { recursive: true });
  mkdirSync(outDir, { recursive: true });
  const folder = join(benchDir, 'native');
  const sources = readdirSync(folder);
  const newest = Math.max(
    ...sources.filter(name => name.endsWith('.h')).map(name => changed(join(folder, name))),
  );
  for (const name of sources.filter(source => source.endsWith('.c'))) {
    const source = join(folder, name);
    const program = join(binDir, name.slice(0, -2));
    if (changed(program) > Math.max(changed(source), newest)) continue;
    await run('load', 'cc', ['-O2', '-Wall', '-Wextra', '-o', program, source], 60);
  }
}

function changed(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;
}
