/**
 * A replay: events of a file through the announcer with the service addresses of a configuration, in virtual time. It gives
 * what would have been announced and withdrawn, when and why. Nobody is asked and nothing is touched. Pure.
 */
import { Announcer } from './announcer.ts';
import { type DrainFact, type Fact, parseEvents, type ReplayPlan, type RouteEvent } from './events.ts';
import type { Evidence, PoolView } from './evidence.ts';
import type { AddressEvent, DrainPhase } from './report.ts';
import { type Timeline, type TimelineChange, type TimelinePhase, timelineText } from './timeline.ts';

/** Steps between two events at most: the announcer comes to rest after a few. */
const mostSteps = 10_000;

/**
 * `chorus routes --replay FILE`: the timeline of the events in `text`, and the same as a table for people.
 * @throws ChorusError EVENTS_INVALID with every problem of the file, by line.
 */
export function replayEvents(
  text: string,
  file: string,
  plan: ReplayPlan,
): { readonly timeline: Timeline; readonly text: string } {
  const timeline = replay(parseEvents(text, file, plan), plan);
  return { timeline, text: timelineText(timeline) };
}

/**
 * The timeline of events. It begins at 0 with a farm that is well: all backends up, warm, undrained, every withdrawal
 * granted; or, where the first event is `begin`, then and with nothing known.
 */
export function replay(events: readonly RouteEvent[], plan: ReplayPlan): Timeline {
  return new Replay(events, plan).run();
}

class Replay {
  readonly #events: readonly RouteEvent[];
  readonly #plan: ReplayPlan;
  readonly #entries: (TimelineChange | TimelinePhase)[] = [];
  readonly #announcer: Announcer;
  readonly #announced = new Set<string>();
  readonly #begin: number;
  readonly #day: number | null;
  #now: number;
  #end: number;
  #phase: DrainPhase = 'none';
  #evidence: Evidence;

  constructor(events: readonly RouteEvent[], plan: ReplayPlan) {
    const [first] = events;
    const known = first?.fact.kind !== 'begin';
    this.#events = events;
    this.#plan = plan;
    this.#begin = known ? 0 : first.at;
    this.#day = first?.fact.kind === 'begin' ? first.fact.day : null;
    this.#now = this.#begin;
    this.#end = this.#begin;
    this.#announcer = new Announcer(event => this.#tell(event));
    this.#evidence = {
      pools: plan.pools.map(({ pool, backends }) => ({
        pool,
        members: backends.map(backend => ({ ...backend, state: known ? 'up' : 'starting' })),
        everybody: false,
        load: null,
      })),
      listeners: [],
      warm: known,
      drain: null,
      drainEnds: null,
      budget: new Map(),
      traffic: null,
      forbidden: null,
    };
  }

  run(): Timeline {
    this.#announcer.apply(this.#plan.addresses, this.#plan.drain, this.#begin);
    if ((this.#events[0]?.at ?? 0) > this.#begin) this.#step();
    // Events of one moment are told together.
    for (let i = 0; i < this.#events.length; ) {
      const at = this.#events[i]?.at ?? 0;
      this.#pass(at);
      for (; this.#events[i]?.at === at; i++) this.#learn(this.#events[i]!.fact);
      this.#step();
    }
    this.#end = this.#now;
    this.#pass(Infinity);
    return {
      begin: this.#begin,
      day: this.#day,
      end: this.#end,
      entries: this.#entries,
      addresses: this.#announcer.report().map(({ address, state, since, reason, via, heldUntil }) => ({
        address,
        state,
        since,
        reason,
        via,
        heldUntil,
      })),
    };
  }

  /** Lets time pass until just before `to`, with a step whenever something is due. */
  #pass(to: number): void {
    for (let steps = 0; this.#announcer.next() < to && steps < mostSteps; steps++) {
      this.#now = this.#announcer.next();
      this.#step();
    }
    if (Number.isFinite(to)) this.#now = to;
  }

  #step(): void {
    this.#announcer.step(this.#evidence, this.#now);
    const phase = this.#announcer.drainPhase();
    if (phase === this.#phase) return;
    this.#phase = phase;
    this.#end = this.#now;
    this.#entries.push({ at: this.#now, drain: phase });
  }

  #tell({ at, address, from, to, reason, wanted }: AddressEvent): void {
    const was = this.#announced.has(address);
    if (wanted) this.#announced.add(address);
    else this.#announced.delete(address);
    const change = wanted ? (was ? 'changed' : 'announced') : was ? 'withdrawn' : 'none';
    const drivers = this.#plan.addresses.find(plan => plan.address === address)?.via ?? [];
    this.#end = at;
    this.#entries.push({ at, address, drivers, change, from, to, reason, attributes: wanted });
  }

  #learn(fact: Fact): void {
    const evidence = this.#evidence;
    switch (fact.kind) {
      case 'begin':
        return;
      case 'backend': {
        const { name, state } = fact;
        this.#pool(fact.pool, ({ members }) => ({
          members: members.map(member => (member.name === name ? { ...member, state } : member)),
        }));
        return;
      }
      case 'everybody':
      case 'load':
        this.#pool(fact.pool, () =>
          fact.kind === 'load' ? { load: fact.load } : { everybody: fact.everybody },
        );
        return;
      case 'traffic':
        this.#evidence = { ...evidence, traffic: fact.traffic };
        return;
      case 'listener': {
        const others = evidence.listeners.filter(({ address }) => address !== fact.view.address);
        this.#evidence = { ...evidence, listeners: [...others, fact.view] };
        return;
      }
      case 'warm':
        this.#evidence = { ...evidence, warm: fact.warm };
        return;
      case 'drain':
        this.#drain(fact.drain);
        return;
      case 'budget': {
        const budget = new Map(evidence.budget);
        for (const { address } of this.#plan.addresses)
          if (fact.address === null || fact.address === address) budget.set(address, fact.view);
        this.#evidence = { ...evidence, budget };
        return;
      }
      case 'forbidden':
        this.#evidence = { ...evidence, forbidden: fact.forbidden };
    }
  }

  #pool(name: string, change: (pool: PoolView) => Partial<PoolView>): void {
    const pools = this.#evidence.pools.map(pool =>
      pool.pool === name ? { ...pool, ...change(pool) } : pool,
    );
    this.#evidence = { ...this.#evidence, pools };
  }

  #drain(drain: DrainFact | null): void {
    const order = drain && { who: drain.who, reason: drain.reason, stop: drain.stop, since: 0, until: null };
    const drainEnds = drain && drain.lasts !== null ? this.#now + drain.lasts : null;
    this.#evidence = { ...this.#evidence, drain: order, drainEnds };
  }
}
