/**
 * A farm as in the field: a client, two routers with equal-cost multipath, fronts that announce service addresses to both, nodes
 * behind them. All of it are network namespaces of this machine, and nothing leads out of it.
 *
 *     client 10.9.0.1 ─┬─ router 1 (10.0.1.1) ─┬─ front 1 (10.0.1.11, 10.0.2.11, 10.0.9.11) ─┬─ node 1 (10.0.9.101)
 *                      └─ router 2 (10.0.2.1) ─┴─ front 2 (10.0.1.12, 10.0.2.12, 10.0.9.12) ─┴─ node 2 …
 *
 * IPv6 in the same way: 2001:db8:0:1::1, 2001:db8:0:1::b for front 1 (11 in hexadecimal), 2001:db8:9::1 for the client.
 */
import { Host } from './host.ts';
import type { Program, Result } from './program.ts';
import { RouteWatch } from './route-watch.ts';

/** The service addresses that the routers take from fronts. */
export const service = { ipv4: '192.0.2.53', ipv6: '2001:db8:53::53' } as const;
/** AS numbers: with equal ones the sessions are internal. */
export const routerAs = 65000;
export const frontAs = 65001;

export type RouterKind = 'bird' | 'frr';

export type FarmOptions = {
  readonly routers: readonly RouterKind[];
  /** Configuration files for the routers, in the order of `routers`; without them they share among all that announce. */
  readonly routerFiles?: readonly string[];
  readonly fronts: number;
  readonly nodes: number;
  /** AS of the fronts. */
  readonly frontAs?: number;
  /** Hold time that routers offer, in seconds. */
  readonly hold?: number;
};

/** One of the routers: number 1 is 10.0.1.1. */
export class Router {
  readonly number: number;
  readonly kind: RouterKind;
  readonly host: Host;
  readonly watch: RouteWatch;
  #daemons: Program[] = [];
  readonly #options: FarmOptions;

  constructor(number: number, kind: RouterKind, host: Host, watch: RouteWatch, options: FarmOptions) {
    this.number = number;
    this.kind = kind;
    this.host = host;
    this.watch = watch;
    this.#options = options;
  }

  get address(): string {
    return routerAddress(this.number);
  }
  get address6(): string {
    return routerAddress6(this.number);
  }
  /** The programs that route: BIRD, or zebra and bgpd. */
  get daemons(): readonly Program[] {
    return this.#daemons;
  }
  /** The one that speaks BGP. */
  get speaker(): Program {
    return this.#daemons.at(-1)!;
  }

  /** Starts it again after `speaker.kill()`. */
  async restart(): Promise<void> {
    await Promise.all(this.#daemons.map(daemon => daemon.stop()));
    await this.start();
  }

  /** Whether its daemon has a route by a front, whatever the kernel still has of a daemon that died. */
  async knows(front: number): Promise<boolean> {
    const route =
      this.kind === 'bird' ? `show route for ${service.ipv4}/32` : `show bgp ipv4 unicast ${service.ipv4}`;
    const { stdout } = await this.#asked(route);
    return new RegExp(`\\b${RegExp.escape(frontAddress(front, this.number))}\\b`).test(stdout);
  }

  /** Ends the sessions with a front, as an operator does: NOTIFICATION Cease. */
  async reset(front: number): Promise<void> {
    if (this.kind === 'bird') await this.ask(`restart "front${front}*"`);
    else await this.ask(`clear bgp ${frontAddress(front, this.number)}`);
  }

  async start(): Promise<void> {
    const file = this.#options.routerFiles?.[this.number - 1];
    this.#daemons =
      this.kind === 'bird'
        ? [await startBird(this.host, file ?? birdRouter(this.number, this.#options))]
        : await startFrr(this.host, file ?? frrRouter(this.number, this.#options));
  }

  /** Asks its command line: birdc or vtysh. */
  async ask(command: string): Promise<string> {
    const { code, stdout, stderr } = await this.#asked(command);
    if (code !== 0) throw new Error(`${this.kind}: ${command}: exit ${code}\n${stdout}${stderr}`);
    return stdout;
  }

  #asked(command: string): Promise<Result> {
    return this.kind === 'bird'
      ? this.host.run('birdc', ['-s', birdSocket, command])
      : this.host.run('vtysh', ['--vty_socket', frrFolder, '-c', command]);
  }
}

export const routerAddress = (router: number) => `10.0.${router}.1`;
export const routerAddress6 = (router: number) => `2001:db8:0:${router}::1`;
/** A front's address towards a router: what the router knows it by. */
export const frontAddress = (front: number, router: number) => `10.0.${router}.${10 + front}`;
export const frontAddress6 = (front: number, router: number) =>
  `2001:db8:0:${router}::${(10 + front).toString(16)}`;
export const nodeAddress = (node: number) => `10.0.9.${100 + node}`;
export const nodeAddress6 = (node: number) => `2001:db8:0:9::${(100 + node).toString(16)}`;
export const clientAddress = { ipv4: '10.9.0.1', ipv6: '2001:db8:9::1' } as const;

const layer4Hash = [4, 6].map(version => `net.ipv${version}.fib_multipath_hash_policy=1`);
/** Packets of one conversation may come by one router and leave by the other. */
const asymmetric = ['net.ipv4.conf.all.rp_filter=0', 'net.ipv4.conf.default.rp_filter=0'];
const forwarding = [
  'net.ipv4.ip_forward=1',
  'net.ipv6.conf.all.forwarding=1',
  'net.ipv4.conf.all.send_redirects=0',
  'net.ipv4.conf.default.send_redirects=0',
];

/** The farm's hosts and cables; routers route, the rest runs nothing yet. */
export class FarmNet {
  readonly client: Host;
  readonly routers: readonly Router[];
  readonly fronts: readonly Host[];
  readonly nodes: readonly Host[];
  readonly #hosts: readonly Host[];

  private constructor(
    client: Host,
    routers: readonly Router[],
    fronts: readonly Host[],
    nodes: readonly Host[],
    lan: Host,
  ) {
    this.client = client;
    this.routers = routers;
    this.fronts = fronts;
    this.nodes = nodes;
    this.#hosts = [client, lan, ...routers.map(({ host }) => host), ...fronts, ...nodes];
  }

  static async make(options: FarmOptions): Promise<FarmNet> {
    const count = (length: number) => Array.from({ length }, (_, index) => index + 1);
    const [client, lan, routerHosts, fronts, nodes] = await Promise.all([
      Host.make('client', [...layer4Hash, ...asymmetric]),
      Host.make('lan'),
      Promise.all(
        options.routers.map((_, i) =>
          Host.make(`router${i + 1}`, [...layer4Hash, ...asymmetric, ...forwarding]),
        ),
      ),
      Promise.all(count(options.fronts).map(i => Host.make(`front${i}`, [...layer4Hash, ...asymmetric]))),
      Promise.all(count(options.nodes).map(i => Host.make(`node${i}`, asymmetric))),
    ]);
    await lan.ip('link add nodes type bridge', 'link set nodes up');
    for (const [i, router] of routerHosts.entries()) {
      const r = i + 1;
      await router.ip('link add lan type bridge', 'link set lan up');
      await router.cable('client', client, `router${r}`);
      await client.ip(
        `address add 10.1.${r}.2/24 dev router${r}`,
        `address add 2001:db8:1:${r}::2/64 dev router${r} nodad`,
      );
      await router.ip(
        `address add ${routerAddress(r)}/24 dev lan`,
        `address add ${routerAddress6(r)}/64 dev lan nodad`,
        `address add 10.1.${r}.1/24 dev client`,
        `address add 2001:db8:1:${r}::1/64 dev client nodad`,
        `route add ${clientAddress.ipv4}/32 via 10.1.${r}.2`,
        `route add ${clientAddress.ipv6}/128 via 2001:db8:1:${r}::2`,
      );
      for (const [j, front] of fronts.entries()) {
        const f = j + 1;
        await router.cable(`front${f}`, front, `router${r}`);
        await router.ip(`link set front${f} master lan`);
        await front.ip(
          `address add ${frontAddress(f, r)}/24 dev router${r}`,
          `address add ${frontAddress6(f, r)}/64 dev router${r} nodad`,
        );
      }
    }
    const inner = [
      ...fronts.map((host, i) => ({ host, last: 11 + i })),
      ...nodes.map((host, i) => ({ host, last: 101 + i })),
    ];
    for (const { host, last } of inner) {
      await lan.cable(`n${last}`, host, 'nodes');
      await lan.ip(`link set n${last} master nodes`);
      await host.ip(
        `address add 10.0.9.${last}/24 dev nodes`,
        `address add 2001:db8:0:9::${last.toString(16)}/64 dev nodes nodad`,
      );
    }
    const all = routerHosts.map((_, i) => i + 1);
    const ways = (gateway: (router: number) => string) => all.map(r => `nexthop via ${gateway(r)}`).join(' ');
    await client.ip(
      `address add ${clientAddress.ipv4}/32 dev lo`,
      `address add ${clientAddress.ipv6}/128 dev lo nodad`,
      `route add default src ${clientAddress.ipv4} ${ways(r => `10.1.${r}.1`)}`,
      `route add ::/0 src ${clientAddress.ipv6} ${ways(r => `2001:db8:1:${r}::1`)}`,
    );
    for (const front of fronts) {
      await front.ip(`route add default ${ways(routerAddress)}`, `route add ::/0 ${ways(routerAddress6)}`);
    }
    const routers = await Promise.all(
      routerHosts.map(async (host, i) => {
        const router = new Router(i + 1, options.routers[i]!, host, await RouteWatch.start(host), options);
        await router.start();
        return router;
      }),
    );
    return new FarmNet(client, routers, fronts, nodes, lan);
  }

  /** Ends all of it, and all that runs on the hosts. */
  async stop(): Promise<void> {
    await Promise.all(
      this.routers.flatMap(({ daemons, watch }) => [watch.stop(), ...daemons.map(daemon => daemon.stop())]),
    );
    await Promise.all(this.#hosts.map(host => host.stop()));
  }
}

/** Where the control sockets of the routing daemons are on each host. */
export const birdSocket = '/run/bird/bird.ctl';
export const frrFolder = '/run/frr';

/** Starts BIRD on a host with a configuration (text, or a file's path). */
export async function startBird(host: Host, config: string): Promise<Program> {
  const file = config.includes('\n') ? host.write('/run/bird/bird.conf', config) : config;
  host.write('/run/bird/.keep', '');
  const bird = host.start('bird', ['-f', '-c', file, '-s', birdSocket]);
  await bird.until(
    'BIRD to answer',
    async () => (await host.run('birdc', ['-s', birdSocket, 'show status'])).code === 0,
  );
  return bird;
}

/** Starts FRR's zebra and others (bgpd where none are named) on a host with an integrated configuration (text, or a file's path). */
export async function startFrr(
  host: Host,
  config: string,
  daemons: readonly string[] = ['bgpd'],
): Promise<Program[]> {
  await host.must('install', ['-d', '-o', 'frr', '-g', 'frr', frrFolder]);
  const common = (name: string) => [
    ...['--vty_socket', frrFolder, '-z', `${frrFolder}/zserv.api`],
    ...['-i', `${frrFolder}/${name}.pid`, '-f', '/dev/null', '--log', 'stdout', '-P', '0'],
  ];
  const file = config.includes('\n') ? host.write(`${frrFolder}/frr.conf`, config) : config;
  const zebra = host.start('/usr/lib/frr/zebra', common('zebra'));
  const answers = (program: Program, name: string) =>
    program.until(
      `${name} to answer`,
      async () =>
        (await host.run('vtysh', ['--vty_socket', frrFolder, '-d', name, '-c', 'show version'])).code === 0,
    );
  await answers(zebra, 'zebra');
  const others = daemons.map(name => host.start(`/usr/lib/frr/${name}`, common(name)));
  for (const [i, program] of others.entries()) await answers(program, daemons[i]!);
  await host.must('vtysh', ['--vty_socket', frrFolder, '-f', file]);
  return [zebra, ...others];
}

/** The fronts' sessions are passive here: who announces calls. */
function birdRouter(router: number, options: FarmOptions): string {
  const { hold = 9, fronts } = options;
  const remote = options.frontAs ?? frontAs;
  const sessions = Array.from({ length: fronts }, (_, i) => i + 1).map(
    f => `
protocol bgp front${f} from fronts { local ${routerAddress(router)} as ${routerAs}; neighbor ${frontAddress(f, router)} as ${remote}; }
protocol bgp front${f}v6 from fronts { local ${routerAddress6(router)} as ${routerAs}; neighbor ${frontAddress6(f, router)} as ${remote}; }`,
  );
  return `log stderr all;
router id 10.255.0.${router};
ipv4 table master4;
ipv6 table master6;
function service() { return net = ${service.ipv4}/32 || net = ${service.ipv6}/128 || net = 192.0.2.54/32; }
protocol device { scan time 10; }
protocol kernel { ipv4 { import none; export where source = RTS_BGP; }; merge paths yes; scan time 10; }
protocol kernel { ipv6 { import none; export where source = RTS_BGP; }; merge paths yes; scan time 10; }
filter announced {
  if ! service() then reject;
  # RFC 8326: who is leaving is the last choice.
  if (65535, 0) ~ bgp_community then bgp_local_pref = 0;
  accept;
}
template bgp fronts {
  passive; hold time ${hold}; error wait time 1,5; graceful restart off;
  ipv4 { import filter announced; export none; };
  ipv6 { import filter announced; export none; };
}
${sessions.join('')}
`;
}

function frrRouter(router: number, options: FarmOptions): string {
  const { hold = 9, fronts } = options;
  const remote = options.frontAs ?? frontAs;
  const all = Array.from({ length: fronts }, (_, i) => i + 1);
  const [v4, v6] = [all.map(f => frontAddress(f, router)), all.map(f => frontAddress6(f, router))];
  const session = (peer: string) => ` neighbor ${peer} remote-as ${remote}
 neighbor ${peer} passive
 neighbor ${peer} timers ${Math.max(1, Math.floor(hold / 3))} ${hold}
`;
  const paths = remote === routerAs ? ' maximum-paths ibgp 8' : ' maximum-paths 8';
  return `frr defaults datacenter
ip prefix-list service seq 5 permit ${service.ipv4}/32
ip prefix-list service seq 10 permit 192.0.2.54/32
ipv6 prefix-list service seq 5 permit ${service.ipv6}/128
route-map nothing deny 10
bgp community-list standard leaving seq 5 permit 65535:0
route-map global permit 10
 match community leaving
 set local-preference 0
 set ipv6 next-hop prefer-global
route-map global permit 20
 set ipv6 next-hop prefer-global
router bgp ${routerAs}
 bgp router-id 10.255.0.${router}
 bgp graceful-restart-disable
 no bgp ebgp-requires-policy
 no bgp default ipv4-unicast
${[...v4, ...v6].map(session).join('')} address-family ipv4 unicast
${paths}
${v4.map(peer => `  neighbor ${peer} activate\n  neighbor ${peer} prefix-list service in\n  neighbor ${peer} route-map nothing out\n`).join('')} exit-address-family
 address-family ipv6 unicast
${paths}
${[...v4, ...v6].map(peer => `  neighbor ${peer} activate\n  neighbor ${peer} prefix-list service in\n  neighbor ${peer} route-map global in\n  neighbor ${peer} route-map nothing out\n`).join('')} exit-address-family
exit
`;
}
