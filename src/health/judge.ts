/**
 * The judge of one backend: evidence in, state and weight out, with the reason in words. Pure: it knows only the times that
 * come with the evidence.
 *
 *     starting ──good──▶ up ◀──no window holds a failure── suspect
 *         └──────bad──────┴──────────── bad ───────────────▶ suspect
 *     any of these ── `failures` of the last `of` runs of one probe failed, or live traffic says so ──▶ down
 *     down ── the failed probes good so often in a row, and not held ──▶ up, with empty windows and little weight
 *
 * - k of n, not n in a row: a backend that fails every other probe has 3 failures in 5 and goes down. It does not come
 *   back while it fails every other one, because that takes good ones in a row.
 * - starting and suspect still serve: a new backend is trusted until evidence speaks against it.
 * - Hold-down: a backend that goes down again within `forget` of coming up is flapping. Its n-th flap in a row holds it
 *   down for at least `first` · 2^(n−1), never more than `most`. One that live traffic took out is held for `live` already
 *   the first time, twice as long with each flap: probes may like it all the while, so time and a few queries must tell.
 * - Slow start: back from down it has a tenth of its weight, a fiftieth when it is flapping, and gains the rest evenly over
 *   `slowStart`. Doubt takes weight too.
 * - An operator's word (`force`) stands above the evidence; evidence is still taken, so `auto` finds it up to date.
 */
import type { BackendState } from '#balance/board.ts';
import type { Evidence, Finding } from './evidence.ts';
import { Window } from './window.ts';

/** How many of the last runs of a probe must fail. */
export type WindowRule = { readonly failures: number; readonly of: number };

/** Rules of one judge. Times in ms. */
export type JudgeRules = {
  readonly failures: number;
  readonly of: number;
  /** By probe, where there are several; others have the rule above. */
  readonly windows?: ReadonlyMap<string, WindowRule>;
  readonly hold: HoldRules;
  /** Time from coming up to full weight; absent: at once. */
  readonly slowStart?: number;
};

export type HoldRules = {
  /** The first flap, the longest hold, and the time up after which flaps are forgotten. */
  readonly first: number;
  readonly most: number;
  readonly forget: number;
  /** The first time that live traffic takes a backend out; absent: `defaultHold.live`. */
  readonly live?: number;
};

/** Hold-down: 10 s, doubling up to 5 min; after live evidence 5 s at first; 10 min up without going down ends the count. */
export const defaultHold = { first: 10_000, most: 300_000, forget: 600_000, live: 5000 } as const;

/** Share of the weight with which a backend comes back, and with which one that flaps does. */
const firstShare = 0.1;
const flappingShare = 0.02;
/** Findings with a lower score are noise. */
export const leastDoubt = 0.6;
/** Share of the weight that doubt by live traffic leaves, just before it takes the backend out. */
const doubtedShare = 0.1;
/** Share of the weight that failed probes leave, just before they take the backend out. */
const suspectShare = 0.5;

/** What an operator can say of a backend; `auto` gives it back to the evidence. */
export const forcings = ['up', 'down', 'draining', 'auto'] as const;
export type Forcing = (typeof forcings)[number];

/** A change of state. */
export type StateChange = {
  readonly from: BackendState;
  readonly to: BackendState;
  readonly reason: string;
  /** In ms of the clock that health was given. */
  readonly at: number;
  /** The piece that decided; null when an operator, live traffic or the pool as a whole did. */
  readonly evidence: Evidence | null;
};

type Judged = 'starting' | 'up' | 'suspect' | 'down';

class Kept {
  readonly window: Window;
  rule: WindowRule;
  lastFailure = '';
  /** The last run found that nobody listens. */
  nobody = false;
  /** Good ones in a row. */
  run = 0;

  constructor(rule: WindowRule) {
    this.rule = rule;
    this.window = new Window(rule.of);
  }
  /** It failed, and has not been good often enough since. */
  get against(): boolean {
    return this.window.failed > 0 && this.run < this.rule.failures;
  }
}

const forcedState = { up: 'up', down: 'disabled', draining: 'draining' } as const;
/** The source of evidence that names none. */
const unnamed = '';

export class Judge {
  #rules: JudgeRules;
  readonly #kept = new Map<string, Kept>();
  #judged: Judged;
  #judgedReason: string;
  #forced: Forcing = 'auto';
  #since: number;
  /** What took it down: probes, or live traffic, with its words. */
  #live: string | null = null;
  #cameUp: number | null = null;
  #flaps = 0;
  #heldUntil = 0;
  #doubt: Finding | null = null;
  #spared: string | null = null;

  /** A judge that knows nothing yet. `watched` is false where no probe will come: then the backend is up. */
  constructor(rules: JudgeRules, at: number, watched = true) {
    this.#rules = rules;
    this.#since = at;
    this.#judged = watched ? 'starting' : 'up';
    this.#judgedReason = watched ? 'no evidence yet' : 'not probed';
  }

  /** The state in force: the operator's, or else the evidence's. */
  get state(): BackendState {
    if (this.#forced !== 'auto') return forcedState[this.#forced];
    if (this.#judged === 'down') return this.#spared === null ? 'down' : 'suspect';
    return this.#doubt === null ? this.#judged : 'suspect';
  }
  /** Why, in words. */
  get reason(): string {
    let reason = this.#judgedReason;
    if (this.#judged === 'down') {
      if (this.#spared !== null) reason = `${this.#spared}: ${reason}`;
    } else if (this.#doubt !== null) reason = `live traffic: ${this.#doubt.detail}`;
    if (this.#forced === 'auto') return reason;
    return `${this.#forced} by the operator; by the evidence ${this.#judged}: ${reason}`;
  }
  get forced(): Forcing {
    return this.#forced;
  }
  /** When the state in force began. */
  get since(): number {
    return this.#since;
  }
  /** The evidence wants it out, whether or not it is spared or forced. */
  get condemned(): boolean {
    return this.#judged === 'down';
  }
  /** Live traffic speaks against it. */
  get doubted(): boolean {
    return this.#doubt !== null;
  }
  /** It was taken out by live traffic. */
  get byLive(): boolean {
    return this.#judged === 'down' && this.#live !== null;
  }
  /** Its machine answers that nobody listens: whatever the network does, this is its own failure. */
  get nobody(): boolean {
    return Array.from(this.#kept.values()).some(kept => kept.nobody);
  }

  /** The share of its configured weight that evidence leaves it at `at`, above 0 and at most 1. */
  weight(at: number): number {
    let share = 1;
    const { slowStart = 0 } = this.#rules;
    if (this.#cameUp !== null && slowStart > 0 && this.#judged !== 'down') {
      const from = this.#flaps > 0 ? flappingShare : firstShare;
      share = Math.min(1, from + ((1 - from) * Math.max(0, at - this.#cameUp)) / slowStart);
    }
    if (this.#judged === 'down') return share;
    let worst = 0;
    for (const { window, rule } of this.#kept.values())
      worst = Math.max(worst, window.failed / rule.failures);
    share *= 1 - (1 - suspectShare) * Math.min(1, worst);
    if (this.#doubt) {
      const doubt = Math.min(1, (this.#doubt.score - leastDoubt) / (1 - leastDoubt));
      share *= 1 - (1 - doubtedShare) * doubt;
    }
    return share;
  }

  /** Takes the operator's word; gives the change of state if it makes one. */
  force(forcing: Forcing, at: number): StateChange | null {
    return this.#change(at, null, () => {
      this.#forced = forcing;
    });
  }

  /** Takes one piece of evidence; gives the change of state if it makes one. */
  take(evidence: Evidence): StateChange | null {
    return this.#change(evidence.at, evidence, () => {
      const kept = this.#keptOf(evidence.source ?? unnamed);
      kept.window.push(evidence.good);
      kept.run = evidence.good ? kept.run + 1 : 0;
      kept.nobody = evidence.nobody ?? false;
      if (!evidence.good) kept.lastFailure = evidence.detail;
      if (this.#judged === 'down') this.#weighReturn(evidence.at, kept);
      else this.#weigh(evidence.at);
    });
  }

  /**
   * Takes what live traffic says, null: nothing. It takes the backend out when the finding is sure and `mayFall` is true;
   * else it is doubt, which takes weight.
   */
  hear(finding: Finding | null, mayFall: boolean, at: number): StateChange | null {
    const heard = finding !== null && finding.score >= leastDoubt ? finding : null;
    if (heard === null && this.#doubt === null) return null;
    return this.#change(at, null, () => {
      this.#doubt = heard;
      if (heard === null || heard.score < 1 || !mayFall || this.#judged === 'down') return;
      this.#doubt = null;
      this.#fall(at, heard.detail);
      this.#judgedReason = `live traffic: ${heard.detail} (out for at least ${inSeconds(this.#heldUntil - at)}${this.#flap})`;
    });
  }

  /** Lets time pass: one that live traffic took out comes back when it has been held for long enough. */
  tick(at: number): StateChange | null {
    if (!this.byLive || at < this.#heldUntil) return null;
    return this.#change(at, null, () => this.#weighReturn(at, null));
  }

  /**
   * Its process has ended, which is known sooner than by a probe: it is down until each probe has been good as often as it takes to
   * come up. Without probes nothing could bring it back: then this changes nothing.
   */
  end(detail: string, at: number): StateChange | null {
    const sources = this.#rules.windows;
    if (!sources || sources.size === 0) return null;
    return this.#change(at, null, () => {
      for (const source of sources.keys()) {
        const kept = this.#keptOf(source);
        if (kept.window.failed === 0) kept.window.push(false);
        kept.run = 0;
        kept.nobody = true;
        kept.lastFailure = detail;
      }
      if (this.#judged !== 'down') this.#fall(at, null);
      this.#judgedReason = detail;
    });
  }

  /** Keeps it in although the evidence wants it out, with the reason; null: no longer. */
  spare(reason: string | null, at: number): StateChange | null {
    if (reason === this.#spared) return null;
    return this.#change(at, null, () => {
      this.#spared = reason;
    });
  }

  /** Changes the rules; the newest outcomes that fit the new windows are kept. They bind from the next evidence on. */
  setRules(rules: JudgeRules): void {
    this.#rules = rules;
    for (const [source, kept] of this.#kept) {
      if (rules.windows && !rules.windows.has(source)) {
        this.#kept.delete(source);
        continue;
      }
      kept.rule = this.#ruleOf(source);
      kept.window.resize(kept.rule.of);
    }
  }

  #ruleOf(source: string): WindowRule {
    return this.#rules.windows?.get(source) ?? this.#rules;
  }

  #keptOf(source: string): Kept {
    let kept = this.#kept.get(source);
    if (!kept) {
      kept = new Kept(this.#ruleOf(source));
      this.#kept.set(source, kept);
    }
    return kept;
  }

  #weigh(at: number): void {
    let worst: Kept | null = null;
    let most = 0;
    for (const kept of this.#kept.values()) {
      most = Math.max(most, kept.window.count);
      const share = kept.window.failed / kept.rule.failures;
      if (share > (worst ? worst.window.failed / worst.rule.failures : 0)) worst = kept;
    }
    if (worst === null) {
      this.#judged = 'up';
      this.#judgedReason = most === 1 ? 'good so far' : `the last ${most} probes were good`;
      return;
    }
    const { window, rule } = worst;
    const reason = this.#failuresOf(worst);
    this.#judgedReason = reason;
    if (window.failed < rule.failures) {
      this.#judged = 'suspect';
      return;
    }
    this.#fall(at, null);
    if (this.#heldUntil > at)
      this.#judgedReason = `${reason} (flap ${this.#flaps}: held down for at least ${inSeconds(this.#heldUntil - at)})`;
  }

  #failuresOf(kept: Kept): string {
    const source = this.#kept.size > 1 ? this.#nameOf(kept) : '';
    const of = source === '' ? 'probes' : `probes "${source}"`;
    return `${kept.window.failed} of the last ${kept.window.count} ${of} failed: ${kept.lastFailure}`;
  }

  #nameOf(kept: Kept): string {
    for (const [source, each] of this.#kept) if (each === kept) return source;
    return '';
  }

  get #flap(): string {
    return this.#flaps > 0 ? `, flap ${this.#flaps}` : '';
  }

  /** Down, for probes or for what live traffic says. */
  #fall(at: number, live: string | null): void {
    const { first, most, forget, live: firstLive = defaultHold.live } = this.#rules.hold;
    this.#judged = 'down';
    this.#live = live;
    for (const kept of this.#kept.values()) if (kept.window.failed > 0) kept.run = 0;
    const flapping = this.#cameUp !== null && at - this.#cameUp < forget;
    this.#flaps = flapping ? this.#flaps + 1 : 0;
    const doublings = Math.min(live === null ? this.#flaps - 1 : this.#flaps, 30);
    const hold = doublings < 0 ? 0 : (live === null ? first : firstLive) * 2 ** doublings;
    this.#heldUntil = at + Math.min(most, hold);
  }

  /** Whether it may come up again; `heard` is the probe that just spoke, null when only time passed. */
  #weighReturn(at: number, heard: Kept | null): void {
    const against = Array.from(this.#kept.values()).find(kept => kept.against);
    const held = at < this.#heldUntil && this.#spared === null;
    if (against) {
      const { rule, run, lastFailure } = against;
      this.#judgedReason =
        run > 0
          ? `${run} good of the ${rule.failures} in a row that it takes to come up; before that: ${lastFailure}`
          : this.#failuresOf(against);
      return;
    }
    const seconds = Math.ceil((this.#heldUntil - at) / 1000);
    if (this.#live !== null) {
      if (held) {
        this.#judgedReason = `live traffic: ${this.#live} (out for ${seconds}s more${this.#flap})`;
        return;
      }
      this.#judgedReason = `tried again; it was out for: ${this.#live}`;
    } else {
      if (heard === null || heard.run < heard.rule.failures) return;
      const goods = `${heard.run} probes in a row were good`;
      if (held) {
        this.#judgedReason = `${goods}, held down for ${seconds}s more (flap ${this.#flaps})`;
        return;
      }
      this.#judgedReason = goods;
    }
    this.#judged = 'up';
    this.#live = null;
    // What was never out need not come back slowly.
    if (this.#spared === null) this.#cameUp = at;
    for (const kept of this.#kept.values()) kept.window.clear();
  }

  #change(at: number, evidence: Evidence | null, apply: () => void): StateChange | null {
    const from = this.state;
    apply();
    const to = this.state;
    if (from === to) return null;
    this.#since = at;
    return { from, to, reason: this.reason, at, evidence };
  }
}

/** Whether a backend in this state is given queries while the pool has any such backend. */
export function serves(state: BackendState): boolean {
  return state === 'starting' || state === 'up' || state === 'suspect';
}

/** Whether a pool with backends in these states fails open: none serves, so those that are down are tried. */
export function failsOpen(states: readonly BackendState[]): boolean {
  return !states.some(serves) && states.includes('down');
}

function inSeconds(ms: number): string {
  return `${Math.round(ms / 100) / 10}s`;
}
