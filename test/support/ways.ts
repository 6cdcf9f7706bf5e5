/** The ways in which a front of `farm-net.ts` can announce: drivers of Chorus, and the routing daemon beside it. */
import {
  frontAddress,
  frontAddress6,
  frontAs,
  routerAddress,
  routerAddress6,
  routerAs,
  startBird,
  startFrr,
} from './farm-net.ts';
import type { Host } from './host.ts';
import type { Program } from './program.ts';
import type { FrontConfig } from './routed-front.ts';

export type Family = 'ipv4' | 'ipv6';

export type Way = {
  readonly name: string;
  readonly label: string;
  /** Programs that it needs beside those of the farm. */
  readonly needs: readonly ('bird' | 'vtysh' | 'exabgp')[];
  /** Whether the operator puts the service addresses on the loopback interface. */
  readonly onLoopback: boolean;
  /** `route-drivers` for a front by its number. */
  drivers(front: number, families: readonly Family[]): FrontConfig;
  /** The drivers that announce a service address of a family; all of them where it is left out. */
  readonly via?: Readonly<Record<Family, readonly string[]>>;
  /** Starts what announces beside Chorus; the speaker comes last. */
  daemons(host: Host, front: number): Promise<Program[]>;
};

const routers = [1, 2];
/** The interfaces that hold what Chorus leases, by how good it is: the daemon sets MED and communities by them. */
const grades = {
  primary: 'chorus-primary',
  backup: 'chorus-backup',
  degraded: 'chorus-degraded',
  draining: 'chorus-draining',
};

/** FRR wants an address to leave the one interface before it comes to the other, BIRD the other way round. */
const lease = (overlap: 'on' | 'off') => ({ lease: { interfaces: grades, overlap, lifetime: '2s' } });

/** Sessions to both routers over IPv4 and IPv6, in BIRD's words. */
export function birdSessions(front: number, exported: string): string {
  const session = (name: string, from: string, to: string, family: string) =>
    `protocol bgp ${name} { local ${from} as ${frontAs}; neighbor ${to} as ${routerAs}; hold time 9; connect delay time 1; ` +
    `connect retry time 1; error wait time 1, 5; graceful restart off; ${family} { import none; export ${exported}; }; }\n`;
  return routers
    .map(
      router =>
        session(`router${router}`, frontAddress(front, router), routerAddress(router), 'ipv4') +
        session(`router${router}v6`, frontAddress6(front, router), routerAddress6(router), 'ipv6'),
    )
    .join('');
}

function frrSessions(front: number, redistribute: string): string {
  const peers = [...routers.map(routerAddress), ...routers.map(routerAddress6)];
  const activate = peers
    .map(peer => `  neighbor ${peer} activate\n  neighbor ${peer} route-map nothing in\n`)
    .join('');
  return `frr defaults datacenter
route-map nothing deny 10
route-map leased permit 10
 match interface ${grades.primary}
 set metric 0
route-map leased permit 20
 match interface ${grades.degraded}
 set metric 1000
route-map leased permit 30
 match interface ${grades.draining}
 set metric 4294967295
 set community graceful-shutdown
router bgp ${frontAs}
 bgp router-id 10.254.0.${front}
 bgp graceful-restart-disable
 no bgp ebgp-requires-policy
 no bgp default ipv4-unicast
${peers.map(peer => ` neighbor ${peer} remote-as ${routerAs}\n neighbor ${peer} timers 3 9\n neighbor ${peer} timers connect 1\n`).join('')} address-family ipv4 unicast
${redistribute}${activate} exit-address-family
 address-family ipv6 unicast
${redistribute}${activate} exit-address-family
exit
`;
}

export const ways = {
  speaker: {
    name: 'speaker',
    label: 'Chorus, built-in speaker',
    needs: [],
    onLoopback: true,
    drivers: (front, families) => {
      const common = {
        'peer-as': routerAs,
        'local-as': frontAs,
        'router-id': `10.254.0.${front}`,
        'hold-time': '3s',
      };
      const driver = (router: number, family: Family) =>
        family === 'ipv4'
          ? [`router${router}`, { bgp: { peer: routerAddress(router), ...common } }]
          : [`router${router}v6`, { bgp: { peer: routerAddress6(router), ...common } }];
      return Object.fromEntries(families.flatMap(family => routers.map(router => driver(router, family))));
    },
    via: { ipv4: ['router1', 'router2'], ipv6: ['router1v6', 'router2v6'] },
    daemons: async () => [],
  },
  leaseBird: {
    name: 'lease-bird',
    label: 'Chorus, lease + BIRD',
    needs: ['bird'],
    onLoopback: false,
    drivers: () => ({ lo: lease('on') }),
    daemons: async (host, front) => [
      await startBird(
        host,
        `log stderr all;\nrouter id 10.254.0.${front};\nprotocol device { }\nprotocol direct { ipv4; ipv6; interface "chorus-*"; }
filter service {
  if source != RTS_DEVICE then reject;
  if ifname = "${grades.primary}" then { bgp_med = 0; accept; }
  if ifname = "${grades.degraded}" then { bgp_med = 1000; accept; }
  if ifname = "${grades.draining}" then { bgp_med = 4294967295; bgp_community.add((65535, 0)); accept; }
  reject;
}
${birdSessions(front, 'filter service')}`,
      ),
    ],
  },
  leaseFrr: {
    name: 'lease-frr',
    label: 'Chorus, lease + FRR',
    needs: ['vtysh'],
    onLoopback: false,
    drivers: () => ({ lo: lease('off') }),
    daemons: (host, front) =>
      startFrr(host, frrSessions(front, '  redistribute connected route-map leased\n')),
  },
} as const satisfies Record<string, Way>;
