/**
 * Health of all backends: a judge for each, fed by the prober, and by whoever else has evidence. It writes states
 * through the setter that it is given, tells changes to a listener, and reports.
 */
import type { BackendState } from '#balance/board.ts';
import type { Clock } from './clock.ts';
import type { Datagrams } from './datagrams.ts';
import type { Evidence } from './evidence.ts';
import { defaultHold, type Forcing, failsOpen, Judge, type JudgeRules, type StateChange } from './judge.ts';
import { type ProbeJob, Prober } from './prober.ts';
import type { ProbeOutcome } from './probes/probe.ts';
import { type Family, familyOfAddress, type HealthTarget, type ProbeSettings } from './targets.ts';

/** A change of one backend's state. */
export type HealthEvent = StateChange & {
  readonly pool: string;
  readonly backend: string;
  readonly slot: number;
};

/** What is known of one backend. Times of day in ms since 1970. */
export type BackendHealth = {
  readonly pool: string;
  readonly backend: string;
  readonly slot: number;
  readonly address: string;
  readonly port: number;
  readonly family: Family;
  readonly state: BackendState;
  readonly reason: string;
  /** When this state began. */
  readonly since: number;
  /** The operator's word, `auto` when there is none. */
  readonly forced: Forcing;
  /** Null where it is not probed. */
  readonly probe: {
    readonly kind: string;
    readonly good: number;
    readonly failed: number;
    /** Latency of the last answer in ms; null before the first. */
    readonly latency: number | null;
    /** The last run; null before the first. */
    readonly last: { readonly at: number; readonly good: boolean; readonly detail: string } | null;
  } | null;
};

/** What is known of one pool. */
export type PoolHealth = {
  readonly pool: string;
  /** No backend serves, so those that are down are tried. */
  readonly failOpen: boolean;
};

export type HealthOptions = {
  readonly clock: Clock;
  /** Uniform in 0 … bound−1, not to be guessed from outside. */
  readonly random: (bound: number) => number;
  readonly datagrams: Datagrams;
  /** Writes a state where the packet path reads it. */
  readonly setState: (slot: number, state: BackendState) => void;
  /** Told each change, after `setState`. */
  readonly onChange?: (event: HealthEvent) => void;
  /** Hold-down of flapping backends; default `defaultHold`. */
  readonly hold?: JudgeRules['hold'];
  readonly runsAtOnce?: number;
};

type Known = {
  target: HealthTarget;
  judge: Judge;
  job: ProbeJob | null;
  good: number;
  failed: number;
  latency: number | null;
  last: { at: number; good: boolean; detail: string } | null;
};

const keyOf = (target: HealthTarget) => `${target.pool}/${target.name}`;
const unwatched = { failures: 1, of: 1 };

/** Everything about how a backend is reached that makes evidence about it worthless when it changes. */
const placeOf = ({ address, port, source, probe }: HealthTarget) =>
  JSON.stringify([address, port, source ?? null, probe === null]);
const sameProbe = (a: ProbeSettings | null, b: ProbeSettings | null) =>
  JSON.stringify(a) === JSON.stringify(b);

export class Health {
  readonly #options: HealthOptions;
  readonly #prober: Prober;
  readonly #known = new Map<string, Known>();
  readonly #bySlot = new Map<number, Known>();

  constructor(options: HealthOptions) {
    this.#options = options;
    const { clock, random, datagrams } = options;
    this.#prober = new Prober({
      clock,
      random,
      datagrams,
      onOutcome: (job, outcome) => this.#onOutcome(job, outcome),
      ...(options.runsAtOnce !== undefined && { runsAtOnce: options.runsAtOnce }),
    });
  }

  /**
   * Puts a snapshot's backends in force. A backend that was there before (same pool and name) keeps the operator's word;
   * if it is also reached as before, it keeps its judge. Backends that are gone are forgotten: their state is `absent`.
   */
  apply(targets: readonly HealthTarget[]): void {
    const wanted = new Set(targets.map(keyOf));
    const slots = new Set(targets.map(target => target.slot));
    for (const slot of this.#bySlot.keys()) if (!slots.has(slot)) this.#options.setState(slot, 'absent');
    for (const [key, known] of this.#known) {
      if (wanted.has(key)) continue;
      if (known.job) this.#prober.remove(known.job);
      this.#known.delete(key);
    }
    this.#bySlot.clear();
    for (const target of targets) this.#bySlot.set(target.slot, this.#put(target));
  }

  /** Takes an operator's word on the backend at `slot`; false when there is none. */
  force(slot: number, forcing: Forcing): boolean {
    const known = this.#bySlot.get(slot);
    if (!known) return false;
    this.#tell(known, known.judge.force(forcing, this.#options.clock.now()));
    return true;
  }

  /** Takes evidence from elsewhere than the prober, about the backend at `slot`. */
  take(slot: number, evidence: Evidence): void {
    const known = this.#bySlot.get(slot);
    if (known) this.#tell(known, known.judge.take(evidence));
  }

  /** Each backend, in the order in which they became known. */
  report(): BackendHealth[] {
    const past = this.#options.clock.wall() - this.#options.clock.now();
    return Array.from(this.#known.values(), ({ target, judge, job, good, failed, latency, last }) => ({
      pool: target.pool,
      backend: target.name,
      slot: target.slot,
      address: target.address,
      port: target.port,
      family: familyOfAddress(target.address),
      state: judge.state,
      reason: judge.reason,
      since: past + judge.since,
      forced: judge.forced,
      probe: job && {
        kind: job.kind,
        good,
        failed,
        latency,
        last: last && { ...last, at: past + last.at },
      },
    }));
  }

  /** Each pool, in the order in which they became known. */
  pools(): PoolHealth[] {
    const states = new Map<string, BackendState[]>();
    for (const { target, judge } of this.#known.values()) {
      const list = states.get(target.pool);
      if (list) list.push(judge.state);
      else states.set(target.pool, [judge.state]);
    }
    return Array.from(states, ([pool, list]) => ({ pool, failOpen: failsOpen(list) }));
  }

  /** Ends all probes; states stay as they are. */
  stop(): void {
    for (const known of this.#known.values()) {
      if (known.job) this.#prober.remove(known.job);
      known.job = null;
    }
    this.#prober.stop();
  }

  #put(target: HealthTarget): Known {
    const key = keyOf(target);
    const before = this.#known.get(key);
    const now = this.#options.clock.now();
    const window = target.probe?.window ?? unwatched;
    const rules: JudgeRules = { ...window, hold: this.#options.hold ?? defaultHold };
    const kept = before !== undefined && placeOf(before.target) === placeOf(target);
    const known: Known = kept
      ? before
      : {
          target,
          judge: new Judge(rules, now, target.probe !== null),
          job: null,
          good: 0,
          failed: 0,
          latency: null,
          last: null,
        };
    if (kept) known.judge.setRules(rules);
    else if (before && before.judge.forced !== 'auto') known.judge.force(before.judge.forced, now);
    if (!kept || !sameProbe(before.target.probe, target.probe)) {
      if (before?.job) this.#prober.remove(before.job);
      known.job = target.probe && this.#prober.add(target, target.probe);
    }
    known.target = target;
    this.#known.set(key, known);
    this.#options.setState(target.slot, known.judge.state);
    return known;
  }

  #onOutcome(job: ProbeJob, { good, detail, latency, void: nothing }: ProbeOutcome): void {
    const known = this.#known.get(keyOf(job.target));
    if (!known || known.job !== job) return;
    const at = this.#options.clock.now();
    known.last = { at, good, detail };
    if (nothing) return;
    if (good) known.good++;
    else known.failed++;
    if (latency !== null) known.latency = latency;
    const family = familyOfAddress(job.target.address);
    this.#tell(known, known.judge.take({ kind: 'probe', family, good, at, detail, latency }));
  }

  #tell(known: Known, change: StateChange | null): void {
    if (!change) return;
    const { pool, name, slot } = known.target;
    this.#options.setState(slot, change.to);
    this.#options.onChange?.({ ...change, pool, backend: name, slot });
  }
}
