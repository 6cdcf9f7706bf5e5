/** Routing's part of the configuration: route drivers, service addresses, drain and the withdrawal budget. */
import type { z } from 'zod';
import { block, perSecond } from '#front/schema.ts';
import {
  choice,
  duration,
  label,
  list,
  mapping,
  offOr,
  option,
  optional,
  optionFacts,
  parsed,
  required,
  section,
  text,
  Wrong,
  whole,
} from '#kit/option.ts';
import { nearest } from '#kit/suggest.ts';
import { type Block, blockHas, formatBlock, isIpv6, parseBlock } from '#net/address.ts';
import { address } from '#net/schema.ts';
import { type Attributes, gracefulShutdown, hostPrefix } from './announcement.ts';
import { budgetSection } from './budget-options.ts';
import { blackhole, parseCommunity, parseLargeCommunity, sortedCommunities, wellKnown } from './community.ts';
import { type DriverChoice, driverOptions } from './drivers/registry.ts';
import type { AddressPlan, AttributesByState, DrainPlan } from './plan.ts';

/** MED and LOCAL_PREF are 32 bits wide. */
const mostMetric = 0xffff_ffff;
/** By how much the MED of a degraded address is worse, and its LOCAL_PREF at most. */
const degradedMed = 1000;
const degradedPreference = 50;
/** What an address has by its role. */
const byRole = {
  primary: { med: 0, localPreference: 200 },
  backup: { med: 100, localPreference: 100 },
} as const;

/** A driver of the configuration: one of the kinds, with its options. */
export type DriverPlan = { readonly name: string } & DriverChoice;

const kinds: Readonly<Record<string, z.ZodType>> = driverOptions;

const driver = section(
  'a mapping with one kind of driver',
  Object.fromEntries(
    Object.entries(kinds).map(([kind, schema]) => {
      const { docs = `A driver of the kind \`${kind}\`.`, example = {} } = optionFacts.get(schema) ?? {};
      return [kind, optional(schema, { docs, example, optional: 'another kind is given' })];
    }),
  ),
).superRefine((given, context) => {
  const [first, second] = Object.keys(given).filter(kind => given[kind] !== undefined);
  if (first !== undefined && second === undefined) return;
  const message =
    first === undefined
      ? `a kind of driver: one of ${Object.keys(kinds).join(', ')}`
      : `one kind of driver under each name, and there is ${first} already`;
  const path = second === undefined ? [] : [second];
  context.addIssue({ code: 'custom', path, message, input: second === undefined ? given : given[second] });
});

/** The driver that a mapping of one kind names. */
export function driverPlanOf(name: string, config: z.output<typeof driver>): DriverPlan {
  const [kind = '', options] = Object.entries(config).find(([, value]) => value !== undefined) ?? [];
  // The schema has made sure that the kind is one of the registry, and that its options are of that kind.
  return { name, kind, options } as DriverPlan;
}

/** Whether a driver can announce addresses of a family. Those of routing daemons can where the daemon is set up for it. */
export function carries({ kind, options }: DriverPlan, family: 'ipv4' | 'ipv6'): boolean {
  return kind !== 'bgp' || options.families.includes(family);
}

/** The schema of a kind's options. */
export function optionsOfKind(kind: string): z.ZodType | undefined {
  return kinds[kind];
}

const unroutable = ['0.0.0.0/8', '224.0.0.0/3', '::/128', 'fe80::/10', 'ff00::/8'].map(
  range => parseBlock(range)!,
);

/** An address that routers can carry. */
const serviceAddress = address().superRefine((value, context) => {
  if (!value.includes('%') && !unroutable.some(range => blockHas(range, value))) return;
  const message = 'the address of a service: no wildcard, no multicast and no link-local address';
  context.addIssue({ code: 'custom', message, input: value });
});

const community = parsed<string>(
  `a community, such as 65000:100 or ${Object.keys(wellKnown)[0]}`,
  { type: 'string' },
  value => {
    const found = typeof value === 'string' ? parseCommunity(value) : undefined;
    if (found === blackhole)
      return new Wrong({
        expected:
          'a community that keeps the service address reachable: routers drop what is sent to a black hole (RFC 7999)',
      });
    if (found !== undefined) return found;
    const large = typeof value === 'string' && parseLargeCommunity(value) !== undefined;
    if (large)
      return new Wrong({ expected: 'a community of two numbers; three stand in `large-communities`' });
    return new Wrong({
      suggestion: typeof value === 'string' ? nearest(value, Object.keys(wellKnown)) : undefined,
    });
  },
);

const largeCommunity = parsed<string>('a large community, such as 65000:1:2', { type: 'string' }, value => {
  const found = typeof value === 'string' ? parseLargeCommunity(value) : undefined;
  if (found !== undefined) return found;
  const small = typeof value === 'string' && parseCommunity(value) !== undefined;
  return new Wrong(
    small ? { expected: 'a large community of three numbers; two stand in `communities`' } : {},
  );
});

/** Most communities of one kind: a router takes more, but nobody means more. */
const mostCommunities = 32;

function communities(expected: string, element: z.ZodType<string>): z.ZodType<string[]> {
  return list(expected, element, 0).superRefine((all, context) => {
    if (all.length <= mostCommunities) return;
    context.addIssue({ code: 'custom', message: `at most ${mostCommunities} communities`, input: all });
  });
}

/** Defaults differ by state and role, and stand in the words. */
function attributes(left: {
  med: string;
  preference: string;
  communities: string;
  large: string;
  prepend: string;
}) {
  return section('a mapping of path attributes, such as { med: 100 }', {
    med: optional(offOr(whole(0, mostMetric)), {
      docs: 'MULTI_EXIT_DISC: of routes from one neighbouring AS the lower one wins. `off`: not sent.',
      optional: left.med,
      example: 100,
    }),
    'local-preference': optional(offOr(whole(0, mostMetric)), {
      docs: 'LOCAL_PREF: within an AS the higher one wins; sent to peers of the own AS only. `off`: not sent.',
      optional: left.preference,
      example: 150,
    }),
    communities: optional(communities('a list of communities', community), {
      docs: `Communities (RFC 1997), as numbers or by name: ${Object.keys(wellKnown).join(', ')}.`,
      optional: left.communities,
      example: ['65000:100'],
    }),
    'large-communities': optional(communities('a list of large communities', largeCommunity), {
      docs: 'Large communities (RFC 8092).',
      optional: left.large,
      example: ['65000:1:2'],
    }),
    prepend: optional(whole(0, 16), {
      docs: 'How often the own AS stands before the path once more: a longer path loses.',
      optional: left.prepend,
      example: 2,
    }),
  });
}

type AttributesConfig = z.output<ReturnType<typeof attributes>>;

const asUp = { communities: 'those of `up`', large: 'those of `up`', prepend: 'that of `up`' };

const serviceEntry = section('a mapping with address', {
  address: required(serviceAddress, {
    docs: 'The address that clients know, without a port.',
    example: '192.0.2.53',
  }),
  prefix: optional(block(), {
    docs: 'The prefix that is announced; the address lies in it. Drivers that raise addresses on an interface take host routes only.',
    optional: 'the address alone, as a host route',
    example: '192.0.2.0/24',
  }),
  via: optional(list('a list of names of route drivers', label('the name of a route driver')), {
    docs: 'The route drivers that announce it, by name.',
    optional: 'all of `route-drivers` that carry its family',
    example: ['core1'],
  }),
  pools: optional(list('a list of names of pools', label('the name of a pool')), {
    docs: 'The pools all of which must be able to serve for the address to be announced.',
    optional: 'all pools',
    example: ['default'],
  }),
  family: option(choice(['any', 'own']), {
    docs: 'Which backends count. `own`: only those that are asked over the address’s own family, in pools that have any, so that IPv6 can fail while IPv4 serves.',
    default: 'any',
  }),
  least: option(whole(1, 1024), {
    docs: 'So many backends of each pool must serve; with fewer the address is down.',
    default: 1,
  }),
  'degraded-below': option(whole(0, 100), {
    docs: 'When less of a pool’s weight serves, in percent, the address is announced as degraded.',
    default: 50,
  }),
  capacity: option(offOr(perSecond()), {
    docs: 'What a backend of weight 1 carries, such as `20000/s`. When a pool is asked more than those that serve carry together, the address is announced as degraded, so that others take a part.',
    default: 'off',
  }),
  rise: option(duration('0s', '1h'), {
    docs: 'It must be well for so long before it is announced.',
    default: '3s',
  }),
  fall: option(duration('0s', '10m'), {
    docs: 'It must be down for so long before it is withdrawn. Health has waited already: `0s` withdraws with the verdict.',
    default: '0s',
  }),
  hold: option(
    section('a mapping with first, most and forget', {
      first: option(duration('0s', '1h'), {
        docs: 'When it goes down again within `forget` of being announced, it stays down for so long at least, twice as long with each further time.',
        default: '10s',
      }),
      most: option(duration('0s', '1d'), { docs: 'Never longer than that.', default: '5m' }),
      forget: option(duration('1s', '7d'), {
        docs: 'Announced for so long without going down, the count begins anew.',
        default: '10m',
      }),
    }).superRefine((hold, context) => {
      if (hold.first <= hold.most) return;
      const message = `at most \`most\` (${hold.most}ms)`;
      context.addIssue({ code: 'custom', path: ['first'], message, input: hold.first });
    }),
    { docs: 'Against flapping: how long it is held down.', default: {} },
  ),
  'when-down': option(choice(['withdraw', 'degrade']), {
    docs: 'What happens when it is down: the route is withdrawn, or stays and is announced as degraded.',
    default: 'withdraw',
  }),
  role: option(choice(['primary', 'backup']), {
    docs: 'Whether this front is the one that routers prefer. It sets the defaults of the attributes: primary has MED 0 and local preference 200, backup 100 and 100. Two fronts of one role share the traffic where routers balance.',
    default: 'primary',
  }),
  up: option(
    attributes({
      med: '0 as primary, 100 as backup',
      preference: '200 as primary, 100 as backup',
      communities: 'none',
      large: 'none',
      prepend: 'not at all',
    }),
    { docs: 'How it is announced while all is well.', default: {} },
  ),
  degraded: option(
    attributes({
      med: `${degradedMed} more than \`up\``,
      preference: `${degradedPreference}, or that of \`up\` where it is lower`,
      ...asUp,
    }),
    { docs: 'How it is announced while it is degraded.', default: {} },
  ),
  draining: option(
    attributes({
      med: `${mostMetric}, the worst`,
      preference: '0',
      ...asUp,
      communities: 'those of `up` and graceful-shutdown (RFC 8326)',
    }),
    { docs: 'How it is announced while it is drained.', default: {} },
  ),
});

type ServiceConfig = z.output<typeof serviceEntry>;

/** The plan of a service address; `drivers` are all that there are, and `pools` their names. */
export function addressPlanOf(
  config: ServiceConfig,
  drivers: readonly DriverPlan[],
  pools: readonly string[],
): AddressPlan {
  const { address: own, prefix, family, least, rise, fall, hold, role } = config;
  const able = drivers.filter(each => carries(each, isIpv6(own) ? 'ipv6' : 'ipv4'));
  return {
    address: own,
    prefix: prefix ? prefixOf(prefix) : hostPrefix(own),
    via: [...new Set(config.via ?? able.map(({ name }) => name))],
    pools: [...new Set(config.pools ?? pools)],
    family,
    least,
    degradedBelow: config['degraded-below'] / 100,
    capacity: config.capacity,
    rise,
    fall,
    hold,
    whenDown: config['when-down'],
    role,
    attributes: attributesOf(config),
  };
}

function prefixOf(found: Block): AddressPlan['prefix'] {
  const [network = ''] = formatBlock(found).split('/');
  return { address: network, bits: found.bits };
}

function attributesOf({ role, up, degraded, draining }: ServiceConfig): AttributesByState {
  const standing: Attributes = {
    ...byRole[role],
    communities: [],
    largeCommunities: [],
    prepend: 0,
  };
  const well = withDefaults(up, standing);
  return {
    up: well,
    degraded: withDefaults(degraded, {
      ...well,
      // One that sends no MED would look better with one to routers that take a missing MED for the worst.
      med: well.med === null ? null : Math.min(mostMetric, well.med + degradedMed),
      localPreference: Math.min(degradedPreference, well.localPreference ?? degradedPreference),
    }),
    draining: withDefaults(draining, {
      ...well,
      med: mostMetric,
      localPreference: 0,
      communities: sortedCommunities([...well.communities, gracefulShutdown]),
    }),
  };
}

function withDefaults(config: AttributesConfig, standing: Attributes): Attributes {
  const { med, communities: own, 'local-preference': preference, 'large-communities': large } = config;
  return {
    med: med === undefined ? standing.med : med,
    localPreference: preference === undefined ? standing.localPreference : preference,
    communities: own ? sortedCommunities(own) : standing.communities,
    largeCommunities: large ? sortedCommunities(large) : standing.largeCommunities,
    prepend: config.prepend ?? standing.prepend,
  };
}

const drain = section('a mapping with wait, quiet, settle and stop', {
  wait: option(duration('0s', '1h'), {
    docs: 'The addresses are announced as draining for so long at most, until the traffic has gone elsewhere.',
    default: '30s',
  }),
  quiet: option(whole(0, 100), {
    docs: 'The traffic has gone when less than so many percent of what it was before the drain are left.',
    default: 1,
  }),
  settle: option(duration('0s', '10m'), {
    docs: 'After the withdrawal, packets may be under way for so long; then it is safe to stop.',
    default: '2s',
  }),
  stop: option(
    section('a mapping with wait and settle', {
      wait: option(duration('0s', '10m'), { docs: '`wait` at a stop.', default: '1s' }),
      settle: option(duration('0s', '10m'), { docs: '`settle` at a stop.', default: '500ms' }),
    }),
    { docs: 'The same, shorter, when Chorus is stopped (SIGTERM).', default: {} },
  ),
});

/** The plan of a drain. */
export function drainPlanOf(config: z.output<typeof drain>): DrainPlan {
  const { wait, quiet, settle, stop } = config;
  return { wait, quiet: quiet / 100, settle, stop };
}

/** Top-level options of this folder. */
export const routeOptions = {
  'route-drivers': option(
    mapping(
      'a mapping of route drivers, such as { core1: { bgp: { … } } }',
      label('the name of a route driver'),
      driver,
    ),
    {
      docs: 'What tells the routers about the service addresses, by name; each of exactly one kind.',
      default: {},
    },
  ),
  'service-addresses': option(list('a list of service addresses, each { address: … }', serviceEntry, 0), {
    docs: 'The addresses that clients know, announced to the routers exactly while they deserve traffic.',
    default: [],
    example: [{ address: '192.0.2.53' }],
  }),
  drain: option(drain, {
    docs: 'How `chorus drain`, and a stop, take traffic away before the addresses go.',
    default: {},
  }),
  'withdrawal-budget': option(offOr(budgetSection), {
    docs: 'Fronts agree through etcd that enough others announce a service address before one withdraws it on evidence, so that a farm never withdraws itself whole. `off`: each front decides for itself.',
    default: 'off',
    example: { farm: 'chorus', etcd: ['http://127.0.0.1:2379'] },
  }),
  state: option(text('the path of a folder, from the root', /^\/[^\0]{0,4000}$/), {
    docs: 'Folder where a drain survives a restart. Used only with `service-addresses`.',
    default: '/var/lib/chorus',
    applies: 'restart',
  }),
};
