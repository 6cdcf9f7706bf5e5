/** Hold-down: what falls again soon after it rose must wait, twice as long each further time. Pure. */

/** Times in ms: the first hold, the longest, and how long it must stay up until falls are forgotten. */
export type HoldRule = { readonly first: number; readonly most: number; readonly forget: number };

/** Counts the falls of one thing. */
export class Flaps {
  #rose: number | null = null;
  #fell = false;
  #count = 0;
  #until = -Infinity;
  #length = 0;

  /** Falls in a row, each soon after a rise. */
  get count(): number {
    return this.#count;
  }

  /** Until when it is held down, in ms of the clock; −∞: it is not. */
  get until(): number {
    return this.#until;
  }

  /** How long the hold is, ms; 0: there is none. */
  get length(): number {
    return this.#length;
  }

  /** The first rise of all is no return: a fall soon after it is the first. */
  rise(now: number): void {
    if (this.#fell) this.#rose = now;
  }

  /** The first fall holds nothing; the n-th soon after a return `first` · 2^(n−1), never more than `most`. */
  fall(now: number, { first, most, forget }: HoldRule): void {
    const again = this.#rose !== null && now - this.#rose < forget;
    this.#count = again ? this.#count + 1 : 0;
    this.#rose = null;
    this.#fell = true;
    const hold = this.#count === 0 ? 0 : Math.min(most, first * 2 ** Math.min(30, this.#count - 1));
    this.#length = hold;
    this.#until = hold > 0 ? now + hold : -Infinity;
  }
}
