/** What `chorus node init` is told, checked. Plain data. */
import { ChorusError } from '#kit/errors.ts';
import { nearest } from '#kit/suggest.ts';
import { type Block, formatBlock, isIpv6, parseAddress, parseBlock } from '#net/address.ts';
import { formatPrefix, hostPrefix } from '#route/announcement.ts';
import { formatName, parseName } from '#wire/name.ts';
import { kinds, type ServerKind } from '../kinds.ts';

export type InitKind = Exclude<ServerKind, 'other'>;
export const initKinds: readonly InitKind[] = ['bind', 'unbound', 'pdns-recursor', 'knot'];
export const routingKinds = ['frr', 'bird', 'none'] as const;

/** As the command line gives it. */
export type InitOptions = {
  readonly address?: readonly string[];
  readonly service?: readonly string[];
  readonly name?: string;
  readonly routing?: string;
  readonly ospf?: string | boolean;
  readonly interface?: string;
  readonly hello?: string;
  readonly as?: string;
  readonly peer?: readonly string[];
  readonly peerAs?: string;
  readonly allow?: readonly string[];
  readonly probe?: readonly string[];
  readonly forward?: readonly string[];
  readonly user?: string;
  readonly validate?: boolean;
  readonly supervise?: boolean;
  readonly out?: string;
  readonly state?: string;
};

/** What of this machine fills in what is not given. */
export type InitMachine = {
  readonly hostname: string;
  /** Its addresses that others can reach, with their interfaces; loopback is not among them. */
  readonly addresses: readonly { readonly address: string; readonly link: string }[];
};

export type Unicast = { readonly ipv4?: string; readonly ipv6?: string };

/** How the service addresses become known. */
export type Protocol =
  | { readonly kind: 'ospf'; readonly area: string; readonly link: string; readonly hello: number | null }
  | { readonly kind: 'bgp'; readonly as: number; readonly peerAs: number; readonly peers: readonly string[] };

export type NodePlan = {
  readonly kind: InitKind;
  /** What it calls itself: id.server, the names of the backends. */
  readonly name: string;
  readonly unicast: Unicast;
  readonly services: readonly string[];
  readonly routing: (typeof routingKinds)[number];
  /** Null where no routing daemon is set up. */
  readonly protocol: Protocol | null;
  /** Who may ask. */
  readonly allow: readonly string[];
  /** Names that tell whether it can resolve; random labels stand before them. */
  readonly probe: readonly string[];
  readonly forward: readonly string[];
  /** The user that the server runs as. */
  readonly user: string;
  readonly validate: boolean;
  readonly supervise: boolean;
  /** Folder of the files, from the root. */
  readonly out: string;
  readonly state: string;
};

/** Users that Debian's packages make. */
const users: Readonly<Record<InitKind, string>> = {
  bind: 'bind',
  unbound: 'unbound',
  'pdns-recursor': 'pdns',
  knot: 'knot-resolver',
};

/** Who may ask where nothing is said: private and local networks (RFC 1918, RFC 6598, RFC 4193). */
const privateNetworks = [
  '127.0.0.0/8',
  '10.0.0.0/8',
  '172.16.0.0/12',
  '192.168.0.0/16',
  '100.64.0.0/10',
  '::1/128',
  'fc00::/7',
];
/** Most of each that is taken. */
const most = 16;

function usage(reason: string): ChorusError {
  return new ChorusError('USAGE', { reason });
}

function addresses(option: string, texts: readonly string[] = []): string[] {
  if (texts.length > most) throw usage(`${option}: at most ${most}`);
  return texts.map(text => {
    const found = parseAddress(text);
    if (found === undefined || found.includes('%'))
      throw usage(`${option} ${text}: expected an address, such as 192.0.2.53 or 2001:db8::53`);
    return found;
  });
}

function whole(option: string, text: string, high: number): number {
  const value = Number(text);
  if (/^\d{1,10}$/.test(text) && value >= 1 && value <= high) return value;
  throw usage(`${option} ${text}: expected a number from 1 to ${high}`);
}

function one<Name extends string>(what: string, text: string, names: readonly Name[]): Name {
  const found = names.find(name => name === text);
  if (found !== undefined) return found;
  const meant = nearest(text, names);
  throw usage(`${what} ${text}: expected one of ${names.join(', ')}${meant ? `; ${meant} is near` : ''}`);
}

/** A text that may stand in all of the files without being quoted. */
function safe(what: string, text: string, pattern: RegExp, expected: string): string {
  if (pattern.test(text)) return text;
  throw usage(`${what} ${text}: expected ${expected}`);
}

/** Checks what was given and fills in the rest. @throws ChorusError USAGE */
export function planNode(kindText: string, options: InitOptions, machine: InitMachine): NodePlan {
  const kind = one('server', kindText, initKinds);
  const services = addresses('--service', options.service);
  if (services.length === 0) throw usage('--service: at least one service address, such as 192.0.2.53');
  const given = options.address
    ? addresses('--address', options.address)
    : [
        machine.addresses.find(({ address }) => !isIpv6(address) && !services.includes(address))?.address,
        machine.addresses.find(({ address }) => isIpv6(address) && !services.includes(address))?.address,
      ].filter(address => address !== undefined);
  const [v4, v6] = [given.filter(address => !isIpv6(address)), given.filter(isIpv6)];
  if (v4.length > 1 || v6.length > 1) throw usage('--address: at most one of IPv4 and one of IPv6');
  if (given.length === 0) throw usage('--address: the unicast address of this node is needed');
  const both = given.find(address => services.includes(address));
  if (both !== undefined)
    throw usage(`${both} cannot be both the unicast address of this node and a service address`);
  for (const service of services) {
    const family = isIpv6(service) ? v6 : v4;
    if (family.length === 0)
      throw usage(`--service ${service}: a unicast address of the same family is needed to judge it by`);
  }
  const unicast = {
    ...(v4[0] !== undefined && { ipv4: v4[0] }),
    ...(v6[0] !== undefined && { ipv6: v6[0] }),
  };
  const routing = one('--routing', options.routing ?? 'bird', routingKinds);
  const path = /^\/[A-Za-z0-9_.@+/-]{0,255}$/;
  const pathForm = 'a path from the root, of letters, digits and _ . @ + - /';
  return {
    kind,
    name: safe(
      '--name',
      options.name ?? machine.hostname.split('.')[0] ?? 'node',
      /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,50}$/,
      'letters, digits, "-", "_" and "."',
    ),
    unicast,
    services,
    routing,
    protocol: routing === 'none' ? null : protocolOf(options, given, machine),
    // Chorus asks from the unicast addresses.
    allow: [
      ...new Set([...allowOf(options.allow), ...given.map(address => formatPrefix(hostPrefix(address)))]),
    ],
    probe: (options.probe ?? []).slice(0, 8).map(name => {
      try {
        return safe('--probe', formatName(parseName(name)), /^[A-Za-z0-9_.-]+$/, 'a domain name');
      } catch (error) {
        if (error instanceof ChorusError) throw error;
        throw usage(`--probe ${name}: expected a domain name, such as check.example.net`);
      }
    }),
    forward: addresses('--forward', options.forward),
    user: safe('--user', options.user ?? users[kind], /^[a-z_][a-z0-9_-]{0,31}$/, 'the name of a user'),
    validate: options.validate ?? true,
    supervise: options.supervise ?? true,
    out: safe('--out', options.out ?? '/etc/chorus/node', path, pathForm).replace(/(.)\/+$/, '$1'),
    state: safe('--state', options.state ?? '/var/lib/chorus', path, pathForm).replace(/(.)\/+$/, '$1'),
  };
}

function protocolOf(options: InitOptions, given: readonly string[], machine: InitMachine): Protocol {
  const peers = addresses('--peer', options.peer);
  if (options.as !== undefined || peers.length > 0) {
    if (options.ospf) throw usage('--ospf and --as: one of the two');
    if (options.as === undefined) throw usage('--as: the number of our own AS is needed for BGP');
    if (peers.length === 0) throw usage('--peer: the address of a router is needed for BGP');
    const high = 2 ** 32 - 2;
    const as = whole('--as', options.as, high);
    return { kind: 'bgp', as, peerAs: whole('--peer-as', options.peerAs ?? options.as, high), peers };
  }
  const area = typeof options.ospf === 'string' ? options.ospf : '0';
  const known = machine.addresses.find(({ address }) => given.includes(address))?.link;
  const link = options.interface ?? known;
  if (link === undefined)
    throw usage('--interface: the interface towards the routers is needed for OSPF, such as eth0');
  return {
    kind: 'ospf',
    hello: options.hello === undefined ? null : whole('--hello', options.hello, 65_535 / 4),
    area: safe('--ospf', area, /^(\d{1,10}|\d{1,3}(\.\d{1,3}){3})$/, 'an area, such as 0 or 0.0.0.1'),
    link: safe('--interface', link, /^[A-Za-z0-9_.-]{1,15}$/, 'the name of an interface'),
  };
}

function allowOf(texts: readonly string[] | undefined): string[] {
  if (!texts) return privateNetworks;
  return ['127.0.0.0/8', '::1/128', ...texts].map(text => {
    const block: Block | undefined = parseBlock(text);
    if (block) return formatBlock(block);
    throw usage(`--allow ${text}: expected a network, such as 192.0.2.0/24`);
  });
}

/** The title of a server, for people. */
export const titleOf = (kind: InitKind) => kinds[kind].title;
