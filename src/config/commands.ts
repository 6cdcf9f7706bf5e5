/** What `chorus config …` prints. Each gives text or throws a ChorusError. */
import { stringify } from 'yaml';
import { formatEndpoint, isLoopback } from '#net/address.ts';
import { diffSnapshots } from './diff.ts';
import { jsonSchema } from './json-schema.ts';
import { loadConfigFile } from './load.ts';
import { type PlainMapping, plainOf } from './plain.ts';
import type { Snapshot } from './snapshot.ts';

/** `chorus config check FILE`: a summary and what is legal but doubtful. @throws ChorusError as `loadConfigFile`. */
export function checkConfig(file: string): {
  readonly summary: string;
  readonly warnings: readonly string[];
} {
  const snapshot = loadConfigFile(file);
  const backends = snapshot.pools.reduce((sum, pool) => sum + pool.backends.length, 0);
  const count = (n: number, what: string) => `${n} ${what}${n === 1 ? '' : 's'}`;
  const summary = `${file} is right: ${count(snapshot.listen.length, 'listener')}, ${count(snapshot.pools.length, 'pool')}, ${count(backends, 'backend')}`;
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

/** What is legal and may be meant, but should be known: a line each. */
export function warningsOf(snapshot: Snapshot): string[] {
  const warnings: string[] = [];
  if (snapshot.allow.some(({ bits }) => bits === 0)) {
    warnings.push(
      'allow: everybody may ask: an open resolver is abused for reflection attacks within hours (RFC 5358)',
    );
  }
  if (snapshot.api && !isLoopback(snapshot.api.address)) {
    warnings.push(
      `api: ${formatEndpoint(snapshot.api)} is reachable from other machines, without authentication`,
    );
  }
  for (const { name, policy, backends } of snapshot.pools) {
    if (policy === 'first-available') continue;
    const bounded = backends.find(({ capacity }) => capacity !== undefined);
    if (bounded) {
      warnings.push(
        `pools.${name}: the capacity of ${bounded.name} counts under the policy first-available only`,
      );
    }
  }
  const routed = new Set(snapshot.domains.map(({ pool }) => pool));
  const root = snapshot.domains.some(({ suffix }) => suffix === '.');
  for (const { name } of snapshot.pools) {
    if (!routed.has(name) && (root || name !== 'default')) {
      warnings.push(`pools.${name}: no domain goes to this pool`);
    }
  }
  return warnings;
}
