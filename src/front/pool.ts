/** A pool in one snapshot, as its policy sees it. */
import { type Board, stateCode, viewField } from '#balance/board.ts';
import type { Candidates, Policy, Question, RandomInt } from '#balance/policy.ts';
import { makePolicy } from '#balance/registry.ts';
import type { Budget } from './hedge.ts';
import { maxInFlight } from './inflight.ts';
import type { PlanHedge, PlanPool } from './plan.ts';

const nobody = new Int32Array(0);
/** Picks after which the pool looks again which of its backends is fast. */
const best95Picks = 64;
/** A backend gets at most so many times the time that its fastest sibling needs, before another is asked too. */
const slowest = 4;
/** Queries that a backend may hold in one worker while others hold less: a silent one must not fill the table for all. */
const fairShare = maxInFlight / 4;

export class Pool implements Candidates {
  readonly size: number;
  readonly timeout: number;
  /** Most backends that one question is asked of, when answers are bad. */
  readonly tries: number;
  readonly hedge: PlanHedge | null;
  /** What its hedges may cost; the same in all snapshots that have the pool. */
  readonly budget: Budget;
  /** The last pick found no fit backend and took one that is down. */
  failedOpen = false;
  readonly #slots: Int32Array;
  readonly #weights: Float64Array;
  readonly #capacities: Float64Array;
  readonly #names: readonly string[];
  readonly #board: Board;
  readonly #view: Int32Array;
  readonly #policy: Policy;
  #worstFit: number = stateCode.suspect;
  #tried: Int32Array = nobody;
  #triedCount = 0;
  /** The least 95th percentile among the fit, µs, and how many picks it is still taken for right. */
  #best95 = 0;
  #best95Holds = 0;
  #mostOutstanding = fairShare;

  constructor(plan: PlanPool, board: Board, worker: number, random: RandomInt, budget: Budget) {
    this.budget = budget;
    this.size = plan.backends.length;
    this.timeout = plan.timeout;
    this.tries = plan.tries;
    this.hedge = plan.hedge;
    this.#slots = Int32Array.from(plan.backends, backend => backend.slot);
    this.#weights = Float64Array.from(plan.backends, backend => backend.weight);
    this.#capacities = Float64Array.from(plan.backends, backend => backend.capacity ?? Infinity);
    this.#names = plan.backends.map(backend => backend.name);
    this.#board = board;
    this.#view = board.view(worker);
    this.#policy = makePolicy(plan.policy, this, random);
  }

  fit(index: number): boolean {
    const slot = this.#slots[index]!;
    const state = this.#board.stateCode(slot);
    return (
      state >= stateCode.starting &&
      state <= this.#worstFit &&
      this.#weights[index]! > 0 &&
      !this.#isTried(slot) &&
      this.#view[slot * viewField.size + viewField.outstanding]! < this.#mostOutstanding
    );
  }
  #isTried(slot: number): boolean {
    for (let i = 0; i < this.#triedCount; i++) if (this.#tried[i] === slot) return true;
    return false;
  }
  weight(index: number): number {
    return (this.#weights[index]! * this.#board.healthWeight(this.#slots[index]!)) / 1000;
  }
  outstanding(index: number): number {
    return this.#view[this.#slots[index]! * viewField.size + viewField.outstanding]!;
  }
  latency(index: number): number {
    return this.#view[this.#slots[index]! * viewField.size + viewField.latency]!;
  }
  capacity(index: number): number {
    return this.#capacities[index]!;
  }
  name(index: number): string {
    return this.#names[index]!;
  }

  /**
   * The board slot of the backend for this question, none of the first `count` of `tried`; −1 when there is none.
   * First come those that are fit and hold less than their share of the table, then those that are fit. When none is, those
   * that are down are candidates too (fail open): if all look bad, the check is as likely broken as they are.
   */
  pick(question: Question, tried: Int32Array = nobody, count = 0): number {
    this.#tried = tried;
    this.#triedCount = count;
    this.failedOpen = false;
    this.#worstFit = stateCode.suspect;
    this.#mostOutstanding = fairShare;
    let index = this.#policy.pick(question);
    if (index < 0) {
      this.#mostOutstanding = Infinity;
      index = this.#policy.pick(question);
    }
    if (index < 0) {
      this.#worstFit = stateCode.down;
      index = this.#policy.pick(question);
      this.failedOpen = index >= 0;
    }
    return index < 0 ? -1 : this.#slots[index]!;
  }

  /**
   * How long the backend on `slot` may take before another is asked as well, in whole ms: its own 95th percentile, but no more than
   * four times that of its fastest sibling, within the bounds of `hedge`. 0: no hedging.
   */
  hedgeDelay(slot: number): number {
    const rules = this.hedge;
    if (!rules || this.size < 2) return 0;
    if (--this.#best95Holds <= 0) this.#findBest95();
    const own = this.#view[slot * viewField.size + viewField.p95]!;
    const bound = this.#best95 * slowest;
    const us = bound > 0 && (own === 0 || own > bound) ? bound : own;
    const ms = us === 0 ? rules.unknown : Math.ceil(us / 1000);
    return ms < rules.least ? rules.least : ms > rules.most ? rules.most : ms;
  }

  #findBest95(): void {
    this.#best95 = 0;
    this.#best95Holds = best95Picks;
    for (let index = 0; index < this.size; index++) {
      const slot = this.#slots[index]!;
      const p95 = this.#view[slot * viewField.size + viewField.p95]!;
      if (
        p95 > 0 &&
        this.#board.stateCode(slot) <= stateCode.suspect &&
        (this.#best95 === 0 || p95 < this.#best95)
      ) {
        this.#best95 = p95;
      }
    }
  }
}
