/** A made-up network for probes in virtual time: each address and port has a server that decides what comes back. */
import type { VirtualClock } from './clock.ts';
import type { Destination, Exchanger, Hearing } from './exchange.ts';

/** What a made-up server does with one query: datagrams after so many ms, or an error of the system. */
export type Reply =
  | { readonly after: number; readonly bytes: Uint8Array }
  | { readonly after: number; readonly fails: string };
export type Server = (query: Uint8Array, to: Destination) => readonly Reply[];

/** An answer to `query` with this response code, with `change` made to it. */
export function answerTo(query: Uint8Array, rcode = 0, change?: (bytes: Uint8Array) => void): Uint8Array {
  const bytes = query.slice();
  bytes[2] = bytes[2]! | 0x80;
  bytes[3] = 0x80 | rcode;
  change?.(bytes);
  return bytes;
}

export class VirtualNetwork implements Exchanger {
  readonly servers = new Map<string, Server>();
  /** Queries sent so far, with the time of each. */
  readonly sent: { readonly at: number; readonly to: Destination; readonly bytes: Uint8Array }[] = [];
  /** Exchanges open now, and the most at once. */
  open = 0;
  mostOpen = 0;
  readonly #clock: VirtualClock;

  constructor(clock: VirtualClock) {
    this.#clock = clock;
  }

  exchange(to: Destination, bytes: Uint8Array, hearing: Hearing): () => void {
    this.sent.push({ at: this.#clock.now(), to, bytes });
    this.mostOpen = Math.max(this.mostOpen, ++this.open);
    let closed = false;
    for (const reply of this.servers.get(`${to.address} ${to.port}`)?.(bytes, to) ?? []) {
      this.#clock.wait(reply.after, () => {
        if (closed) return;
        if ('fails' in reply) hearing.failed(reply.fails);
        else hearing.message(reply.bytes);
      });
    }
    return () => {
      if (!closed) this.open--;
      closed = true;
    };
  }
}
