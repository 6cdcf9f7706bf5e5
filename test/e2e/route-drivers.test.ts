/** Every route driver keeps the contract, with the real software. A driver adds its line to `subjects`. */
import {
  type Expresses,
  type RouteDriverUnderTest,
  routeDriverContract,
} from '#test/contract/route-driver.ts';
import { Bird } from '#test/support/bird.ts';
import { Frr } from '#test/support/frr.ts';
import { requires } from '#test/support/requires.ts';
import { type SessionName, session } from '#test/support/router.ts';

const everything: Expresses = {
  med: true,
  localPreference: true,
  communities: true,
  largeCommunities: true,
  prepend: true,
};
const foreign = ['198.51.100.0/24', '2001:db8:99::/48'];

/** The built-in speaker in a session with another AS, and in one within ours, where `prepend` has no meaning. */
function speaker(name: SessionName): RouteDriverUnderTest {
  const { router, ours, routerAs } = session[name];
  return {
    kind: 'bgp',
    variant: name === 'outer' ? 'eBGP' : 'iBGP',
    sessions: [name],
    expresses: { ...everything, prepend: name === 'outer' },
    foreign: [],
    // The router sees the end of a dead process at once, and waits out the hold time of 3 s for one that hangs.
    deadMan: { dead: 2_500, hung: 15_000 },
    options: requires('bird', 'birdc', 'ip', 'root'),
    async start(peer) {
      return {
        options: (unreachable = false) => ({
          peer: unreachable ? `${router}:1` : router,
          'peer-as': routerAs,
          'local-as': session.ourAs,
          'router-id': ours,
          'local-address': ours,
          'next-hop-ipv6': session.ours6,
        }),
        kill: () => peer.kill(),
        restart: () => peer.restart(),
        stop: async () => {},
        get log() {
          return peer.program.log;
        },
      };
    },
  };
}

const subjects: readonly RouteDriverUnderTest[] = [
  speaker('outer'),
  speaker('inner'),
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
          'local-as': session.ourAs,
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
    deadMan: { dead: 6_000, hung: 20_000 },
    options: requires('exabgp', 'bird', 'ip', 'root'),
    async start(router) {
      return {
        options: (unreachable = false) => ({
          ...(unreachable && { program: '/nonexistent/exabgp' }),
          neighbors: [session.outer, session.inner].map(({ router, ours, routerAs }) => ({
            address: router,
            'peer-as': routerAs,
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
