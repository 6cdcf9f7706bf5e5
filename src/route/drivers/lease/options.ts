/** What the driver `lease` takes from the configuration. */
import type { z } from 'zod';
import { choice, duration, flag, list, option, optional, required, section, text } from '#kit/option.ts';
import { address } from '#net/schema.ts';

const interfaceName = () =>
  text('the name of an interface: 1 to 15 characters without spaces and "/"', /^(?!\.{1,2}$)[!-.0-~]{1,15}$/);

const perGrade = (grade: string) =>
  optional(interfaceName(), {
    docs: `The interface of addresses that are announced as ${grade}.`,
    optional: '`interface`.',
    example: `chorus-${grade}`,
  });
const markers = (grade: string) =>
  optional(list('a list of addresses', address()), {
    docs: `Addresses that are leased on \`interface\` while a service address is announced as ${grade}.`,
    optional: 'none.',
    example: ['192.0.2.251'],
  });

export const leaseOptions = required(
  section('a mapping of options of an address lease', {
    interface: option(interfaceName(), {
      docs: 'The interface that gets the service addresses. The routing daemon announces the addresses of this interface, and no others.',
      default: 'chorus0',
    }),
    create: option(flag(), {
      docs: 'Whether an interface that is missing is made: a bridge without ports. It stays when Chorus ends.',
      default: 'on',
    }),
    lifetime: option(duration('1s', '1h', 's'), {
      docs: 'An address lives so long unless it is renewed, which happens every quarter of it while Chorus is well. Whole seconds.',
      default: '2s',
    }),
    interfaces: option(
      section('a mapping from grades to interfaces', {
        primary: perGrade('primary'),
        backup: perGrade('backup'),
        degraded: perGrade('degraded'),
        draining: perGrade('draining'),
      }),
      {
        docs: 'Interfaces by grade: an address moves from one to another when it is announced better or worse, and the routing daemon sets the metric by the interface. A grade that is not named is on `interface`.',
        default: {},
        example: { primary: 'chorus-primary', backup: 'chorus-backup' },
      },
    ),
    overlap: option(flag(), {
      docs: 'How an address moves from one interface to another. `on`: it is on both for a moment, as BIRD likes it. `off`: it leaves the one first; FRR 8 keeps the old metric otherwise.',
      default: 'off',
    }),
    markers: option(
      section('a mapping from grades to addresses', {
        primary: markers('primary'),
        backup: markers('backup'),
        degraded: markers('degraded'),
        draining: markers('draining'),
      }),
      {
        docs: 'Addresses that tell by being there which grades are announced, for routers that track a route.',
        default: {},
        example: { backup: ['192.0.2.251'] },
      },
    ),
    permanent: option(choice(['route', 'lo', 'off']), {
      docs: 'Packets that are under way when an address is withdrawn are answered still: by a local route, which no routing daemon sees (`route`), by a copy of the address on the loopback interface (`lo`; not with FRR, which prefers it), or not (`off`: you see to it).',
      default: 'route',
    }),
    adopt: option(flag(), {
      docs: 'Whether a permanent address of somebody else on the interface is made a lease. `off`: it is left as it is and told as a problem.',
      default: 'off',
    }),
  }),
  {
    docs: 'Address lease: the service address as an address of the kernel with a lifetime, for BIRD, FRR or whatever announces connected routes. See docs/lease.md.',
    example: { interface: 'chorus0', lifetime: '2s' },
  },
);

export type LeaseOptions = z.output<typeof leaseOptions>;
