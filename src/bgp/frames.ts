/** Cuts a TCP stream into BGP messages. */
import { checkHeader, headerLength, maxMessage } from './message.ts';

/**
 * The messages of a stream in whatever pieces it arrives. Memory: one message of at most 4,096 octets, whatever a header
 * promises; a header is judged as soon as it is whole.
 */
export class Frames {
  readonly #torn = new Uint8Array(maxMessage);
  #have = 0;

  /** Octets of a message that has not arrived whole. */
  get waiting(): number {
    return this.#have;
  }

  /** Gives each whole message, valid during the call, until `take` returns false. @throws BgpError for a wrong header. */
  push(chunk: Uint8Array, take: (message: Uint8Array) => boolean): void {
    let at = 0;
    while (at < chunk.length) {
      if (this.#have === 0 && chunk.length - at >= headerLength) {
        const length = checkHeader(chunk, at);
        if (chunk.length - at >= length) {
          const message = chunk.subarray(at, at + length);
          at += length;
          if (!take(message)) return;
          continue;
        }
      }
      const wanted = this.#have < headerLength ? headerLength : checkHeader(this.#torn, 0);
      const count = Math.min(wanted - this.#have, chunk.length - at);
      this.#torn.set(chunk.subarray(at, at + count), this.#have);
      this.#have += count;
      at += count;
      if (this.#have < headerLength) return;
      if (this.#have === checkHeader(this.#torn, 0)) {
        this.#have = 0;
        if (!take(this.#torn.subarray(0, checkHeader(this.#torn, 0)))) return;
      }
    }
  }
}
