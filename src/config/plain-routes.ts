/** Service addresses and what announces them, under the names and in the forms of the file. */

import { formatPerSecond } from '#front/schema.ts';
import { fileForm } from '#kit/option.ts';
import { formatDuration } from '#kit/units.ts';
import { type Attributes, formatPrefix } from '#route/announcement.ts';
import { budgetSection } from '#route/budget-options.ts';
import type { AddressPlan } from '#route/plan.ts';
import { type DriverPlan, optionsOfKind } from '#route/schema.ts';
import { type Plain, type PlainMapping, plainValue } from './plain-value.ts';
import type { SnapshotRoutes } from './snapshot.ts';

/** The part of a file that is about routes. */
export function plainRoutes({ drivers, addresses, drain, budget, state }: SnapshotRoutes): PlainMapping {
  return {
    'route-drivers': Object.fromEntries(drivers.map(driver => [driver.name, plainDriver(driver)])),
    'service-addresses': addresses.map(plainAddress),
    drain: {
      wait: formatDuration(drain.wait),
      quiet: Math.round(drain.quiet * 100),
      settle: formatDuration(drain.settle),
      stop: { wait: formatDuration(drain.stop.wait), settle: formatDuration(drain.stop.settle) },
    },
    'withdrawal-budget': budget ? plainValue(fileForm(budgetSection, budget)) : 'off',
    state,
  };
}

function plainDriver({ kind, options }: DriverPlan): Plain {
  const schema = optionsOfKind(kind);
  return { [kind]: schema ? plainValue(fileForm(schema, options)) : {} };
}

function plainAddress(plan: AddressPlan): Plain {
  const { hold, attributes } = plan;
  return {
    address: plan.address,
    prefix: formatPrefix(plan.prefix),
    ...(plan.via.length > 0 && { via: plan.via }),
    pools: plan.pools,
    family: plan.family,
    least: plan.least,
    'degraded-below': Math.round(plan.degradedBelow * 100),
    capacity: plan.capacity === null ? 'off' : formatPerSecond(plan.capacity),
    rise: formatDuration(plan.rise),
    fall: formatDuration(plan.fall),
    hold: {
      first: formatDuration(hold.first),
      most: formatDuration(hold.most),
      forget: formatDuration(hold.forget),
    },
    'when-down': plan.whenDown,
    role: plan.role,
    up: plainAttributes(attributes.up),
    degraded: plainAttributes(attributes.degraded),
    draining: plainAttributes(attributes.draining),
  };
}

function plainAttributes(attributes: Attributes): Plain {
  return {
    med: attributes.med ?? 'off',
    'local-preference': attributes.localPreference ?? 'off',
    communities: [...attributes.communities],
    'large-communities': [...attributes.largeCommunities],
    prepend: attributes.prepend,
  };
}
