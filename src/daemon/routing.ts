/**
 * The control loop of the service addresses: gathers the evidence, lets the announcer decide, tells the drivers what is
 * wanted, and holds that against what they read back. It turns ten times a second, when the announcer asks for it, and at
 * once, within the same turn of the event loop, when the health of a backend, a listener, a drain or the budget changes.
 *
 * - Level-triggered: each turn tells every driver all that is wanted. What was lost on the way is told again.
 * - Dead man's switch: drivers are given a beat only while the loop is on time and all workers live. A process that hangs
 *   stops beating, and what it announced ends without it.
 * - What differs from what is wanted, or cannot be done, is shown and logged; nothing of it ends the process.
 */
import type { Clock } from '#health/clock.ts';
import { ChorusError, reasonOf } from '#kit/errors.ts';
import type { Log } from '#kit/log.ts';
import { type Announcement, type Attributes, formatPrefix, sameAttributes } from '#route/announcement.ts';
import { Announcer } from '#route/announcer.ts';
import type { ActualRoute, DriverReport, DriverWorld, RouteDriver } from '#route/driver.ts';
import type { BudgetView, DrainOrder, Evidence, ListenerView, PoolView } from '#route/evidence.ts';
import type { AddressPlan, DrainPlan } from '#route/plan.ts';
import type { AddressEvent, AddressReport, ProblemStatus, RouteStatus, RoutesStatus } from '#route/report.ts';

/** Between two turns, ms. */
const turnEvery = 100;
/** A turn that comes so much too late (ms) gives no beat: what hung so long may hang again. */
const latest = 1000;
/** What a reload takes away stays announced until what it brings is there, for so long at most, ms. */
const lingerMost = 10_000;
/** A driver that a reload takes away has so long to withdraw, ms. */
const closePatience = 5000;
/** At a stop: how long withdrawing may take beyond what the configuration asks for, ms. */
const stopMargin = 1500;

/** A driver of the configuration. */
export type DriverSpec = { readonly name: string; readonly kind: string; readonly options: unknown };

/** What the configuration says. */
export type RoutingPlan = {
  readonly addresses: readonly AddressPlan[];
  readonly drain: DrainPlan;
  readonly drivers: readonly DriverSpec[];
};

/** What the fronts of the farm agree on. */
export interface Agreeing {
  /** Tells the others what became of our addresses. `there`: whether one stands in a router; null: nothing is known of that. */
  tell(reports: readonly AddressReport[], there?: (address: string) => boolean | null): void;
  views(): ReadonlyMap<string, BudgetView>;
  farm(): RoutesStatus['farm'];
  status(): RoutesStatus['budget'];
  close(): Promise<void>;
}

/** Where a drain survives a restart. */
export interface Keeping {
  write(order: DrainOrder | null): Promise<ChorusError | null>;
}

export type RoutingWorld = {
  readonly clock: Clock;
  readonly log: Log;
  readonly random: (bound: number) => number;
  /** Makes a driver. Throws a ChorusError where it can never work as configured. */
  readonly makeDriver: (spec: DriverSpec, world: DriverWorld) => Promise<RouteDriver>;
  readonly pools: () => readonly PoolView[];
  readonly listeners: () => readonly ListenerView[];
  /** Queries/s by clients. Called once a turn. */
  readonly traffic: (now: number) => number | null;
  readonly warm: (now: number) => boolean;
  /** Who else announces an address of ours on this machine; null: nobody. */
  readonly forbidden: () => ChorusError | null;
  /** Why the process is not well; null: it is. */
  readonly unwell: () => string | null;
  readonly store: Keeping;
  /** Takes down what happened, for `chorus routes --events`. */
  readonly record?: (now: number, evidence: Evidence) => void;
};

type Held = {
  spec: DriverSpec;
  readonly driver: Guarded;
  /** It has been told what is wanted. Before, it touches nothing. */
  begun: boolean;
  state: string;
  problem: string;
};

/** What is wanted of one address through one driver, and how far it is. */
type Pair = {
  readonly driver: string;
  readonly address: string;
  prefix: string;
  wanted: Announcement | null;
  decidedAt: number;
  agrees: boolean;
  /** A route stands there, as it is wanted or not. */
  there: boolean;
  /** One has stood there. */
  was: boolean;
  convergence: number | null;
};

/** What a reload took away and is still announced. */
type Lingering = { readonly driver: string; readonly announcement: Announcement };

const pairKey = (driver: string, address: string) => `${driver} ${address}`;

/** Drivers that were made for a plan and are not in force yet. */
export type PreparedDrivers = { readonly plan: RoutingPlan; readonly made: ReadonlyMap<string, Held> };

export class Routing {
  readonly #world: RoutingWorld;
  readonly #events: AddressEvent[] = [];
  readonly #announcer = new Announcer(event => this.#events.push(event));
  #plan: RoutingPlan = { addresses: [], drain: noDrain, drivers: [] };
  #agreeing: Agreeing | null = null;
  readonly #held = new Map<string, Held>();
  readonly #closing = new Set<Promise<void>>();
  /** Successors that wait for the end of the driver before them, by name. */
  readonly #waiting = new Map<string, Held>();
  readonly #pairs = new Map<string, Pair>();
  #lingering: {
    readonly routes: readonly Lingering[];
    readonly awaited: readonly string[];
    until: number;
  } | null = null;
  #order: DrainOrder | null = null;
  /** When the drain ends, on the monotonic clock: the time of day may jump. */
  #orderEnds = Infinity;
  #keepProblem: ChorusError | null = null;
  #stop: DrainOrder | null = null;
  #traffic: number | null = null;
  #unwell: string | null = null;
  #forbidden: ChorusError | null = null;
  #unwait: (() => void) | null = null;
  #due = Infinity;
  #asked = false;
  #running = false;
  #ended = false;

  constructor(world: RoutingWorld) {
    this.#world = world;
  }

  /** Makes the drivers that a plan needs beyond those that there are. Throws what can never work; then nothing is changed. */
  async prepare(plan: RoutingPlan): Promise<PreparedDrivers> {
    const made = new Map<string, Held>();
    try {
      for (const spec of plan.drivers) {
        if (this.#heldFor(spec, plan)) continue;
        made.set(spec.name, await this.#make(spec));
      }
    } catch (error) {
      this.discard({ plan, made });
      throw error;
    }
    return { plan, made };
  }

  /** Ends drivers that were made for nothing. */
  discard({ made }: PreparedDrivers): void {
    for (const { driver } of made.values()) void driver.close(0, 'never used');
  }

  /**
   * Puts a plan in force. Drivers whose options have not changed go on; what is taken away is withdrawn when what is new is
   * announced. A driver of changed options ends before its successor begins: both would speak to the same software.
   */
  apply({ plan, made }: PreparedDrivers, agreeing: Agreeing | null): void {
    // Stopped meanwhile: nothing may begin any more.
    if (this.#ended) {
      this.discard({ plan, made });
      return;
    }
    const now = this.#world.clock.now();
    const before = this.#plan;
    const had = this.#running ? [...this.#pairs.values()].filter(({ wanted }) => wanted !== null) : [];
    const kept = new Map(plan.drivers.map(spec => [spec.name, this.#heldFor(spec, plan)] as const));
    const leaving = [...this.#held].filter(([, held]) => ![...kept.values()].includes(held));
    for (const [name, held] of leaving) {
      // One of the same name has a successor; others linger until what is new is there.
      if (made.has(name)) {
        this.#held.delete(name);
        this.#close(held, 'its options have changed');
      }
    }
    for (const [name, held] of kept) {
      if (!held) continue;
      for (const [other, same] of this.#held) if (same === held && other !== name) this.#held.delete(other);
      held.spec = { ...held.spec, name };
      this.#held.set(name, held);
    }
    this.#plan = plan;
    this.#agreeing = agreeing;
    this.#announcer.apply(plan.addresses, plan.drain, now);
    // It has a view of each address before anything is decided: without one each front is free.
    agreeing?.tell(this.#announcer.report(), address => this.#stands(address));
    for (const event of this.#events.splice(0)) this.#tell(event);
    // What an earlier reload made and nobody has told anything yet: this plan has its own.
    this.#discardWaiting();
    const busy = [...this.#closing];
    for (const [name, held] of made) {
      // One of the same options has begun since this one was made.
      if (kept.get(name)) {
        void held.driver.close(0, 'never used');
        continue;
      }
      const replaced = before.drivers.some(spec => spec.name === name);
      if (!replaced) {
        this.#held.set(name, held);
        continue;
      }
      this.#waiting.set(name, held);
      void Promise.allSettled(busy).then(() => {
        if (this.#waiting.get(name) !== held) return;
        this.#waiting.delete(name);
        this.#held.set(name, held);
        this.#turn();
      });
    }
    this.#linger(had, now);
    if (!this.#running) {
      this.#running = true;
      this.#arm(now);
    }
    this.#turn();
  }

  /** What a restart found: the front is drained from the first turn on. Before `apply`. */
  resume(order: DrainOrder, problem: ChorusError | null): void {
    this.#take(order);
    this.#keepProblem = problem;
  }

  /** Something that counts may have changed: a turn follows in this turn of the event loop. */
  changed(): void {
    if (this.#asked || !this.#running || this.#ended) return;
    this.#asked = true;
    queueMicrotask(() => {
      this.#asked = false;
      this.#turn();
    });
  }

  /** Drains, for `ms` or until `undrain`. Resolves when it is kept for a restart, with what stands in the way of that. */
  async drain(who: string, reason: string, ms: number | null): Promise<ChorusError | null> {
    if (this.#plan.addresses.length === 0) throw new ChorusError('DRAIN_NOTHING');
    const wall = this.#world.clock.wall();
    const since = this.#order?.since ?? wall;
    const why = reason === '' ? (this.#order?.reason ?? '') : reason;
    const order = { since, who, reason: why, until: ms === null ? null : wall + ms, stop: false };
    this.#take(order);
    const until = order.until === null ? '' : new Date(order.until).toISOString();
    this.#world.log.warn('drained', { who, reason: why, ...(until !== '' && { until }) });
    this.#turn();
    const problem = await this.#world.store.write(order);
    if (this.#order === order) this.#keepProblem = problem;
    if (problem) this.#world.log.error(problem.message, { code: problem.code });
    return problem;
  }

  /** Ends the drain. Gives whether there was one; resolves as `drain` does. */
  async undrain(who: string): Promise<{ was: boolean; problem: ChorusError | null }> {
    const was = this.#order !== null;
    if (was) this.#world.log.warn('drain ended', { who });
    this.#lift();
    this.#turn();
    const problem = await this.#world.store.write(null);
    if (this.#order === null) this.#keepProblem = problem;
    if (problem) this.#world.log.error(problem.message, { code: problem.code });
    return { was, problem };
  }

  get drained(): DrainOrder | null {
    return this.#order;
  }

  /** Drained, or leaving, and nothing of ours is announced any more. */
  get safe(): boolean {
    if (this.#order === null && this.#stop === null) return false;
    const reports = this.#announcer.report();
    if (!reports.every(({ drain }) => drain === 'safe')) return false;
    return this.#remaining().length === 0 && this.#unread().length === 0;
  }

  /** Whether the address is announced through a driver now, as read back. */
  isAnnounced(address: string): boolean {
    return this.#stands(address) === true;
  }

  /** Leaves: the short drain, withdraw, settle; then ends all drivers. Never throws. */
  async leave(): Promise<void> {
    if (this.#ended) return;
    const { clock, log } = this.#world;
    const { wait, settle } = this.#plan.drain.stop;
    if (this.#running && this.#plan.addresses.length > 0) {
      const { since, who, reason } = this.#order ?? { since: clock.wall(), who: 'chorus', reason: '' };
      this.#stop = { since, who, reason, until: null, stop: true };
      this.#turn();
      await this.#until(() => this.safe, wait + settle + stopMargin);
      const left = this.#remaining();
      if (left.length > 0) log.warn('still announced at the end', { routes: left.join(', ') });
      const unread = this.#unread();
      if (unread.length > 0)
        log.warn('not known at the end whether it is withdrawn', { drivers: unread.join(', ') });
    }
    await this.#end(closePatience, 'Chorus stops');
  }

  /** Leaves at once, as far as that goes without waiting: the process ends next. Never throws. */
  kill(): void {
    void this.#end(0, 'Chorus ends').catch(() => {});
  }

  /** All of it, for people and machines. */
  status(): RoutesStatus {
    const { clock } = this.#world;
    const announcer = this.#announcer;
    const past = clock.wall() - clock.now();
    const day = (at: number) => Math.round(past + at);
    const reports = announcer.report();
    const drivers = new Map([...this.#held].map(([name, { driver }]) => [name, driver.report()] as const));
    const problems = [this.#forbidden, this.#keepProblem];
    return {
      addresses: reports.map(({ prefix, since, heldUntil, found, ...report }) => ({
        ...report,
        found: { ...found, since: day(found.since) },
        prefix: formatPrefix(prefix),
        since: day(since),
        heldUntil: heldUntil === null ? null : day(heldUntil),
      })),
      drivers: [...this.#held].map(([name, { spec, driver }]) => {
        const {
          state,
          since,
          detail,
          problem,
          warnings,
          unread = false,
        } = drivers.get(name) ?? driver.report();
        return {
          name,
          kind: spec.kind,
          state,
          since: day(since),
          detail,
          problem: problem && problemOf(problem),
          warnings,
          unread,
        };
      }),
      routes: this.#routes(drivers, day),
      drain: this.#order ?? this.#stop,
      safe: this.safe,
      traffic: this.#traffic,
      problems: [...problems.filter(problem => problem !== null).map(problemOf), ...this.#unwellStatus()],
      farm: this.#agreeing?.farm() ?? [],
      budget: this.#agreeing?.status() ?? null,
    };
  }

  #unwellStatus(): ProblemStatus[] {
    if (this.#unwell === null) return [];
    return [problemOf(new ChorusError('ROUTES_UNWELL', { reason: this.#unwell }))];
  }

  /** Pairs with what is there, and routes of our drivers that nobody wants. */
  #routes(drivers: ReadonlyMap<string, DriverReport>, day: (at: number) => number): RouteStatus[] {
    const found: RouteStatus[] = [];
    const seen = new Set<string>();
    for (const { driver, address, prefix, wanted, agrees, convergence } of this.#pairs.values()) {
      const actual = routeTo(drivers.get(driver), prefix);
      seen.add(pairKey(driver, prefix));
      found.push({
        address,
        prefix,
        driver,
        wanted: wanted?.attributes ?? null,
        actual: actual ? { attributes: actual.attributes, since: day(actual.since) } : null,
        agrees,
        convergence,
      });
    }
    for (const [driver, { routes }] of drivers) {
      for (const { prefix, attributes, since } of routes) {
        const text = formatPrefix(prefix);
        if (seen.has(pairKey(driver, text))) continue;
        const { address } = prefix;
        const actual = { attributes, since: day(since) };
        found.push({ address, prefix: text, driver, wanted: null, actual, agrees: false, convergence: null });
      }
    }
    return found;
  }

  /** What is still there of ours, as `DRIVER PREFIX`. */
  #remaining(): string[] {
    return [...this.#held].flatMap(([name, { driver }]) =>
      driver.report().routes.map(({ prefix }) => `${name} ${formatPrefix(prefix)}`),
    );
  }

  /** Drivers that were told what is wanted and cannot read what stands: what they withdrew may be there still. */
  #unread(): string[] {
    return [...this.#held].flatMap(([name, { driver, begun }]) =>
      begun && driver.report().unread ? [name] : [],
    );
  }

  /** The driver that there is already for a driver of a plan. */
  #heldFor({ name, kind, options }: DriverSpec, { drivers }: RoutingPlan): Held | undefined {
    const same = ({ spec }: Held) => spec.kind === kind && sameOptions(spec.options, options);
    const own = this.#held.get(name);
    if (own && same(own)) return own;
    // The same driver under another name goes on: two of them would be in each other's way.
    for (const [other, held] of this.#held) {
      if (same(held) && !drivers.some(spec => spec.name === other)) return held;
    }
    return undefined;
  }

  async #make(spec: DriverSpec): Promise<Held> {
    const { clock, log, random, makeDriver } = this.#world;
    let made: Held | null = null;
    const bare = await makeDriver(spec, {
      name: spec.name,
      addresses: () => {
        const name = made?.spec.name ?? spec.name;
        return this.#plan.addresses.filter(({ via }) => via.includes(name)).map(({ address }) => address);
      },
      now: () => clock.now(),
      wait: (ms, then) => clock.wait(ms, then),
      random,
      onNotice: (level, message, details = {}) =>
        log[level](message, { driver: made?.spec.name ?? spec.name, ...details }),
      onChange: () => {
        if (made && !this.#ended) this.changed();
      },
    });
    const driver = new Guarded(bare, error => {
      const stack = error instanceof Error ? (error.stack ?? '') : '';
      log.error('fault in a route driver', {
        driver: made?.spec.name ?? spec.name,
        reason: reasonOf(error),
        stack,
      });
    });
    made = { spec, driver, begun: false, state: 'idle', problem: '' };
    return made;
  }

  #discardWaiting(): void {
    for (const { driver } of this.#waiting.values()) void driver.close(0, 'never used');
    this.#waiting.clear();
  }

  #close({ driver }: Held, reason: string): void {
    const closing = driver.close(closePatience, reason).then(() => {
      this.#closing.delete(closing);
    });
    this.#closing.add(closing);
  }

  #take(order: DrainOrder): void {
    const { clock } = this.#world;
    this.#order = order;
    this.#orderEnds = order.until === null ? Infinity : clock.now() + Math.max(0, order.until - clock.wall());
  }

  #lift(): void {
    this.#order = null;
    this.#orderEnds = Infinity;
  }

  #arm(now: number): void {
    this.#unwait?.();
    const next = this.#announcer.next();
    this.#due = Math.min(now + turnEvery, Math.max(now + 1, next));
    this.#unwait = this.#world.clock.wait(this.#due - now, () => this.#onTimer());
  }

  #onTimer(): void {
    if (this.#ended) return;
    const now = this.#world.clock.now();
    const late = now - this.#due;
    this.#arm(now);
    this.#turn();
    if (late > latest) {
      this.#world.log.warn('the control loop was late: no beat to the drivers', { ms: Math.round(late) });
      return;
    }
    const unwell = this.#world.unwell();
    if (unwell !== this.#unwell) {
      this.#unwell = unwell;
      if (unwell === null) this.#world.log.info('all workers are well again: drivers are given a beat');
      else this.#world.log.error('not well: no beat to the drivers', { reason: unwell });
    }
    if (unwell !== null) return;
    for (const { driver, begun } of this.#held.values()) if (begun) driver.beat();
  }

  /** One turn: evidence in, wants out. */
  #turn(): void {
    if (!this.#running || this.#ended) return;
    const { clock, log, record } = this.#world;
    const announcer = this.#announcer;
    const now = clock.now();
    if (now >= this.#orderEnds) {
      log.warn('drain ended: its time is over', { who: this.#order?.who ?? '' });
      this.#lift();
      void this.#world.store.write(null).then(problem => {
        if (this.#order === null) this.#keepProblem = problem;
        if (problem) log.error(problem.message, { code: problem.code });
      });
    }
    const evidence = this.#gather(now);
    announcer.step(evidence, now);
    record?.(now, evidence);
    this.#agreeing?.tell(announcer.report(), address => this.#stands(address));
    // First the routes, then the log.
    this.#want(now);
    for (const event of this.#events.splice(0)) this.#tell(event);
    this.#compare(now);
    if (announcer.next() < this.#due - 1) this.#arm(now);
  }

  #gather(now: number): Evidence {
    const { pools, listeners, traffic, warm, forbidden, log } = this.#world;
    this.#traffic = traffic(now);
    const found = forbidden();
    if (found?.message !== this.#forbidden?.message) {
      if (found) log.error(found.message, { code: found.code });
      else log.info('no other process announces our service addresses');
    }
    this.#forbidden = found;
    return {
      pools: pools(),
      listeners: listeners(),
      warm: warm(now),
      drain: this.#stop ?? this.#order,
      drainEnds: this.#stop || this.#orderEnds === Infinity ? null : this.#orderEnds,
      budget: this.#agreeing?.views() ?? noBudget,
      traffic: this.#traffic,
      forbidden: found?.message ?? null,
    };
  }

  /** Tells each driver all that is wanted through it. */
  #want(now: number): void {
    this.#endLingering(now);
    const reports = this.#announcer.report();
    for (const [name, held] of this.#held) {
      // What another process announces is not for us to take back.
      if (this.#forbidden && !held.begun) continue;
      held.begun = true;
      const { driver } = held;
      const wanted = reports.filter(({ via }) => via.includes(name));
      const announcements = wanted.flatMap(({ wanted: one }) => (one ? [one] : []));
      const known = new Set(wanted.map(({ prefix }) => formatPrefix(prefix)));
      for (const { driver: of, announcement } of this.#lingering?.routes ?? []) {
        if (of === name && !known.has(formatPrefix(announcement.prefix))) announcements.push(announcement);
      }
      driver.want(announcements);
    }
    const pairs = new Set<string>();
    for (const { address, prefix, via, wanted } of reports) {
      for (const driver of via) {
        const key = pairKey(driver, address);
        pairs.add(key);
        const pair = this.#pairs.get(key);
        if (!pair) {
          const fresh = { driver, address, prefix: formatPrefix(prefix), wanted, decidedAt: now };
          this.#pairs.set(key, { ...fresh, agrees: false, there: false, was: false, convergence: null });
          continue;
        }
        pair.prefix = formatPrefix(prefix);
        if (!sameWish(pair.wanted, wanted)) {
          pair.decidedAt = now;
          pair.agrees = false;
          pair.convergence = null;
        }
        pair.wanted = wanted;
      }
    }
    for (const key of this.#pairs.keys()) if (!pairs.has(key)) this.#pairs.delete(key);
  }

  /** Whether a route to it was there at the last look; null: there is no driver to tell. */
  #stands(address: string): boolean | null {
    const pairs = [...this.#pairs.values()].filter(pair => pair.address === address);
    return pairs.length === 0 ? null : pairs.some(({ there }) => there);
  }

  /** Holds what is wanted against what is there; tells what has changed. */
  #compare(now: number): void {
    const { log } = this.#world;
    const reports = new Map<string, DriverReport>();
    for (const [name, held] of this.#held) {
      const report = held.driver.report();
      reports.set(name, report);
      this.#tellDriver(name, held, report);
    }
    for (const pair of this.#pairs.values()) {
      const { driver, address, wanted } = pair;
      const actual = routeTo(reports.get(driver), pair.prefix);
      // Where nothing can be read, a withdrawal has not been seen.
      const unread = reports.get(driver)?.unread ?? false;
      const agrees = !(unread && actual === undefined) && agree(wanted?.attributes ?? null, actual);
      pair.there = actual !== undefined;
      pair.was ||= pair.there;
      if (agrees === pair.agrees) continue;
      pair.agrees = agrees;
      if (agrees) {
        pair.convergence = now - pair.decidedAt;
        // What was never there need not be told as gone.
        if (wanted === null && !pair.was) continue;
        const ms = Math.round(pair.convergence);
        log.info(wanted ? 'route is there' : 'route is gone', { address, driver, ms });
      } else {
        pair.decidedAt = now;
        pair.convergence = null;
        const is = actual === undefined ? (unread ? 'not known' : 'not there') : 'there, not as wanted';
        log.warn('route is not as wanted', {
          address,
          driver,
          wanted: wanted ? 'announced' : 'withdrawn',
          is,
        });
      }
    }
  }

  #tellDriver(name: string, held: Held, { state, detail, problem }: DriverReport): void {
    const message = problem?.message ?? '';
    if (state === held.state && message === held.problem) return;
    const { log } = this.#world;
    const fields = { driver: name, from: held.state, to: state, detail };
    if (problem && message !== held.problem) log.error(message, { ...fields, code: problem.code });
    else if (state !== held.state) log[held.state === 'up' ? 'warn' : 'info']('driver changed', fields);
    held.state = state;
    held.problem = message;
  }

  #tell({ address, from, to, reason, wanted }: AddressEvent): void {
    const level = to === 'down' || to === 'degraded' ? 'warn' : 'info';
    const announced = wanted ? attributesText(wanted) : 'nothing';
    this.#world.log[level]('service address changed', { address, from, to, reason, announced });
  }

  /** What a reload took away, but for routes whose place something else has taken. */
  #linger(had: readonly Pair[], now: number): void {
    const wantedNow = new Map(this.#plan.addresses.map(({ address, via }) => [address, via] as const));
    const fresh = this.#plan.addresses.flatMap(({ address, via }) =>
      via
        .filter(driver => !this.#pairs.has(pairKey(driver, address)))
        .map(driver => pairKey(driver, address)),
    );
    const routes = had.flatMap(({ driver, address, wanted }): Lingering[] =>
      wanted === null || wantedNow.get(address)?.includes(driver) || !this.#held.has(driver)
        ? []
        : [{ driver, announcement: wanted }],
    );
    this.#lingering =
      routes.length === 0 || fresh.length === 0 ? null : { routes, awaited: fresh, until: now + lingerMost };
    this.#closeUnused();
  }

  #endLingering(now: number): void {
    const lingering = this.#lingering;
    if (!lingering) return;
    const there = lingering.awaited.every(key => {
      const pair = this.#pairs.get(key);
      return pair !== undefined && pair.wanted !== null && pair.agrees;
    });
    if (!there && now < lingering.until && !this.#stop && !this.#order && !this.#forbidden) return;
    this.#lingering = null;
    this.#closeUnused();
  }

  /** Ends the drivers that neither the plan nor what lingers needs. */
  #closeUnused(): void {
    for (const [name, held] of this.#held) {
      if (this.#plan.drivers.some(spec => spec.name === name)) continue;
      if (this.#lingering?.routes.some(({ driver }) => driver === name)) continue;
      this.#held.delete(name);
      this.#close(held, 'taken out of the configuration');
    }
  }

  async #end(patience: number, reason: string): Promise<void> {
    if (this.#ended) return;
    this.#ended = true;
    this.#unwait?.();
    this.#unwait = null;
    this.#discardWaiting();
    const closing = [...this.#held.values()].map(({ driver }) => driver.close(patience, reason));
    const agreeing = this.#agreeing?.close().catch(() => {});
    await Promise.all([...closing, ...this.#closing, agreeing]);
  }

  /** Resolves when it holds, or after `ms`. */
  #until(holds: () => boolean, ms: number): Promise<void> {
    const { clock } = this.#world;
    const end = clock.now() + ms;
    return new Promise(resolve => {
      const look = () => {
        if (holds() || clock.now() >= end || this.#ended) resolve();
        else clock.wait(Math.min(20, end - clock.now()), look);
      };
      look();
    });
  }
}

/** A driver whose faults end neither the loop nor the service: they are told once, and shown as its problem. */
class Guarded {
  readonly #driver: RouteDriver;
  readonly #onFault: (error: unknown) => void;
  #fault: string | null = null;

  constructor(driver: RouteDriver, onFault: (error: unknown) => void) {
    this.#driver = driver;
    this.#onFault = onFault;
  }

  want(announcements: readonly Announcement[]): void {
    this.#try(() => this.#driver.want(announcements));
  }

  beat(): void {
    this.#try(() => this.#driver.beat());
  }

  report(): DriverReport {
    const report = this.#try(() => this.#driver.report());
    if (report && this.#fault === null) return report;
    const problem = new ChorusError('INTERNAL', { reason: this.#fault ?? 'unknown' });
    const nothing: DriverReport = {
      state: 'failed',
      since: 0,
      detail: 'a fault in Chorus',
      problem,
      warnings: [],
      routes: [],
      unread: true,
    };
    return { ...(report ?? nothing), problem };
  }

  async close(patience: number, reason: string): Promise<void> {
    try {
      await this.#driver.close(patience, reason);
    } catch (error) {
      this.#told(error);
    }
  }

  #try<T>(call: () => T): T | null {
    try {
      return call();
    } catch (error) {
      this.#told(error);
      return null;
    }
  }

  #told(error: unknown): void {
    const reason = reasonOf(error);
    if (reason === this.#fault) return;
    this.#fault = reason;
    this.#onFault(error);
  }
}

const noBudget: ReadonlyMap<string, BudgetView> = new Map();
const noDrain: DrainPlan = { wait: 0, quiet: 0, settle: 0, stop: { wait: 0, settle: 0 } };

function problemOf({ code, message, remedy }: ChorusError): ProblemStatus {
  return { code, message, remedy };
}

function sameOptions(one: unknown, other: unknown): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}

function sameWish(one: Announcement | null, other: Announcement | null): boolean {
  if (one === null || other === null) return one === other;
  return one.grade === other.grade && sameAttributes(one.attributes, other.attributes);
}

function routeTo(report: DriverReport | undefined, prefix: string): ActualRoute | undefined {
  return report?.routes.find(route => formatPrefix(route.prefix) === prefix);
}

/** Whether a route is as wanted. What the software does not show, and what is not wanted in any way, is no difference. */
export function agree(wanted: Attributes | null, actual: ActualRoute | undefined): boolean {
  if (wanted === null || actual === undefined) return wanted === null && actual === undefined;
  const { attributes } = actual;
  if (attributes === null) return true;
  return sameAttributes(
    {
      ...wanted,
      med: attributes.med === null ? null : (wanted.med ?? attributes.med),
      localPreference:
        attributes.localPreference === null ? null : (wanted.localPreference ?? attributes.localPreference),
    },
    attributes,
  );
}

/** Attributes in words: `med 0, local preference 200, communities 65000:100`. */
export function attributesText({
  med,
  localPreference,
  communities,
  largeCommunities,
  prepend,
}: Attributes): string {
  const words = [
    med === null ? '' : `med ${med}`,
    localPreference === null ? '' : `local preference ${localPreference}`,
    communities.length === 0 ? '' : `communities ${communities.join(' ')}`,
    largeCommunities.length === 0 ? '' : `large communities ${largeCommunities.join(' ')}`,
    prepend === 0 ? '' : `prepend ${prepend}`,
  ].filter(word => word !== '');
  return words.length === 0 ? 'no attributes' : words.join(', ');
}
