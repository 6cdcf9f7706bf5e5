/**
 * The announcer: of all that speaks for or against each service address it makes what is to be announced, by which driver.
 * Pure: it knows the times that it is told, and nothing else.
 *
 * Tell it the plans (`apply`), then the evidence of each moment (`step`): whenever something is new, and at `next()`. What it
 * wants changes in the same call. Whoever comes later than `next()` by more than a moment was asleep: what was found before
 * then is not taken to have lasted since, so nothing is raised or withdrawn on old evidence.
 */
import { AddressCourse } from './address-course.ts';
import type { Announcement } from './announcement.ts';
import { DrainCourse } from './drain-course.ts';
import type { Evidence } from './evidence.ts';
import type { AddressPlan, DrainPlan } from './plan.ts';
import type { AddressEvent, AddressReport, DrainPhase } from './report.ts';

/** So much later than `next()` is asleep, ms: a busy machine is late by less. */
const oversleep = 2000;

/** What a drain does until a plan is applied. */
const noDrain: DrainPlan = { wait: 0, quiet: 0, settle: 0, stop: { wait: 0, settle: 0 } };

/** All times in ms of one monotonic clock. */
export class Announcer {
  readonly #onEvent: (event: AddressEvent) => void;
  #courses: readonly AddressCourse[] = [];
  #drainPlan = noDrain;
  readonly #drain = new DrainCourse();
  #now = -Infinity;
  #next = Infinity;
  #wokeAt = -Infinity;
  #withdrawnAt = -Infinity;
  readonly #wanted = new Map<string, readonly Announcement[]>();

  /** `onEvent` hears of every change of an address: of its state, or of what is to be announced of it. */
  constructor(onEvent: (event: AddressEvent) => void = () => {}) {
    this.#onEvent = onEvent;
  }

  /**
   * The service addresses from now on. What is known of an address that stays is kept; new attributes are wanted at once, a new
   * rule with the next `step`. An address that is gone is not wanted any more.
   */
  apply(plans: readonly AddressPlan[], drain: DrainPlan, now: number): void {
    const at = this.#advance(now);
    this.#drainPlan = drain;
    const old = new Map(this.#courses.map(course => [course.plan.address, course]));
    const events: (AddressEvent | null)[] = [];
    this.#courses = plans.map(plan => {
      const course = old.get(plan.address);
      old.delete(plan.address);
      if (!course) return new AddressCourse(plan, at);
      events.push(course.replan(plan, at));
      return course;
    });
    for (const course of old.values()) {
      events.push(course.remove(at));
      this.#withdrawnAt = Math.max(this.#withdrawnAt, course.withdrawnAt);
    }
    this.#settle(events, at);
  }

  /** Decides on everything at one moment. A `now` before the last one counts as that. */
  step(evidence: Evidence, now: number): void {
    const at = this.#advance(now);
    this.#drain.step(evidence, this.#drainPlan, this.#announced, this.#withdrawnAt, at);
    this.#settle(
      this.#courses.map(course => course.step(evidence, this.#drain, this.#wokeAt, at)),
      at,
    );
  }

  /** What a driver is to announce, in the order of the plans. The same array until something of it changes. */
  wanted(driver: string): readonly Announcement[] {
    const list = this.#courses.flatMap(({ plan, announcement }) =>
      announcement && plan.via.includes(driver) ? [announcement] : [],
    );
    const last = this.#wanted.get(driver);
    if (last?.length === list.length && last.every((each, i) => each === list[i])) return last;
    this.#wanted.set(driver, list);
    return list;
  }

  /** All addresses, in the order of the plans. */
  report(): AddressReport[] {
    return this.#courses.map(course => course.report(this.#now));
  }

  drainPhase(): DrainPhase {
    return this.#drain.phase;
  }

  /** The next moment at which something changes without new evidence; ∞: there is none. */
  next(): number {
    return this.#next;
  }

  get #announced(): boolean {
    return this.#courses.some(({ announcement }) => announcement !== null);
  }

  #advance(now: number): number {
    this.#now = Math.max(this.#now, now);
    if (this.#now > this.#next + oversleep) this.#wokeAt = this.#now;
    return this.#now;
  }

  #settle(events: readonly (AddressEvent | null)[], now: number): void {
    const changes = events.filter(event => event !== null);
    this.#withdrawnAt = Math.max(this.#withdrawnAt, ...this.#courses.map(({ withdrawnAt }) => withdrawnAt));
    if (!this.#announced) this.#drain.withdrawn(this.#drainPlan, now);
    this.#next = Math.min(this.#drain.next(), ...this.#courses.map(course => course.next(now)));
    for (const event of changes) this.#onEvent(event);
  }
}
