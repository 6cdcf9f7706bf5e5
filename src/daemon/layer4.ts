/** The kernel data plane with the pools and the health of the daemon. Loaded only where the configuration has `layer4`. */
import { readFileSync } from 'node:fs';
import type { Snapshot, SnapshotPool } from '#config/snapshot.ts';
import type { Clock } from '#health/clock.ts';
import type { Health } from '#health/health.ts';
import type { Log } from '#kit/log.ts';
import { KernelBalancer } from '#layer4/balancer.ts';
import { backendsFor, type Layer4Service, type PoolMember } from '#layer4/plan.ts';
import type { Layer4Status } from '#layer4/report.ts';
import { runProgram } from '#layer4/run.ts';
import type { Layer4Options } from '#layer4/schema.ts';
import type { ListenerView } from '#route/evidence.ts';

export type Layer4Needs = {
  readonly clock: Clock;
  readonly log: Log;
  readonly health: Pick<Health, 'members' | 'pools'>;
};

/** The backends of a pool in the configuration, all of them serving unless `stateOf` says otherwise. */
export function poolMembers(
  { pools }: { readonly pools: readonly Pick<SnapshotPool, 'name' | 'backends'>[] },
  pool: string,
  stateOf: (backend: string) => PoolMember['state'] = () => 'up',
): PoolMember[] {
  const backends = pools.find(({ name }) => name === pool)?.backends ?? [];
  return backends.map(({ name, address, port, weight }) => ({
    name,
    address,
    port,
    weight,
    state: stateOf(name),
  }));
}

/** The services of a configuration. */
export function layer4Services(
  { services }: Layer4Options,
  members: (pool: string) => readonly PoolMember[],
  failsOpen: (pool: string) => boolean,
): Layer4Service[] {
  return services.map(({ address, port, pool, protocols }) => ({
    address,
    port,
    udp: protocols.includes('udp'),
    tcp: protocols.includes('tcp'),
    backends: backendsFor(address, members(pool), failsOpen(pool)),
  }));
}

export class KernelLayer4 {
  readonly #needs: Layer4Needs;
  #snapshot: Snapshot | null = null;
  #key = '';
  #balancer: KernelBalancer | null = null;
  /** The end of the one before: two may not work on one table. */
  #ending: Promise<void> = Promise.resolve();

  constructor(needs: Layer4Needs) {
    this.#needs = needs;
  }

  /** Puts a configuration in force; its backends are known to `health`. */
  apply(snapshot: Snapshot): void {
    const options = snapshot.layer4;
    this.#snapshot = snapshot;
    // The services may change without the tables going.
    const key = options ? JSON.stringify({ ...options, services: [] }) : '';
    if (key !== this.#key) {
      this.#key = key;
      const before = this.#balancer;
      this.#balancer = null;
      if (before) this.#ending = before.close(options ?? null);
      if (options) {
        void this.#ending.then(() => {
          if (this.#key !== key || this.#balancer) return;
          this.#balancer = this.#make(options);
          this.changed();
        });
        return;
      }
    }
    this.changed();
  }

  /** The health of a backend has changed. */
  changed(): void {
    const { health } = this.#needs;
    const snapshot = this.#snapshot;
    if (!snapshot?.layer4 || !this.#balancer) return;
    const states = new Map(health.members().map(({ pool, backend, state }) => [`${pool}/${backend}`, state]));
    const open = new Set(health.pools().flatMap(({ pool, failOpen }) => (failOpen ? [pool] : [])));
    this.#balancer.want(
      layer4Services(
        snapshot.layer4,
        pool => poolMembers(snapshot, pool, backend => states.get(`${pool}/${backend}`) ?? 'absent'),
        pool => open.has(pool),
      ),
    );
  }

  /** Its services may be announced: the kernel has been brought to balance them, or there are none. */
  get inForce(): boolean {
    return !this.#snapshot?.layer4 || (this.#balancer?.inForce ?? false);
  }

  /** The services of a kernel that could not be brought to balance them: whoever asks there is not answered. */
  unserved(): ListenerView[] {
    const reason = this.#balancer?.helplessness ?? null;
    if (reason === null) return [];
    return (this.#snapshot?.layer4?.services ?? []).map(({ address, protocols }) => ({
      address,
      udp: protocols.includes('udp') ? 'bad' : 'good',
      tcp: protocols.includes('tcp') ? 'bad' : 'good',
      detail: `the kernel does not balance: ${reason}`,
    }));
  }

  /** Null: it is off. */
  status(): Layer4Status | null {
    return this.#balancer?.report() ?? null;
  }

  /** Ends, and takes the tables away unless they are to stay. */
  async stop(): Promise<void> {
    this.#key = '';
    this.#snapshot = null;
    const balancer = this.#balancer;
    this.#balancer = null;
    await this.#ending;
    await balancer?.close();
  }

  #make(options: Layer4Options): KernelBalancer {
    const { clock, log } = this.#needs;
    return new KernelBalancer(options, {
      run: runProgram,
      wall: () => Date.now(),
      wait: (ms, then) => clock.wait(ms, then),
      read(file) {
        try {
          return readFileSync(file, 'utf8');
        } catch {
          return null;
        }
      },
      onNotice: (level, message, details = {}) => log[level](message, details),
    });
  }
}
