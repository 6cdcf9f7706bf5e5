/**
 * The own-listener check: Chorus asks its own listeners at each service address who it is (id.server CH TXT), over UDP and
 * TCP. A worker that hangs, a socket that is gone or a packet filter in the way is found here, whatever the backends do.
 *
 * - Each question comes from a new port, so that the kernel gives it to any of the workers that share the address.
 * - Questions come from the loopback (127.0.0.1, ::1) to the service address. The kernel takes such a packet to an address of
 *   this machine and lets none out: another front that announces the same address cannot answer in our place.
 * - What is judged is whether our listener answers. REFUSED is an answer: `allow` need not name the loopback.
 */
import type { Clock } from '#health/clock.ts';
import type { Exchanger } from '#health/exchange.ts';
import { Judge, type JudgeRules } from '#health/judge.ts';
import { type ProbeJob, Prober } from '#health/prober.ts';
import { familyOfAddress, type HealthTarget } from '#health/targets.ts';
import { type Endpoint, formatEndpoint, isIpv6, isWildcard } from '#net/address.ts';
import type { ListenerView } from '#route/evidence.ts';
import { classes, rcodes, types } from '#wire/types.ts';

/** Times in ms. One worker of several that hangs meets a share of the questions only, so the windows are long. */
const rules = {
  udp: { interval: 250, timeout: 500, window: { failures: 3, of: 20 } },
  tcp: { interval: 1000, timeout: 1000, window: { failures: 2, of: 6 } },
} as const;
const transports = ['udp', 'tcp'] as const;
type Transport = (typeof transports)[number];

/** The loop engine finds an address that was added to the machine within 5 s. */
const grace = 7000;

/** Flaps are the announcer's matter: it holds the address down. */
const hold = { first: 0, most: 0, forget: 0 } as const;

/** Where our listeners answer for a service address: a listener on that address, or on all of its family. */
export function listenersFor(address: string, listen: readonly Endpoint[]): Endpoint[] {
  const found = listen.filter(at => at.address === address);
  const all = listen.filter(at => isWildcard(at.address) && isIpv6(at.address) === isIpv6(address));
  const ports = new Set([...found, ...all].map(({ port }) => port));
  return [...ports].map(port => ({ address, port }));
}

export type OwnListenersOptions = {
  readonly clock: Clock;
  /** Uniform in 0 … bound−1. */
  readonly random: (bound: number) => number;
  /** Must take a new port for each exchange. */
  readonly datagrams: Exchanger;
  readonly streams: Exchanger;
  /** Whether a driver has the address announced now. Asked only of addresses that a driver brings. */
  readonly isAnnounced: (address: string) => boolean;
  /** A verdict has changed. */
  readonly onChange: () => void;
};

/**
 * A service address that is checked. `brought`: whether the machine has it only because a driver puts it there: `no`; `kept`,
 * from when it was announced first; `leased`, only while it is announced.
 */
export type CheckedAddress = { readonly address: string; readonly brought: 'no' | 'kept' | 'leased' };

type Check = { readonly endpoint: Endpoint; readonly transport: Transport; job: ProbeJob; judge: Judge };
type Checked = CheckedAddress & { readonly checks: readonly Check[]; there: boolean; graceUntil: number };

const judging = (transport: Transport): JudgeRules => ({ ...rules[transport].window, hold });

export class OwnListeners {
  readonly #options: OwnListenersOptions;
  readonly #prober: Prober;
  readonly #byJob = new Map<ProbeJob, Check>();
  #checked = new Map<string, Checked>();
  /** Questions that our listeners answered so far: the workers count them as those of clients. */
  answered = 0;

  constructor(options: OwnListenersOptions) {
    const { clock, random, datagrams, streams } = options;
    this.#options = options;
    this.#prober = new Prober({
      clock,
      random,
      datagrams,
      streams,
      onOutcome: (job, outcome) => {
        const check = this.#byJob.get(job);
        if (!check || outcome.void) return;
        const { good, detail, latency, rcode } = outcome;
        if (rcode !== null) this.answered++;
        if (good) this.#found(check);
        const family = familyOfAddress(check.endpoint.address);
        const changed = check.judge.take({ family, good, detail, latency, at: clock.now() });
        if (changed) options.onChange();
      },
    });
  }

  /** Checks these addresses from now on, at the listeners that serve them; those that stay keep what was seen. */
  apply(addresses: readonly CheckedAddress[], listen: readonly Endpoint[]): void {
    const next = new Map<string, Checked>();
    for (const { address, brought } of addresses) {
      const places = listenersFor(address, listen);
      if (places.length === 0) continue;
      const before = this.#checked.get(address);
      const checks = places.flatMap(endpoint =>
        transports.map(
          transport =>
            before?.checks.find(
              known => known.endpoint.port === endpoint.port && known.transport === transport,
            ) ?? this.#begin(endpoint, transport),
        ),
      );
      next.set(address, {
        address,
        brought,
        checks,
        there: before?.there ?? false,
        graceUntil: before?.graceUntil ?? 0,
      });
    }
    const kept = new Set([...next.values()].flatMap(({ checks }) => checks));
    for (const { checks } of this.#checked.values())
      for (const check of checks) if (!kept.has(check)) this.#end(check);
    this.#checked = next;
  }

  /** What our listeners do; nothing of addresses without one, and of those that a driver has yet to bring. */
  views(): ListenerView[] {
    return [...this.#checked.values()].flatMap((checked): ListenerView[] => {
      const { address, brought, checks } = checked;
      if (brought !== 'no' && !this.#isThere(checked)) return [];
      const bad = checks.filter(({ judge }) => judge.state === 'down');
      const detail = bad.map(
        ({ transport, endpoint, judge }) =>
          `our listener ${formatEndpoint(endpoint)} over ${transport.toUpperCase()}: ${judge.reason}`,
      );
      const [udp, tcp] = [verdictOf(checks, 'udp'), verdictOf(checks, 'tcp')];
      if ((udp === 'bad' || tcp === 'bad') && this.#options.clock.now() < checked.graceUntil) return [];
      return [{ address, udp, tcp, detail: detail.join('; ') }];
    });
  }

  /** Whether a driver has brought the address; what was seen before that does not count against the listener. */
  #isThere(checked: Checked): boolean {
    const announced = this.#options.isAnnounced(checked.address);
    const there = announced || (checked.brought === 'kept' && checked.there);
    if (there && !checked.there) this.#anew(checked, grace);
    checked.there = there;
    return there;
  }

  /** Our listener has answered: the address is on this machine. */
  #found(check: Check): void {
    const checked = this.#checked.get(check.endpoint.address);
    if (checked?.brought === 'kept' && !checked.there) {
      this.#anew(checked, 0);
      checked.there = true;
    }
  }

  /** What was seen so far does not count; what is bad counts after so many ms. */
  #anew(checked: Checked, ms: number): void {
    const now = this.#options.clock.now();
    for (const check of checked.checks) check.judge = new Judge(judging(check.transport), now);
    checked.graceUntil = now + ms;
  }

  /** Ends all checks. */
  stop(): void {
    for (const check of this.#byJob.values()) this.#prober.remove(check.job);
    this.#byJob.clear();
    this.#checked.clear();
    this.#prober.stop();
  }

  #begin(endpoint: Endpoint, transport: Transport): Check {
    const source = isIpv6(endpoint.address) ? '::1' : '127.0.0.1';
    const target: HealthTarget = {
      ...endpoint,
      source,
      pool: '',
      name: endpoint.address,
      slot: -1,
      probes: [],
    };
    const { interval, timeout, window } = rules[transport];
    const job = this.#prober.add(target, {
      kind: `dns-${transport}`,
      name: 'id.server.',
      type: types.TXT,
      class: classes.CH,
      expect: [rcodes.NOERROR, rcodes.REFUSED],
      interval,
      timeout,
      window,
    });
    const judge = new Judge(judging(transport), this.#options.clock.now());
    const check = { endpoint, transport, job, judge };
    this.#byJob.set(job, check);
    return check;
  }

  #end(check: Check): void {
    this.#prober.remove(check.job);
    this.#byJob.delete(check.job);
  }
}

function verdictOf(checks: readonly Check[], transport: Transport): 'good' | 'bad' | 'unknown' {
  const states = checks.filter(check => check.transport === transport).map(({ judge }) => judge.state);
  if (states.includes('down')) return 'bad';
  return states.includes('starting') ? 'unknown' : 'good';
}
