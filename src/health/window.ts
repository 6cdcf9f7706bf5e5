/** The last n outcomes, as a ring: how many of them failed. */
export class Window {
  #ring: Uint8Array;
  #next = 0;
  #count = 0;
  #failed = 0;

  /** Keeps the last `size` outcomes, size ≥ 1. */
  constructor(size: number) {
    this.#ring = new Uint8Array(size);
  }

  /** Outcomes held, 0 … size. */
  get count(): number {
    return this.#count;
  }
  /** Failures among them. */
  get failed(): number {
    return this.#failed;
  }
  get size(): number {
    return this.#ring.length;
  }

  /** Takes one outcome in; the oldest falls out when full. */
  push(good: boolean): void {
    const bit = good ? 0 : 1;
    if (this.#count === this.#ring.length) this.#failed -= this.#ring[this.#next]!;
    else this.#count++;
    this.#ring[this.#next] = bit;
    this.#failed += bit;
    this.#next = (this.#next + 1) % this.#ring.length;
  }

  /** Forgets all. */
  clear(): void {
    this.#next = this.#count = this.#failed = 0;
  }

  /** Changes the size and keeps the newest outcomes that fit. */
  resize(size: number): void {
    const old = this.#ring.length;
    if (size === old) return;
    const kept = Math.min(this.#count, size);
    const oldest = this.#next - kept + old;
    const outcomes = Array.from({ length: kept }, (_, index) => this.#ring[(oldest + index) % old] === 0);
    this.#ring = new Uint8Array(size);
    this.clear();
    for (const good of outcomes) this.push(good);
  }
}
