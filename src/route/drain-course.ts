/**
 * The course of a drain, from the order until it is safe to stop. Pure.
 *
 *     none ──order──▶ leaving ──traffic quiet, or `wait` over──▶ settling ──`settle` over──▶ safe
 *       ▲    announced as draining               withdrawn, packets under way             may be stopped
 *       └──────────── no order any more, or the drain has ended by itself ─────────────────────┘
 *
 * Where nothing was announced there is nothing to leave, and it is safe `settle` after the last withdrawal. An order to stop
 * shortens what is left.
 */
import type { DrainOrder, Evidence } from './evidence.ts';
import type { DrainPlan } from './plan.ts';
import type { DrainPhase } from './report.ts';

/** Times in ms of the clock of the announcer. */
export class DrainCourse {
  #order: DrainOrder | null = null;
  #phase: DrainPhase = 'none';
  /** Queries/s before the drain; null where that is not known. */
  #before: number | null = null;
  #leaveBy = Infinity;
  #safeAt = Infinity;
  #endsAt = Infinity;

  get phase(): DrainPhase {
    return this.#phase;
  }

  /** The order in force. */
  get order(): DrainOrder | null {
    return this.#order;
  }

  /** In words, for the reason of each address. */
  get detail(): string {
    const order = this.#order;
    if (!order) return '';
    const why = order.reason === '' ? '' : `: ${order.reason}`;
    return order.stop ? `Chorus stops${why}` : `drained by ${order.who}${why}`;
  }

  /**
   * Goes on to what is due. `announced`: an address is announced now. `withdrawnAt`: when one was withdrawn last, −∞ for never.
   * Call it before the addresses are decided on: what is announced while `leaving` is announced as draining, and otherwise
   * withdrawn.
   */
  step(
    { drain, drainEnds, traffic }: Pick<Evidence, 'drain' | 'drainEnds' | 'traffic'>,
    plan: DrainPlan,
    announced: boolean,
    withdrawnAt: number,
    now: number,
  ): void {
    this.#endsAt = drain ? (drainEnds ?? Infinity) : Infinity;
    const order = now >= this.#endsAt ? null : drain;
    if (!order) {
      this.#order = null;
      this.#phase = 'none';
      this.#endsAt = Infinity;
      if (traffic !== null) this.#before = traffic;
      return;
    }
    this.#take(order, plan, announced, withdrawnAt, now);
    if (this.#phase === 'leaving' && (now >= this.#leaveBy || this.#quiet(traffic, plan)))
      this.#settle(plan, now);
    if (this.#phase === 'settling' && now >= this.#safeAt) this.#phase = 'safe';
  }

  /** The last address that was announced has been withdrawn, for whatever reason. */
  withdrawn(plan: DrainPlan, now: number): void {
    if (this.#phase === 'leaving') this.#settle(plan, now);
  }

  /** The next moment at which it goes on without new evidence; ∞: there is none. */
  next(): number {
    if (this.#phase === 'leaving') return Math.min(this.#leaveBy, this.#endsAt);
    if (this.#phase === 'settling') return Math.min(this.#safeAt, this.#endsAt);
    return this.#endsAt;
  }

  #settle(plan: DrainPlan, now: number): void {
    this.#phase = 'settling';
    this.#safeAt = now + (this.#order?.stop ? plan.stop.settle : plan.settle);
  }

  #take(order: DrainOrder, plan: DrainPlan, announced: boolean, withdrawnAt: number, now: number): void {
    const before = this.#order;
    this.#order = order;
    const { wait, settle } = order.stop ? plan.stop : plan;
    if (this.#phase === 'none') {
      this.#phase = announced ? 'leaving' : 'settling';
      this.#leaveBy = now + wait;
      this.#safeAt = announced ? Infinity : withdrawnAt + settle;
    } else if (order.stop && !before?.stop) {
      this.#leaveBy = Math.min(this.#leaveBy, now + plan.stop.wait);
      this.#safeAt = Math.min(this.#safeAt, now + plan.stop.settle);
    }
  }

  #quiet(traffic: number | null, plan: DrainPlan): boolean {
    return traffic !== null && this.#before !== null && traffic <= this.#before * plan.quiet;
  }
}
