/** How a probe reaches a backend: one message out, what comes back in. */

/** Where a probe goes. */
export type Destination = {
  /** An IPv4 or IPv6 literal, IPv6 without brackets. */
  readonly address: string;
  readonly port: number;
  /** Local address to probe from; absent: the kernel chooses. */
  readonly source?: string;
};

/** What a probe hears. After the exchange is closed it hears nothing more. */
export type Hearing = {
  /** A message; its bytes are the hearer's. */
  readonly message: (bytes: Uint8Array) => void;
  /** `code` as the system names it: ECONNREFUSED, ENETUNREACH; `closed` for a connection that ended. The exchange is over. */
  readonly failed: (code: string) => void;
};

/** A way to send one message and hear what comes back from that address and port, and from nobody else. */
export interface Exchanger {
  /** Sends `bytes`; gives the function that closes the exchange. Never throws: trouble comes through `failed`, later. */
  exchange(to: Destination, bytes: Uint8Array, hearing: Hearing): () => void;
  /** Closes whatever is still open for use later. */
  stop?(): void;
}
