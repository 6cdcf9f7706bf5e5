/**
 * The judge of one backend: evidence in, state out, with the reason in words. Pure: it knows only the times that come
 * with the evidence.
 *
 *     starting ──good──▶ up ◀──the window holds no failure── suspect
 *         └──────bad──────┴──────────── bad ────────────────▶ suspect
 *     any of these ── `failures` of the last `of` failed ──▶ down
 *     down ── `failures` good in a row, and not held ──▶ up, with empty windows
 *
 * - k of n, not n in a row: a backend that fails every other probe has 3 failures in 5 and goes down. It does not come
 *   back while it fails every other one, because that takes good ones in a row.
 * - starting and suspect still serve: a new backend is trusted until evidence speaks against it.
 * - Hold-down: a backend that goes down again within `forget` of coming up is flapping. Its n-th flap in a row holds it
 *   down for at least `first` · 2^(n−1), never more than `most`.
 * - An operator's word (`force`) stands above the evidence; evidence is still taken, so `auto` finds it up to date.
 */
import type { BackendState } from '#balance/board.ts';
import { type Evidence, type EvidenceKind, evidenceKinds } from './evidence.ts';
import { Window } from './window.ts';

/** Rules of one judge. Times in ms. */
export type JudgeRules = {
  readonly failures: number;
  readonly of: number;
  readonly hold: { readonly first: number; readonly most: number; readonly forget: number };
};

/** Hold-down of a flapping backend: 10 s, doubling up to 5 min; 10 min up without going down ends the count. */
export const defaultHold: JudgeRules['hold'] = { first: 10_000, most: 300_000, forget: 600_000 };

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
  /** The piece that decided; null when an operator did. */
  readonly evidence: Evidence | null;
};

type Judged = 'starting' | 'up' | 'suspect' | 'down';
type Kept = { readonly window: Window; lastFailure: string };

const forcedState = { up: 'up', down: 'disabled', draining: 'draining' } as const;

export class Judge {
  #rules: JudgeRules;
  readonly #kept = new Map<EvidenceKind, Kept>();
  #judged: Judged;
  #judgedReason: string;
  #forced: Forcing = 'auto';
  #since: number;
  /** Good ones in a row, of the kinds that are gathered while down. */
  #goodRun = 0;
  #cameUp: number | null = null;
  #flaps = 0;
  #heldUntil = 0;

  /** A judge that knows nothing yet. `watched` is false where no evidence will come: then the backend is up. */
  constructor(rules: JudgeRules, at: number, watched = true) {
    this.#rules = rules;
    this.#since = at;
    this.#judged = watched ? 'starting' : 'up';
    this.#judgedReason = watched ? 'no evidence yet' : 'not probed';
  }

  /** The state in force: the operator's, or else the evidence's. */
  get state(): BackendState {
    return this.#forced === 'auto' ? this.#judged : forcedState[this.#forced];
  }
  /** Why, in words. */
  get reason(): string {
    if (this.#forced === 'auto') return this.#judgedReason;
    return `${this.#forced} by the operator; by the evidence ${this.#judged}: ${this.#judgedReason}`;
  }
  get forced(): Forcing {
    return this.#forced;
  }
  /** When the state in force began. */
  get since(): number {
    return this.#since;
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
      const kept = this.#keptOf(evidence.kind);
      kept.window.push(evidence.good);
      if (!evidence.good) kept.lastFailure = evidence.detail;
      if (evidenceKinds[evidence.kind].whileDown) this.#goodRun = evidence.good ? this.#goodRun + 1 : 0;
      if (this.#judged === 'down') this.#weighReturn(evidence);
      else this.#weigh(evidence);
    });
  }

  /** Changes the rules; the newest outcomes that fit the new window are kept. They bind from the next evidence on. */
  setRules(rules: JudgeRules): void {
    this.#rules = rules;
    for (const kept of this.#kept.values()) kept.window.resize(rules.of);
  }

  #keptOf(kind: EvidenceKind): Kept {
    let kept = this.#kept.get(kind);
    if (!kept) {
      kept = { window: new Window(this.#rules.of), lastFailure: '' };
      this.#kept.set(kind, kept);
    }
    return kept;
  }

  #weigh(evidence: Evidence): void {
    let worst: EvidenceKind = evidence.kind;
    for (const [kind, kept] of this.#kept) {
      if (kept.window.failed > this.#keptOf(worst).window.failed) worst = kind;
    }
    const { window, lastFailure } = this.#keptOf(worst);
    const { many } = evidenceKinds[worst];
    if (window.failed === 0) {
      this.#judged = 'up';
      this.#judgedReason = window.count === 1 ? 'good so far' : `the last ${window.count} ${many} were good`;
      return;
    }
    this.#judgedReason = `${window.failed} of the last ${window.count} ${many} failed: ${lastFailure}`;
    if (window.failed < this.#rules.failures) {
      this.#judged = 'suspect';
      return;
    }
    this.#judged = 'down';
    this.#goodRun = 0;
    const { first, most, forget } = this.#rules.hold;
    const flapping = this.#cameUp !== null && evidence.at - this.#cameUp < forget;
    this.#flaps = flapping ? this.#flaps + 1 : 0;
    const hold = flapping ? Math.min(most, first * 2 ** Math.min(this.#flaps - 1, 30)) : 0;
    this.#heldUntil = evidence.at + hold;
    if (hold > 0) this.#judgedReason += ` (flap ${this.#flaps}: held down for at least ${hold / 1000}s)`;
  }

  #weighReturn(evidence: Evidence): void {
    const { many } = evidenceKinds[evidence.kind];
    const { window, lastFailure } = this.#keptOf(evidence.kind);
    if (this.#goodRun >= this.#rules.failures && evidence.at >= this.#heldUntil) {
      this.#judged = 'up';
      this.#judgedReason = `${this.#goodRun} ${many} in a row were good`;
      this.#cameUp = evidence.at;
      for (const kept of this.#kept.values()) kept.window.clear();
    } else if (this.#goodRun >= this.#rules.failures) {
      const seconds = Math.ceil((this.#heldUntil - evidence.at) / 1000);
      this.#judgedReason = `${this.#goodRun} ${many} in a row were good, held down for ${seconds}s more (flap ${this.#flaps})`;
    } else if (this.#goodRun > 0) {
      this.#judgedReason = `${this.#goodRun} good of the ${this.#rules.failures} in a row that it takes to come up; before that: ${lastFailure}`;
    } else {
      this.#judgedReason = `${window.failed} of the last ${window.count} ${many} failed: ${lastFailure}`;
    }
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
