/** What `chorus config …` prints. Each gives text or throws a ChorusError. */
import { stringify } from 'yaml';
import { diffSnapshots } from './diff.ts';
import { jsonSchema } from './json-schema.ts';
import { loadConfigFile } from './load.ts';
import { type PlainMapping, plainOf } from './plain.ts';
import type { Snapshot } from './snapshot.ts';
import { warningsOf } from './warnings.ts';

export { warningsOf };

/** `chorus config check FILE`: a summary and what is legal but doubtful. @throws ChorusError as `loadConfigFile`. */
export function checkConfig(file: string): {
  readonly summary: string;
  readonly warnings: readonly string[];
} {
  const snapshot = loadConfigFile(file);
  const backends = snapshot.pools.reduce((sum, pool) => sum + pool.backends.length, 0);
  const count = (n: number, what: string) => `${n} ${what}${n === 1 ? '' : 's'}`;
  const counts = [
    count(snapshot.listen.length, 'listener'),
    count(snapshot.pools.length, 'pool'),
    count(backends, 'backend'),
  ];
  const { addresses, drivers } = snapshot.routes;
  if (addresses.length > 0) {
    counts.push(`${addresses.length} service address${addresses.length === 1 ? '' : 'es'}`);
    counts.push(count(drivers.length, 'route driver'));
  }
  const summary = `${file} is right: ${counts.join(', ')}`;
  return { summary, warnings: warningsOf(snapshot) };
}

/** `chorus config show FILE`: the whole configuration with every default, as YAML. */
export function showConfig(file: string): string {
  return configText(loadConfigFile(file));
}

/** A snapshot as YAML that loads to the same snapshot. */
export function configText(snapshot: Snapshot): string {
  return stringify(plainOf(snapshot), { lineWidth: 0, version: '1.2' });
}

/** `chorus config show --json FILE`: the same as a value. */
export function showConfigJson(file: string): PlainMapping {
  return plainOf(loadConfigFile(file));
}

/** `chorus config schema`: the JSON Schema of a configuration file. */
export function configSchemaText(): string {
  return `${JSON.stringify(jsonSchema(), null, 2)}\n`;
}

/** `chorus config diff OLD NEW`: a line for each difference; none when they say the same. */
export function diffConfig(before: string, after: string): string[] {
  return diffSnapshots(loadConfigFile(before), loadConfigFile(after));
}
