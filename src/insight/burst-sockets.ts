/** Sockets that send a burst: by sendmmsg where libc can be called, else by dgram. */

/** The queries of one burst, one after another in memory. Query `i` leaves from socket `i % sockets`. */
export type BurstQueries = {
  readonly count: number;
  /** Where each query starts in `bytes`, and one more: the end of the last. */
  readonly starts: Uint32Array;
  /** Memory that does not move. */
  readonly bytes: Uint8Array;
};

/** Takes what came to a socket: `length` octets from `at`, valid during the call. */
export type TakeAnswer = (socket: number, bytes: Uint8Array, at: number, length: number) => void;

/** What sending came to. `started` is when the first query left, on the clock of `performance.now()`. */
export type Sent = { readonly unsent: number; readonly started: number };

export interface BurstSockets {
  readonly kind: 'sendmmsg' | 'dgram';
  /** Local port of each. */
  readonly ports: readonly number[];
  /** The smallest receive buffer that the kernel granted, in bytes. */
  readonly receiveBuffer: number;
  /** Times that the network said the server cannot be reached. */
  readonly unreachable: number;
  /** Sends all queries as fast as it can. */
  send(queries: BurstQueries): Promise<Sent>;
  /** Hands over what has come; false when that was nothing. */
  take(answer: TakeAnswer): boolean;
  close(): void;
}

/** Receive and send buffer to ask for, in bytes. */
export const bufferWanted = 8 << 20;

/** Queries in one system call, and so the turns of the sockets. */
export const turn = 32;

/** How long the kernel may refuse to take more queries, in ms. */
export const sendPatience = 2000;
