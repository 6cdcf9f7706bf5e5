/** The routing daemon's configuration for a node: it announces the addresses of one interface, and only the service addresses. */

import { isIpv6 } from '#net/address.ts';
import { formatPrefix, hostPrefix } from '#route/announcement.ts';
import type { NodePlan, Protocol } from './plan.ts';
import type { InitFile } from './servers.ts';

/** The interface that gets the service addresses, with a lifetime. */
export const leaseInterface = 'chorus0';
/** The one that gets them while the node is overloaded or drained: announced worse. */
export const worseInterface = 'chorus0-worse';
/** The metric of what stands on either: OSPF's, and the MED of BGP. */
const metrics = { ospf: [20, 1000], bgp: [0, 1000] } as const;

/** The file of the routing daemon; none for `none`. */
export function routingFiles(plan: NodePlan): InitFile[] {
  const { protocol, routing } = plan;
  if (!protocol || routing === 'none') return [];
  return routing === 'frr'
    ? [{ path: 'frr.conf', text: frr(plan, protocol) }]
    : [{ path: 'bird.conf', text: bird(plan, protocol) }];
}

const why = [
  'Chorus puts the service addresses on the interface chorus0, for two seconds at a time, and only while the nameserver of this',
  'node answers well; on chorus0-worse instead while it is overloaded or drained. This daemon announces the addresses of these two',
  'interfaces, those of the second with a worse metric, and nothing else of this node.',
];

/** A router id must look like an IPv4 address; a node without one gets one made of its IPv6 address. */
function routerId({ unicast }: NodePlan): string {
  if (unicast.ipv4 !== undefined) return unicast.ipv4;
  let hash = 0x811c9dc5;
  for (const letter of unicast.ipv6 ?? '') hash = Math.imul(hash ^ letter.charCodeAt(0), 0x01000193) >>> 0;
  return [10, (hash >>> 16) & 255, (hash >>> 8) & 255, (hash & 255) | 1].join('.');
}

const ofFamily = (addresses: readonly string[], v6: boolean) => addresses.filter(each => isIpv6(each) === v6);

function frr(plan: NodePlan, protocol: Protocol): string {
  const [v4, v6] = [ofFamily(plan.services, false), ofFamily(plan.services, true)];
  const list = (family: string, name: string, services: readonly string[]) =>
    services.map(
      (address, i) =>
        `${family} prefix-list ${name} seq ${5 * (i + 1)} permit ${formatPrefix(hostPrefix(address))}`,
    );
  const map = (family: string, name: string) =>
    [leaseInterface, worseInterface].flatMap((link, i) => [
      `route-map ${name} permit ${10 * (i + 1)}`,
      ` match interface ${link}`,
      ` match ${family} address prefix-list ${name}`,
      ` set metric ${metrics[protocol.kind][i]}`,
      'exit',
    ]);
  const lines = [
    `! FRR on the node ${plan.name}. Written by \`chorus node init ${plan.kind}\`.`,
    ...why.map(line => `! ${line}`),
    `! In /etc/frr/daemons: ${daemonsOf(plan, protocol).join(', ')}. Load it with: vtysh -f ${plan.out}/frr.conf`,
    'frr defaults traditional',
    `hostname ${plan.name}`,
    '!',
    '! Nothing but the service addresses leaves this node, whatever else comes to stand on the interface.',
    ...(v4.length > 0 ? [...list('ip', 'service', v4), ...map('ip', 'service')] : []),
    ...(v6.length > 0 ? [...list('ipv6', 'service6', v6), ...map('ipv6', 'service6')] : []),
    '!',
    ...(protocol.kind === 'ospf' ? frrOspf(plan, protocol, v4, v6) : frrBgp(plan, protocol, v4, v6)),
  ];
  return `${lines.join('\n')}\n`;
}

/** Without zebra the others hear of no address that goes: its end is noticed soon, and all are started again. */
const watched = 'watchfrr_options="--interval 1 --timeout 5"';

/** What /etc/frr/daemons must say. */
export function daemonsOf({ services }: NodePlan, protocol: Protocol): string[] {
  if (protocol.kind === 'bgp') return ['bgpd=yes', watched];
  const v6 = services.some(isIpv6);
  const v4 = services.some(address => !isIpv6(address));
  return [...(v4 ? ['ospfd=yes'] : []), ...(v6 ? ['ospf6d=yes'] : []), watched];
}

function frrOspf(
  plan: NodePlan,
  { area, link, hello }: Protocol & { kind: 'ospf' },
  v4: readonly string[],
  v6: readonly string[],
): string[] {
  const timers = (words: string) =>
    hello === null ? [] : [` ${words} hello-interval ${hello}`, ` ${words} dead-interval ${4 * hello}`];
  return [
    '! Equal cost from each node: metric-type 1 counts the way to the node too, so the near ones are preferred.',
    `interface ${link}`,
    ...(v4.length > 0 ? [` ip ospf area ${area}`, ...timers('ip ospf')] : []),
    ...(v6.length > 0 ? [` ipv6 ospf6 area ${area}`, ...timers('ipv6 ospf6')] : []),
    ' ! Hello and dead interval must be those of your routers. A node that dies without a word is missed after the dead interval',
    ' ! only (BFD is quicker); a nameserver that dies is told at once, by the address that goes.',
    'exit',
    '!',
    ...(v4.length > 0
      ? [
          'router ospf',
          ` ospf router-id ${routerId(plan)}`,
          ' redistribute connected metric-type 1 route-map service',
          'exit',
        ]
      : []),
    ...(v6.length > 0
      ? [
          'router ospf6',
          ` ospf6 router-id ${routerId(plan)}`,
          ' redistribute connected metric-type 1 route-map service6',
          'exit',
        ]
      : []),
  ];
}

function frrBgp(
  plan: NodePlan,
  { as, peerAs, peers }: Protocol & { kind: 'bgp' },
  v4: readonly string[],
  v6: readonly string[],
): string[] {
  const family = (services: readonly string[], name: string, words: string, mine: readonly string[]) =>
    services.length === 0 || mine.length === 0
      ? []
      : [
          ` address-family ${words} unicast`,
          `  redistribute connected route-map ${name}`,
          ...mine.flatMap(peer => [
            `  neighbor ${peer} activate`,
            `  neighbor ${peer} prefix-list ${name} out`,
            `  neighbor ${peer} route-map nothing in`,
            `  neighbor ${peer} route-map everything out`,
          ]),
          ' exit-address-family',
        ];
  return [
    'route-map nothing deny 10',
    'route-map everything permit 10',
    '!',
    `router bgp ${as}`,
    ` bgp router-id ${routerId(plan)}`,
    ' ! FRR offers graceful restart by default: the routers would send queries to a dead node for two minutes.',
    ' bgp graceful-restart-disable',
    ' no bgp default ipv4-unicast',
    ' ! Without advertisement-interval 0, what goes within 30 s of having come is told to a router of another AS when these are over.',
    ...peers.flatMap(peer => [
      ` neighbor ${peer} remote-as ${peerAs}`,
      ` neighbor ${peer} timers 3 9`,
      ` neighbor ${peer} timers connect 1`,
      ` neighbor ${peer} advertisement-interval 0`,
    ]),
    ' !',
    ...family(v4, 'service', 'ipv4', ofFamily(peers, false)),
    ...family(v6, 'service6', 'ipv6', ofFamily(peers, true)),
    'exit',
  ];
}

function bird(plan: NodePlan, protocol: Protocol): string {
  const [v4, v6] = [ofFamily(plan.services, false), ofFamily(plan.services, true)];
  const set = (services: readonly string[]) =>
    services.map(address => formatPrefix(hostPrefix(address))).join(', ');
  const metric = protocol.kind === 'ospf' ? 'ospf_metric1' : 'bgp_med';
  const filter = (name: string, services: readonly string[]) =>
    services.length === 0
      ? []
      : [
          `filter ${name} {`,
          `  if source != RTS_DEVICE || net !~ [ ${set(services)} ] then reject;`,
          `  ${metric} = ${metrics[protocol.kind][0]};`,
          `  if ifname = "${worseInterface}" then ${metric} = ${metrics[protocol.kind][1]};`,
          '  accept;',
          '}',
        ];
  const lines = [
    `# BIRD 2 on the node ${plan.name}. Written by \`chorus node init ${plan.kind}\`.`,
    ...why.map(line => `# ${line}`),
    'log syslog all;',
    `router id ${routerId(plan)};`,
    '',
    'protocol device { scan time 10; }',
    'protocol direct lease {',
    `  interface "${leaseInterface}", "${worseInterface}";`,
    ...(v4.length > 0 ? ['  ipv4;'] : []),
    ...(v6.length > 0 ? ['  ipv6;'] : []),
    '}',
    '',
    '# Nothing but the service addresses leaves this node, whatever else comes to stand on the interface.',
    ...filter('service4', v4),
    ...filter('service6', v6),
    '',
    ...(protocol.kind === 'ospf' ? birdOspf(protocol, v4, v6) : birdBgp(plan, protocol, v4, v6)),
  ];
  return `${lines.join('\n')}\n`;
}

function birdOspf(
  { area, link, hello }: Protocol & { kind: 'ospf' },
  v4: readonly string[],
  v6: readonly string[],
): string[] {
  const one = (version: string, family: string, name: string) => [
    `protocol ospf ${version} routers${family.slice(-1)} {`,
    `  ${family} { import none; export filter ${name}; };`,
    `  area ${area} {`,
    `    interface "${link}" {`,
    '      # Hello and dead interval must be those of your routers. A node that dies without a word is missed after the dead',
    '      # interval only (BFD is quicker); a nameserver that dies is told at once, by the address that goes.',
    ...(hello === null ? [] : [`      hello ${hello}; dead ${4 * hello};`]),
    '    };',
    '  };',
    '}',
  ];
  return [
    ...(v4.length > 0 ? one('v2', 'ipv4', 'service4') : []),
    ...(v6.length > 0 ? one('v3', 'ipv6', 'service6') : []),
  ];
}

function birdBgp(
  { unicast }: NodePlan,
  { as, peerAs, peers }: Protocol & { kind: 'bgp' },
  v4: readonly string[],
  v6: readonly string[],
): string[] {
  return peers.flatMap((peer, i) => {
    const own = isIpv6(peer) ? unicast.ipv6 : unicast.ipv4;
    const [family, name, services] = isIpv6(peer)
      ? (['ipv6', 'service6', v6] as const)
      : (['ipv4', 'service4', v4] as const);
    if (services.length === 0) return [];
    return [
      `protocol bgp router${i + 1} {`,
      `  local ${own === undefined ? '' : `${own} `}as ${as};`,
      `  neighbor ${peer} as ${peerAs};`,
      '  hold time 9;',
      '  # A session that was lost is tried again at once, not after a minute.',
      '  error wait time 1, 5;',
      '  connect delay time 1;',
      '  # With it the routers would send queries to a dead node until its time has run out.',
      '  graceful restart off;',
      `  ${family} { import none; export filter ${name}; next hop self; };`,
      '}',
    ];
  });
}
