/** Numbers kept for their percentiles. */
export class Samples {
  #values = new Float32Array(1024);
  #sorted = true;
  count = 0;
  most = 0;

  add(value: number): void {
    if (this.count === this.#values.length) {
      const values = new Float32Array(this.count * 2);
      values.set(this.#values);
      this.#values = values;
    }
    this.#values[this.count++] = value;
    this.#sorted = false;
    if (value > this.most) this.most = value;
  }

  /** The value that `share` of them do not exceed; 0 when there are none. */
  percentile(share: number): number {
    if (this.count === 0) return 0;
    if (!this.#sorted) this.#values.subarray(0, this.count).sort();
    this.#sorted = true;
    return this.#values[Math.min(this.count - 1, Math.ceil(this.count * share) - 1)]!;
  }
}
