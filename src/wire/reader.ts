import { WireError } from './error.ts';
import { readNameText } from './name.ts';

/** Names start after the header, so a pointer below this points at none. */
const headerBytes = 12;

/**
 * Reads a message or a part of it. Never reads at or after `end`; compression pointers may reach back before the
 * part. What it gives is copied, so it outlives the packet.
 */
export class Reader {
  readonly bytes: Uint8Array;
  at: number;
  readonly end: number;
  /** The least offset that a compression pointer may name. */
  readonly lowest: number;

  constructor(bytes: Uint8Array, at = 0, end = bytes.length, lowest = headerBytes) {
    this.bytes = bytes;
    this.at = at;
    this.end = end;
    this.lowest = lowest;
  }

  /** Octets left. */
  get left(): number {
    return this.end - this.at;
  }

  /** Claims `length` octets; gives where they start. @throws WireError TRUNCATED when fewer are left. */
  claim(length: number): number {
    const at = this.at;
    if (length > this.end - at) {
      throw new WireError('TRUNCATED', at, `${length} octets are promised and ${this.end - at} are there`);
    }
    this.at = at + length;
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

  u48(): number {
    return this.u16() * 0x100000000 + this.u32();
  }

  /** A copy of the next `length` octets (default: all that are left). */
  take(length = this.left): Uint8Array {
    const at = this.claim(length);
    // Not slice: that of a Buffer does not copy.
    return new Uint8Array(this.bytes.subarray(at, at + length));
  }

  /** The next `length` octets as an octet string: each character is one octet. */
  octets(length = this.left): string {
    const at = this.claim(length);
    let text = '';
    for (let i = at; i < at + length; i++) text += String.fromCharCode(this.bytes[i]!);
    return text;
  }

  /** A <character-string> (RFC 1035 section 3.3) as an octet string. */
  string(): string {
    return this.octets(this.u8());
  }

  /** A name in presentation format. `pointers`: whether compression is allowed here (RFC 3597 section 4). */
  name(pointers: boolean): string {
    const { name, next } = readNameText(this.bytes, this.at, this.end, pointers, this.lowest);
    this.at = next;
    return name;
  }

  /** A reader of the next `length` octets, which this one passes over. */
  part(length: number): Reader {
    const at = this.claim(length);
    return new Reader(this.bytes, at, at + length, this.lowest);
  }

  /** @throws WireError RDATA: the data at hand is not what its type allows. */
  fail(detail: string, at = this.at): never {
    throw new WireError('RDATA', at, detail);
  }

  /** @throws UnknownForm: the data is of a form that is not known here. */
  unknown(detail: string, at = this.at): never {
    throw new UnknownForm('RDATA', at, detail);
  }
}

/** Record data of a version or family that is not known here: kept as unknown data. */
export class UnknownForm extends WireError {}
