/**
 * A router beside the software under test: BIRD in a network namespace of its own, with a cable between. It takes whatever it
 * is told over two sessions, keeps each in tables of its own, and remembers every change with its time.
 *
 * Both ends have two addresses: on one pair the router is of another AS (`outer`), on the other of the same (`inner`), so that
 * one can see MED, communities and the path, and local preference too.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { addAddress, Namespace } from './isolate.ts';
import { must, Program, run, temporaryFolder } from './process.ts';

/** What both ends are called. The software under test has the addresses `…2`, the router `…1`. */
export const session = {
  outer: { router: '10.99.0.1', ours: '10.99.0.2', routerAs: 65000 },
  inner: { router: '10.99.1.1', ours: '10.99.1.2', routerAs: 65001 },
  ourAs: 65001,
  /** Next hop of what is announced with IPv6. */
  ours6: 'fd99::2',
  router6: 'fd99::1',
} as const;

export type SessionName = 'outer' | 'inner';

/** A route that the router was told of. */
export type SeenRoute = {
  readonly prefix: string;
  readonly med: number | null;
  /** What the router uses: 100 where it was told none. */
  readonly localPreference: number | null;
  readonly communities: readonly string[];
  readonly largeCommunities: readonly string[];
  readonly path: readonly number[];
  readonly nextHop: string;
};

/** A change of the router's table. `at` in ms since 1970, by the same clock as Date.now(). */
export type RouterEvent = {
  readonly at: number;
  readonly session: SessionName;
  readonly prefix: string;
  readonly kind: 'added' | 'replaced' | 'removed';
};

export type RouterOptions = {
  /** The router's end of BIRD's `graceful restart`. Default: off. */
  readonly gracefulRestart?: 'off' | 'aware' | 'on';
  /** s. Default: 9. */
  readonly holdTime?: number;
  /** The interface on the side of the software under test. */
  readonly link?: string;
};

export class Router {
  readonly namespace: Namespace;
  readonly #folder: string;
  #program: Program;
  /** What earlier processes said. */
  #past = '';

  private constructor(namespace: Namespace, folder: string) {
    this.namespace = namespace;
    this.#folder = folder;
    this.#program = this.#launch();
  }

  /** Lays the cable, gives both ends their addresses, and starts the router. The test must be isolated. */
  static async start(options: RouterOptions = {}): Promise<Router> {
    const namespace = await Namespace.make();
    const link = options.link ?? 'uplink';
    await namespace.cable(link, 'downlink');
    for (const address of [`${session.outer.ours}/24`, `${session.inner.ours}/24`, `${session.ours6}/64`])
      await addAddress(link, address);
    for (const address of [
      `${session.outer.router}/24`,
      `${session.inner.router}/24`,
      `${session.router6}/64`,
    ])
      await addAddress('downlink', address, namespace.pid);
    const folder = temporaryFolder('router');
    writeFileSync(join(folder, 'bird.conf'), configuration(options));
    const router = new Router(namespace, folder);
    await router.#program.until('its control socket', () => router.birdc('show', 'status'));
    return router;
  }

  get program(): Program {
    return this.#program;
  }

  /** Asks it through birdc; fails where birdc does. */
  async birdc(...words: readonly string[]): Promise<string> {
    return await must('birdc', ['-s', join(this.#folder, 'ctl'), words.join(' ')]);
  }

  /** What it knows from one session now. */
  async routes(name: SessionName = 'outer'): Promise<readonly SeenRoute[]> {
    const texts = [];
    for (const family of [4, 6])
      texts.push(await this.birdc('show', 'route', 'table', `${name}${family}`, 'all'));
    return texts.flatMap(seenRoutes);
  }

  /** Whether a session is established. */
  async established(name: SessionName = 'outer'): Promise<boolean> {
    return /\bEstablished\b/.test(await this.birdc('show', 'protocols', name));
  }

  /** All changes since its start, in order. */
  get events(): readonly RouterEvent[] {
    const found: RouterEvent[] = [];
    const there = new Set<string>();
    for (const line of (this.#past + this.#program.stderr).split('\n')) {
      const [, day, time, name, kind, prefix] =
        /^(\S+) (\S+) <TRACE> (outer|inner)\.ipv[46] > (added|replaced|updated|removed) \[\w+\] (\S+)/.exec(
          line,
        ) ?? [];
      if (prefix === undefined || (name !== 'outer' && name !== 'inner')) continue;
      const key = `${name} ${prefix}`;
      found.push({
        at: new Date(`${day}T${time}`).getTime(),
        session: name,
        prefix,
        // BIRD calls a route added that takes another's place.
        kind: kind === 'removed' ? 'removed' : there.has(key) ? 'replaced' : 'added',
      });
      if (kind === 'removed') there.delete(key);
      else there.add(key);
    }
    return found;
  }

  /** Breaks a session and lets it come again: the peer is told "administrative reset". */
  async reset(name: SessionName = 'outer'): Promise<void> {
    await this.birdc('restart', name);
  }

  /** Ends it without a word to anyone. */
  async kill(): Promise<void> {
    await this.#program.kill();
  }

  /** Starts it after `kill`. */
  async restart(): Promise<void> {
    this.#past += this.#program.stderr;
    this.#program = this.#launch();
    await this.#program.until('its control socket', () => this.birdc('show', 'status'));
  }

  async stop(): Promise<void> {
    await this.#program.stop();
    await this.namespace.stop();
    // The cable goes with the namespace, a moment later: a next one would find its name taken.
    await run('ip', ['link', 'delete', 'uplink']);
  }

  #launch(): Program {
    const args = ['-f', '-c', join(this.#folder, 'bird.conf'), '-s', join(this.#folder, 'ctl')];
    return new Program('bird', args, { namespace: this.namespace.pid });
  }
}

function configuration({ gracefulRestart = 'off', holdTime = 9 }: RouterOptions): string {
  const peer = (name: SessionName) => `
ipv4 table ${name}4;
ipv6 table ${name}6;
protocol bgp ${name} {
  local ${session[name].router} as ${session[name].routerAs};
  neighbor ${session[name].ours} as ${session.ourAs};
  passive; hold time ${holdTime}; error wait time 1,2; graceful restart ${gracefulRestart};
  ipv4 { table ${name}4; import all; export none; };
  ipv6 { table ${name}6; import all; export none; };
}`;
  return `log stderr all;
debug protocols { states, routes };
router id ${session.outer.router};
timeformat log iso long ms;
timeformat route iso long ms;
protocol device { }
${peer('outer')}
${peer('inner')}
`;
}

/** Takes `show route all` of BIRD 2 apart. */
export function seenRoutes(text: string): SeenRoute[] {
  const routes: SeenRoute[] = [];
  let prefix = '';
  for (const block of text.split(/\n(?=\S)/)) {
    prefix = /^([0-9a-f.:]+\/\d+) /.exec(block)?.[1] ?? prefix;
    const of = (name: string) => new RegExp(`^\\s+BGP\\.${name}: (.*)$`, 'm').exec(block)?.[1]?.trim();
    const numbers = (name: string) => [...(of(name) ?? '').matchAll(/\d+/g)].map(match => Number(match[0]));
    const tuples = (name: string) =>
      [...(of(name) ?? '').matchAll(/\(([^)]*)\)/g)].map(match =>
        match[1]!.replaceAll(' ', '').replaceAll(',', ':'),
      );
    if (of('next_hop') === undefined) continue;
    routes.push({
      prefix,
      med: numbers('med')[0] ?? null,
      localPreference: numbers('local_pref')[0] ?? null,
      communities: tuples('community').sort(),
      largeCommunities: tuples('large_community').sort(),
      path: numbers('as_path'),
      nextHop: of('next_hop')!.split(' ')[0]!,
    });
  }
  return routes;
}
