/** What happened in a run: always as one number, and in words when somebody listens. */

const words = new Int32Array(2);
const double = new Float64Array(words.buffer);

export class Tracer {
  readonly #begin: number;
  readonly #listener: ((line: string) => void) | null;
  #hash = 0x811c9dc5;

  /** `listener` is told each event in words; times count from `begin`. */
  constructor(begin: number, listener: ((line: string) => void) | null) {
    this.#begin = begin;
    this.#listener = listener;
  }

  /** Whether to make words. */
  get speaking(): boolean {
    return this.#listener !== null;
  }

  say(at: number, what: string): void {
    this.#listener?.(`${(at - this.#begin).toFixed(3).padStart(12)}  ${what}`);
  }

  /** Takes an event into the hash. */
  note(at: number, kind: number, a: number, b: number): void {
    double[0] = at;
    let hash = Math.imul(this.#hash ^ words[0]!, 0x9e3779b1);
    hash = Math.imul(hash ^ (hash >>> 15) ^ words[1]!, 0x85ebca6b);
    hash = Math.imul(hash ^ (hash >>> 13) ^ (kind << 24) ^ a, 0xc2b2ae35);
    this.#hash = Math.imul(hash ^ (hash >>> 16) ^ b, 0x27d4eb2f);
  }

  /** All events so far, as 8 hexadecimal digits. */
  get hash(): string {
    return (this.#hash >>> 0).toString(16).padStart(8, '0');
  }
}
