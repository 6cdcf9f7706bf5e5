/** What the driver for ExaBGP takes from the configuration. */
import { duration, list, option, optional, required, section, text, whole } from '#kit/option.ts';
import { address } from '#net/schema.ts';

const as = () => whole(1, 4_294_967_295);

const neighbor = section('a mapping of a neighbour: { address: …, peer-as: …, local-address: … }', {
  address: required(address(), { docs: 'The neighbour’s address.', example: '10.0.0.1' }),
  'peer-as': required(as(), { docs: 'Its AS; our own for an internal session.', example: 65_000 }),
  'local-address': required(address(), {
    docs: 'Our end of the session, of the same family; the next hop of what is announced in that family.',
    example: '10.0.0.2',
  }),
});

export const exabgpOptions = required(
  section('a mapping of options for ExaBGP', {
    program: option(text('a program, by name or path', /^[\w./+-]{1,255}$/), {
      docs: 'The program ExaBGP, 4.2 or later. Chorus runs it as a child with a configuration of its own.',
      default: 'exabgp',
    }),
    neighbors: required(list('a list of neighbours', neighbor), {
      docs: 'Whom to speak to.',
      example: [{ address: '10.0.0.1', 'peer-as': 65_000, 'local-address': '10.0.0.2' }],
    }),
    'local-as': required(as(), { docs: 'Our AS.', example: 65_001 }),
    'router-id': required(text('an IPv4 address', /^(\d{1,3}\.){3}\d{1,3}$/), {
      docs: 'Our BGP identifier.',
      example: '10.0.0.2',
    }),
    'hold-time': option(duration('3s', '10m', 's'), {
      docs: 'A neighbour that hears nothing for so long ends the session: what holds when ExaBGP itself hangs.',
      default: '9s',
    }),
    'next-hop': optional(list('a list of IP addresses', address()), {
      docs: 'Next hops for the family that the session does not have: an IPv6 address where the session is over IPv4. At most one of each family.',
      optional:
        'only addresses of the session’s family are announced over it, and the driver warns of the others',
      example: ['2001:db8::2'],
    }),
    lifetime: option(duration('500ms', '60s'), {
      docs: 'When the control loop has not been well for so long, ExaBGP is ended, and with it the announcement.',
      default: '2s',
    }),
    timeout: option(duration('100ms', '60s'), {
      docs: 'An answer, and the start of ExaBGP, that take longer are given up.',
      default: '10s',
    }),
  }),
  {
    docs: 'ExaBGP as a child of Chorus, which ends with it. See [route-drivers.md](../route-drivers.md).',
    example: {
      neighbors: [{ address: '10.0.0.1', 'peer-as': 65_000, 'local-address': '10.0.0.2' }],
      'local-as': 65_001,
      'router-id': '10.0.0.2',
    },
  },
);
