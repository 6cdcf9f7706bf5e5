/**
 * Announces through ExaBGP, which runs as a child: each attempt compares what is wanted with what ExaBGP has for each neighbour
 * (`show adj-rib out extensive`), and says what differs. ExaBGP ends when Chorus dies or its control loop is not well.
 */
import type { z } from 'zod';
import { ChorusError } from '#kit/errors.ts';
import { isIpv6 } from '#net/address.ts';
import { type Announcement, formatPrefix, sameAttributes } from '../../announcement.ts';
import type { DriverReport, DriverWorld, RouteDriver } from '../../driver.ts';
import { type Outcome, Reconciler } from '../reconciler.ts';
import { announceCommand, type NeighborRoute, parseAdjRib, withdrawCommand } from './answers.ts';
import { Child } from './child.ts';
import type { exabgpOptions } from './options.ts';

type Options = z.output<typeof exabgpOptions>;
type Neighbor = Options['neighbors'][number];

const daemon = 'ExaBGP';
/** How soon to look again, ms: without a session, and when all is well. */
const again = { soon: 1_000, well: 5_000 } as const;

/** An ExaBGP that ends sooner than this is started again later and later, ms. */
const shortLife = 30_000;
const restart = { first: 500, most: 10_000 } as const;

/** Makes the driver for ExaBGP. */
export function exabgp(options: Options, world: DriverWorld): RouteDriver {
  return new ExabgpDriver(options, world);
}

class ExabgpDriver implements RouteDriver {
  readonly #options: Options;
  readonly #world: DriverWorld;
  readonly #reconciler: Reconciler;
  #child: Child | undefined;
  #starting: Promise<Child> | undefined;
  /** Short lives in a row, and when the next may begin. */
  #short = 0;
  #notBefore = 0;

  constructor(options: Options, world: DriverWorld) {
    this.#options = options;
    this.#world = world;
    this.#reconciler = new Reconciler(
      world,
      (wanted, signal) => this.#attempt(wanted, signal),
      () => !this.#child || this.#child.ended !== undefined,
    );
  }

  want(announcements: readonly Announcement[]): void {
    this.#reconciler.want(announcements);
  }

  beat(): void {
    this.#child?.beat();
  }

  report(): DriverReport {
    return this.#reconciler.report();
  }

  close(patience: number): Promise<void> {
    return this.#reconciler.close(patience, async () => {
      await this.#starting?.catch(() => {});
      await this.#child?.stop();
      this.#child = undefined;
    });
  }

  async #attempt(wanted: readonly Announcement[], signal: AbortSignal): Promise<Outcome> {
    const child = await this.#living(signal);
    const there = parseAdjRib(await child.ask('show adj-rib out extensive'));
    const target = this.#targets(wanted);
    const commands: string[] = [];
    for (const { neighbor, prefix } of there)
      if (!target.has(keyOf({ neighbor, prefix }))) commands.push(withdrawCommand(neighbor, prefix));
    const standing = new Map(there.map(route => [keyOf(route), route]));
    for (const [key, { route, nextHop, external }] of target) {
      const has = standing.get(key);
      if (!has || !sameAttributes(has.attributes, route.attributes))
        commands.push(announceCommand(route, { nextHop, external, as: this.#options['local-as'] }));
    }
    for (const command of commands) await child.ask(command);
    const now = commands.length === 0 ? there : parseAdjRib(await child.ask('show adj-rib out extensive'));
    return this.#outcome(child, now, wanted);
  }

  /** The child; started anew where it has ended. */
  async #living(signal: AbortSignal): Promise<Child> {
    const before = this.#child?.ended;
    if (this.#child && !before) return this.#child;
    if (before && this.#world.now() < this.#notBefore) throw before;
    this.#child = undefined;
    const { program, lifetime, timeout, neighbors } = this.#options;
    this.#starting = Child.start(
      {
        program,
        lifetime,
        timeout,
        configuration: {
          as: this.#options['local-as'],
          routerId: this.#options['router-id'],
          holdTime: this.#options['hold-time'],
          neighbors: neighbors.map(({ address, 'peer-as': as, 'local-address': local }) => ({
            address,
            as,
            local,
          })),
        },
      },
      this.#world,
      signal,
    );
    const child = await this.#starting.finally(() => {
      this.#starting = undefined;
    });
    this.#child = child;
    const begun = this.#world.now();
    child.beat();
    child.onChange = () => {
      const problem = child.ended;
      if (problem) {
        this.#short = this.#world.now() - begun < shortLife ? this.#short + 1 : 0;
        const pause =
          this.#short < 2 ? 0 : Math.min(restart.first * 2 ** Math.min(this.#short, 10), restart.most);
        this.#notBefore = this.#world.now() + pause;
        this.#world.onNotice('warn', 'ExaBGP has ended; it is started again', { reason: problem.message });
        this.#reconciler.tell({
          state: 'connecting',
          detail: problem.message,
          problem,
          warnings: [],
          routes: [],
        });
      }
      this.#reconciler.hasten(20);
    };
    return child;
  }

  /** What each neighbour is to be told, by neighbour and prefix. */
  #targets(
    wanted: readonly Announcement[],
  ): ReadonlyMap<string, { route: NeighborRoute; nextHop: string; external: boolean }> {
    const targets = new Map<string, { route: NeighborRoute; nextHop: string; external: boolean }>();
    for (const neighbor of this.#options.neighbors) {
      for (const { prefix, attributes } of wanted) {
        const nextHop = this.#nextHop(neighbor, prefix.address);
        if (nextHop === undefined) continue;
        const external = neighbor['peer-as'] !== this.#options['local-as'];
        const route: NeighborRoute = {
          neighbor: neighbor.address,
          prefix,
          attributes: { ...attributes, prepend: external ? attributes.prepend : 0 },
        };
        targets.set(keyOf(route), { route, nextHop, external });
      }
    }
    return targets;
  }

  /** Undefined where the session has no next hop of the address's family. */
  #nextHop(neighbor: Neighbor, address: string): string | undefined {
    const local = neighbor['local-address'];
    const given = this.#options['next-hop']?.find(each => isIpv6(each) === isIpv6(address));
    return isIpv6(local) === isIpv6(address) ? local : given;
  }

  #outcome(child: Child, there: readonly NeighborRoute[], wanted: readonly Announcement[]): Outcome {
    const { neighbors } = this.#options;
    const up = neighbors.filter(({ address }) => child.up.has(address));
    const away = neighbors.find(({ address }) => !child.up.has(address));
    const external = new Set(
      neighbors.filter(({ 'peer-as': as }) => as !== this.#options['local-as']).map(({ address }) => address),
    );
    const routes = wanted.flatMap(({ prefix, attributes }) => {
      const standing = there.filter(
        route => child.up.has(route.neighbor) && formatPrefix(route.prefix) === formatPrefix(prefix),
      );
      // What an external neighbour is told says more: the path.
      const best = standing.find(({ neighbor }) => external.has(neighbor)) ?? standing[0];
      if (!best) return [];
      const prepend = external.has(best.neighbor) ? best.attributes.prepend : attributes.prepend;
      return [{ prefix, attributes: { ...best.attributes, prepend } }];
    });
    const problem =
      up.length === 0 && away
        ? new ChorusError('ROUTE_SESSION', { daemon, peer: away.address, local: away['local-address'] })
        : null;
    return {
      state: up.length === 0 ? 'connecting' : 'up',
      detail: `ExaBGP: ${up.length} of ${neighbors.length} sessions established, hold time ${this.#options['hold-time']} s`,
      problem,
      warnings: this.#warnings(wanted),
      routes,
      again: up.length === 0 ? again.soon : again.well,
    };
  }

  #warnings(wanted: readonly Announcement[]): string[] {
    const warnings: string[] = [];
    for (const neighbor of this.#options.neighbors) {
      const lacking = wanted.find(({ prefix }) => this.#nextHop(neighbor, prefix.address) === undefined);
      if (lacking)
        warnings.push(
          `${formatPrefix(lacking.prefix)} is not announced to ${neighbor.address}: set a \`next-hop\` of its family`,
        );
    }
    return warnings;
  }
}

function keyOf({ neighbor, prefix }: Pick<NeighborRoute, 'neighbor' | 'prefix'>): string {
  return `${neighbor} ${formatPrefix(prefix)}`;
}
