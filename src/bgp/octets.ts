/** Octets in network order, read and written. */

/** Fewer octets are left than something needs. Never leaves this folder: who reads gives it its BGP meaning. */
export class Short extends Error {
  override readonly name = 'Short';
}

/** Reads octets; never at or after `end`. What it gives is copied. */
export class Octets {
  readonly bytes: Uint8Array;
  at: number;
  readonly end: number;

  constructor(bytes: Uint8Array, at = 0, end = bytes.length) {
    this.bytes = bytes;
    this.at = at;
    this.end = end;
  }

  /** Octets left. */
  get left(): number {
    return this.end - this.at;
  }

  /** Passes over `count` octets; gives where they start. @throws Short. */
  claim(count: number): number {
    const at = this.at;
    if (count > this.end - at) throw new Short(`${count} octets needed, ${this.end - at} left`);
    this.at = at + count;
    return at;
  }

  u8(): number {
    return this.bytes[this.claim(1)]!;
  }

  u16(): number {
    const at = this.claim(2);
    return (this.bytes[at]! << 8) | this.bytes[at + 1]!;
  }

  u32(): number {
    return this.u16() * 0x10000 + this.u16();
  }

  /** A copy of the next `count` octets (default: all that are left). */
  take(count = this.left): Uint8Array {
    const at = this.claim(count);
    // Not slice: that of a Buffer does not copy.
    return new Uint8Array(this.bytes.subarray(at, at + count));
  }

  /** A reader of the next `count` octets, which this one passes over. */
  part(count: number): Octets {
    const at = this.claim(count);
    return new Octets(this.bytes, at, at + count);
  }
}

/** Gathers octets. Values out of range are faults of the program: RangeError. */
export class Gather {
  readonly #octets: number[] = [];

  get length(): number {
    return this.#octets.length;
  }

  u8(value: number): this {
    return this.#number(value, 1);
  }

  u16(value: number): this {
    return this.#number(value, 2);
  }

  u32(value: number): this {
    return this.#number(value, 4);
  }

  put(bytes: Uint8Array | readonly number[]): this {
    for (const octet of bytes) this.#octets.push(octet);
    return this;
  }

  done(): Uint8Array {
    return Uint8Array.from(this.#octets);
  }

  #number(value: number, size: number): this {
    if (!Number.isInteger(value) || value < 0 || value >= 256 ** size) {
      throw new RangeError(`${value} does not fit in ${size} octets`);
    }
    for (let power = size - 1; power >= 0; power--) {
      this.#octets.push(Math.floor(value / 256 ** power) % 256);
    }
    return this;
  }
}

/** Lower-case hexadecimal. */
export function hexOf(bytes: Uint8Array): string {
  let text = '';
  for (const octet of bytes) text += octet.toString(16).padStart(2, '0');
  return text;
}

/** Octets of hexadecimal pairs that `hexOf` gave. */
export function octetsOf(hex: string): Uint8Array {
  return Uint8Array.from({ length: hex.length >> 1 }, (_, i) =>
    Number.parseInt(hex.slice(2 * i, 2 * i + 2), 16),
  );
}
