/** What is legal of service addresses and of what announces them, but doubtful. */
import { isIpv6, isLoopback, isWildcard } from '#net/address.ts';
import { type Attributes, gracefulShutdown, sameAttributes } from '#route/announcement.ts';
import type { AddressPlan } from '#route/plan.ts';
import type { Snapshot } from './snapshot.ts';

/** A line each. */
export function routeWarnings(snapshot: Snapshot): string[] {
  const { drivers, addresses, budget } = snapshot.routes;
  if (addresses.length === 0) {
    const unused = [
      ...(drivers.length > 0 ? ['route-drivers'] : []),
      ...(budget ? ['withdrawal-budget'] : []),
    ];
    return unused.map(option => `${option}: not used, since there are no service-addresses`);
  }
  const warnings: string[] = [];
  if (drivers.length === 0)
    warnings.push('service-addresses: there are no route-drivers, so no router is told of them');
  for (const { name } of drivers) {
    if (!addresses.some(({ via }) => via.includes(name)))
      warnings.push(`route-drivers.${name}: no service address goes via this driver`);
  }
  warnings.push(...addresses.flatMap(plan => ofAddress(plan, snapshot)));
  if (!budget && addresses.some(({ whenDown }) => whenDown === 'withdraw')) {
    warnings.push(
      'withdrawal-budget: off, so each front withdraws by its own judgement: a fault that all of them see withdraws the service everywhere at once',
    );
  }
  return warnings;
}

function ofAddress(plan: AddressPlan, snapshot: Snapshot): string[] {
  const { address, attributes, family } = plan;
  const warnings: string[] = [];
  const warn = (text: string) => warnings.push(`service-addresses.${address}: ${text}`);
  if (isLoopback(address)) warn('a loopback address is reached from this machine only');
  const covered = snapshot.listen.some(
    listener =>
      listener.address === address ||
      (isWildcard(listener.address) && isIpv6(listener.address) === isIpv6(address)),
  );
  if (snapshot.listen.length > 0 && !covered)
    warn('no listener has this address: its clients reach Chorus only if something brings them to another');
  const six = isIpv6(address);
  if (plan.via.length === 0 && snapshot.routes.drivers.length > 0)
    warn(`no route driver carries ${six ? 'IPv6' : 'IPv4'}, so no router is told of it`);
  const lacking = plan.pools.filter(name =>
    snapshot.pools.some(
      pool => pool.name === name && !pool.backends.some(backend => isIpv6(backend.address) === six),
    ),
  );
  if (family === 'own' && lacking.length > 0)
    warn(
      `pool ${lacking.join(', ')} has no ${six ? 'IPv6' : 'IPv4'} backend, so all of its backends count for it`,
    );
  if (attributes.up.communities.includes(gracefulShutdown))
    warn('`up` has the community graceful-shutdown: routers prefer any other route to it (RFC 8326)');
  for (const state of ['degraded', 'draining'] as const) {
    if (preferred(attributes[state], attributes.up)) warn(`\`${state}\` is preferred to \`up\` by routers`);
    else if (sameAttributes(attributes[state], attributes.up))
      warn(`\`${state}\` is announced exactly as \`up\`: routers see no difference`);
  }
  return warnings;
}

/** Whether routers prefer one to the other by LOCAL_PREF, path length or MED, in this order (RFC 4271 section 9.1). */
function preferred(one: Attributes, other: Attributes): boolean {
  const worth = ({ localPreference, prepend, med }: Attributes) => [
    localPreference ?? 100,
    -prepend,
    -(med ?? 0),
  ];
  const [a, b] = [worth(one), worth(other)];
  const at = a.findIndex((value, i) => value !== b[i]);
  return at >= 0 && a[at]! > b[at]!;
}
