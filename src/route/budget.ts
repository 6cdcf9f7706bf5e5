/**
 * The withdrawal budget: a farm never withdraws itself whole. Pure: told what this front's announcer says and what etcd
 * replies, it gives what to ask of etcd next and, for each service address, whether it may be withdrawn on evidence.
 *
 * - Each front keeps a key for each service address under its own lease (budget-keys.ts), and knows those of the others by a
 *   list now and then and a watch in between.
 * - To withdraw, it sends one transaction: *if* the keys of `least` others that announce the address and find it well are
 *   still as I know them, *then* my key says `down`. etcd orders transactions, so two fronts that count on each other cannot
 *   both succeed; a front whose lease has ended has no key, so nobody counts on it. Nothing hangs on how old the view is.
 * - Every write of a key compares the key with what is known of it, so that a write that was late or thought lost changes
 *   nothing once a later one stands. From the moment that a write of "announced" is sent nobody may rely on "down" any more.
 * - A permission ends when the address is found well, and when fewer than `least` others announce it at all: then it comes
 *   back degraded, and asks again after `settle`.
 * - All fronts that have an opinion find the address down, the first and the last of them within `window`: nobody is to blame
 *   here. It is `everybody` for each of them until `least` others have announced it well for `settle`. Each says so in
 *   its key, so that one that comes later joins them.
 */
import { ChorusError } from '#kit/errors.ts';
import {
  addressPrefix,
  type Entry,
  entryOf,
  type Found,
  farmPrefix,
  keyOf,
  placeOf,
  valueFor,
} from './budget-keys.ts';
import type { Row, Txn, WatchMessage } from './etcd-messages.ts';
import type { BudgetView } from './evidence.ts';
import type { AddressState } from './report.ts';

/** Rules of the budget. Times in ms. */
export type BudgetRules = {
  /** So many others must announce an address before it is withdrawn on evidence. ≥ 1. */
  readonly least: number;
  readonly farm: string;
  readonly member: string;
  /** A front that was not heard of for so long is gone; etcd that was not heard of for so long is away. Whole seconds. */
  readonly lease: number;
  /** What when etcd is away. */
  readonly whenAway: 'keep' | 'withdraw';
  /** Fronts that find an address down within so long of each other: everybody. */
  readonly window: number;
  /** How long the others must be well again before `everybody` is over, and how long after a permission ended it is asked for again. */
  readonly settle: number;
};

export type BudgetWorld = {
  /** Monotonic time in ms. */
  readonly now: () => number;
  /** Time of day in ms since 1970. */
  readonly wall: () => number;
  /** Uniform in 0 … bound−1. */
  readonly random: (bound: number) => number;
  /** Tells this process from others of the same name: 16 hexadecimal digits, new with each start. */
  readonly instance: string;
};

/** What this front's announcer says of one service address. */
export type OwnAddress = {
  readonly address: string;
  readonly state: AddressState;
  readonly reason: string;
  /** What the evidence says, since when (ms of `now`). */
  readonly found: Found;
  readonly since: number;
  /** It is to be withdrawn on evidence, or is withdrawn so already. */
  readonly asks: boolean;
  /** The announcement stands in at least one router, or nothing is known of that. */
  readonly there: boolean;
};

/** Something to be done with etcd. Each but `watch` gets one reply, by `replied`. */
export type StoreRequest =
  | { readonly kind: 'grant'; readonly seconds: number }
  | { readonly kind: 'renew'; readonly lease: string }
  | { readonly kind: 'list'; readonly prefix: string }
  | { readonly kind: 'write'; readonly txn: Txn }
  /** Ends any earlier watch. Gets `watched` any number of times. */
  | { readonly kind: 'watch'; readonly prefix: string; readonly from: number };

export type StoreReply =
  | { readonly kind: 'granted'; readonly lease: string; readonly ttl: number }
  /** 0: there is no such lease. */
  | { readonly kind: 'renewed'; readonly ttl: number }
  | {
      readonly kind: 'listed';
      readonly revision: number;
      readonly rows: readonly Row[];
      readonly more: boolean;
    }
  | {
      readonly kind: 'written';
      readonly done: boolean;
      readonly revision: number;
      readonly rows: readonly Row[];
    }
  /** `leaseGone`: etcd does not know the lease. What was asked for may have been done all the same, now or later. */
  | { readonly kind: 'failed'; readonly problem: ChorusError; readonly leaseGone: boolean };

export type Asked = { readonly id: number; readonly request: StoreRequest };

export type Notice = {
  readonly level: 'info' | 'warn' | 'error';
  readonly message: string;
  readonly details: Readonly<Record<string, string | number>>;
};

/** What to do now, and when to look again at the latest (ms of `now`). */
export type Step = {
  readonly ask: readonly Asked[];
  readonly notices: readonly Notice[];
  readonly at: number;
};

/** One front and address, ourselves too. */
export type FarmRow = {
  readonly member: string;
  readonly address: string;
  readonly state: AddressState;
  readonly reason: string;
};

type Known = { readonly row: Row; readonly entry: Entry | undefined; readonly member: string };

/** Another front, as it stands at one address. `key`: its only key there. */
type Other = { readonly member: string; readonly entry: Entry; readonly row: Row };

/** A loop of requests of which one at most is under way. */
class Line {
  id = 0;
  sentAt = 0;
  /** Not before then. */
  at = 0;
  failures = 0;
}

class Own {
  report: OwnAddress;
  /** Time of day since when it is found as it is. */
  since = 0;
  permitted: 'no' | 'agreed' | 'rule' = 'no';
  /** Not asked before then. */
  holdUntil = 0;
  everybody: { readonly since: number; calm: number | null } | null = null;
  readonly line = new Line();
  /** The write that is under way or was last. `asks`: for permission. */
  sent: { readonly change: Txn['change']; readonly asks: boolean } | null = null;
  conflicts = 0;
  /** Since when no write succeeds; null: none has failed. */
  failing: number | null = null;
  writtenAt = Number.NEGATIVE_INFINITY;
  verdict: BudgetView['verdict'] = 'asking';
  warned = false;
  leaving = false;

  constructor(report: OwnAddress) {
    this.report = report;
  }
}

const announces = (state: AddressState) => state === 'up' || state === 'degraded';
/** A reason alone is written no more often, in ms. */
const reasonEvery = 5000;
/** Waits after a failure, in ms: doubled from the first to the last. */
const firstWait = 50;
const lastWait = 1000;
/** Away for so long before the rule to withdraw is in force, in ms. */
const wakeUp = 1000;
/** Conflicts in a row after which the next try waits. */
const freeTries = 4;

export class BudgetMachine {
  readonly #rules: BudgetRules;
  readonly #world: BudgetWorld;
  readonly #own = new Map<string, Own>();
  /** Keys of this protocol, by address and key. */
  readonly #rows = new Map<string, Map<string, Known>>();
  /** What `#others` gave, until a key changes. */
  readonly #counted = new Map<string, readonly Other[]>();
  readonly #grant = new Line();
  readonly #renew = new Line();
  readonly #list = new Line();
  readonly #watch = new Line();
  #notices: Notice[] = [];
  #ids = 0;
  #lease: { readonly id: string; readonly ttl: number } | null = null;
  #listed = false;
  /** The latest revision of the store that was seen. */
  #revision = 0;
  /** The latest when the list under way was sent. */
  #floor = 0;
  #leaseGood: number;
  #listGood: number;
  #joinedAt: number | null = null;
  #state: 'connecting' | 'up' | 'away' = 'connecting';
  #stateSince: number;
  #problem: ChorusError | null = null;
  #foreign: { readonly count: number; readonly first: string } | null = null;
  #foreignTold = false;
  #namesakeSince: number | null = null;
  #namesakeTold = false;
  #begun = false;
  #closed = false;

  constructor(rules: BudgetRules, world: BudgetWorld) {
    this.#rules = rules;
    this.#world = world;
    const now = world.now();
    this.#leaseGood = now;
    this.#listGood = now;
    this.#stateSince = now;
  }

  /** What the announcer says now: all of its addresses. Those that it no longer names are taken out of etcd. */
  announced(reports: readonly OwnAddress[]): void {
    const { now, wall } = this.#world;
    if (!this.#begun) {
      this.#begun = true;
      this.#leaseGood = now();
      this.#listGood = now();
    }
    const named = new Set<string>();
    for (const report of reports) {
      named.add(report.address);
      let own = this.#own.get(report.address);
      const before = own?.report;
      if (own === undefined) {
        own = new Own(report);
        this.#own.set(report.address, own);
      }
      own.leaving = false;
      own.report = report;
      if (before?.found !== report.found || before.since !== report.since)
        own.since = Math.max(0, wall() - Math.max(0, now() - report.since));
      if (!report.asks) own.permitted = 'no';
      // What is not announced needs no permission to stay so. Once: a permission that has ended is not given back by that.
      else if (!before?.asks && !announces(report.state) && report.state !== 'draining')
        own.permitted = 'agreed';
    }
    for (const [address, own] of this.#own) if (!named.has(address)) own.leaving = true;
  }

  /** The reply to a request. Unknown ids are left alone: their time is over. */
  replied(id: number, reply: StoreReply): void {
    this.#counted.clear();
    const own = [...this.#own.values()].find(({ line }) => line.id === id);
    const lines = { granted: this.#grant, renewed: this.#renew, listed: this.#list };
    const line =
      own?.line ?? [this.#grant, this.#renew, this.#list, this.#watch].find(candidate => candidate.id === id);
    if (id === 0 || line === undefined || line === this.#watch) return;
    line.id = 0;
    if (reply.kind === 'failed') {
      this.#failed(line, reply.problem);
      if (own !== undefined && own.failing === null) own.failing = line.sentAt;
      // One that was sent under an earlier lease says nothing of this one.
      const under = own?.sent && 'put' in own.sent.change ? own.sent.change.lease : this.#lease?.id;
      if (reply.leaseGone && under === this.#lease?.id) this.#loseLease();
      return;
    }
    if (reply.kind === 'written' ? own === undefined : lines[reply.kind] !== line) return;
    line.failures = 0;
    this.#problem = null;
    if (reply.kind === 'granted') {
      this.#lease = { id: reply.lease, ttl: reply.ttl * 1000 };
      this.#leaseGood = line.sentAt;
      this.#renew.at = line.sentAt + this.#lease.ttl / 3;
    } else if (reply.kind === 'renewed') {
      if (reply.ttl === 0) this.#loseLease();
      else {
        this.#leaseGood = line.sentAt;
        this.#renew.at = line.sentAt + (this.#lease?.ttl ?? this.#rules.lease) / 3;
      }
    } else if (reply.kind === 'listed') this.#takeList(reply);
    else if (own !== undefined) this.#takeWrite(own, reply);
  }

  /** News of the watch with this id. */
  watched(id: number, message: WatchMessage): void {
    if (id !== this.#watch.id || id === 0) return;
    this.#counted.clear();
    if (message.kind === 'over') {
      this.#watch.id = 0;
      this.#wait(this.#watch);
      this.#list.at = 0;
      return;
    }
    this.#watch.failures = 0;
    for (const { key, mod, row } of message.changes) {
      if ((this.#row(key)?.row.mod ?? 0) >= mod) continue;
      if (row === null) this.#forget(key);
      else this.#keep(row);
    }
    this.#revision = Math.max(this.#revision, message.revision);
  }

  /** Nothing more is asked for; gives the lease to revoke, with which all our keys go. */
  close(): string | null {
    this.#closed = true;
    const lease = this.#lease?.id ?? null;
    this.#lease = null;
    return lease;
  }

  /** Decides anew, and says what to do. To be called after each of the above and at the time that it gave. */
  step(): Step {
    const now = this.#world.now();
    const ask: Asked[] = [];
    const times: number[] = [];
    const send = (line: Line, request: StoreRequest): void => {
      line.id = ++this.#ids;
      line.sentAt = now;
      ask.push({ id: line.id, request });
    };
    const idle = (line: Line) => {
      if (line.id !== 0) return false;
      if (line.at > now) times.push(line.at);
      return line.at <= now;
    };
    if (!this.#closed) {
      this.#judgeLink(now, times);
      if (this.#lease === null) {
        if (idle(this.#grant))
          send(this.#grant, { kind: 'grant', seconds: Math.ceil(this.#rules.lease / 1000) });
      } else if (idle(this.#renew)) send(this.#renew, { kind: 'renew', lease: this.#lease.id });
      const prefix = farmPrefix(this.#rules.farm);
      if (idle(this.#list)) {
        this.#floor = this.#revision;
        send(this.#list, { kind: 'list', prefix });
      }
      if (this.#listed && idle(this.#watch)) {
        send(this.#watch, { kind: 'watch', prefix, from: this.#revision + 1 });
      }
      this.#lookForNamesakes(now, times);
      for (const [address, own] of this.#own) {
        if (own.leaving) {
          this.#leave(address, own, idle, send);
          continue;
        }
        this.#judge(own, now, times);
        if (this.#lease === null || !this.#listed || !idle(own.line)) continue;
        const txn = this.#nextWrite(own, now, times);
        if (txn !== null) send(own.line, { kind: 'write', txn });
      }
    }
    const notices = this.#notices;
    this.#notices = [];
    return { ask, notices, at: Math.min(...times.filter(time => time > now), now + 1000) };
  }

  /** For the announcer, by service address. */
  view(): ReadonlyMap<string, BudgetView> {
    const views = [...this.#own].filter(([, own]) => !own.leaving);
    return new Map(views.map(([address, own]) => [address, this.#viewOf(own)]));
  }

  /** All fronts that are known, ourselves too, by address and name. */
  farm(): readonly FarmRow[] {
    const rows = [...this.#own.values()]
      .filter(own => !own.leaving)
      .map(
        ({ report: { address, state, reason } }): FarmRow => ({
          member: this.#rules.member,
          address,
          state,
          reason,
        }),
      );
    for (const [address, known] of this.#rows)
      for (const { row, entry, member } of known.values())
        if (entry !== undefined && row.key !== this.#keyAt(address))
          rows.push({ member, address, state: entry.state, reason: entry.reason });
    return rows.sort((one, other) =>
      one.address === other.address
        ? compareText(one.member, other.member)
        : compareText(one.address, other.address),
    );
  }

  /** How it stands with etcd and the others. `since` in ms of `now`. */
  status(): {
    readonly state: 'connecting' | 'up' | 'away';
    readonly since: number;
    readonly detail: string;
    readonly problems: readonly ChorusError[];
    readonly warnings: readonly string[];
  } {
    const members = new Set(
      [...this.#rows.values()].flatMap(known =>
        [...known.values()].filter(({ entry }) => entry !== undefined).map(({ member }) => member),
      ),
    );
    members.delete(this.#rules.member);
    const problems = [
      ...(this.#state === 'up' || this.#problem === null ? [] : [this.#problem]),
      ...(this.#namesakeTold ? [this.#namesakeError()] : []),
      ...(this.#foreign === null ? [] : [this.#foreignError(this.#foreign)]),
    ];
    const warnings = [...this.#own.values()]
      .filter(({ warned }) => warned)
      .map(own => this.#drainWarning(own));
    const detail = {
      connecting: 'not in touch with etcd yet',
      up: `in touch through etcd with ${members.size} other front(s)`,
      away:
        this.#rules.whenAway === 'keep'
          ? 'etcd is away: what is announced stays announced'
          : 'etcd is away: each front decides for itself',
    }[this.#state];
    return { state: this.#state, since: this.#stateSince, detail, problems, warnings };
  }

  #judgeLink(now: number, times: number[]): void {
    const { lease } = this.#rules;
    // The list is read anew once a lease: one that failed twice is too old.
    const good = Math.min(this.#leaseGood + lease, this.#listGood + 2 * lease);
    const up = this.#lease !== null && this.#listed && now <= good;
    if (now <= good) times.push(good + 1);
    const state = up ? 'up' : now > good ? 'away' : this.#state;
    if (up && this.#joinedAt === null) this.#joinedAt = now;
    if (now > good) this.#joinedAt = null;
    if (state === this.#state) return;
    const away = state === 'away';
    if (away)
      this.#tell('error', 'etcd is away', {
        rule: this.#rules.whenAway,
        reason: this.#problem?.message ?? 'no answer',
      });
    else if (this.#state === 'away') this.#tell('info', 'etcd is back', {});
    this.#state = state;
    this.#stateSince = now;
  }

  #lookForNamesakes(now: number, times: number[]): void {
    const found = [...this.#rows].some(([address, known]) =>
      [...known.values()].some(
        ({ entry, member, row }) =>
          entry !== undefined && member === this.#rules.member && row.key !== this.#keyAt(address),
      ),
    );
    if (!found) {
      if (this.#namesakeTold)
        this.#tell('info', 'no other front has our name any more', { member: this.#rules.member });
      this.#namesakeSince = null;
      this.#namesakeTold = false;
      return;
    }
    this.#namesakeSince ??= now;
    // Our own former life, killed and started again, has keys until its lease ends.
    const end = this.#namesakeSince + 2 * this.#rules.lease + 1000;
    if (this.#namesakeTold) return;
    if (now < end) return void times.push(end);
    this.#namesakeTold = true;
    this.#tellError(this.#namesakeError());
  }

  /** Episodes, permissions that end, the verdict's changes for the log. */
  #judge(own: Own, now: number, times: number[]): void {
    const { report } = own;
    const { least, settle } = this.#rules;
    const others = this.#others(report.address);
    const well = others.filter(isWell).length;
    const up = this.#state === 'up';
    const opinions = others.filter(hasOpinion);
    if (report.found !== 'down' || report.state === 'draining') own.everybody = null;
    else if (own.everybody === null) {
      // Who has just come back may not see all the others yet.
      const graced = (this.#joinedAt ?? now) + this.#rules.lease;
      const all = up && opinions.length > 0 && this.#allDown(own, opinions);
      if (all && now < graced) times.push(graced);
      else if (all) {
        own.everybody = { since: now, calm: null };
        own.permitted = 'no';
      }
    } else if (up) {
      if (well < least) own.everybody.calm = null;
      else own.everybody.calm ??= now;
      const calm = own.everybody.calm;
      if (opinions.length === 0 || (calm !== null && now - calm >= settle)) own.everybody = null;
      else if (calm !== null) times.push(calm + settle);
    }
    if (up && own.permitted === 'rule') own.permitted = 'agreed';
    if (own.permitted !== 'no' && up && own.line.id === 0) {
      const graced = (this.#joinedAt ?? now) + this.#rules.lease;
      const short = others.filter(isThere).length < least;
      if (short && now < graced) times.push(graced);
      else if (short && this.#namesakeSince === null) {
        own.permitted = 'no';
        own.holdUntil = now + settle;
      }
    }
    if (own.failing !== null) times.push(own.failing + this.#rules.lease + 1);
    if (this.#mayGoAlone(own, now, times)) own.permitted = 'rule';
    if (own.holdUntil > now) times.push(own.holdUntil);
    this.#tellVerdict(own);
    const draining = report.state === 'draining' && up;
    const warned = draining && others.filter(isThere).length < least;
    if (warned && !own.warned) this.#tell('warn', this.#drainWarning(own), { address: report.address });
    own.warned = warned;
  }

  /** All that have an opinion find it down; within the window, or some have recognised it already. */
  #allDown(own: Own, opinions: readonly Other[]): boolean {
    if (!opinions.every(({ entry }) => entry.found === 'down')) return false;
    if (opinions.some(({ entry }) => entry.everybody)) return true;
    const times = [own.since, ...opinions.map(({ entry }) => entry.since)];
    return Math.max(...times) - Math.min(...times) <= this.#rules.window;
  }

  #isAway(own: Own, now: number): boolean {
    return this.#state === 'away' || (own.failing !== null && now - own.failing > this.#rules.lease);
  }

  /** The rule is to withdraw, and etcd has been asked in vain: a process that was only asleep asks first. */
  #mayGoAlone(own: Own, now: number, times: number[]): boolean {
    if (this.#rules.whenAway !== 'withdraw' || !own.report.asks) return false;
    if (own.permitted !== 'no' || own.everybody !== null || !this.#isAway(own, now)) return false;
    const since = this.#state === 'away' ? this.#stateSince : (own.failing ?? now) + this.#rules.lease;
    times.push(since + wakeUp);
    return now - since >= wakeUp;
  }

  #viewOf(own: Own): BudgetView {
    const now = this.#world.now();
    const { report } = own;
    const { least } = this.#rules;
    const others = this.#others(report.address);
    const well = others.filter(isWell).length;
    const count = `${well} of ${others.length} others announce it and find it well, ${least} must stay`;
    const away = this.#isAway(own, now);
    const view = (verdict: BudgetView['verdict'], detail: string): BudgetView => ({ verdict, detail });
    if (report.asks && own.everybody !== null) {
      const back = own.everybody.calm === null ? '' : '; enough others are well again, for a short time yet';
      return view('everybody', `all fronts find it down: nobody withdraws${back}`);
    }
    if (report.asks && own.permitted === 'rule') return view('granted', 'etcd is away, the rule is withdraw');
    if (report.asks && own.permitted === 'agreed')
      return view('granted', away ? 'it was allowed before etcd was away' : 'enough others announce it');
    if (away) return view('away', `etcd is away, the rule is ${this.#rules.whenAway}`);
    if (this.#namesakeSince !== null)
      return view('denied', `another front has our name, ${this.#rules.member}: neither may withdraw`);
    if (this.#state === 'up') {
      if (well < least)
        return view('denied', others.length === 0 ? 'no other front is known: this is the last' : count);
      if (own.holdUntil > now)
        return view(
          'denied',
          `too few others announced it lately: asks again in ${Math.ceil((own.holdUntil - now) / 1000)} s`,
        );
    }
    return view('asking', this.#state === 'up' ? count : 'not in touch with etcd yet');
  }

  #tellVerdict(own: Own): void {
    const { verdict, detail } = this.#viewOf(own);
    if (!own.report.asks) {
      own.verdict = 'asking';
      return;
    }
    if (verdict === own.verdict) return;
    own.verdict = verdict;
    const details = { address: own.report.address, detail };
    if (verdict === 'everybody') this.#tell('error', 'everybody finds a service address down', details);
    else if (verdict === 'denied') this.#tell('error', 'a service address may not be withdrawn', details);
    else if (verdict === 'away') this.#tell('error', 'a service address may not be withdrawn', details);
    else if (verdict === 'granted') this.#tell('info', 'a service address may be withdrawn', details);
  }

  /** What is to be written of an address next; null: nothing now. */
  #nextWrite(own: Own, now: number, times: number[]): Txn | null {
    const { report } = own;
    const key = this.#keyAt(report.address);
    const known = this.#rows.get(report.address)?.get(key);
    const lease = this.#lease!.id;
    const otherwise = addressPrefix(this.#rules.farm, report.address);
    const mine = { key, mod: known?.row.mod ?? 0 };
    const { verdict } = this.#viewOf(own);
    if (report.asks && verdict === 'asking' && this.#state === 'up') {
      // Those that have stood longest are least likely to change under our hands.
      const counted = this.#others(report.address)
        .filter(isWell)
        .sort((one, other) => one.row.mod - other.row.mod)
        .slice(0, this.#rules.least)
        .map(({ row }) => ({ key: row.key, mod: row.mod }));
      const value = valueFor(this.#entryOf(own, 'down'));
      own.sent = { change: { put: key, value, lease }, asks: true };
      return { compare: [mine, ...counted], change: own.sent.change, otherwise };
    }
    const state = own.permitted !== 'no' && announces(report.state) ? 'down' : report.state;
    const entry = this.#entryOf(own, state);
    const value = valueFor(entry);
    if (known !== undefined && known.row.lease === lease) {
      if (known.row.value === value) {
        own.failing = null;
        return null;
      }
      const due = own.writtenAt + reasonEvery;
      if (now < due && known.entry !== undefined && sameBesideReason(known.entry, entry)) {
        times.push(due);
        return null;
      }
    }
    own.sent = { change: { put: key, value, lease }, asks: false };
    return { compare: [mine], change: own.sent.change, otherwise };
  }

  #leave(
    address: string,
    own: Own,
    idle: (line: Line) => boolean,
    send: (line: Line, request: StoreRequest) => void,
  ): void {
    const key = this.#keyAt(address);
    const known = this.#rows.get(address)?.get(key);
    if (own.line.id === 0 && known === undefined) this.#own.delete(address);
    if (known === undefined || !this.#listed || !idle(own.line)) return;
    const compare = [{ key, mod: known.row.mod }];
    own.sent = { change: { remove: key }, asks: false };
    const otherwise = addressPrefix(this.#rules.farm, address);
    send(own.line, { kind: 'write', txn: { compare, change: own.sent.change, otherwise } });
  }

  #entryOf({ report, since, everybody }: Own, state: AddressState): Entry {
    const { found, there, reason } = report;
    return { state, found, since: Math.round(since), there, everybody: everybody !== null, reason };
  }

  #takeWrite(own: Own, reply: Extract<StoreReply, { kind: 'written' }>): void {
    const now = this.#world.now();
    const { address, asks } = own.report;
    const { sent } = own;
    own.failing = null;
    if (!reply.done) {
      own.conflicts++;
      if (own.conflicts > freeTries) {
        own.line.at = now + 2 ** Math.min(6, own.conflicts - freeTries) + this.#world.random(10);
        this.#list.at = Math.min(this.#list.at, own.line.at);
        // The store goes on contradicting what is known: it is right.
        this.#rows.delete(address);
      }
      this.#replace(addressPrefix(this.#rules.farm, address), reply.revision, reply.rows);
      return;
    }
    own.conflicts = 0;
    own.writtenAt = now;
    this.#revision = Math.max(this.#revision, reply.revision);
    const key = this.#keyAt(address);
    if (sent === null || 'remove' in sent.change) {
      this.#rows.get(address)?.delete(key);
      return;
    }
    this.#keep({ key, value: sent.change.value, mod: reply.revision, lease: sent.change.lease });
    if (sent.asks && asks && own.everybody === null) own.permitted = 'agreed';
  }

  #takeList({ revision, rows, more }: Extract<StoreReply, { kind: 'listed' }>): void {
    if (revision < this.#floor) {
      // Revisions only grow: this is another store, or one that was made anew.
      this.#tell('warn', 'etcd has lost what it knew', { revision, before: this.#floor });
      this.#rows.clear();
      this.#revision = revision;
      this.#watch.id = 0;
    }
    this.#listed = true;
    this.#listGood = this.#list.sentAt;
    this.#list.at = this.#list.sentAt + this.#rules.lease;
    this.#foreign = more ? { count: rows.length, first: 'more keys than are looked at' } : null;
    this.#replace(farmPrefix(this.#rules.farm), revision, rows);
    if (this.#foreign !== null && !this.#foreignTold) this.#tellError(this.#foreignError(this.#foreign));
    this.#foreignTold = this.#foreign !== null;
  }

  /** What is below a prefix at a revision; what is known from later ones stays. */
  #replace(prefix: string, revision: number, rows: readonly Row[]): void {
    const there = new Set(rows.map(({ key }) => key));
    for (const known of this.#rows.values())
      for (const [key, { row }] of known)
        if (key.startsWith(prefix) && row.mod <= revision && !there.has(key)) known.delete(key);
    for (const row of rows) this.#keep(row);
    for (const [address, known] of this.#rows) if (known.size === 0) this.#rows.delete(address);
    this.#revision = Math.max(this.#revision, revision);
  }

  #keep(row: Row): void {
    const place = placeOf(this.#rules.farm, row.key);
    const entry = place && entryOf(row.value);
    if (entry === undefined) {
      const { count, first } = this.#foreign ?? { count: 0, first: shown(row.key) };
      this.#foreign = { count: count + 1, first };
    }
    if (place === undefined) return;
    const known = this.#rows.get(place.address) ?? new Map<string, Known>();
    this.#rows.set(place.address, known);
    const before = known.get(row.key);
    if (before === undefined || before.row.mod <= row.mod)
      known.set(row.key, { row, entry, member: place.member });
  }

  #forget(key: string): void {
    const place = placeOf(this.#rules.farm, key);
    if (place !== undefined) this.#rows.get(place.address)?.delete(key);
  }

  #row(key: string): Known | undefined {
    const place = placeOf(this.#rules.farm, key);
    return place && this.#rows.get(place.address)?.get(key);
  }

  /** The other fronts at an address. A name with several keys, or with one that is not understood, is nobody. */
  #others(address: string): readonly Other[] {
    const before = this.#counted.get(address);
    if (before !== undefined) return before;
    const byName = new Map<string, Other | null>();
    for (const { row, entry, member } of this.#rows.get(address)?.values() ?? []) {
      if (member === this.#rules.member) continue;
      byName.set(member, entry === undefined || byName.has(member) ? null : { member, entry, row });
    }
    const others = [...byName.values()].filter(other => other !== null);
    this.#counted.set(address, others);
    return others;
  }

  #keyAt(address: string): string {
    return keyOf(this.#rules.farm, {
      address,
      member: this.#rules.member,
      instance: this.#world.instance,
    });
  }

  #loseLease(): void {
    this.#lease = null;
    this.#joinedAt = null;
    this.#grant.at = 0;
    // A renewal that is under way belongs to the lease that is gone.
    this.#renew.id = 0;
  }

  #failed(line: Line, problem: ChorusError): void {
    this.#problem = problem;
    this.#wait(line);
  }

  #wait(line: Line): void {
    const ms = Math.min(lastWait, firstWait * 2 ** Math.min(10, line.failures++));
    line.at = this.#world.now() + ms + this.#world.random(ms);
  }

  #namesakeError(): ChorusError {
    return new ChorusError('BUDGET_NAMESAKE', { member: this.#rules.member, farm: this.#rules.farm });
  }

  #foreignError({ count, first }: { readonly count: number; readonly first: string }): ChorusError {
    return new ChorusError('BUDGET_FOREIGN', { count, first, prefix: farmPrefix(this.#rules.farm) });
  }

  #drainWarning({ report }: Own): string {
    const left = this.#others(report.address).filter(isThere).length;
    return `this drain leaves ${left} other front(s) that announce ${report.address}; ${this.#rules.least} must stay`;
  }

  #tellError(error: ChorusError): void {
    this.#tell('error', error.message, { code: error.code, remedy: error.remedy });
  }

  #tell(level: Notice['level'], message: string, details: Notice['details']): void {
    this.#notices.push({ level, message, details });
  }
}

/** It stands in a router. */
function isThere({ entry }: Other): boolean {
  return entry.there && announces(entry.state);
}

/** It stands in a router, and evidence does not speak against it: one that can be counted on. */
function isWell(other: Other): boolean {
  return isThere(other) && other.entry.found !== 'down';
}

/** Who was taken away by an operator, or has only begun, says nothing about everybody. */
function hasOpinion({ entry }: Other): boolean {
  return entry.found !== 'unknown' && entry.state !== 'draining';
}

function sameBesideReason(one: Entry, other: Entry): boolean {
  return valueFor({ ...one, reason: '' }) === valueFor({ ...other, reason: '' });
}

function compareText(one: string, other: string): number {
  return one < other ? -1 : one > other ? 1 : 0;
}

function shown(key: string): string {
  return key.slice(0, 80).replace(/[^\x20-\x7e]/g, '?');
}
