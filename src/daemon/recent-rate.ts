/** How fast a count has grown over the last second or so. */

/** Samples kept: a second of them when ten are taken each second, and some more when they come unevenly. */
const kept = 16;

export class RecentRate {
  readonly #at = new Float64Array(kept);
  readonly #count = new Float64Array(kept);
  #taken = 0;

  /** Takes the count as it is at `at`, in ms. One that has gone down begins anew. */
  push(at: number, count: number): void {
    const last = this.#place(this.#taken - 1);
    if (this.#taken > 0 && (count < this.#count[last]! || at < this.#at[last]!)) this.#taken = 0;
    // Samples that come close upon each other must not push out the second that the rate covers.
    else if (this.#taken > 1 && at - this.#at[this.#place(this.#taken - 2)]! < leastStep) this.#taken--;
    const place = this.#place(this.#taken++);
    this.#at[place] = at;
    this.#count[place] = count;
  }

  /** Each second, over the last second; null before half a second is covered. */
  get(): number | null {
    const last = this.#place(this.#taken - 1);
    for (let back = Math.min(kept, this.#taken); back > 1; back--) {
      const first = this.#place(this.#taken - back);
      const span = this.#at[last]! - this.#at[first]!;
      if (span < shortest) return null;
      if (span <= longest || back === 2) return ((this.#count[last]! - this.#count[first]!) * 1000) / span;
    }
    return null;
  }

  #place(sample: number): number {
    return ((sample % kept) + kept) % kept;
  }
}

/** ms. */
const leastStep = 80;
const shortest = 500;
const longest = 1050;
