/** A pool in one snapshot, as its policy sees it. */
import { type Board, stateCode, viewField } from '#balance/board.ts';
import type { Candidates, Policy, Question, RandomInt } from '#balance/policy.ts';
import { makePolicy } from '#balance/registry.ts';
import { maxInFlight } from './inflight.ts';
import type { PlanPool } from './plan.ts';

/** Queries that a backend may hold in one worker while others hold less: a silent one must not fill the table for all. */
const fairShare = maxInFlight / 4;

export class Pool implements Candidates {
  readonly size: number;
  readonly timeout: number;
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
  #excluded = -1;
  #excludedToo = -1;
  #mostOutstanding = fairShare;

  constructor(plan: PlanPool, board: Board, worker: number, random: RandomInt) {
    this.size = plan.backends.length;
    this.timeout = plan.timeout;
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
      slot !== this.#excluded &&
      slot !== this.#excludedToo &&
      this.#weights[index]! > 0 &&
      this.#view[slot * viewField.size]! < this.#mostOutstanding
    );
  }
  weight(index: number): number {
    return (this.#weights[index]! * this.#board.healthWeight(this.#slots[index]!)) / 1000;
  }
  outstanding(index: number): number {
    return this.#view[this.#slots[index]! * viewField.size]!;
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
   * The board slot of the backend for this question, neither `excluded` nor `excludedToo` (−1: any); −1 when there is none.
   * First come those that are fit and hold less than their share of the table, then those that are fit. When none is, those
   * that are down are candidates too (fail open): if all look bad, the check is as likely broken as they are.
   */
  pick(question: Question, excluded: number, excludedToo: number): number {
    this.#excluded = excluded;
    this.#excludedToo = excludedToo;
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
}
