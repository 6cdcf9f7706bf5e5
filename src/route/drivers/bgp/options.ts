/** What the built-in BGP speaker takes from the configuration. */
import type { z } from 'zod';
import { families } from '#bgp/family.ts';
import {
  choice,
  duration,
  list,
  offOr,
  option,
  optional,
  parsed,
  required,
  section,
  text,
  Wrong,
  whole,
} from '#kit/option.ts';
import { isIpv6, parseAddress } from '#net/address.ts';
import { address, endpoint } from '#net/schema.ts';

const as = whole(1, 0xffff_fffe);

const routerId = parsed<string>(
  'a router id in the form of an IPv4 address, such as 192.0.2.1',
  { type: 'string', format: 'ipv4' },
  value => {
    const found = typeof value === 'string' ? parseAddress(value) : undefined;
    return found === undefined || isIpv6(found) || found === '0.0.0.0' ? new Wrong() : found;
  },
);

const ipv6Address = parsed<string>(
  'an IPv6 address, such as 2001:db8::1',
  { type: 'string', format: 'ipv6' },
  value => {
    const found = typeof value === 'string' ? parseAddress(value) : undefined;
    return found !== undefined && isIpv6(found) && !found.includes('%') ? found : new Wrong();
  },
);

/** `route-drivers: { NAME: { bgp: … } }`. */
export const bgpOptions = required(
  section('a mapping of the options of a BGP session', {
    peer: required(endpoint(179), {
      docs: 'The router: its address, with a port where that is not 179.',
      example: '10.0.0.1',
    }),
    'peer-as': required(as, { docs: 'The AS of the router.', example: 65_000 }),
    'local-as': required(as, {
      docs: 'Our own AS. The same as `peer-as` makes the session internal (iBGP): only there is LOCAL_PREF sent; only in an external one does `prepend` work.',
      example: 65_001,
    }),
    'router-id': required(routerId, {
      docs: 'What we are known by among speakers: an IPv4 address of this machine as a rule. No other speaker may have it.',
      example: '10.0.0.2',
    }),
    'local-address': optional(address(), {
      docs: 'Our address in the session.',
      optional: 'the one that the kernel chooses for the way to the peer',
      example: '10.0.0.2',
    }),
    mode: option(choice(['active', 'passive', 'both']), {
      docs: '`active`: we connect. `passive`: the peer does, to `local-address` (or any) at `local-port`. `both`: whoever is first.',
      default: 'active',
    }),
    'local-port': option(whole(1, 65_535), {
      docs: 'Where we listen with `mode: passive` or `both`. Ports below 1024 need root or CAP_NET_BIND_SERVICE.',
      default: 179,
    }),
    'hold-time': option(offOr(duration('3s', '65535s', 's')), {
      docs: 'When we are silent for so long the peer takes our routes back; the shorter one of both sides counts. 3 s is the least that BGP knows, and what makes a hung Chorus leave soonest. Three KEEPALIVEs are sent in that time. If the control loop of Chorus stands still for so long, Chorus ends the session itself. `off`: no timers; a hung machine stays announced.',
      default: '3s',
    }),
    families: option(list('a list of address families', choice(families)), {
      docs: 'What we offer to announce. What the peer does not offer as well is left out.',
      default: ['ipv4', 'ipv6'],
    }),
    'next-hop-ipv4': optional(address(), {
      docs: 'Next hop of IPv4 service addresses. An IPv6 address needs a peer that takes one (RFC 8950).',
      optional: 'our address in the session, if it is an IPv4 one or the peer takes IPv6 next hops',
      example: '10.0.0.2',
    }),
    'next-hop-ipv6': optional(ipv6Address, {
      docs: 'Next hop of IPv6 service addresses.',
      optional: 'our address in the session, if it is an IPv6 one',
      example: '2001:db8::2',
    }),
    'stale-routes': option(choice(['warn', 'refuse']), {
      docs: 'What to do when the peer offers graceful restart (RFC 4724, RFC 9494), by which a router forwards to us although we have withdrawn, while its own routing daemon restarts: warn, or have no session with it.',
      default: 'warn',
    }),
    'ttl-security': option(offOr(whole(1, 254)), {
      docs: 'The peer is so many hops away, 1 on the same link: we send with TTL 255 and drop what has come farther (RFC 5082). The peer has to do the same. Linux only.',
      default: 'off',
    }),
    'password-file': optional(text('the path of a file', /^.{1,4096}$/), {
      docs: 'A file with the key of the session’s TCP MD5 signatures (RFC 2385) in one line, 1 to 80 octets. Linux only. It is read when the driver is made.',
      optional: 'no signatures',
      example: '/etc/chorus/core1.key',
    }),
  }).superRefine((given, context) => {
    const local = given['local-address'];
    const wrong = (key: string, message: string): void => {
      const input = given[key as keyof typeof given];
      context.addIssue({ code: 'custom', path: [key], message, input });
    };
    if (local !== undefined && isIpv6(local) !== isIpv6(given.peer.address)) {
      wrong('local-address', 'an address of the same family as the peer’s');
    } else if (local === given.peer.address && given.peer.port === given['local-port']) {
      wrong('local-address', 'another address than the peer’s: it would be a session with ourselves');
    }
    if (given['next-hop-ipv4']?.includes('%')) wrong('next-hop-ipv4', 'an address that routers can reach');
  }),
  {
    docs: 'A BGP session with a router, spoken by Chorus itself. It announces and accepts nothing. [bgp.md](../bgp.md) shows the router’s side.',
    example: { peer: '10.0.0.1', 'peer-as': 65_000, 'local-as': 65_001, 'router-id': '10.0.0.2' },
  },
);

/** The options after their check. */
export type BgpOptions = z.output<typeof bgpOptions>;
