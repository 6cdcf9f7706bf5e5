/**
 * What hedges and further opinions may cost. A hedge is a question asked of a second backend because the first takes longer than it
 * usually does (J. Dean, L. A. Barroso, "The tail at scale", 2013). Each costs a token; tokens come with queries.
 *
 * - `routine` tokens are for any query that is slow: few, so that a healthy farm pays next to nothing.
 * - `trouble` tokens are for queries at backends that this worker has reason to doubt: a store that lasts until
 *   health has found the fault.
 */
import type { PlanHedge } from './plan.ts';

/** Share of the routine budget in all tokens: the rest fills the store for trouble. */
const routineShare = 0.75;
/** Routine tokens that can be saved up. */
const routineMost = 16;

export class Budget {
  #begun = false;
  #share = 0;
  #most = 0;
  #routine = 0;
  #trouble = 0;

  /** Takes new rules; what was saved up stays, within them. */
  apply(rules: PlanHedge): void {
    const fresh = !this.#begun;
    this.#begun = true;
    this.#share = rules.budget;
    this.#most = rules.burst;
    this.#routine = fresh ? routineMost : Math.min(this.#routine, routineMost);
    this.#trouble = fresh ? rules.burst : Math.min(this.#trouble, rules.burst);
  }

  /** A query goes to a backend for the first time: it earns its share of a token. */
  earn(): void {
    if (this.#routine < routineMost) this.#routine += this.#share * routineShare;
    if (this.#trouble < this.#most) this.#trouble += this.#share * (1 - routineShare);
  }

  /** Whether `spend` would pay. */
  canSpend(trouble: boolean): boolean {
    return this.#routine >= 1 || (trouble && this.#trouble >= 1);
  }

  /** Pays for one more query; false when that cannot be afforded. `trouble`: there is reason to doubt the first backend. */
  spend(trouble: boolean): boolean {
    if (trouble && this.#trouble >= 1) {
      this.#trouble--;
      return true;
    }
    if (this.#routine < 1) return false;
    this.#routine--;
    return true;
  }
}

/** Opinions that can be saved up, and how many come in a second. */
const opinionsMost = 256;
const opinionsPerSecond = 25;

/**
 * Third and later opinions on a name that two backends failed at alike, and diagnoses: they cost tokens that come with time, so that a
 * storm of failing names costs two queries a name and no more.
 */
export class Opinions {
  #left = opinionsMost;
  #at = -Infinity;

  /** Pays for one more query at `now` (ms); false when none is left. */
  spend(now: number): boolean {
    if (now > this.#at) {
      const came = Number.isFinite(this.#at) ? ((now - this.#at) * opinionsPerSecond) / 1000 : 0;
      this.#left = Math.min(opinionsMost, this.#left + came);
      this.#at = now;
    }
    if (this.#left < 1) return false;
    this.#left--;
    return true;
  }
}
