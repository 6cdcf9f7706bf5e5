/**
 * Routers for the built-in speaker: BIRD, FRR and GoBGP in a network namespace of their own, with the same three sessions each:
 * `outer4` and `outer6`, eBGP over IPv4 and over IPv6, and `inner`, iBGP over IPv4. They connect to nobody.
 */
import { chmodSync, chownSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { addAddress, Namespace } from './isolate.ts';
import { must, Program, run, temporaryFolder } from './process.ts';
import { searchPath } from './requires.ts';
import { type SeenRoute, seenRoutes } from './router.ts';

/** The AS of the router. */
export const routerAs = 65_000;
/** Each session: both ends' addresses, and our AS in it. */
export const sessions = {
  outer4: { router: '10.99.0.1', ours: '10.99.0.2', ourAs: 65_001 },
  outer6: { router: 'fd99::1', ours: 'fd99::2', ourAs: 4_200_000_001 },
  inner: { router: '10.99.0.1', ours: '10.99.0.3', ourAs: routerAs },
} as const;
export type PeerSession = keyof typeof sessions;

const names = ['outer4', 'outer6', 'inner'] as const;

/** A cable to a namespace with the addresses of all sessions. The test must be isolated. */
export async function layCable(): Promise<Namespace> {
  const namespace = await Namespace.make();
  await namespace.cable('uplink', 'downlink');
  for (const { ours, router } of [sessions.outer4, sessions.outer6]) {
    const bits = ours.includes(':') ? 64 : 24;
    await addAddress('uplink', `${ours}/${bits}`);
    await addAddress('downlink', `${router}/${bits}`, namespace.pid);
  }
  await addAddress('uplink', `${sessions.inner.ours}/24`);
  return namespace;
}

/** How a router is set up. */
export type PeerOptions = {
  /** s. */
  readonly holdTime?: number;
  readonly gracefulRestart?: boolean;
  /** The AS that it expects of `outer4`. */
  readonly expectedAs?: number;
  /** It connects to `outer4` too. */
  readonly active?: boolean;
  /** The whole configuration instead. */
  readonly text?: string;
  /** More lines of the configuration of `outer4`. */
  readonly more?: string;
};

/** A routing daemon as a peer. */
export abstract class BgpPeer {
  readonly namespace: Namespace;
  readonly folder: string;
  readonly options: PeerOptions;
  #program: Program | null = null;
  #past = '';

  constructor(namespace: Namespace, options: PeerOptions) {
    this.namespace = namespace;
    this.options = options;
    this.folder = temporaryFolder('peer');
  }

  abstract launch(): Program;
  /** Whether it takes commands. */
  abstract ready(): Promise<boolean>;
  /** The routes that it has, of all sessions. */
  abstract routes(): Promise<readonly SeenRoute[]>;
  abstract established(name: PeerSession): Promise<boolean>;
  /** Asks for all routes once more. */
  abstract refresh(): Promise<void>;
  /** Ends `outer4` and lets it come again. */
  abstract reset(): Promise<void>;
  /** It stays away for seconds after the end of a session: a test that does not look at that starts it anew. */
  readonly sulks: boolean = false;
  /** What it knows of the end of the session `outer4`. */
  abstract lastError(): Promise<string>;

  async start(): Promise<this> {
    this.#program = this.launch();
    await this.#program.until('an answer', () => this.ready(), 20_000);
    return this;
  }
  get program(): Program {
    return this.#program!;
  }
  get log(): string {
    return this.#past + (this.#program?.log ?? '');
  }
  /** Ends it without a word. */
  async kill(): Promise<void> {
    await this.program.kill();
    this.#past += this.program.log;
  }
  async stop(): Promise<void> {
    await this.#program?.stop();
  }
  protected file(name: string): string {
    return join(this.folder, name);
  }
  protected begin(command: string, args: readonly string[]): Program {
    return new Program(command, args, { namespace: this.namespace.pid });
  }
  protected async ask(command: string, ...args: readonly string[]): Promise<string> {
    return await must(command, args, { namespace: this.namespace.pid });
  }
}

export class BirdPeer extends BgpPeer {
  override launch(): Program {
    const { holdTime = 9, gracefulRestart = false, expectedAs, active = false, more = '' } = this.options;
    const peer = (name: PeerSession): string => {
      const { router, ours, ourAs } = sessions[name];
      const as = name === 'outer4' ? (expectedAs ?? ourAs) : ourAs;
      const passive =
        active && name === 'outer4' ? 'connect retry time 1; connect delay time 1;' : 'passive;';
      return `
protocol bgp ${name} {
  local ${router} as ${routerAs};
  neighbor ${ours} as ${as};
  ${passive} hold time ${holdTime}; error wait time 1,2; graceful restart ${gracefulRestart ? 'on' : 'off'};
  ${name === 'outer4' ? more : ''}
  ipv4 { ${name === 'outer6' ? 'extended next hop on;' : ''} import all; export none; };
  ipv6 { import all; export none; };
}`;
    };
    const text = `log stderr all;
debug protocols { states, routes };
router id 10.99.0.1;
timeformat log iso long ms;
protocol device { }
${names.map(peer).join('\n')}
`;
    writeFileSync(this.file('bird.conf'), this.options.text ?? text);
    return this.begin('bird', ['-f', '-c', this.file('bird.conf'), '-s', this.file('ctl')]);
  }
  async birdc(...words: readonly string[]): Promise<string> {
    return await this.ask('birdc', '-s', this.file('ctl'), words.join(' '));
  }
  override async ready(): Promise<boolean> {
    return /ready|up and running/i.test(await this.birdc('show', 'status'));
  }
  override async routes(): Promise<readonly SeenRoute[]> {
    return seenRoutes(await this.birdc('show', 'route', 'all'));
  }
  override async established(name: PeerSession): Promise<boolean> {
    return /\bEstablished\b/.test(await this.birdc('show', 'protocols', name));
  }
  override async refresh(): Promise<void> {
    for (const name of names) await this.birdc('reload', 'in', name);
  }
  override async reset(): Promise<void> {
    await this.birdc('restart', 'outer4');
  }
  override async lastError(): Promise<string> {
    return `${await this.birdc('show', 'protocols', 'all', 'outer4')}\n${this.log}`;
  }
}

type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

/** A value within JSON that is not trusted to be there. */
function at(value: Json | undefined, ...path: readonly string[]): Json {
  let here: Json = value ?? null;
  for (const key of path) {
    if (typeof here !== 'object' || here === null || Array.isArray(here)) return null;
    here = (here as { readonly [key: string]: Json })[key] ?? null;
  }
  return here;
}
function listOf(value: Json): readonly Json[] {
  return Array.isArray(value) ? value : [];
}
function textOf(value: Json): string {
  return typeof value === 'string' ? value : '';
}
function numberOf(value: Json): number | null {
  return typeof value === 'number' ? value : null;
}
function numbersIn(text: string): number[] {
  return [...text.matchAll(/\d+/g)].map(([digits]) => Number(digits));
}

export class FrrPeer extends BgpPeer {
  #zebra: Program | null = null;

  override launch(): Program {
    const { holdTime = 9, gracefulRestart = false, expectedAs, active = false, more = '' } = this.options;
    const peers = names.map(name => ({ name, ...sessions[name] }));
    const neighbors = peers.map(({ name, ours, ourAs }) => {
      const as = name === 'outer4' ? (expectedAs ?? ourAs) : ourAs;
      return ` neighbor ${ours} remote-as ${as}
${active && name === 'outer4' ? '' : ` neighbor ${ours} passive\n`} neighbor ${ours} timers connect 1
${name === 'outer6' ? ` neighbor ${ours} capability extended-nexthop\n` : ''}${name === 'outer4' ? more : ''}`;
    });
    const family = (version: 4 | 6): string => ` address-family ipv${version} unicast
${peers.map(({ ours }) => `  neighbor ${ours} activate\n  neighbor ${ours} soft-reconfiguration inbound\n`).join('')} exit-address-family
`;
    writeFileSync(
      this.file('bgpd.conf'),
      this.options.text ??
        `frr defaults traditional
hostname router
log stdout
debug bgp neighbor-events
router bgp ${routerAs}
 bgp router-id 10.99.0.1
 no bgp ebgp-requires-policy
 bgp graceful-restart${gracefulRestart ? '' : '-disable'}
 timers bgp 3 ${holdTime}
${neighbors.join('')}${family(4)}${family(6)}`,
    );
    writeFileSync(this.file('zebra.conf'), 'hostname router\n');
    const owner = statSync(this.folder);
    // FRR's daemons give up root for a user of their own.
    if (owner.uid === 0) chownSync(this.folder, frrUser().uid, frrUser().gid);
    chmodSync(this.folder, 0o755);
    for (const name of ['bgpd.conf', 'zebra.conf']) chownSync(this.file(name), frrUser().uid, frrUser().gid);
    this.#zebra ??= this.#daemon('zebra');
    return this.#daemon('bgpd');
  }
  #daemon(name: 'zebra' | 'bgpd'): Program {
    const program = [...searchPath, '/usr/lib/frr', '/usr/libexec/frr']
      .map(folder => join(folder, name))
      .find(path => statSync(path, { throwIfNoEntry: false }) !== undefined);
    return this.begin(program ?? name, [
      ...['-u', 'frr', '-g', 'frr', '--vty_socket', this.folder, '-z', this.file('zserv.api')],
      ...['-f', this.file(`${name}.conf`), '-i', this.file(`${name}.pid`), '-P', '0', '--log', 'stdout'],
    ]);
  }
  async vtysh(...commands: readonly string[]): Promise<string> {
    const args = ['--vty_socket', this.folder, '-d', 'bgpd', ...commands.flatMap(command => ['-c', command])];
    return await this.ask('vtysh', ...args);
  }
  override async ready(): Promise<boolean> {
    return /^router bgp/m.test(await this.vtysh('show running-config'));
  }
  override async routes(): Promise<readonly SeenRoute[]> {
    const found: SeenRoute[] = [];
    for (const family of ['ipv4', 'ipv6']) {
      const table = JSON.parse(await this.vtysh(`show bgp ${family} unicast json`)) as Json;
      for (const prefix of Object.keys(at(table, 'routes') ?? {})) {
        const entry = JSON.parse(await this.vtysh(`show bgp ${family} unicast ${prefix} json`)) as Json;
        for (const path of listOf(at(entry, 'paths'))) found.push(frrRoute(prefix, path));
      }
    }
    return found;
  }
  override async established(name: PeerSession): Promise<boolean> {
    const { ours } = sessions[name];
    const state = JSON.parse(await this.vtysh(`show bgp neighbors ${ours} json`)) as Json;
    return at(state, ours, 'bgpState') === 'Established';
  }
  override async refresh(): Promise<void> {
    for (const { ours } of Object.values(sessions)) await this.vtysh(`clear bgp ${ours} in`);
  }
  override async reset(): Promise<void> {
    await this.vtysh(`clear bgp ${sessions.outer4.ours}`);
  }
  override async lastError(): Promise<string> {
    return `${await this.vtysh(`show bgp neighbors ${sessions.outer4.ours} json`)}\n${this.log}`;
  }
  override async stop(): Promise<void> {
    await super.stop();
    await this.#zebra?.stop();
  }
}

function frrRoute(prefix: string, path: Json): SeenRoute {
  return {
    prefix,
    med: numberOf(at(path, 'metric')),
    localPreference: numberOf(at(path, 'locPrf')),
    communities: listOf(at(path, 'community', 'list'))
      .map(each => frrCommunity(textOf(each)))
      .sort(),
    largeCommunities: listOf(at(path, 'largeCommunity', 'list'))
      .map(textOf)
      .sort(),
    path: numbersIn(textOf(at(path, 'aspath', 'string'))),
    nextHop: textOf(at(listOf(at(path, 'nexthops'))[0], 'ip')),
  };
}

let user: { uid: number; gid: number } | undefined;
function frrUser(): { uid: number; gid: number } {
  user ??= statOfUser();
  return user;
}
function statOfUser(): { uid: number; gid: number } {
  const { uid, gid } = statSync('/etc/frr');
  return { uid, gid };
}

/** FRR names the well-known ones. */
function frrCommunity(text: string): string {
  return text === 'gracefulShutdown' || text === 'graceful-shutdown' ? '65535:0' : text;
}

export class GoBgpPeer extends BgpPeer {
  override readonly sulks = true;

  override launch(): Program {
    const { holdTime = 9, gracefulRestart = false, expectedAs, active = false } = this.options;
    const peers = names.map(name => {
      const { ours, ourAs } = sessions[name];
      const as = name === 'outer4' ? (expectedAs ?? ourAs) : ourAs;
      const families = ['ipv4-unicast', 'ipv6-unicast'].map(
        family => `  [[neighbors.afi-safis]]
    [neighbors.afi-safis.config]
      afi-safi-name = "${family}"
${gracefulRestart ? '    [neighbors.afi-safis.mp-graceful-restart.config]\n      enabled = true\n' : ''}`,
      );
      return `[[neighbors]]
  [neighbors.config]
    neighbor-address = "${ours}"
    peer-as = ${as}
  [neighbors.timers.config]
    hold-time = ${holdTime}
    keepalive-interval = ${holdTime / 3}
    connect-retry = 1
  [neighbors.transport.config]
    passive-mode = ${!(active && name === 'outer4')}
    local-address = "${sessions[name].router}"
${gracefulRestart ? '  [neighbors.graceful-restart.config]\n    enabled = true\n    restart-time = 60\n' : ''}${families.join('')}`;
    });
    writeFileSync(
      this.file('gobgpd.toml'),
      this.options.text ??
        `[global.config]
  as = ${routerAs}
  router-id = "10.99.0.1"
${peers.join('')}`,
    );
    return this.begin('gobgpd', ['-f', this.file('gobgpd.toml'), '-t', 'toml', '--log-plain', '-l', 'debug']);
  }
  async gobgp(...words: readonly string[]): Promise<string> {
    return await this.ask('gobgp', ...words);
  }
  override async ready(): Promise<boolean> {
    const { code, stdout } = await run('gobgp', ['neighbor'], { namespace: this.namespace.pid });
    return code === 0 && stdout.includes(sessions.outer4.ours);
  }
  override async routes(): Promise<readonly SeenRoute[]> {
    const found: SeenRoute[] = [];
    for (const family of ['ipv4', 'ipv6']) {
      const table = JSON.parse((await this.gobgp('global', 'rib', '-a', family, '-j')) || '{}') as Json;
      for (const [prefix, paths] of Object.entries(table ?? {})) {
        for (const path of listOf(paths as Json)) found.push(goBgpRoute(prefix, path));
      }
    }
    return found;
  }
  override async established(name: PeerSession): Promise<boolean> {
    return /state = ESTABLISHED|established/.test(await this.gobgp('neighbor', sessions[name].ours));
  }
  override async refresh(): Promise<void> {
    for (const { ours } of Object.values(sessions)) await this.gobgp('neighbor', ours, 'softresetin');
  }
  override async reset(): Promise<void> {
    // Its own `reset` keeps it idle for 30 s.
    await this.gobgp('neighbor', sessions.outer4.ours, 'disable');
    await this.gobgp('neighbor', sessions.outer4.ours, 'enable');
  }
  override async lastError(): Promise<string> {
    return this.log;
  }
}

function goBgpRoute(prefix: string, path: Json): SeenRoute {
  const attributes = new Map(listOf(at(path, 'attrs')).map(each => [numberOf(at(each, 'type')), each]));
  const of = (type: number, key = 'value') => at(attributes.get(type), key);
  return {
    prefix,
    med: numberOf(of(4, 'metric')),
    localPreference: numberOf(of(5)),
    communities: listOf(of(8, 'communities'))
      .map(each => numberOf(each) ?? 0)
      .map(each => `${Math.floor(each / 65_536)}:${each % 65_536}`)
      .sort(),
    largeCommunities: listOf(of(32))
      .map(each => `${at(each, 'ASN')}:${at(each, 'LocalData1')}:${at(each, 'LocalData2')}`)
      .sort(),
    path: listOf(of(2, 'as_paths')).flatMap(segment =>
      listOf(at(segment, 'asns')).map(each => numberOf(each) ?? 0),
    ),
    nextHop: textOf(of(3, 'nexthop')) || textOf(of(14, 'nexthop')),
  };
}
