/** DNS messages in a byte stream: two bytes of length before each (RFC 1035 4.2.2, RFC 7766 8). */

/** Longest message that two bytes of length can announce. */
export const maxMessage = 65_535;
/** Bytes of length before each message. */
export const prefixBytes = 2;
/** A buffer larger than this is not kept for the next message that arrives in pieces. */
const keptBytes = 4_096;

const nothing = new Uint8Array(0);

/** Writes the length before a message: two bytes at `at`. */
export function writePrefix(u8: Uint8Array, at: number, length: number): void {
  u8[at] = length >> 8;
  u8[at + 1] = length & 255;
}

/**
 * Cuts a stream into messages, in whatever pieces it arrives. A message that lies whole in one chunk is given where it
 * is; only one that is torn is copied. Memory: at most 65,537 bytes, grown as bytes arrive and never because a length
 * announces them, so a peer must send what it wants held.
 *
 * Use: `push` a chunk, then `next` until it gives −1; only then `push` again. Between, the chunk may wait as long as
 * need be.
 */
export class Frames {
  /** The memory in which the message of the last `next` lies, valid until the next call. */
  bytes: Uint8Array = nothing;
  /** Where it begins there. */
  at = 0;
  #chunk: Uint8Array = nothing;
  #position = 0;
  /** A torn message, its prefix included. */
  #torn: Uint8Array = nothing;
  #have = 0;

  /** Bytes of a message that has not arrived whole. */
  get waiting(): number {
    return this.#have + this.#chunk.length - this.#position;
  }

  /** Takes the next bytes of the stream. The chunk must not change until it is used up. */
  push(chunk: Uint8Array): void {
    if (this.#position < this.#chunk.length) throw new Error('push before the last chunk was used up');
    this.#chunk = chunk;
    this.#position = 0;
  }

  /** Length of the next message, which then lies at `at` in `bytes`; −1 when more bytes are needed. */
  next(): number {
    if (this.#have > 0) return this.#mend();
    if (this.#torn.length > keptBytes) this.#torn = nothing;
    const chunk = this.#chunk;
    const from = this.#position;
    const left = chunk.length - from;
    if (left >= prefixBytes) {
      const length = (chunk[from]! << 8) | chunk[from + 1]!;
      if (left - prefixBytes >= length) {
        this.bytes = chunk;
        this.at = from + prefixBytes;
        this.#position = this.at + length;
        return length;
      }
    }
    if (left > 0) this.#keep(left);
    this.#drop();
    return -1;
  }

  /** Goes on with a torn message. */
  #mend(): number {
    while (this.#have < prefixBytes) {
      if (this.#position === this.#chunk.length) {
        this.#drop();
        return -1;
      }
      this.#keep(1);
    }
    const length = (this.#torn[0]! << 8) | this.#torn[1]!;
    const missing = prefixBytes + length - this.#have;
    this.#keep(Math.min(missing, this.#chunk.length - this.#position));
    if (this.#have < prefixBytes + length) {
      this.#drop();
      return -1;
    }
    this.bytes = this.#torn;
    this.at = prefixBytes;
    this.#have = 0;
    return length;
  }

  /** Copies `count` bytes of the chunk behind the torn message. */
  #keep(count: number): void {
    const needed = this.#have + count;
    if (needed > this.#torn.length) {
      const grown = new Uint8Array(
        Math.min(maxMessage + prefixBytes, Math.max(512, needed, 2 * this.#torn.length)),
      );
      grown.set(this.#torn.subarray(0, this.#have));
      this.#torn = grown;
    }
    this.#torn.set(this.#chunk.subarray(this.#position, this.#position + count), this.#have);
    this.#have = needed;
    this.#position += count;
  }

  /** Lets go of a chunk that is used up. */
  #drop(): void {
    this.#chunk = nothing;
    this.#position = 0;
  }
}
