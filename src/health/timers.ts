/** Many deadlines on one wait of the clock, kept in a binary heap. */
import type { Clock } from './clock.ts';

/** A deadline that was set. */
export type Timer = { due: number; run: (() => void) | null };

export class Timers {
  readonly #clock: Clock;
  readonly #grain: number;
  readonly #heap: Timer[] = [];
  #armedFor = Infinity;
  #disarm: (() => void) | null = null;
  #cancelled = 0;

  /** `grain`: deadlines are met in steps of so many ms, late rather than early, so that one wake-up serves many. */
  constructor(clock: Clock, grain = 0) {
    this.#clock = clock;
    this.#grain = grain;
  }

  /** Calls `run` once when the clock has reached `due`. */
  at(due: number, run: () => void): Timer {
    const timer: Timer = { due, run };
    this.#push(timer);
    this.#arm();
    return timer;
  }

  /** Calls a deadline off. It is left in the heap until its time, or until such entries are most of it. */
  cancel(timer: Timer): void {
    if (timer.run === null) return;
    timer.run = null;
    this.#cancelled++;
    if (this.#cancelled > 64 && this.#cancelled * 2 > this.#heap.length) {
      const live = this.#heap.filter(entry => entry.run !== null);
      this.#heap.length = 0;
      this.#cancelled = 0;
      for (const entry of live) this.#push(entry);
    }
  }

  /** Calls all off. */
  stop(): void {
    for (const entry of this.#heap) entry.run = null;
    this.#heap.length = 0;
    this.#cancelled = 0;
    this.#disarm?.();
    this.#disarm = null;
    this.#armedFor = Infinity;
  }

  #arm(): void {
    let first = this.#heap[0];
    // Nobody wakes up for what was called off.
    for (; first !== undefined && first.run === null; first = this.#heap[0]) {
      this.#pop();
      this.#cancelled--;
    }
    if (first === undefined || first.due >= this.#armedFor) return;
    const at = this.#grain > 0 ? Math.ceil(first.due / this.#grain) * this.#grain : first.due;
    if (at >= this.#armedFor) return;
    this.#disarm?.();
    this.#armedFor = at;
    this.#disarm = this.#clock.wait(Math.max(0, Math.ceil(at - this.#clock.now())), () => this.#fire());
  }

  #fire(): void {
    this.#disarm = null;
    this.#armedFor = Infinity;
    const now = this.#clock.now();
    for (let first = this.#heap[0]; first !== undefined && first.due <= now; first = this.#heap[0]) {
      this.#pop();
      const run = first.run;
      first.run = null;
      if (run === null) this.#cancelled--;
      else run();
    }
    this.#arm();
  }

  #push(timer: Timer): void {
    const heap = this.#heap;
    let at = heap.push(timer) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (heap[parent]!.due <= timer.due) break;
      heap[at] = heap[parent]!;
      at = parent;
    }
    heap[at] = timer;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && heap[child + 1]!.due < heap[child]!.due) child++;
      if (heap[child]!.due >= last.due) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = last;
  }
}
