/** Time, as health is given it. */
export interface Clock {
  /** Monotonic time in ms, with fractions. */
  now(): number;
  /** Time of day in ms since 1970: for reports only. */
  wall(): number;
  /** Calls `then` once, `ms` from now; gives the function that calls it off. */
  wait(ms: number, then: () => void): () => void;
}

/** The clock of the machine. */
export const systemClock: Clock = {
  now: () => performance.now(),
  wall: () => Date.now(),
  wait(ms, then) {
    const timer = setTimeout(then, ms);
    return () => clearTimeout(timer);
  },
};

/** A clock that stands still until it is told to go on: for tests and simulation. */
export class VirtualClock implements Clock {
  #now = 0;
  #waiting: { due: number; then: () => void }[] = [];

  now(): number {
    return this.#now;
  }
  wall(): number {
    return 1_700_000_000_000 + this.#now;
  }
  wait(ms: number, then: () => void): () => void {
    const entry = { due: this.#now + Math.max(0, ms), then };
    this.#waiting.push(entry);
    return () => {
      this.#waiting = this.#waiting.filter(other => other !== entry);
    };
  }
  /** Waits that are pending. */
  get pending(): number {
    return this.#waiting.length;
  }
  /** Goes on by `ms` and calls what falls due on the way, in order. */
  advance(ms: number): void {
    const end = this.#now + ms;
    for (;;) {
      let next: { due: number; then: () => void } | undefined;
      for (const entry of this.#waiting)
        if (entry.due <= end && (!next || entry.due < next.due)) next = entry;
      if (!next) break;
      const { due, then } = next;
      this.#waiting = this.#waiting.filter(entry => entry !== next);
      this.#now = Math.max(this.#now, due);
      then();
    }
    this.#now = end;
  }
  /** Lets time pass without calling anything, as when the machine was asleep; what is overdue comes with `advance`. */
  stall(ms: number): void {
    this.#now += ms;
  }
}
