/** Every route driver keeps the contract, with the real software. A driver adds its line to `subjects`. */
import {
  type Expresses,
  type RouteDriverUnderTest,
  routeDriverContract,
} from '#test/contract/route-driver.ts';
import { Bird } from '#test/support/bird.ts';
import { Frr } from '#test/support/frr.ts';
import { requires } from '#test/support/requires.ts';
import { session } from '#test/support/router.ts';

const everything: Expresses = {
  med: true,
  localPreference: true,
  communities: true,
  largeCommunities: true,
  prepend: true,
};
const foreign = ['198.51.100.0/24', '2001:db8:99::/48'];

const subjects: readonly RouteDriverUnderTest[] = [
  {
    kind: 'frr',
    sessions: ['outer', 'inner'],
    expresses: everything,
    foreign,
    deadMan: { dead: null, hung: null },
    options: requires('vtysh', 'bird', 'ip', 'root'),
    async start() {
      const software = await Frr.start();
      return {
        options: (unreachable = false) => ({
          as: session.ourAs,
          'socket-dir': unreachable ? '/nonexistent' : software.folder,
        }),
        kill: () => software.kill(),
        restart: () => software.restart(),
        stop: () => software.stop(),
        get log() {
          return software.log;
        },
      };
    },
  },
  {
    kind: 'bird',
    sessions: ['outer', 'inner'],
    expresses: everything,
    foreign,
    deadMan: { dead: null, hung: null },
    options: requires('bird', 'birdc', 'ip', 'root'),
    async start() {
      const software = await Bird.start();
      return {
        options: (unreachable = false) => ({
          socket: unreachable ? '/nonexistent' : software.socket,
          file: software.file,
        }),
        kill: () => software.kill(),
        restart: () => software.restart(),
        stop: () => software.stop(),
        get log() {
          return software.log;
        },
      };
    },
  },
  {
    kind: 'exabgp',
    sessions: ['outer', 'inner'],
    expresses: everything,
    foreign: [],
    deadMan: { dead: 2_500, hung: 10_000 },
    options: requires('exabgp', 'bird', 'ip', 'root'),
    async start(router) {
      return {
        options: (unreachable = false) => ({
          ...(unreachable && { program: '/nonexistent/exabgp' }),
          neighbors: [session.outer, session.inner].map(({ router, ours, routerAs }) => ({
            address: router,
            as: routerAs,
            'local-address': ours,
          })),
          'local-as': session.ourAs,
          'router-id': session.outer.ours,
          'next-hop': session.ours6,
        }),
        kill: () => router.kill(),
        restart: () => router.restart(),
        stop: async () => {},
        log: '',
      };
    },
  },
];

for (const subject of subjects) routeDriverContract(subject);
