/**
 * Latency of a server compared with its own normal: for one that has no siblings to be compared with. Pure. The probe that it is
 * fed with must ask for what the server knows itself; then a slow answer is a queue before the server, and no slow network behind it.
 */

/** Answers of which the median counts. */
const recent = 9;
/** Answers until the normal is known; from then on it follows a change slowly, one for the better more quickly, strain hardly. */
const learning = 30;
const worse = 0.002;
const strained = 0.0001;
const better = 0.05;
/** A median so many times the normal is not strain yet, nor is one that is longer by less than so many ms. */
const tolerated = 8;
const toleratedMs = 25;
/** It ends when the median has come down to this share of what began it. */
const eased = 0.5;

export class Strain {
  readonly #last: number[] = [];
  #count = 0;
  #normal = 0;
  #median = 0;
  #strained = false;

  /** Takes the latency of one answer in ms. Gives whether strain began or ended with it. */
  take(latency: number): boolean {
    this.#last.push(latency);
    if (this.#last.length > recent) this.#last.shift();
    this.#median = this.#last.toSorted((a, b) => a - b)[Math.floor(this.#last.length / 2)]!;
    this.#count++;
    if (this.#count <= learning) {
      this.#normal += (this.#median - this.#normal) / this.#count;
      return false;
    }
    const limit = Math.max(this.#normal * tolerated, this.#normal + toleratedMs);
    const before = this.#strained;
    this.#strained = this.#median > (before ? Math.max(limit * eased, this.#normal) : limit);
    const gap = this.#median - this.#normal;
    this.#normal += gap * (gap < 0 ? better : this.#strained ? strained : worse);
    return before !== this.#strained;
  }

  /** In words, while it is strained; else null. */
  get detail(): string | null {
    if (!this.#strained) return null;
    return `overloaded: it answers its probes in ${inMs(this.#median)}, and usually in ${inMs(this.#normal)}`;
  }
}

function inMs(ms: number): string {
  return `${ms < 10 ? ms.toFixed(1) : ms.toFixed(0)}ms`;
}
