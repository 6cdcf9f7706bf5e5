/**
 * Two nodes without a balancer behind two routers (BIRD and FRR) with equal-cost multipath, in network namespaces: on each a
 * BIND answers at the node's own address and at the service address, and something announces that while BIND is well.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { type FarmNet, frontAddress, type Router, service } from '#test/support/farm-net.ts';
import type { Host } from '#test/support/host.ts';
import { poll } from '#test/support/poll.ts';
import type { Program } from '#test/support/program.ts';

/** What the flow asks, and what health checks ask. */
export const zone = 'bench.test';
export const checkName = `check.${zone}`;

const zoneText = `$TTL 60
@ IN SOA ns host 1 3600 600 86400 60
@ IN NS ns
ns IN A 192.0.2.1
* IN A 192.0.2.1
`;

/** One node: its host, and its nameserver. */
export class Site {
  readonly number: number;
  readonly host: Host;
  /** Where health checks ask: an address of this node alone. */
  readonly address: string;
  #server: Program | undefined;

  constructor(number: number, host: Host) {
    this.number = number;
    this.host = host;
    this.address = `10.0.9.${10 + number}`;
  }

  async prepare(): Promise<void> {
    await this.host.ip(`address add ${service.ipv4}/32 dev lo`);
    this.host.write('/run/named/bench.zone', zoneText);
    this.#configure('primary; file "bench.zone"');
    await this.start();
  }

  #configure(how: string): void {
    this.host.write(
      '/run/named/named.conf',
      `options {
  directory "/run/named"; pid-file none; session-keyfile none; managed-keys-directory "/run/named";
  listen-on port 53 { 127.0.0.1; ${this.address}; ${service.ipv4}; }; listen-on-v6 { none; };
  recursion no; notify no; dnssec-validation no; empty-zones-enable no; check-names primary ignore;
};
controls { };
zone "${zone}" { type ${how}; };
`,
    );
  }

  /** Starts the nameserver and waits until it answers. */
  async start(): Promise<void> {
    this.#server = this.host.start('named', ['-g', '-n', '1', '-c', '/run/named/named.conf']);
    await this.#server.until('an answer', () => this.answers('NOERROR'));
  }

  async answers(code: string): Promise<boolean> {
    const args = ['+time=1', '+tries=1', '+norec', `@${this.address}`, checkName];
    return (await this.host.run('dig', args)).stdout.includes(`status: ${code}`);
  }

  /** How the nameserver fails, and how it recovers; each gives when, in ms since 1970. */
  async fail(how: 'killed' | 'stopped' | 'servfail'): Promise<number> {
    if (how === 'servfail') {
      // A secondary that never had its zone answers SERVFAIL.
      this.#configure('secondary; primaries { 127.0.0.9; }; file "none.zone"');
      const began = Date.now();
      this.#server?.signal('SIGHUP');
      return began;
    }
    const began = Date.now();
    this.#server?.signal(how === 'killed' ? 'SIGKILL' : 'SIGSTOP');
    return began;
  }

  async recover(how: 'killed' | 'stopped' | 'servfail'): Promise<number> {
    if (how === 'killed') {
      await this.#server?.ended;
      await this.start();
      return Date.now();
    }
    if (how === 'stopped') this.#server?.signal('SIGCONT');
    else {
      this.#configure('primary; file "bench.zone"');
      this.#server?.signal('SIGHUP');
    }
    await poll('the nameserver to answer', () => this.answers('NOERROR'));
    return Date.now();
  }

  async stop(): Promise<void> {
    this.#server?.signal('SIGCONT');
    await this.#server?.kill();
  }
}

/** How long the routers are watched for a route that does not go, in ms. */
export const watched = 20_000;

/** When each router lost its way by a site, in ms after `since`; infinity where one still had it after `limit` ms. BIRD comes first. */
export function gone(farm: FarmNet, site: Site, since: number, limit = watched): Promise<number[]> {
  return Promise.all(
    farm.routers.map(({ watch, number }) =>
      watch
        .vanishes(service.ipv4, frontAddress(site.number, number), since, limit - (Date.now() - since))
        .then(at => at - since)
        .catch(() => Number.POSITIVE_INFINITY),
    ),
  );
}

/** When each router had a way by a site again, in ms after `since`. BIRD comes first. */
export function back(farm: FarmNet, site: Site, since: number, limit = 60_000): Promise<number[]> {
  return Promise.all(
    farm.routers.map(async ({ watch, number }) => {
      const at = await watch.appears(service.ipv4, frontAddress(site.number, number), since, limit);
      return at - since;
    }),
  );
}

/** Whether a router has a way by a site now. */
export function has(router: Router, site: Site): boolean {
  return router.watch.hops(service.ipv4).has(frontAddress(site.number, router.number));
}

/** Waits until both routers have a way by every site, and nothing changes for `quiet` ms. */
export async function settled(
  farm: FarmNet,
  sites: readonly Site[],
  quiet = 500,
  limit = 90_000,
): Promise<void> {
  const changes = () => farm.routers.reduce((sum, { watch }) => sum + watch.changes(service.ipv4).length, 0);
  await poll(
    'both routers to have both ways',
    async () => {
      const before = changes();
      if (!farm.routers.every(router => sites.every(site => has(router, site)))) return false;
      await sleep(quiet);
      return changes() === before && farm.routers.every(router => sites.every(site => has(router, site)));
    },
    { deadline: limit },
  );
}
