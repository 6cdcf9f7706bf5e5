/**
 * How long to let packets gather before the next batch is taken. A packet costs less in a large batch: system calls, wake-ups
 * of this thread and of the receivers are shared. The rate of arrivals tells how long a batch takes to fill; a server with
 * little to do never waits (as network cards moderate their interrupts).
 */

/** Packets that a wait is meant to gather; a batch that had as many needs none. */
const enough = 32;
/** Arrivals per ms from which a wait pays. */
const worthwhile = 30;
/** The longest wait, ms. */
const longest = 0.3;
/** Least time over which arrivals are counted, ms. */
const period = 4;

export class Coalescing {
  #on = false;
  #since = -Infinity;
  #before = 0;
  #wait = 0;

  /** Off: never waits. */
  set on(on: boolean) {
    this.#on = on;
    this.#wait = 0;
  }

  /**
   * Says at `now` (ms) that the last batch had `got` packets and that `packets` came in all since the start; gives how long to
   * wait before the next is taken, in ms: 0, or up to 0.3.
   */
  wait(now: number, packets: number, got: number): number {
    if (!this.#on) return 0;
    const elapsed = now - this.#since;
    if (elapsed >= period) {
      const rate = (packets - this.#before) / elapsed;
      this.#wait = rate >= worthwhile ? Math.min(longest, enough / rate) : 0;
      this.#since = now;
      this.#before = packets;
    }
    return got < enough ? this.#wait : 0;
  }
}
