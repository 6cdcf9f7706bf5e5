/** The question at hand as policies see it: hashes are made only for a policy that looks at them. */
import type { Question } from '#balance/policy.ts';
import { foldedHash } from '#kit/fold.ts';
import { familyOf, origin } from './ports.ts';

export class Asked implements Question {
  readonly #u8: Uint8Array;
  #nameAt = 0;
  #nameLength = 0;
  #from = 0;

  constructor(u8: Uint8Array) {
    this.#u8 = u8;
  }

  /** The name is the `nameLength` bytes at `nameAt`. */
  name(nameAt: number, nameLength: number): void {
    this.#nameAt = nameAt;
    this.#nameLength = nameLength;
  }
  /** The client is the one of the origin at `from`. */
  client(from: number): void {
    this.#from = from;
  }

  get nameHash(): number {
    return foldedHash(this.#u8, this.#nameAt, this.#nameLength);
  }
  get clientHash(): number {
    return this.#u8[this.#from] === familyOf.inet
      ? foldedHash(this.#u8, this.#from + origin.address4, 4)
      : foldedHash(this.#u8, this.#from + origin.address6, 16);
  }
}
