/**
 * Announces through FRR: `network PREFIX route-map CHORUS-…` under `router bgp`, written and read back with vtysh, in the
 * running configuration alone. A connection to bgpd's own socket is held open: its end tells at once that bgpd has gone.
 */
import type { Socket } from 'node:net';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import type { z } from 'zod';
import { ChorusError } from '#kit/errors.ts';
import { formatBlock, parseBlock } from '#net/address.ts';
import { type Announcement, formatPrefix } from '../../announcement.ts';
import type { DriverReport, DriverWorld, RouteDriver } from '../../driver.ts';
import { connectTo } from '../local-socket.ts';
import { inOneLine, inTurn, type Ran, runProgram } from '../program.ts';
import { type Outcome, Reconciler, type StandingRoute, withoutDefaults } from '../reconciler.ts';
import {
  changeOf,
  type Instance,
  jsonDocuments,
  type Neighbor,
  parseNeighbors,
  parsePath,
  parseRunningConfig,
  type RunningConfig,
} from './grammar.ts';
import type { frrOptions } from './options.ts';

type Options = z.output<typeof frrOptions>;

const daemon = 'FRR';
/** How soon to look again, ms: while bgpd is away, while it is on its way, and when all is well. */
const again = { away: 250, soon: 1_000, well: 5_000 } as const;
/** How often a command is given again while another holds the configuration, and after how long, ms. */
const lock = { tries: 20, least: 20, most: 150 } as const;

/** How often it is written in one attempt, while what is read back is not what was meant. */
const rounds = 2;

/** What was read in one go. */
type Seen = {
  readonly config: RunningConfig;
  readonly neighbors: readonly Neighbor[];
  readonly routes: readonly StandingRoute[];
};

/** Makes the driver for FRR. */
export function frr(options: Options, world: DriverWorld): RouteDriver {
  return new FrrDriver(options, world);
}

class FrrDriver implements RouteDriver {
  readonly #options: Options;
  readonly #world: DriverWorld;
  readonly #instance: Instance;
  readonly #owner: string;
  readonly #socketPath: string;
  readonly #reconciler: Reconciler;
  #socket: Socket | undefined;
  /** As last read; undefined when it may have changed. */
  #seen: Seen | undefined;

  constructor(options: Options, world: DriverWorld) {
    this.#options = options;
    this.#world = world;
    this.#instance = { as: options['local-as'], vrf: options.vrf ?? null };
    this.#owner = `CHORUS-${world.name}-`;
    this.#socketPath = join(options['socket-dir'], 'bgpd.vty');
    this.#reconciler = new Reconciler(world, (wanted, signal) => this.#attempt(wanted, signal));
  }

  want(announcements: readonly Announcement[]): void {
    this.#reconciler.want(announcements);
  }

  beat(): void {}

  report(): DriverReport {
    return this.#reconciler.report();
  }

  close(patience: number): Promise<void> {
    return this.#reconciler.close(patience, () => {
      this.#socket?.removeAllListeners('close').destroy();
    });
  }

  async #attempt(wanted: readonly Announcement[], signal: AbortSignal): Promise<Outcome> {
    try {
      await this.#connect(signal);
    } catch (error) {
      if (!(error instanceof ChorusError)) throw error;
      return away(error);
    }
    let fresh = this.#seen === undefined;
    let seen = this.#seen ?? (await this.#read(wanted, signal));
    this.#seen = undefined;
    let fault: ChorusError | undefined;
    // What was read a while ago may not be so any more: it says what to write first, never that all is well.
    for (let round = 1; ; round++) {
      if (!seen.config.found) return this.#noInstance(seen.config);
      const refusal = this.#refusal(seen);
      const allowed = refusal === null ? wanted : [];
      const { commands, foreign } = changeOf(seen.config, allowed, this.#instance, this.#owner);
      if (commands.length === 0 && fresh) {
        this.#seen = seen;
        return this.#outcome(seen, wanted, foreign, refusal);
      }
      if (round > rounds) throw fault ?? refused(commands, 'nothing, but what it has is something else');
      if (commands.length > 0) fault = await this.#write(commands, signal);
      seen = await this.#read(wanted, signal);
      fresh = true;
    }
  }

  #noInstance({ instances }: RunningConfig): Outcome {
    const found = instances.length === 0 ? 'it speaks no BGP' : `it has ${instances.join(', ')}`;
    const { as, vrf } = this.#instance;
    const problem = new ChorusError('ROUTE_AS', {
      daemon,
      as: vrf === null ? as : `${as} vrf ${vrf}`,
      found,
    });
    return { ...away(problem), state: 'failed', again: again.soon };
  }

  /** Why nothing may be announced at all. */
  #refusal({ config, neighbors }: Seen): ChorusError | null {
    const keeper = neighbors.find(({ established, keeps }) => established && keeps !== null);
    if (keeper && this.#options['stale-routes'] === 'refuse')
      return new ChorusError('ROUTE_STALE', { daemon, reason: staleText(keeper) });
    const { lease } = this.#options;
    if (lease !== undefined && !config.importCheck)
      return new ChorusError('ROUTE_UNGUARDED', {
        daemon,
        interface: lease,
        reason: '`no bgp network import-check` is set',
      });
    return null;
  }

  #outcome(
    { neighbors, routes, config }: Seen,
    wanted: readonly Announcement[],
    foreign: readonly { prefix: string; what: string }[],
    refusal: ChorusError | null,
  ): Outcome {
    const sessions = neighbors.filter(({ established }) => established).length;
    const alien = foreign[0];
    const here = new Set(routes.map(({ prefix }) => formatPrefix(prefix)));
    const missing = wanted.find(({ prefix }) => !here.has(formatPrefix(prefix)));
    const problem =
      refusal ??
      (alien
        ? new ChorusError('ROUTE_FOREIGN', { daemon, ...alien })
        : missing
          ? new ChorusError('ROUTE_NOT_TAKEN', {
              daemon,
              prefix: formatPrefix(missing.prefix),
              reason: this.#options.lease
                ? `${this.#options.lease} does not have the address now`
                : 'its routing table has no route for it, and `bgp network import-check` asks for one',
            })
          : null);
    const version = config.version === null ? '' : ` ${config.version}`;
    const detail =
      sessions === 0
        ? `FRR${version}, AS ${this.#instance.as}: no neighbour is established`
        : `FRR${version}, AS ${this.#instance.as}: ${sessions} of ${neighbors.length} neighbours established`;
    return {
      state: refusal ? 'failed' : sessions === 0 ? 'connecting' : 'up',
      detail,
      problem,
      warnings: this.#warnings(neighbors, wanted),
      routes: sessions === 0 ? [] : routes,
      again: sessions === 0 || problem ? again.soon : again.well,
    };
  }

  #warnings(neighbors: readonly Neighbor[], wanted: readonly Announcement[]): string[] {
    const { lease } = this.#options;
    const warnings = neighbors
      .filter(({ established, keeps }) => established && keeps !== null)
      .map(staleText)
      .slice(0, 3);
    if (lease === undefined)
      warnings.push(
        'FRR goes on announcing when Chorus dies (kill -9) or hangs: set `lease`, or use a `lease` or `bgp` driver',
      );
    for (const { prefix } of lease === undefined ? [] : wanted) {
      const written = formatPrefix(prefix);
      const other = connectedTo(written).find(name => name !== lease);
      if (other !== undefined)
        warnings.push(`${other} has ${written} too: FRR announces it even when ${lease} has lost it`);
    }
    return warnings;
  }

  /** Holds a connection to bgpd open. */
  async #connect(signal: AbortSignal): Promise<void> {
    if (this.#socket) return;
    this.#seen = undefined;
    const socket = await connectTo(this.#socketPath, daemon, signal);
    this.#socket = socket;
    socket.resume();
    socket.once('close', () => {
      this.#socket = undefined;
      this.#seen = undefined;
      const reason = 'bgpd has ended';
      this.#reconciler.tell(
        away(new ChorusError('ROUTE_DAEMON_UNREACHABLE', { daemon, where: this.#socketPath, reason })),
      );
      this.#reconciler.hasten(50);
    });
  }

  async #read(wanted: readonly Announcement[], signal: AbortSignal): Promise<Seen> {
    const bgp = this.#instance.vrf === null ? 'show bgp' : `show bgp vrf ${this.#instance.vrf}`;
    const prefixes = wanted.map(({ prefix }) => formatPrefix(prefix));
    const commands = [
      'show running-config',
      `${bgp} neighbors json`,
      ...prefixes.map(prefix => `${bgp} ${prefix.includes(':') ? 'ipv6' : 'ipv4'} unicast ${prefix} json`),
    ];
    const { stdout, stderr } = await this.#vtysh(commands, signal);
    const config = parseRunningConfig(stdout, this.#instance);
    const [first, ...others] = jsonDocuments(stdout.slice(stdout.indexOf('\nend\n')));
    // Without the instance there are no neighbours to show, and vtysh says so instead.
    const neighbors = config?.found === false ? [] : parseNeighbors(first);
    if (config === null || neighbors === null)
      throw new ChorusError('ROUTE_DAEMON_UNKNOWN', {
        daemon,
        command: commands[0] ?? '',
        said: inOneLine(stderr || stdout.slice(-200)) || 'nothing',
      });
    const byPrefix = new Map(wanted.map(announcement => [formatPrefix(announcement.prefix), announcement]));
    const routes = others.flatMap(document => {
      const found = parsePath(document);
      const announcement = found === null ? undefined : byPrefix.get(found.prefix);
      if (!found || !announcement) return [];
      // FRR gives its own routes MED 0 and LOCAL_PREF 100 where nothing is set.
      const attributes = withoutDefaults(found.attributes, announcement.attributes, {
        med: 0,
        localPreference: 100,
      });
      return [{ prefix: announcement.prefix, attributes }];
    });
    return { config, neighbors, routes };
  }

  /** Gives what FRR complained of; undefined when it took all. */
  async #write(commands: readonly string[], signal: AbortSignal): Promise<ChorusError | undefined> {
    for (let tries = 1; ; tries++) {
      const { code, stdout, stderr } = await this.#vtysh(commands, signal);
      if (code === 0) return undefined;
      const said = inOneLine(stdout + stderr);
      // FRR 9 and later: "could not lock candidate DS", "could not lock running DS"; earlier: "locked by other VTY".
      if (!/\block/i.test(said) || tries >= lock.tries) return refused(commands, said);
      await new Promise<void>(resolve => {
        this.#world.wait(lock.least + this.#world.random(lock.most - lock.least), resolve);
      });
    }
  }

  #vtysh(commands: readonly string[], signal: AbortSignal): Promise<Ran> {
    const { vtysh, timeout, 'socket-dir': folder } = this.#options;
    // To bgpd alone: the other daemons, FRR's manager among them, have nothing to do with it.
    const args = ['-d', 'bgpd', '--vty_socket', folder, ...commands.flatMap(command => ['-c', command])];
    return inTurn(`vtysh ${folder}`, () => runProgram(vtysh, args, { timeout, signal, daemon }));
  }
}

function refused(commands: readonly string[], said: string): ChorusError {
  return new ChorusError('ROUTE_DAEMON_REFUSED', { daemon, command: commands.slice(1).join(' / '), said });
}

function away(problem: ChorusError): Outcome {
  return {
    state: problem.code === 'ROUTE_DAEMON_PERMISSION' ? 'failed' : 'connecting',
    detail: problem.message,
    problem,
    warnings: [],
    routes: [],
    unread: problem.code !== 'ROUTE_DAEMON_UNREACHABLE' && problem.code !== 'ROUTE_AS',
    again: again.away,
  };
}

function staleText({ address, keeps }: Neighbor): string {
  return `graceful restart is agreed on with ${address}: when bgpd dies, that neighbour keeps our routes for up to ${keeps} s`;
}

/** Interfaces of this machine by which it is connected to a prefix, and so has a route for it. */
function connectedTo(prefix: string): string[] {
  return Object.entries(networkInterfaces()).flatMap(([name, list]) =>
    list?.some(({ cidr }) => {
      const block = cidr === null ? undefined : parseBlock(cidr);
      return block !== undefined && formatBlock(block) === prefix;
    })
      ? [name]
      : [],
  );
}
