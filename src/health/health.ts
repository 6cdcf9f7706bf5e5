/**
 * Health of all backends: a judge for each, fed by the prober and by the comparison of siblings on live traffic. It writes
 * states and weights through the setters that it is given, tells changes to a listener, and reports.
 */
import type { BackendState } from '#balance/board.ts';
import { latencyBuckets } from '#balance/board.ts';
import type { Clock } from './clock.ts';
import type { EvidenceKind, Finding } from './evidence.ts';
import type { Exchanger } from './exchange.ts';
import {
  defaultHold,
  type Forcing,
  failsOpen,
  type HoldRules,
  Judge,
  type JudgeRules,
  leastDoubt,
  type StateChange,
  serves,
} from './judge.ts';
import { Paces } from './pace.ts';
import { Everybody, everybodyFails, mostOut } from './pool.ts';
import { type ProbeJob, Prober } from './prober.ts';
import type { ProbeOutcome } from './probes/probe.ts';
import type { Programs } from './programs.ts';
import { defaultSiblingRules, liveField, rulesOfPolicy, Siblings } from './siblings.ts';
import { Strain } from './strain.ts';
import {
  defaultEvidence,
  type Family,
  familyOfAddress,
  type HealthTarget,
  type PoolRules,
  probeLabel,
} from './targets.ts';

/** A change of one backend's state. */
export type HealthEvent = StateChange & {
  readonly pool: string;
  readonly backend: string;
  readonly slot: number;
};

/** Something worth a line in the log that is no change of state. */
export type HealthNotice = {
  readonly pool: string;
  /** Absent: the pool as a whole. */
  readonly backend?: string;
  readonly message: string;
};

/** What is known of one probe of one backend. Times of day in ms since 1970. */
export type ProbeHealth = {
  readonly kind: string;
  /** Tells it from the other probes of the backend. */
  readonly label: string;
  /** Whether its failures speak against the backend. */
  readonly counts: boolean;
  readonly good: number;
  readonly failed: number;
  /** Latency of the last answer in ms; null before the first. */
  readonly latency: number | null;
  /** The last run; null before the first. */
  readonly last: {
    readonly at: number;
    readonly good: boolean;
    readonly detail: string;
    /** Something came back, good or bad. */
    readonly answered: boolean;
  } | null;
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
  /** It serves, but much more slowly than usual: why that is said, in words; null: it does not. Known where clients ask it themselves. */
  readonly strained: string | null;
  /** How often evidence of each kind was found against it. */
  readonly evidence: Readonly<Record<EvidenceKind, number>>;
  /** Empty where it is not probed. */
  readonly probes: readonly ProbeHealth[];
};

/** One backend in short. */
export type MemberHealth = Pick<
  BackendHealth,
  'pool' | 'backend' | 'slot' | 'family' | 'state' | 'strained'
> & {
  /** Its weight in the configuration. */
  readonly weight: number;
};

/** What is known of one pool. */
export type PoolHealth = {
  readonly pool: string;
  /** No backend serves, so those that are down are tried. */
  readonly failOpen: boolean;
  /** Why all backends are kept in although all fail, in words; null when that is not so. */
  readonly everybody: string | null;
};

/** The numbers of the board, summed over the workers. */
export interface LiveBoard {
  /** Queries to a slot so far. */
  queries(slot: number): number;
  /** Writes the counters of a slot in the order of `liveField`; gives its overdue queries. */
  counts(slot: number, into: Float64Array): number;
  /** Writes the latency histogram of a slot. */
  histogram(slot: number, into: Float64Array): void;
}

export type HealthOptions = {
  readonly clock: Clock;
  /** Uniform in 0 … bound−1, not to be guessed from outside. */
  readonly random: (bound: number) => number;
  readonly datagrams: Exchanger;
  readonly streams?: Exchanger;
  /** Absent: no program can be run. */
  readonly programs?: Programs;
  /** Writes a state where the packet path reads it. */
  readonly setState: (slot: number, state: BackendState) => void;
  /** Writes the factor of the weight, in thousandths, 1 … 1000. */
  readonly setWeight?: (slot: number, thousandths: number) => void;
  /** Told each change, after `setState`. */
  readonly onChange?: (event: HealthEvent) => void;
  readonly onNotice?: (notice: HealthNotice) => void;
  /** Where live traffic is read; absent: there is no passive evidence. */
  readonly live?: LiveBoard;
  /** Hold-down of flapping backends; default `defaultHold`. */
  readonly hold?: HoldRules;
  readonly runsAtOnce?: number;
};

type Track = {
  readonly job: ProbeJob;
  readonly label: string;
  good: number;
  failed: number;
  latency: number | null;
  last: { at: number; good: boolean; detail: string; answered: boolean } | null;
  /** The weight that its last run gave the backend; null: the backend's own. */
  weight: number | null;
  /** Its answers beside its usual ones; null where their time says nothing of the server alone. */
  readonly strain: Strain | null;
};

type Known = {
  target: HealthTarget;
  judge: Judge;
  tracks: Track[];
  readonly evidence: Record<EvidenceKind, number>;
  /** The kind that was heard last from live traffic. */
  heard: Finding['kind'] | null;
  /** The ceiling keeps it in, and that has been told. */
  keptIn: boolean;
  /** What slowness is held against it, in words. */
  pace: string;
  weight: number;
  /** Queries so far and when there last was one; after a long time without, nothing is compared. */
  queries: number;
  askedAt: number;
  quiet: boolean;
};

type PoolKnown = {
  readonly name: string;
  readonly members: readonly Known[];
  readonly rules: PoolRules;
  readonly siblings: Siblings;
  readonly paces: Paces;
  readonly compareLatency: boolean;
  readonly everybody: Everybody;
  /** None of its backends has had traffic lately, nor is any doubted. */
  asleep: boolean;
};

/** ms between two looks at live traffic. */
const lookEvery = 50;
/** Every so many looks latencies are compared, and weights set. */
const paceEvery = 5;
const weighEvery = 4;
/** ms without a query after which a backend has no live traffic. */
const quietAfter = 60_000;
/** Thousandths that are always left: a backend without weight would get nothing that could show it is well. */
const leastWeight = 10;
/** A finding with a lower score is over; what comes after it is counted anew. */
const forgotten = 0.3;

/** What the programs that probe a backend leave of its weight, 0 … 1. */
function programShare({ target, tracks }: Known): number {
  let least = 1;
  for (const { weight } of tracks)
    if (weight !== null) least = Math.min(least, weight / (target.weight ?? 1));
  return least;
}

const noHold: HoldRules = { first: 0, most: 0, forget: 0 };

const strainOf = (tracks: readonly Track[]) =>
  tracks.map(({ strain }) => strain?.detail ?? null).find(detail => detail !== null) ?? null;

const keyOf = (target: HealthTarget) => `${target.pool}/${target.name}`;

/** What a finding is about: a share of failures that crosses one half is no new matter. */
const matterOf = ({ kind }: Finding) => (kind === 'failing' ? 'sporadic' : kind);

/** Everything about how a backend is reached that makes evidence about it worthless when it changes. */
const placeOf = ({ address, port, source, probes }: HealthTarget) =>
  JSON.stringify([address, port, source ?? null, probes.length === 0]);

export class Health {
  readonly #options: HealthOptions;
  readonly #prober: Prober;
  readonly #known = new Map<string, Known>();
  readonly #bySlot = new Map<number, Known>();
  readonly #byJob = new Map<ProbeJob, Known>();
  #pools = new Map<string, PoolKnown>();
  #places: ReturnType<Health['places']> = [];
  #unwait: (() => void) | null = null;
  #looks = 0;
  readonly #counts = new Float64Array(liveField.size);
  readonly #histogram = new Float64Array(latencyBuckets);

  constructor(options: HealthOptions) {
    this.#options = options;
    const { clock, random, datagrams, streams = datagrams } = options;
    this.#prober = new Prober({
      clock,
      random,
      datagrams,
      streams,
      programs: options.programs,
      onOutcome: (job, outcome) => this.#onOutcome(job, outcome),
      ...(options.runsAtOnce !== undefined && { runsAtOnce: options.runsAtOnce }),
    });
  }

  /**
   * Puts a snapshot's backends in force, with the rules of their pools (absent: the defaults). A backend that was there
   * before (same pool and name) keeps the operator's word; if it is also reached as before, it keeps its judge. Backends
   * that are gone are forgotten: their state is `absent`.
   */
  apply(targets: readonly HealthTarget[], pools: readonly PoolRules[] = []): void {
    const wanted = new Set(targets.map(keyOf));
    const slots = new Set(targets.map(target => target.slot));
    for (const slot of this.#bySlot.keys()) if (!slots.has(slot)) this.#options.setState(slot, 'absent');
    for (const [key, known] of this.#known) {
      if (wanted.has(key)) continue;
      this.#untrack(known, known.tracks);
      this.#known.delete(key);
    }
    this.#bySlot.clear();
    const rules = new Map(pools.map(pool => [pool.pool, pool]));
    for (const target of targets) {
      const of = rules.get(target.pool) ?? { pool: target.pool, policy: '', evidence: defaultEvidence };
      this.#bySlot.set(target.slot, this.#put(target, of));
    }
    this.#gather(rules);
    this.#places = targets.map(({ pool, name, slot }) => ({ pool, backend: name, slot }));
    if (!this.#unwait) this.#wait();
  }

  /** Takes an operator's word on the backend at `slot`; false when there is none. */
  force(slot: number, forcing: Forcing): boolean {
    const known = this.#bySlot.get(slot);
    if (!known) return false;
    const now = this.#options.clock.now();
    this.#judge(known, now, judge => judge.force(forcing, now));
    return true;
  }

  /** The process behind the backend at `slot` has ended: it is down without waiting for a probe. False when there is none there. */
  ended(slot: number, detail: string): boolean {
    const known = this.#bySlot.get(slot);
    if (!known) return false;
    const now = this.#options.clock.now();
    this.#judge(known, now, judge => judge.end(detail, now));
    return true;
  }

  /** Each backend, in the order in which they became known. */
  report(): BackendHealth[] {
    const past = this.#options.clock.wall() - this.#options.clock.now();
    return Array.from(this.#known.values(), ({ target, judge, tracks, evidence, pace }) => ({
      pool: target.pool,
      backend: target.name,
      slot: target.slot,
      address: target.address,
      port: target.port,
      family: familyOfAddress(target.address),
      state: judge.state,
      reason: pace === '' ? judge.reason : `${judge.reason}; ${pace}`,
      since: past + judge.since,
      forced: judge.forced,
      strained: strainOf(tracks),
      evidence: { ...evidence },
      probes: tracks.map(({ job, label, good, failed, latency, last }) => ({
        kind: job.kind,
        label,
        counts: job.settings.counts ?? true,
        good,
        failed,
        latency,
        last: last && { ...last, at: past + last.at },
      })),
    }));
  }

  /** Where the numbers of each backend are; the same list until the next `apply`. */
  places(): readonly { readonly pool: string; readonly backend: string; readonly slot: number }[] {
    return this.#places;
  }

  /** The same in short, for those who ask many times a second. */
  members(): MemberHealth[] {
    return Array.from(this.#known.values(), ({ target, judge, tracks }) => ({
      pool: target.pool,
      backend: target.name,
      slot: target.slot,
      family: familyOfAddress(target.address),
      state: judge.state,
      weight: target.weight ?? 1,
      strained: strainOf(tracks),
    }));
  }

  /** Each pool, in the order in which they became known. */
  pools(): PoolHealth[] {
    return Array.from(this.#pools.values(), ({ name, members, rules, everybody }) => ({
      pool: name,
      failOpen: rules.direct !== true && failsOpen(members.map(({ judge }) => judge.state)),
      everybody: everybody.since === null ? null : everybodyFails,
    }));
  }

  /** Ends all probes; states stay as they are. */
  stop(): void {
    for (const known of this.#known.values()) this.#untrack(known, known.tracks);
    this.#prober.stop();
    this.#options.datagrams.stop?.();
    this.#unwait?.();
    this.#unwait = null;
  }

  #put(target: HealthTarget, pool: PoolRules): Known {
    const key = keyOf(target);
    const before = this.#known.get(key);
    const now = this.#options.clock.now();
    const rules = this.#rulesOf(target, pool);
    const kept = before !== undefined && placeOf(before.target) === placeOf(target);
    const known: Known = kept
      ? before
      : {
          target,
          judge: new Judge(
            rules,
            now,
            target.probes.some(({ counts }) => counts ?? true),
          ),
          tracks: [],
          evidence: { probe: 0, silent: 0, failing: 0, sporadic: 0, lies: 0, slow: 0 },
          heard: null,
          keptIn: false,
          pace: '',
          weight: 0,
          queries: 0,
          askedAt: -Infinity,
          quiet: true,
        };
    if (kept) known.judge.setRules(rules);
    else if (before) {
      this.#untrack(before, before.tracks);
      if (before.judge.forced !== 'auto') known.judge.force(before.judge.forced, now);
    }
    this.#track(known, target, pool.direct ?? false);
    known.target = target;
    // The slot may be another one, with a weight of its own.
    known.weight = 0;
    this.#known.set(key, known);
    this.#options.setState(target.slot, known.judge.state);
    this.#weigh(known, 1, now);
    return known;
  }

  #rulesOf({ probes }: HealthTarget, { evidence, direct }: PoolRules): JudgeRules {
    const hold = direct ? noHold : (this.#options.hold ?? defaultHold);
    return {
      failures: 1,
      of: 1,
      windows: new Map(
        probes.filter(({ counts }) => counts ?? true).map(probe => [probeLabel(probe), probe.window]),
      ),
      hold: { ...hold, live: evidence.hold },
      slowStart: evidence.slowStart,
    };
  }

  /** Starts the probes that are new or changed, and ends those that are gone. */
  #track(known: Known, target: HealthTarget, direct: boolean): void {
    const tracks: Track[] = [];
    for (const settings of target.probes) {
      const label = probeLabel(settings);
      const same = known.tracks.find(({ job }) => JSON.stringify(job.settings) === JSON.stringify(settings));
      if (same) {
        tracks.push(same);
        continue;
      }
      const before = known.tracks.find(track => track.label === label);
      const job = this.#prober.add(target, settings);
      this.#byJob.set(job, known);
      const { good = 0, failed = 0, latency = null, last = null, weight = null } = before ?? {};
      const strain = direct && settings.local ? (before?.strain ?? new Strain()) : null;
      tracks.push({ job, label, good, failed, latency, last, weight, strain });
    }
    this.#untrack(
      known,
      known.tracks.filter(track => !tracks.includes(track)),
    );
    known.tracks = tracks;
  }

  #untrack(known: Known, tracks: readonly Track[]): void {
    for (const { job } of tracks) {
      this.#prober.remove(job);
      this.#byJob.delete(job);
    }
    known.tracks = known.tracks.filter(track => !tracks.includes(track));
  }

  /** Puts backends together by pool; a pool that stays as it is keeps what was seen in it. */
  #gather(rules: ReadonlyMap<string, PoolRules>): void {
    const byPool = new Map<string, Known[]>();
    for (const known of this.#known.values()) {
      const members = byPool.get(known.target.pool);
      if (members) members.push(known);
      else byPool.set(known.target.pool, [known]);
    }
    const pools = Array.from(byPool, ([name, members]): PoolKnown => {
      const own = rules.get(name) ?? { pool: name, policy: '', evidence: defaultEvidence };
      const before = this.#pools.get(name);
      if (
        before &&
        before.rules.policy === own.policy &&
        before.members.length === members.length &&
        before.members.every((member, i) => member === members[i])
      ) {
        return { ...before, rules: own };
      }
      const siblingRules = { ...defaultSiblingRules, ...rulesOfPolicy(own.policy) };
      return {
        name,
        members,
        rules: own,
        siblings: new Siblings(members.length, siblingRules),
        paces: new Paces(members.length),
        compareLatency: siblingRules.spread,
        everybody: before?.everybody ?? new Everybody(),
        asleep: false,
      };
    });
    this.#pools = new Map(pools.map(pool => [pool.name, pool]));
  }

  #wait(): void {
    this.#unwait = this.#options.clock.wait(lookEvery, () => {
      this.#wait();
      this.#look();
    });
  }

  /** Looks at live traffic, lets time pass for the judges, and sets weights. */
  #look(): void {
    const now = this.#options.clock.now();
    this.#looks++;
    const { live } = this.#options;
    for (const pool of this.#pools.values()) {
      // Where nobody asks there is little to see.
      if (pool.asleep && this.#looks % weighEvery > 0) continue;
      if (live && pool.rules.evidence.live) pool.asleep = this.#compare(pool, live, now);
      let condemned = false;
      for (const known of pool.members) {
        if (known.judge.byLive) this.#judge(known, now, judge => judge.tick(now));
        condemned ||= known.judge.condemned;
      }
      if (condemned || pool.everybody.since !== null) this.#settle(pool, now, null);
      if (this.#looks % weighEvery > 0) continue;
      for (let index = 0; index < pool.members.length; index++) {
        const known = pool.members[index]!;
        const { share } = pool.paces.pace(index);
        // One that is up, has no window with a failure and has all its weight gives nothing to weigh.
        const even = known.weight === 1000 && share === 1 && programShare(known) === 1;
        if (even && known.judge.state === 'up') continue;
        this.#weigh(known, share, now);
      }
    }
  }

  /** Holds the backends of a pool against each other on the traffic of the last moments; gives whether there is none. */
  #compare(pool: PoolKnown, live: LiveBoard, now: number): boolean {
    const { siblings, members } = pool;
    let asleep = true;
    siblings.begin(now);
    for (let index = 0; index < members.length; index++) {
      const known = members[index]!;
      const { slot } = known.target;
      const queries = live.queries(slot);
      if (queries !== known.queries) {
        known.queries = queries;
        known.askedAt = now;
      }
      known.quiet = now - known.askedAt > quietAfter;
      if (known.quiet) {
        siblings.forget(index);
        continue;
      }
      asleep = false;
      const overdue = live.counts(slot, this.#counts);
      siblings.observe(index, this.#counts, overdue, serves(known.judge.state));
    }
    const found: { known: Known; finding: Finding }[] = [];
    for (let index = 0; index < members.length; index++) {
      const known = members[index]!;
      const finding = known.quiet ? null : siblings.find(index);
      if (finding) found.push({ known, finding });
      else if (known.heard !== null || known.judge.doubted) {
        asleep = false;
        this.#hear(pool, known, null, now);
      }
    }
    // The surest first: the ceiling may leave no room for all.
    found.sort((a, b) => b.finding.score - a.finding.score);
    for (const { known, finding } of found) this.#hear(pool, known, finding, now);
    if (pool.compareLatency && !asleep && this.#looks % paceEvery === 0) this.#comparePaces(pool, live);
    return asleep;
  }

  #hear(pool: PoolKnown, known: Known, finding: Finding | null, now: number): void {
    const { members, rules } = pool;
    const sure = finding !== null && finding.score >= 1;
    let mayFall = false;
    if (sure) {
      const inUse = members.filter(({ judge }) => judge.state !== 'disabled' && judge.state !== 'draining');
      const out = inUse.filter(({ judge }) => judge.state === 'down').length;
      mayFall = out < mostOut(inUse.length, rules.evidence.evictAtMost);
    }
    if (finding === null || finding.score < forgotten) known.heard = null;
    else if (finding.score >= leastDoubt && known.heard !== matterOf(finding)) {
      known.heard = matterOf(finding);
      known.evidence[finding.kind]++;
    }
    if (known.heard === null) known.keptIn = false;
    else if (sure && !mayFall && !known.keptIn && serves(known.judge.state)) {
      known.keptIn = true;
      this.#notify(known, `kept in, because too much of the pool is out already: ${finding.detail}`);
    }
    this.#judge(known, now, judge => judge.hear(finding, mayFall, now));
  }

  #comparePaces({ members, paces }: PoolKnown, live: LiveBoard): void {
    for (const [index, { target, quiet }] of members.entries()) {
      if (quiet) continue;
      live.histogram(target.slot, this.#histogram);
      paces.observe(index, this.#histogram);
    }
    paces.weigh();
    for (const [index, known] of members.entries()) {
      const { share, detail } = paces.pace(index);
      if (known.pace === '' && detail !== '') {
        known.evidence.slow++;
        this.#notify(known, detail);
      } else if (known.pace !== '' && share === 1) this.#notify(known, 'no longer slow');
      known.pace = detail;
    }
  }

  /** Whether the pool fails as a whole, and whom that keeps in. `but` is being judged: its change is told by the caller. */
  #settle({ name, members, rules, everybody }: PoolKnown, now: number, but: Known | null): void {
    if (rules.direct) return;
    const before = everybody.since;
    const standings = members.map(({ judge }) => ({
      auto: judge.forced === 'auto',
      forcedUp: judge.forced === 'up',
      condemned: judge.condemned,
      own: judge.byLive || judge.nobody,
    }));
    const stands = everybody.look(standings, now);
    if (stands !== (before !== null)) {
      const message = stands ? everybodyFails : 'its backends no longer all fail alike';
      this.#options.onNotice?.({ pool: name, message });
    }
    for (const [index, known] of members.entries()) {
      const { condemned, own } = standings[index]!;
      const change = known.judge.spare(stands && condemned && !own ? everybodyFails : null, now);
      if (known !== but) this.#tell(known, change);
    }
  }

  #weigh(known: Known, pace: number, now: number): void {
    const { judge, target } = known;
    const share = judge.forced === 'up' ? 1 : judge.weight(now) * pace * programShare(known);
    const weight = Math.max(leastWeight, Math.round(1000 * share));
    if (weight === known.weight) return;
    known.weight = weight;
    this.#options.setWeight?.(target.slot, weight);
  }

  #onOutcome(job: ProbeJob, outcome: ProbeOutcome): void {
    const known = this.#byJob.get(job);
    const track = known?.tracks.find(each => each.job === job);
    if (!known || !track) return;
    const { good, detail, latency, nobody = false } = outcome;
    const at = this.#options.clock.now();
    const differs = track.last !== null && track.last.good !== good;
    track.last = { at, good, detail, answered: latency !== null };
    if (outcome.void) return;
    track.weight = outcome.weight ?? null;
    if (good) track.good++;
    else track.failed++;
    if (latency !== null) {
      track.latency = latency;
      if (good && track.strain?.take(latency))
        this.#notify(known, track.strain.detail ?? 'no longer overloaded');
    }
    if (job.settings.counts === false) {
      if (differs || (!good && track.failed + track.good === 1))
        this.#notify(known, `probe "${track.label}", which does not count: ${detail}`);
      return;
    }
    if (!good) known.evidence.probe++;
    const family = familyOfAddress(job.target.address);
    const evidence = { source: track.label, family, good, at, detail, latency, nobody };
    this.#judge(known, at, judge => judge.take(evidence));
  }

  /** Lets a backend be judged, then its pool, and tells what came of both. */
  #judge(known: Known, at: number, judging: (judge: Judge) => StateChange | null): void {
    const { judge, target } = known;
    const from = judge.state;
    const change = judging(judge);
    if (!change) return;
    const pool = this.#pools.get(target.pool);
    // In a large pool the look at all of it is not for nothing; what else there is to settle waits for the next one.
    if (pool && judge.condemned) this.#settle(pool, at, known);
    const to = judge.state;
    if (from !== to) this.#tell(known, { ...change, from, to, reason: judge.reason });
    if (pool) this.#weigh(known, pool.paces.pace(pool.members.indexOf(known)).share, at);
  }

  #tell(known: Known, change: StateChange | null): void {
    if (!change) return;
    const { pool, name, slot } = known.target;
    this.#options.setState(slot, change.to);
    this.#options.onChange?.({ ...change, pool, backend: name, slot });
  }

  #notify({ target }: Known, message: string): void {
    this.#options.onNotice?.({ pool: target.pool, backend: target.name, message });
  }
}
