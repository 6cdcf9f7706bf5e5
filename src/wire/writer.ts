import { WireError } from './error.ts';
import { parseName } from './name.ts';

/** Most octets of a message: its length over TCP has 16 bits (RFC 1035 section 4.2.2). */
export const maxMessage = 0xffff;

/** Offsets that a compression pointer can name have 14 bits (RFC 1035 section 4.1.4). */
const pointerLimit = 0x4000;

/** Writes a message. Grows as needed, to 65,535 octets. Every value is checked against the room the format has. */
export class Writer {
  #bytes = new Uint8Array(512);
  #at = 0;
  /** Where each name suffix stands, keyed by its octets, letter case included so that case survives. */
  readonly #suffixes: Map<string, number> | undefined;

  constructor(compress = false) {
    this.#suffixes = compress ? new Map() : undefined;
  }

  get at(): number {
    return this.#at;
  }

  /** What has been written. */
  done(): Uint8Array {
    return this.#bytes.slice(0, this.#at);
  }

  #room(length: number): number {
    const at = this.#at;
    const end = at + length;
    if (end > maxMessage)
      throw new WireError('TOO_LARGE', at, `a message has more than ${maxMessage} octets`);
    if (end > this.#bytes.length) {
      const grown = new Uint8Array(Math.min(maxMessage, Math.max(end, this.#bytes.length * 2)));
      grown.set(this.#bytes);
      this.#bytes = grown;
    }
    this.#at = end;
    return at;
  }

  #check(value: number, max: number): void {
    if (!Number.isInteger(value) || value < 0 || value > max) this.fail(`${value} is not in 0…${max}`);
  }

  u8(value: number): void {
    this.#check(value, 0xff);
    // Room first: it may replace the block that is written to.
    const at = this.#room(1);
    this.#bytes[at] = value;
  }

  u16(value: number): void {
    this.#check(value, 0xffff);
    const at = this.#room(2);
    this.#bytes[at] = value >>> 8;
    this.#bytes[at + 1] = value & 0xff;
  }

  u32(value: number): void {
    this.#check(value, 0xffffffff);
    this.u16(Math.floor(value / 0x10000));
    this.u16(value % 0x10000);
  }

  u48(value: number): void {
    this.#check(value, 0xffffffffffff);
    this.u16(Math.floor(value / 0x100000000));
    this.u32(value % 0x100000000);
  }

  put(bytes: Uint8Array): void {
    const at = this.#room(bytes.length);
    this.#bytes.set(bytes, at);
  }

  /** An octet string: each character is one octet. */
  octets(text: string): void {
    for (let i = 0; i < text.length; i++) this.#check(text.charCodeAt(i), 0xff);
    const at = this.#room(text.length);
    for (let i = 0; i < text.length; i++) this.#bytes[at + i] = text.charCodeAt(i);
  }

  /** A <character-string> (RFC 1035 section 3.3) of at most 255 octets. */
  string(text: string): void {
    if (text.length > 0xff)
      this.fail(`a character-string has ${text.length} octets, at most 255 are allowed`);
    this.u8(text.length);
    this.octets(text);
  }

  /** Octets with their count in one octet before them. */
  counted(bytes: Uint8Array): void {
    this.u8(bytes.length);
    this.put(bytes);
  }

  /** A name in presentation format. `compress`: whether a pointer may stand for its end (RFC 3597 section 4). */
  name(text: string, compress: boolean): void {
    const wire = parseName(text, undefined, 0);
    if (!this.#suffixes) {
      this.put(wire);
      return;
    }
    let octets = '';
    for (const octet of wire) octets += String.fromCharCode(octet);
    const start = this.#at;
    for (let i = 0; wire[i] !== 0; i += wire[i]! + 1) {
      const suffix = octets.slice(i);
      const known = this.#suffixes.get(suffix);
      if (known !== undefined && compress) {
        this.put(wire.subarray(0, i));
        this.u16(0xc000 | known);
        return;
      }
      if (known === undefined && start + i < pointerLimit) this.#suffixes.set(suffix, start + i);
    }
    this.put(wire);
  }

  /** Runs `body` and writes the count of octets it wrote into the 16 bits before them. */
  measured(body: () => void): void {
    this.u16(0);
    const start = this.#at;
    body();
    this.patch16(start - 2, this.#at - start);
  }

  /** Overwrites 16 bits already written. */
  patch16(at: number, value: number): void {
    this.#check(value, 0xffff);
    this.#bytes[at] = value >>> 8;
    this.#bytes[at + 1] = value & 0xff;
  }

  /** @throws WireError RANGE: a value that the format has no room for. */
  fail(detail: string): never {
    throw new WireError('RANGE', this.#at, detail);
  }
}
