/**
 * Farms that share a withdrawal budget, in virtual time: the real machine and the real announcer of each front, and one
 * etcd with revisions, leases and watches, behind a network that delays, reorders, loses and cuts.
 */

import { ChorusError } from '#kit/errors.ts';
import { type Attributes, hostPrefix } from '#route/announcement.ts';
import { Announcer } from '#route/announcer.ts';
import {
  type Asked,
  BudgetMachine,
  type BudgetRules,
  type FarmRow,
  type Notice,
  type StoreReply,
} from '#route/budget.ts';
import type { Change, Row, Txn, WatchMessage } from '#route/etcd-messages.ts';
import type { BudgetView, Evidence } from '#route/evidence.ts';
import type { AddressPlan, DrainPlan } from '#route/plan.ts';
import type { AddressReport, AddressState } from '#route/report.ts';

export const address = '192.0.2.53';

const problem = new ChorusError('ETCD_UNREACHABLE', { url: 'http://127.0.0.1:2379', reason: 'no answer' });

type Task = { readonly at: number; readonly order: number; readonly run: () => void };

/** Numbers from a seed: a small mixing generator, for chance in tests only. */
export function chance(seed: number): (bound: number) => number {
  let state = seed >>> 0;
  return bound => {
    state = (state + 0x9e3779b9) >>> 0;
    let mixed = state;
    mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b);
    mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
    return ((mixed ^ (mixed >>> 16)) >>> 0) % bound;
  };
}

/** One etcd, whose requests come in one at a time. */
export class Store {
  readonly rows = new Map<string, Row>();
  revision = 1;
  readonly #leases = new Map<string, { ends: number; readonly ttl: number }>();
  readonly #log: Change[] = [];
  #ids = 0;

  /** Made anew, as when its disk was emptied; leases too. */
  wipe(): void {
    this.rows.clear();
    this.#leases.clear();
    this.#log.length = 0;
    this.revision = 1;
  }
  /** What ended by `now`. */
  expire(now: number): void {
    for (const [lease, { ends }] of this.#leases) if (ends <= now) this.revoke(lease);
  }
  grant(seconds: number, now: number): string {
    const lease = String(++this.#ids);
    this.#leases.set(lease, { ends: now + seconds * 1000, ttl: seconds });
    return lease;
  }
  renew(lease: string, now: number): number {
    const held = this.#leases.get(lease);
    if (held === undefined) return 0;
    held.ends = now + held.ttl * 1000;
    return held.ttl;
  }
  revoke(lease: string): void {
    this.#leases.delete(lease);
    const gone = [...this.rows.values()].filter(row => row.lease === lease);
    if (gone.length > 0) this.revision++;
    for (const { key } of gone) this.#change(key, null);
  }
  below(prefix: string): Row[] {
    return [...this.rows.values()].filter(({ key }) => key.startsWith(prefix));
  }
  put(key: string, value: string, lease: string): void {
    this.revision++;
    this.#change(key, { key, value, lease, mod: this.revision });
  }
  /** Undefined: the lease is not known. */
  txn({ compare, change, otherwise }: Txn): Extract<StoreReply, { kind: 'written' }> | undefined {
    const holds = compare.every(({ key, mod }) => (this.rows.get(key)?.mod ?? 0) === mod);
    if (!holds) return { kind: 'written', done: false, revision: this.revision, rows: this.below(otherwise) };
    if ('put' in change) {
      if (!this.#leases.has(change.lease)) return undefined;
      this.put(change.put, change.value, change.lease);
    } else {
      this.revision++;
      this.#change(change.remove, null);
    }
    return { kind: 'written', done: true, revision: this.revision, rows: [] };
  }
  since(revision: number, prefix: string): readonly Change[] {
    let at = this.#log.length;
    while (at > 0 && this.#log[at - 1]!.mod >= revision) at--;
    return this.#log.slice(at).filter(({ key }) => key.startsWith(prefix));
  }
  #change(key: string, row: Row | null): void {
    if (row === null) this.rows.delete(key);
    else this.rows.set(key, row);
    this.#log.push({ key, mod: this.revision, row });
  }
}

export type Chances = {
  /** ms a message takes, at least and at most. */
  readonly delay: readonly [number, number];
  /** Of a thousand messages so many are lost; half of them are replies. */
  readonly lost: number;
  /** Of a thousand requests so many come in when they have long been given up, up to 3 s later. */
  readonly late?: number;
};

const attributes: Attributes = {
  med: 0,
  localPreference: null,
  communities: [],
  largeCommunities: [],
  prepend: 0,
};

const plan: AddressPlan = {
  address,
  prefix: hostPrefix(address),
  via: ['core1'],
  pools: ['default'],
  family: 'any',
  least: 1,
  degradedBelow: 0.5,
  capacity: null,
  rise: 300,
  fall: 0,
  hold: { first: 1000, most: 4000, forget: 5000 },
  whenDown: 'withdraw',
  role: 'primary',
  attributes: {
    up: attributes,
    degraded: { ...attributes, med: 1000 },
    draining: { ...attributes, med: 9999 },
  },
};
const drainPlan: DrainPlan = { wait: 300, quiet: 0, settle: 200, stop: { wait: 0, settle: 0 } };

/** One front: the budget's machine and the announcer, turned as the daemon turns them. */
export class SimFront {
  readonly name: string;
  readonly machine: BudgetMachine;
  found: 'well' | 'down' | 'unknown';
  cut = false;
  alive = true;
  drained = false;
  readonly notices: Notice[] = [];
  readonly history: { readonly at: number; readonly state: AddressState; readonly verdict: string }[] = [];
  /** Told of each withdrawal on evidence, when it is done. */
  onWithdraw: (detail: string) => void = () => {};
  readonly #farm: SimFarm;
  readonly #announcer = new Announcer();
  #drainedAt = 0;
  #watch = 0;
  #watchFrom = 0;
  #timer = 0;
  #life = 0;
  #lastTold = 0;
  #stoppedUntil = 0;

  constructor(farm: SimFarm, name: string, rules: BudgetRules, instance: string, found: 'well' | 'unknown') {
    this.#farm = farm;
    this.name = name;
    this.found = found;
    this.machine = new BudgetMachine(rules, {
      now: () => farm.now,
      wall: () => 1_700_000_000_000 + farm.now,
      random: farm.random,
      instance,
    });
    this.#announcer.apply([plan], drainPlan, farm.now);
    this.#tell();
    this.turn();
  }

  get report(): AddressReport {
    return this.#announcer.report()[0]!;
  }
  get state(): AddressState {
    return this.report.state;
  }
  get announced(): boolean {
    return this.alive && this.report.wanted !== null;
  }
  get view(): BudgetView {
    return this.machine.view().get(address)!;
  }
  get farmRows(): readonly FarmRow[] {
    return this.machine.farm();
  }

  health(found: 'well' | 'down' | 'unknown'): void {
    this.found = found;
    this.turn();
  }
  drain(on: boolean): void {
    this.drained = on;
    this.#drainedAt = this.#farm.now;
    this.turn();
  }
  /** As SIGSTOP, for `ms`: what comes in meanwhile is read afterwards. */
  stop(ms: number): void {
    this.#stoppedUntil = this.#farm.now + ms;
  }
  /** As kill -9. */
  kill(): void {
    this.alive = false;
    this.#life++;
  }
  close(): void {
    const lease = this.machine.close();
    if (lease !== null && !this.cut) this.#farm.store.revoke(lease);
    this.kill();
    this.#farm.tellWatches();
  }

  /** Until neither has anything new to say. */
  turn(): void {
    if (!this.alive) return;
    for (let i = 0; i < 10; i++) {
      const { verdict, detail } = this.view;
      const was = this.announced;
      const before = this.state;
      this.#announcer.step(this.#evidence(), this.#farm.now);
      if (this.state !== before) this.history.push({ at: this.#farm.now, state: this.state, verdict });
      if (was && !this.announced && !this.drained) this.onWithdraw(detail);
      const at = this.#tell();
      const timer = ++this.#timer;
      const life = this.#life;
      this.#farm.later(Math.max(1, Math.min(at, this.#announcer.next()) - this.#farm.now), () => {
        if (timer !== this.#timer || life !== this.#life) return;
        if (this.#farm.now < this.#stoppedUntil)
          this.#farm.later(this.#stoppedUntil - this.#farm.now, () => this.turn());
        else this.turn();
      });
      if (this.state === before && this.view.verdict === verdict) return;
    }
    throw new Error(`${this.name} does not come to rest`);
  }

  #tell(): number {
    this.machine.announced(
      this.#announcer.report().map(({ state, reason, found, asks }) => ({
        address,
        state,
        reason,
        found: found.verdict,
        since: found.since,
        asks,
        there: true,
      })),
    );
    const { ask, notices, at } = this.machine.step();
    if (at <= this.#farm.now) throw new Error(`${this.name} would be called again at once`);
    this.notices.push(...notices);
    for (const asked of ask) this.#send(asked);
    return at;
  }

  #evidence(): Evidence {
    const state = ({ well: 'up', down: 'down', unknown: 'starting' } as const)[this.found];
    const member = { name: 'n1', family: 'ipv4', state, weight: 1 } as const;
    const order = { since: this.#drainedAt, who: 'ada', reason: '', until: null, stop: false };
    return {
      pools: [{ pool: 'default', members: [member], everybody: false, load: null }],
      listeners: [],
      warm: true,
      drain: this.drained ? order : null,
      drainEnds: null,
      budget: this.machine.view(),
      traffic: null,
      forbidden: null,
    };
  }

  #send({ id, request }: Asked): void {
    const farm = this.#farm;
    const life = this.#life;
    const here = (then: () => void) => () => {
      if (life !== this.#life) return;
      // What waits for it is read when it goes on.
      if (farm.now < this.#stoppedUntil) farm.later(this.#stoppedUntil - farm.now, here(then));
      else then();
    };
    const { store } = farm;
    if (request.kind === 'watch') {
      this.#watch = id;
      this.#watchFrom = request.from;
      farm.later(
        farm.wait(),
        here(() => this.hear()),
      );
      return;
    }
    let over = false;
    farm.later(
      farm.patience,
      here(() => {
        if (over) return;
        over = true;
        this.machine.replied(id, { kind: 'failed', problem, leaseGone: false });
        this.turn();
      }),
    );
    const lost = farm.random(1000) < farm.chances.lost;
    const lostAtOnce = lost && farm.random(2) === 0;
    if (lostAtOnce) return;
    const late = farm.random(1000) < (farm.chances.late ?? 0) ? farm.random(3000) : 0;
    // What was sent before a kill or a cut may still come in.
    farm.later(farm.wait() + late, () => {
      if (this.cut || farm.down) return;
      const reply = ((): StoreReply => {
        switch (request.kind) {
          case 'grant':
            return { kind: 'granted', lease: store.grant(request.seconds, farm.now), ttl: request.seconds };
          case 'renew':
            return { kind: 'renewed', ttl: store.renew(request.lease, farm.now) };
          case 'list':
            return {
              kind: 'listed',
              revision: store.revision,
              rows: store.below(request.prefix),
              more: false,
            };
          case 'write':
            return farm.write(request.txn);
        }
      })();
      farm.tellWatches();
      if (lost) return;
      farm.later(
        farm.wait(),
        here(() => {
          if (over || this.cut) return;
          over = true;
          this.machine.replied(id, reply);
          this.turn();
        }),
      );
    });
  }

  /** What the watch has to tell so far. Messages of one watch keep their order. */
  hear(): void {
    if (this.#watch === 0 || this.cut || this.#farm.down || !this.alive) return;
    const changes = this.#farm.store.since(this.#watchFrom, '/chorus/');
    if (changes.length === 0) return;
    const { revision } = this.#farm.store;
    this.#watchFrom = revision + 1;
    this.tell({ kind: 'changes', revision, changes });
  }
  tell(message: WatchMessage): void {
    const id = this.#watch;
    const life = this.#life;
    if (message.kind === 'over') this.#watch = 0;
    this.#lastTold = Math.max(this.#lastTold, this.#farm.now + this.#farm.wait());
    const late = Math.max(this.#lastTold, this.#stoppedUntil) - this.#farm.now;
    this.#farm.later(late, () => {
      if (life !== this.#life || (this.cut && message.kind !== 'over')) return;
      this.machine.watched(id, message);
      this.turn();
    });
  }
}

/** Fronts, one etcd, and the time. */
export class SimFarm {
  now = 0;
  readonly store = new Store();
  readonly fronts: SimFront[] = [];
  readonly random: (bound: number) => number;
  chances: Chances;
  /** etcd is away. */
  down = false;
  readonly patience = 500;
  readonly rules: BudgetRules;
  #tasks: Task[] = [];
  #order = 0;
  #instances = 0;

  constructor(seed: number, chances: Chances, rules: Partial<BudgetRules> = {}) {
    this.random = chance(seed);
    this.chances = chances;
    this.rules = {
      least: 1,
      farm: 'f',
      member: '',
      lease: 5000,
      whenAway: 'keep',
      window: 60_000,
      settle: 10_000,
      ...rules,
    };
  }

  add(name: string, began: 'well' | 'unknown' = 'well', rules: Partial<BudgetRules> = {}): SimFront {
    const instance = (++this.#instances).toString(16).padStart(16, '0');
    const front = new SimFront(this, name, { ...this.rules, member: name, ...rules }, instance, began);
    this.fronts.push(front);
    return front;
  }

  /** What the store says to a transaction; thrown: it refuses. */
  write(request: Txn): StoreReply {
    try {
      return this.store.txn(request) ?? { kind: 'failed', problem, leaseGone: true };
    } catch (error) {
      if (error !== request) throw error;
      return { kind: 'failed', problem, leaseGone: false };
    }
  }

  wait(): number {
    const [least, most] = this.chances.delay;
    return least + this.random(most - least + 1);
  }
  later(ms: number, run: () => void): void {
    const task = { at: this.now + ms, order: ++this.#order, run };
    // A heap by hand: time, then order.
    const tasks = this.#tasks;
    let at = tasks.push(task) - 1;
    while (at > 0) {
      const up = (at - 1) >> 1;
      if (!before(task, tasks[up]!)) break;
      tasks[at] = tasks[up]!;
      at = up;
    }
    tasks[at] = task;
  }
  tellWatches(): void {
    for (const front of this.fronts) front.hear();
  }
  /** etcd stops, or is back. */
  etcd(up: boolean): void {
    this.down = !up;
    if (!up) for (const front of this.fronts) front.tell({ kind: 'over', reason: 'gone' });
    this.tellWatches();
  }
  cut(front: SimFront, cut: boolean): void {
    front.cut = cut;
    front.tell({ kind: 'over', reason: 'cut' });
  }

  /** Lets `ms` pass. */
  run(ms: number): void {
    const end = this.now + ms;
    let steps = 0;
    for (;;) {
      const next = this.#tasks[0];
      if (next === undefined || next.at > end) break;
      if (++steps > 1_000_000) throw new Error('no end of work');
      this.#pop();
      this.now = Math.max(this.now, next.at);
      if (!this.down) {
        const { revision } = this.store;
        this.store.expire(this.now);
        if (this.store.revision !== revision) this.tellWatches();
      }
      next.run();
    }
    this.now = end;
  }
  #pop(): void {
    const tasks = this.#tasks;
    const last = tasks.pop()!;
    if (tasks.length === 0) return;
    let at = 0;
    for (;;) {
      let down = 2 * at + 1;
      if (down >= tasks.length) break;
      if (down + 1 < tasks.length && before(tasks[down + 1]!, tasks[down]!)) down++;
      if (!before(tasks[down]!, last)) break;
      tasks[at] = tasks[down]!;
      at = down;
    }
    tasks[at] = last;
  }
}

function before(one: Task, other: Task): boolean {
  return one.at < other.at || (one.at === other.at && one.order < other.order);
}
