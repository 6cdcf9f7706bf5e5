/**
 * Deadlines for a fixed number of things, numbered from 1: a hashed timing wheel (G. Varghese, T. Lauck, "Hashed and
 * hierarchical timing wheels", 1987, scheme 6). Setting, clearing and taking cost a few memory accesses and no allocation.
 */
export class Wheel {
  readonly #slots: number;
  readonly #tick: number;
  readonly #heads: Int32Array;
  readonly #next: Int32Array;
  readonly #previous: Int32Array;
  /** Tick of each thing; −1 when it has no deadline. */
  readonly #due: Float64Array;
  /** A bit for each slot that is not empty. */
  readonly #filled: Int32Array;
  #now = -1;
  #count = 0;

  /** `things` numbered 1 … things; `tick` in ms is the precision; `slots` (a power of two, at least 32) one turn. */
  constructor(things: number, tick = 2, slots = 16_384) {
    this.#slots = slots;
    this.#tick = tick;
    this.#heads = new Int32Array(slots);
    this.#filled = new Int32Array(slots / 32);
    this.#next = new Int32Array(things + 1);
    this.#previous = new Int32Array(things + 1);
    this.#due = new Float64Array(things + 1).fill(-1);
  }

  /** Things that have a deadline. */
  get count(): number {
    return this.#count;
  }

  /** Gives `thing` the deadline `at` (ms), in place of one that it had. */
  set(thing: number, at: number): void {
    this.clear(thing);
    let due = Math.ceil(at / this.#tick);
    if (due <= this.#now) due = this.#now + 1;
    this.#due[thing] = due;
    const slot = due & (this.#slots - 1);
    const head = this.#heads[slot]!;
    this.#next[thing] = head;
    this.#previous[thing] = 0;
    if (head !== 0) this.#previous[head] = thing;
    this.#heads[slot] = thing;
    this.#filled[slot >> 5] = this.#filled[slot >> 5]! | (1 << (slot & 31));
    this.#count++;
  }

  /** Takes the deadline of `thing` away, if it has one. */
  clear(thing: number): void {
    const due = this.#due[thing]!;
    if (due < 0) return;
    const slot = due & (this.#slots - 1);
    const next = this.#next[thing]!;
    const previous = this.#previous[thing]!;
    if (previous === 0) {
      this.#heads[slot] = next;
      if (next === 0) this.#filled[slot >> 5] = this.#filled[slot >> 5]! & ~(1 << (slot & 31));
    } else this.#next[previous] = next;
    if (next !== 0) this.#previous[next] = previous;
    this.#due[thing] = -1;
    this.#count--;
  }

  /** Takes one thing whose deadline is not after `now` (ms); 0 when there is none. Call until it gives 0. */
  take(now: number): number {
    const end = Math.floor(now / this.#tick);
    if (this.#count === 0 || this.#now < end - this.#slots) {
      // Nothing to find on the way, or a turn and more was slept through: one turn finds all.
      this.#now = this.#count === 0 ? Math.max(this.#now, end) : end - this.#slots;
    }
    while (this.#now <= end) {
      const slot = this.#now & (this.#slots - 1);
      for (let thing = this.#heads[slot]!; thing !== 0; thing = this.#next[thing]!) {
        if (this.#due[thing]! <= end) {
          this.clear(thing);
          return thing;
        }
      }
      if (this.#now === end) break;
      this.#now++;
    }
    return 0;
  }

  /** The earliest time (ms) at which `take` may find something; Infinity when nothing has a deadline. Never too late; early only by whole
   * turns. Right after `take` gave 0. */
  next(): number {
    if (this.#count === 0) return Infinity;
    const words = this.#filled.length;
    // What stands in the slot of the present tick is a turn away: what was due there has been taken.
    const first = Math.max(this.#now, -1) + 1;
    const start = first & (this.#slots - 1);
    for (let i = 0; i <= words; i++) {
      const index = ((start >> 5) + i) % words;
      let word = this.#filled[index]!;
      if (i === 0) word &= -1 << (start & 31);
      if (i === words) word &= ~(-1 << (start & 31));
      if (word === 0) continue;
      const slot = index * 32 + (31 - Math.clz32(word & -word));
      return (first + ((slot - start + this.#slots) % this.#slots)) * this.#tick;
    }
    return Infinity;
  }
}
