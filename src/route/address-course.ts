/**
 * One service address: from the evidence of each moment to whether and how it is announced. Pure.
 *
 *     initial ──well──▶ rising ──well for `rise`, warm, not held──▶ up ◀──well for `rise`, not held── degraded
 *        └────────down────┴───▶ down ◀──down for `fall`, may be withdrawn──┴────────poor, or may not────────▶┘
 *     any ──an operator's drain──▶ draining ──undrained──▶ what the evidence says
 *
 * - Nothing is announced while initial, rising or down; always while up or degraded; while draining until the drain withdraws.
 * - What is forbidden stands above all, an operator's drain above evidence and budget, the budget above evidence.
 * - Where the evidence does not suffice (`unknown`) everything stays as it is.
 */
import { formatDuration } from '#kit/units.ts';
import { type Announcement, type Attributes, type Grade, sameAttributes } from './announcement.ts';
import type { DrainCourse } from './drain-course.ts';
import type { BudgetView, Evidence } from './evidence.ts';
import { type Finding, find } from './finding.ts';
import { Flaps } from './flaps.ts';
import type { AddressPlan } from './plan.ts';
import type { AddressEvent, AddressReport, AddressState, DrainPhase } from './report.ts';

/** What is decided: the state, and as what it is announced; null: not at all. */
type Decision = {
  readonly state: AddressState;
  readonly as: 'up' | 'degraded' | 'draining' | null;
  readonly reason: string;
};

/** A budget that has not answered for so long has said no, ms. */
const patience = 1000;

/** Without a budget each front decides for itself. */
const free: BudgetView = { verdict: 'free', detail: '' };

/** All times in ms of the clock of the announcer. */
export class AddressCourse {
  plan: AddressPlan;
  #state: AddressState = 'initial';
  #since: number;
  #reason = 'nothing is known yet';
  #announcement: Announcement | null = null;
  #as: Decision['as'] = null;
  #changes = 0;
  #withdrawnAt = -Infinity;
  #finding: Finding = {
    verdict: 'unknown',
    reason: 'nothing is known yet',
    poor: null,
    eased: false,
    sound: false,
  };
  #foundSince: number;
  /** Since when nothing has spoken for `degraded` any more; null: something does. */
  #calmSince: number | null = null;
  #budget: BudgetView = free;
  #asksSince: number | null = null;
  #phase: DrainPhase = 'none';
  #warm = false;
  /** Before that moment nobody looked: what was found then has not lasted since. */
  #wokeAt = -Infinity;
  /** Withdrawals soon after it was raised; declines soon after it was up. */
  readonly #falls = new Flaps();
  readonly #declines = new Flaps();

  constructor(plan: AddressPlan, now: number) {
    this.plan = plan;
    this.#since = now;
    this.#foundSince = now;
  }

  /** Null: nothing is to be announced. The same object while it is the same. */
  get announcement(): Announcement | null {
    return this.#announcement;
  }

  /** When it was withdrawn last; −∞: never. */
  get withdrawnAt(): number {
    return this.#withdrawnAt;
  }

  get state(): AddressState {
    return this.#state;
  }

  /** What may be new in the plan is put in force at once as far as it needs no evidence. */
  replan(plan: AddressPlan, now: number): AddressEvent | null {
    this.plan = plan;
    return this.#become(
      { state: this.#state, as: this.#as, reason: this.#reason },
      now,
      'its configuration has changed',
    );
  }

  /** It is no longer configured. */
  remove(now: number): AddressEvent | null {
    const announced = this.#as !== null;
    const event = this.#become({ state: 'down', as: null, reason: 'it is no longer configured' }, now);
    return announced ? event : null;
  }

  /** Decides anew. `wokeAt`: before that moment nobody looked. */
  step(evidence: Evidence, drain: DrainCourse, wokeAt: number, now: number): AddressEvent | null {
    const finding = find(this.plan, evidence);
    if (finding.verdict !== this.#finding.verdict) this.#foundSince = now;
    this.#finding = finding;
    const calm = finding.verdict === 'well' && finding.eased;
    this.#calmSince = calm ? (this.#calmSince ?? now) : null;
    this.#budget = evidence.budget.get(this.plan.address) ?? free;
    this.#warm = evidence.warm;
    this.#wokeAt = wokeAt;
    this.#phase = drain.phase;
    // What is withdrawn with a permission keeps it over a sleep.
    const withdrawn = this.#asksSince !== null && this.#as === null && finding.verdict === 'down';
    const asks =
      (withdrawn || this.#fallen(now)) &&
      this.plan.whenDown === 'withdraw' &&
      evidence.forbidden === null &&
      drain.phase === 'none';
    this.#asksSince = asks ? (this.#asksSince ?? now) : null;
    return this.#become(this.#decide(evidence, drain, now), now);
  }

  /** The next moment at which something changes without new evidence; ∞: there is none. */
  next(now: number): number {
    const { verdict } = this.#finding;
    const { rise, fall } = this.plan;
    const due: number[] = [];
    if (this.#phase !== 'none')
      return this.#as !== null && verdict === 'down'
        ? later(this.#from(this.#foundSince) + fall, now)
        : Infinity;
    if (verdict === 'down') due.push(this.#from(this.#foundSince) + fall);
    if (this.#asksSince !== null && this.#as !== null) due.push(this.#asksSince + patience);
    if (this.#as === 'degraded' && this.#calmSince !== null)
      due.push(Math.max(this.#from(this.#calmSince) + rise, this.#declines.until));
    if (this.#as === null && verdict === 'well' && this.#warm && this.#finding.sound)
      due.push(Math.max(this.#from(this.#foundSince) + rise, this.#heldUntil));
    // Held down: the state tells when that ends, whatever else is missing.
    if (this.#as === null && verdict === 'well') due.push(this.#heldUntil);
    return Math.min(...due.map(at => later(at, now)), Infinity);
  }

  report(now: number): AddressReport {
    const announced = this.#as !== null;
    const held = this.#heldUntil > now && !announced ? this.#heldUntil : null;
    return {
      address: this.plan.address,
      prefix: this.plan.prefix,
      state: this.#state,
      since: this.#since,
      reason: this.#reason,
      wanted: this.#announcement,
      via: this.plan.via,
      drain: announced || this.#phase !== 'leaving' ? this.#phase : 'settling',
      found: { verdict: this.#finding.verdict, since: this.#foundSince, reason: this.#finding.reason },
      asks: this.#asksSince !== null,
      budget: this.#budget,
      heldUntil: held,
      changes: this.#changes,
    };
  }

  #decide(evidence: Evidence, drain: DrainCourse, now: number): Decision {
    if (evidence.forbidden !== null) {
      const state = drain.phase === 'none' ? 'down' : 'draining';
      return { state, as: null, reason: evidence.forbidden };
    }
    if (drain.phase !== 'none') return this.#drained(drain, now);
    return this.#as === null ? this.#below(now) : this.#above(now);
  }

  #drained(drain: DrainCourse, now: number): Decision {
    // What serves nobody any more need not be left slowly.
    const dead = this.#fallen(now) && this.plan.whenDown === 'withdraw';
    const stays = drain.phase === 'leaving' && this.#as !== null && !dead;
    const { verdict, detail } = this.#budget;
    const last =
      verdict === 'denied' || verdict === 'everybody' ? ` (the farm is short of others: ${detail})` : '';
    return { state: 'draining', as: stays ? 'draining' : null, reason: drain.detail + last };
  }

  /** It is not announced: may it be? */
  #below(now: number): Decision {
    const { verdict, reason, poor, sound } = this.#finding;
    const { rise, whenDown } = this.plan;
    const wanted = this.#budget.verdict === 'denied' || this.#budget.verdict === 'everybody';
    if (verdict === 'unknown') {
      const state = this.#state === 'draining' ? 'initial' : this.#state;
      return { state, as: null, reason };
    }
    if (verdict === 'down') {
      const degraded = (why: string): Decision => ({ state: 'degraded', as: 'degraded', reason: why });
      // What was just started is to show first what it can.
      const ready = this.#warm || this.#changes > 0;
      if (this.#fallen(now) && whenDown === 'degrade' && ready) return degraded(this.#kept);
      if (this.#asksSince !== null && wanted && ready) return degraded(this.#denied);
      return { state: 'down', as: null, reason };
    }
    if (this.#heldUntil > now && !wanted) {
      const times = `${this.#falls.count + 1} times in a row`;
      const held = formatDuration(Math.round(this.#falls.length));
      return { state: 'down', as: null, reason: `held down for ${held}: it was raised and fell ${times}` };
    }
    const rising = (why: string): Decision => ({ state: 'rising', as: null, reason: `${reason}; ${why}` });
    if (!this.#warm) return rising('not warm yet');
    if (!sound) return rising('some of them failed lately');
    if (now < this.#from(this.#foundSince) + rise) return rising(`not yet for ${formatDuration(rise)}`);
    return poor === null
      ? { state: 'up', as: 'up', reason }
      : { state: 'degraded', as: 'degraded', reason: poor };
  }

  /** It is announced: may it stay so, and how? */
  #above(now: number): Decision {
    const { verdict, reason, poor } = this.#finding;
    const { rise, fall } = this.plan;
    const undrained = this.#state === 'draining';
    if (verdict === 'unknown') {
      if (undrained) return { state: 'up', as: 'up', reason };
      return { state: this.#state, as: this.#as, reason };
    }
    if (verdict === 'down') return this.#downAbove(now, fall);
    const degraded = (why: string): Decision => ({ state: 'degraded', as: 'degraded', reason: why });
    if (poor !== null) return degraded(poor);
    if (this.#as === 'up' || undrained) return { state: 'up', as: 'up', reason };
    if (this.#calmSince === null) return degraded(`${reason}; with little to spare`);
    if (this.#declines.until > now) {
      const times = `${this.#declines.count + 1} times in a row`;
      return degraded(`${reason}; kept back, since it declined ${times}`);
    }
    if (now < this.#from(this.#calmSince) + rise)
      return degraded(`${reason}; not yet for ${formatDuration(rise)}`);
    return { state: 'up', as: 'up', reason };
  }

  #downAbove(now: number, fall: number): Decision {
    const { reason } = this.#finding;
    const degraded = (why: string): Decision => ({ state: 'degraded', as: 'degraded', reason: why });
    if (!this.#fallen(now)) return degraded(`${reason}; not yet for ${formatDuration(fall)}`);
    if (this.plan.whenDown === 'degrade') return degraded(this.#kept);
    const { verdict } = this.#budget;
    if (verdict === 'free' || verdict === 'granted') return { state: 'down', as: null, reason };
    const asked = this.#asksSince ?? now;
    if (verdict === 'asking' && now < asked + patience) {
      const why = `${reason}; the farm is asked whether it may go`;
      return this.#as === 'draining' ? degraded(why) : { state: this.#state, as: this.#as, reason: why };
    }
    return degraded(this.#denied);
  }

  get #kept(): string {
    return `${this.#finding.reason}; it stays announced as \`when-down\` says`;
  }

  get #denied(): string {
    const { verdict, detail } = this.#budget;
    const why = verdict === 'asking' ? 'the farm does not answer' : detail;
    return `${this.#finding.reason}; it stays announced${why === '' ? '' : `: ${why}`}`;
  }

  /** Found down for as long as it takes. */
  #fallen(now: number): boolean {
    return this.#finding.verdict === 'down' && now >= this.#from(this.#foundSince) + this.plan.fall;
  }

  get #heldUntil(): number {
    return this.#falls.until;
  }

  #from(since: number): number {
    return Math.max(since, this.#wokeAt);
  }

  #become({ state, as, reason }: Decision, now: number, why = reason): AddressEvent | null {
    const from = this.#state;
    const was = this.#announcement;
    this.#count(state, as, now);
    if (state !== from) this.#since = now;
    this.#state = state;
    this.#as = as;
    this.#reason = reason;
    this.#announcement = as === null ? null : this.#announce(as);
    if (state === from && this.#announcement === was) return null;
    const { address } = this.plan;
    return { at: now, address, from, to: state, reason: why, wanted: this.#announcement?.attributes ?? null };
  }

  #count(state: AddressState, as: Decision['as'], now: number): void {
    const { hold } = this.plan;
    const well = this.#finding.verdict === 'well';
    if ((as === null) !== (this.#as === null)) {
      this.#changes++;
      if (as === null) this.#withdrawnAt = now;
      if (as !== null && well) this.#falls.rise(now);
      if (as === null && state === 'down' && this.#finding.verdict === 'down') this.#falls.fall(now, hold);
    }
    if (as === 'up' && this.#as !== 'up') this.#declines.rise(now);
    if (as === 'degraded' && this.#as === 'up') this.#declines.fall(now, hold);
  }

  #announce(as: 'up' | 'degraded' | 'draining'): Announcement {
    const { prefix, address, role, attributes } = this.plan;
    const wanted: Attributes = attributes[as];
    const grade: Grade = as === 'up' ? role : as;
    const was = this.#announcement;
    const same =
      was !== null &&
      was.grade === grade &&
      was.prefix.address === prefix.address &&
      was.prefix.bits === prefix.bits &&
      sameAttributes(was.attributes, wanted);
    return same ? was : { prefix, address, attributes: wanted, grade };
  }
}

function later(at: number, now: number): number {
  return at > now ? at : Infinity;
}
