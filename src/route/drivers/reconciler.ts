/**
 * What the drivers of other people's routing software share: one attempt at a time to make true what is wanted, the latest
 * wish wins, and what stands there is looked at again and again. Time comes from the world that is given.
 */
import { ChorusError, reasonOf } from '#kit/errors.ts';
import { type Announcement, type Attributes, formatPrefix, type Prefix } from '../announcement.ts';
import type { ActualRoute, DriverReport, DriverState, DriverWorld } from '../driver.ts';

/** A route that was read back. */
export type StandingRoute = { readonly prefix: Prefix; readonly attributes: Attributes | null };

/** What came of an attempt. */
export type Outcome = {
  readonly state: DriverState;
  readonly detail: string;
  readonly problem: ChorusError | null;
  readonly warnings: readonly string[];
  readonly routes: readonly StandingRoute[];
  /** See `DriverReport.unread`. */
  readonly unread?: boolean;
  /** When to look again, ms from the end of the attempt. */
  readonly again: number;
};

/** Makes `wanted` true and reads back what is. May reject: with a ChorusError as the problem. Ends when `signal` says so. */
export type Attempt = (wanted: readonly Announcement[], signal: AbortSignal) => Promise<Outcome>;

/** How soon after an attempt that was rejected the next one comes, ms: doubled each time up to the second. */
const retry = { first: 250, most: 5_000 } as const;

export class Reconciler {
  readonly #world: DriverWorld;
  readonly #attempt: Attempt;
  readonly #isGone: () => boolean;
  readonly #ending = new AbortController();
  #wanted: readonly Announcement[] = [];
  #key: string | undefined;
  #running: Promise<void> | undefined;
  #again = false;
  #failures = 0;
  #due = Number.POSITIVE_INFINITY;
  #callOff = () => {};
  #closed: Promise<void> | undefined;
  #report: DriverReport;
  #told = '';

  /** `isGone`: the software is known not to run, so that nothing of ours stands in it. Asked when an attempt was rejected. */
  constructor(world: DriverWorld, attempt: Attempt, isGone: () => boolean = () => false) {
    this.#world = world;
    this.#attempt = attempt;
    this.#isGone = isGone;
    this.#report = {
      state: 'idle',
      since: world.now(),
      detail: 'nothing was asked for yet',
      problem: null,
      warnings: [],
      routes: [],
      unread: true,
    };
  }

  /** See `RouteDriver.want`. */
  want(announcements: readonly Announcement[]): void {
    if (this.#closed) return;
    const wanted = announcements.toSorted((a, b) =>
      formatPrefix(a.prefix) < formatPrefix(b.prefix) ? -1 : 1,
    );
    const key = JSON.stringify(wanted);
    if (key === this.#key) return;
    this.#wanted = wanted;
    this.#key = key;
    this.#failures = 0;
    if (this.#running) this.#again = true;
    else this.#begin();
  }

  /** Looks again within `ms`: something has happened to the software. */
  hasten(ms: number): void {
    if (this.#closed || this.#key === undefined) return;
    if (this.#running) this.#due = Math.min(this.#due, this.#world.now() + ms);
    else if (this.#due > this.#world.now() + ms) this.#schedule(ms);
  }

  report(): DriverReport {
    return this.#report;
  }

  /** Tells what is known without waiting for an attempt: the software is gone. */
  tell(outcome: Omit<Outcome, 'again'>): void {
    const { state, detail, problem, warnings, unread = false } = outcome;
    const routes = this.#dated(outcome.routes);
    const told = JSON.stringify([state, detail, problem?.code, problem?.message, warnings, routes, unread]);
    if (told === this.#told) return;
    this.#told = told;
    const since = state === this.#report.state ? this.#report.since : this.#world.now();
    this.#report = { state, since, detail, problem, warnings, routes, unread };
    this.#world.onChange();
  }

  /**
   * Withdraws everything, then calls `finish`, which leaves nothing behind; resolves after `patience` ms at the latest, and the
   * time that `finish` takes.
   */
  close(patience: number, finish: () => Promise<void> | void): Promise<void> {
    this.#closed ??= this.#close(patience, finish);
    return this.#closed;
  }

  async #close(patience: number, finish: () => Promise<void> | void): Promise<void> {
    this.#callOff();
    const begun = this.#key !== undefined;
    let callOff = () => {};
    const over = new Promise<void>(resolve => {
      callOff = this.#world.wait(patience, resolve);
    });
    await Promise.race([over, this.#withdraw(begun)]);
    callOff();
    this.#ending.abort();
    await finish();
    this.tell({
      state: 'idle',
      detail: 'ended',
      problem: null,
      warnings: [],
      routes: [],
    });
  }

  async #withdraw(begun: boolean): Promise<void> {
    await this.#running;
    if (!begun) return;
    // A second time for what came between, and for locks.
    for (let times = 0; times < 2; times++) {
      try {
        const { routes, problem } = await this.#attempt([], this.#ending.signal);
        if (routes.length === 0 && problem === null) return;
      } catch {
        return;
      }
    }
  }

  #begin(): void {
    this.#callOff();
    this.#callOff = () => {};
    this.#due = Number.POSITIVE_INFINITY;
    this.#running = this.#work().finally(() => {
      this.#running = undefined;
    });
  }

  async #work(): Promise<void> {
    let pause: number = retry.first;
    do {
      this.#again = false;
      try {
        const outcome = await this.#attempt(this.#wanted, this.#ending.signal);
        this.#failures = 0;
        pause = outcome.again;
        if (!this.#again && !this.#closed) this.tell(outcome);
      } catch (error) {
        pause = Math.min(retry.first * 2 ** Math.min(this.#failures++, 10), retry.most);
        const problem =
          error instanceof ChorusError ? error : new ChorusError('INTERNAL', { reason: reasonOf(error) });
        if (!this.#closed)
          this.tell({
            state: 'failed',
            detail: problem.message,
            problem,
            warnings: [],
            routes: [],
            unread: !this.#isGone(),
          });
      }
    } while (this.#again && !this.#closed);
    if (this.#closed) return;
    const hastened = this.#due - this.#world.now();
    this.#schedule(Math.min(pause, Math.max(hastened, 20)));
  }

  #schedule(ms: number): void {
    this.#callOff();
    this.#due = this.#world.now() + ms;
    this.#callOff = this.#world.wait(ms, () => {
      if (!this.#closed && !this.#running) this.#begin();
    });
  }

  /** Routes with the time since when they have stood so. */
  #dated(routes: readonly StandingRoute[]): readonly ActualRoute[] {
    const before = new Map(
      this.#report.routes.map(route => [JSON.stringify([route.prefix, route.attributes]), route]),
    );
    return routes.map(
      ({ prefix, attributes }) =>
        before.get(JSON.stringify([prefix, attributes])) ?? { prefix, attributes, since: this.#world.now() },
    );
  }
}

/** What is read back, without what the software puts there by itself where nothing was wanted: then both tell a router the same. */
export function withoutDefaults(
  standing: Attributes,
  wanted: Attributes | undefined,
  defaults: Partial<Attributes>,
): Attributes {
  return {
    ...standing,
    ...(wanted?.med === null && standing.med === (defaults.med ?? null) && { med: null }),
    ...(wanted?.localPreference === null &&
      standing.localPreference === (defaults.localPreference ?? null) && { localPreference: null }),
  };
}
