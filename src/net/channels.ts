/** Numbers for channels to backends, each with what it stands for. */

/** Hands out numbers below `size`, the one given back longest ago first, so that a late packet meets no newcomer. */
export class Channels<Channel> {
  readonly size: number;
  readonly #table: (Channel | undefined)[];
  readonly #free: Int32Array;
  #first = 0;
  #count: number;

  constructor(size: number) {
    this.size = size;
    this.#table = new Array<Channel | undefined>(size).fill(undefined);
    this.#free = Int32Array.from({ length: size }, (_, index) => index);
    this.#count = size;
  }

  /** A number for a channel that `make` makes, given its number; −1 when all are used or `make` gives null. */
  take(make: (number: number) => Channel | null): number {
    if (this.#count === 0) return -1;
    const number = this.#free[this.#first]!;
    const channel = make(number);
    if (channel === null) return -1;
    this.#first = (this.#first + 1) % this.size;
    this.#count--;
    this.#table[number] = channel;
    return number;
  }

  /** What has this number; undefined when nothing has. */
  get(number: number): Channel | undefined {
    return this.#table[number];
  }

  /** Takes a number back; one that is free already stays so. */
  release(number: number): void {
    if (this.#table[number] === undefined) return;
    this.#table[number] = undefined;
    this.#free[(this.#first + this.#count) % this.size] = number;
    this.#count++;
  }
}
