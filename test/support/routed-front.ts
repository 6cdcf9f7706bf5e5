/** Chorus as a front of `farm-net.ts`: at the service addresses, with the nodes behind it, and something that announces. */
import { fileURLToPath } from 'node:url';
import { stringify } from 'yaml';
import type { RoutesStatus } from '#route/report.ts';
import { nodeAddress, nodeAddress6 } from './farm-net.ts';
import type { Host } from './host.ts';
import { poll } from './poll.ts';
import type { Program, Result } from './program.ts';

/** The start script of this checkout, or what the environment variable CHORUS names. */
export const chorusCommand =
  process.env.CHORUS ?? fileURLToPath(new URL('../../bin/chorus', import.meta.url));

/** What differs from `basics` in a front's configuration. */
export type FrontConfig = Readonly<Record<string, unknown>>;

/** A front with these nodes (by number) behind it; probes are quick, so that tests are. */
export function basics(nodes: readonly number[], family: 'ipv4' | 'ipv6' = 'ipv4'): FrontConfig {
  return {
    listen: ['0.0.0.0:53', '[::]:53'],
    allow: ['10.0.0.0/8', '2001:db8::/32'],
    api: '127.0.0.1:8053',
    workers: 1,
    pools: { default: pool(nodes, family) },
  };
}

/** A pool of nodes by number. */
export function pool(nodes: readonly number[], family: 'ipv4' | 'ipv6' = 'ipv4') {
  return {
    probe: { name: 'probe.wild.lab.internal', interval: '200ms', timeout: '200ms' },
    backends: nodes.map(node => ({
      name: `node${node}`,
      address: family === 'ipv4' ? nodeAddress(node) : nodeAddress6(node),
    })),
  };
}

/** `chorus serve` on a host of the farm. */
export class RoutedFront {
  readonly host: Host;
  #program: Program;
  readonly #file: string;

  private constructor(host: Host, file: string, program: Program) {
    this.host = host;
    this.#file = file;
    this.#program = program;
  }

  /** Starts it from a value, or from a file as it stands, by way of another program where `by` names one. Does not wait. */
  static launch(host: Host, config: FrontConfig | string, by: readonly string[] = []): RoutedFront {
    const file =
      typeof config === 'string' ? config : host.write('/run/chorus/chorus.yaml', stringify(config));
    return new RoutedFront(host, file, launch(host, file, by));
  }

  get program(): Program {
    return this.#program;
  }

  /** Starts it again after its end, with the same configuration or another. */
  relaunch(config?: FrontConfig): void {
    if (config !== undefined) this.host.write('/run/chorus/chorus.yaml', stringify(config));
    this.#program = launch(this.host, this.#file);
  }

  /** Waits until it serves; fails with its log when it ends before. */
  async ready(): Promise<this> {
    await this.#program.until('ready', () => /\bready\b/.test(this.#program.stderr + this.#program.stdout));
    return this;
  }

  /** Runs another command of Chorus on its host. */
  command(...args: readonly string[]): Promise<Result> {
    return this.host.run(chorusCommand, [...args, '--api', '127.0.0.1:8053']);
  }

  /** What `chorus routes --json` tells. */
  async routes(): Promise<RoutesStatus> {
    const { code, stdout, stderr } = await this.command('routes', '--json');
    if (!stdout.startsWith('{')) throw new Error(`chorus routes: exit ${code}\n${stdout}${stderr}`);
    return JSON.parse(stdout);
  }

  /** Waits for a line of its log; gives the time in it, in ms since 1970. Only lines of `since` or later count. */
  logged(pattern: RegExp, since = 0, deadline = 20_000): Promise<number> {
    return poll(
      `a line of the log with ${pattern.source}`,
      () =>
        this.#program.stderr
          .concat(this.#program.stdout)
          .split('\n')
          .filter(line => pattern.test(line))
          .map(line => Date.parse(line.slice(0, 24)))
          .find(at => at >= since),
      { deadline, every: 10, explain: () => this.#program.log },
    );
  }
}

function launch(host: Host, file: string, by: readonly string[] = []): Program {
  const [command = chorusCommand, ...args] = [...by, chorusCommand, 'serve', '--config', file];
  return host.start(command, args);
}

/** What a small nameserver serves, and how it fails. */
export type NodeOptions = { readonly zone?: string; readonly fault?: string };

/** A small nameserver on a host of the farm (`chorus node`), at these addresses. */
export async function startNode(
  host: Host,
  addresses: readonly string[],
  options: NodeOptions = {},
): Promise<Program> {
  const listen = addresses.map(address => (address.includes(':') ? `[${address}]:53` : `${address}:53`));
  const more = Object.entries(options).flatMap(([name, value]) => [`--${name}`, value]);
  const node = host.start(chorusCommand, ['node', '--name', host.name, '--listen', ...listen, ...more]);
  await node.until('a nameserver', () => node.stdout.includes('answers on'));
  return node;
}
