/** When a route appears at a router and when it vanishes: the kernel's own notices, with the time of each. */
import type { Host } from './host.ts';
import { poll } from './poll.ts';
import type { Program } from './program.ts';

/** What stood in the routing table from one moment on: the next hops of a prefix, none when it is not there. */
export type Change = { readonly at: number; readonly prefix: string; readonly hops: ReadonlySet<string> };

/** Watches one router's table. Times are ms since 1970, with fractions. */
export class RouteWatch {
  readonly #router: Host;
  readonly #program: Program;
  readonly #changes: Change[] = [];
  readonly #now = new Map<string, ReadonlySet<string>>();
  #parsed = 0;
  #marks = 0;

  private constructor(router: Host, program: Program) {
    this.#router = router;
    this.#program = program;
  }

  /** Begin it before the routes that it is to see. */
  static async start(router: Host): Promise<RouteWatch> {
    // It says when it is ready by telling of an address that comes and goes.
    const program = router.start('ip', ['-ts', 'monitor', 'route', 'address'], { env: { TZ: 'UTC' } });
    const watch = new RouteWatch(router, program);
    await watch.caughtUp();
    return watch;
  }

  /** Waits until all is known that the kernel has done so far: what is not there then was not there when this was called. */
  async caughtUp(): Promise<void> {
    const mark = `127.9.9.${++this.#marks}`;
    await this.#program.until('a notice of the kernel', async () => {
      await this.#router.run('ip', ['address', 'add', `${mark}/32`, 'dev', 'lo']);
      await this.#router.run('ip', ['address', 'del', `${mark}/32`, 'dev', 'lo']);
      return this.#program.stdout.includes(`${mark}/`);
    });
  }

  /** All changes of a prefix so far, oldest first. A host route is named without its length, as ip(8) does. */
  changes(prefix: string): readonly Change[] {
    this.#parse();
    return this.#changes.filter(change => change.prefix === prefix);
  }

  /** The next hops of a prefix now. */
  hops(prefix: string): ReadonlySet<string> {
    this.#parse();
    return this.#now.get(prefix) ?? new Set();
  }

  /** Waits for the first change after `since` from which on a prefix has this next hop (or any); gives when. */
  appears(prefix: string, hop: string | undefined, since: number, deadline = 30_000): Promise<number> {
    return this.#first(`${prefix} by way of ${hop ?? 'anybody'}`, prefix, since, deadline, hops =>
      hop === undefined ? hops.size > 0 : hops.has(hop),
    );
  }

  /** Waits for the first change after `since` from which on a prefix no longer has this next hop (or none at all); gives when. */
  vanishes(prefix: string, hop: string | undefined, since: number, deadline = 30_000): Promise<number> {
    return this.#first(`${prefix} not by way of ${hop ?? 'anybody'}`, prefix, since, deadline, hops =>
      hop === undefined ? hops.size === 0 : !hops.has(hop),
    );
  }

  /** All changes of a prefix, for a failure message. */
  story(prefix: string): string {
    const lines = this.changes(prefix).map(
      ({ at, hops }) => `${new Date(at).toISOString()} ${prefix} by ${[...hops].join(' and ') || 'nobody'}`,
    );
    return lines.join('\n') || `${prefix} was never there`;
  }

  async stop(): Promise<void> {
    await this.#program.stop();
  }

  #first(
    what: string,
    prefix: string,
    since: number,
    deadline: number,
    is: (hops: ReadonlySet<string>) => boolean,
  ): Promise<number> {
    return poll(what, () => this.changes(prefix).find(({ at, hops }) => at >= since && is(hops))?.at, {
      deadline,
      every: 10,
      explain: () => `since ${new Date(since).toISOString()}\n${this.story(prefix)}\n${this.#program.log}`,
    });
  }

  /** Reads the whole lines that came since the last time. */
  #parse(): void {
    const text = this.#program.stdout;
    const end = text.lastIndexOf('\n') + 1;
    const fresh = text.slice(this.#parsed, end);
    this.#parsed = end;
    // A route with several next hops goes on over lines that begin with a blank.
    for (const [, stamp, rest = ''] of fresh.matchAll(/^\[(\S+)\] (.*(?:\n[\t ].*)*)/gm)) {
      const at = Date.parse(`${stamp?.slice(0, 23)}Z`) + Number(stamp?.slice(23) ?? 0) / 1000;
      const gone = rest.startsWith('Deleted ');
      const route = gone ? rest.slice(8) : rest;
      const prefix = /^(?:unicast )?([0-9a-f.:]+(?:\/\d+)?) /.exec(route)?.[1];
      if (prefix === undefined) continue;
      const hops = new Set([...route.matchAll(/ via (?:inet6 )?(\S+)/g)].map(([, hop]) => hop!));
      if (hops.size === 0 && !gone) continue;
      // The end of a route names all its next hops, or for IPv6 one of several.
      const before = this.#now.get(prefix) ?? new Set();
      const left = hops.size === 0 ? new Set<string>() : before.difference(hops);
      this.#note(at, prefix, gone ? left : hops);
    }
  }

  #note(at: number, prefix: string, hops: ReadonlySet<string>): void {
    this.#now.set(prefix, hops);
    this.#changes.push({ at, prefix, hops });
  }
}
