/** What is legal in a configuration but doubtful. */
import { formatEndpoint, isLoopback } from '#net/address.ts';
import type { Snapshot } from './snapshot.ts';
import { routeWarnings } from './warnings-routes.ts';

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
  warnings.push(...routeWarnings(snapshot));
  return warnings;
}
