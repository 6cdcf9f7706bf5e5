/**
 * What the front needs of the world: memory that never moves and a way out for packets. The batch engine, the loop
 * engine and the simulator each implement `Egress`; the front opens no socket and reads no clock.
 */

/**
 * One block of memory for packets and addresses, made once. All offsets between front and engine are byte offsets into
 * it. The engine passes it to system calls, so it must not move: give it a SharedArrayBuffer or a large ArrayBuffer.
 */
export type Arena = {
  readonly u8: Uint8Array;
  /** The same memory as 32-bit words: index = byte offset / 4. */
  readonly i32: Int32Array;
  /** Takes `bytes` from the block for good, aligned to 64; gives the byte offset. Throws when it is used up. */
  reserve(bytes: number): number;
};

/**
 * An origin: where a query came from and so where its answer goes, 80 bytes in the arena.
 *
 * |  at | bytes | what |
 * |-----|-------|------|
 * |   0 |    28 | sockaddr_in or sockaddr_in6 as Linux lays it out (family in host order, port and address in network order) |
 * |  28 |     4 | length of the sockaddr |
 * |  32 |     4 | family of the local address, 0 when not known |
 * |  36 |    16 | local address that was asked (4 or 16 bytes) |
 * |  52 |     4 | interface index, 0 when not known |
 * |  56 |     4 | listener, an index of the engine |
 * |  60 |     4 | transport: 0 UDP, 1 TCP |
 * |  64 |     4 | TCP: connection, an index of the engine |
 * |  68 |     4 | TCP: generation of that connection, so that a late answer never reaches another client |
 * |  72 |     8 | unused |
 */
export const originBytes = 80;
export const origin = {
  family: 0,
  port: 2,
  address4: 4,
  address6: 8,
  length: 28,
  localFamily: 32,
  local: 36,
  interface: 52,
  listener: 56,
  transport: 60,
  connection: 64,
  generation: 68,
} as const;
export const transport = { udp: 0, tcp: 1 } as const;
export const familyOf = { inet: 2, inet6: 10 } as const;

/** The upper bits of the network of the origin at `from`: /24 of an IPv4 address, /56 of an IPv6 address, as words lie in memory. */
export function networkHigh(u8: Uint8Array, i32: Int32Array, from: number): number {
  // Little-endian words: the last byte of three is not taken.
  return u8[from] === familyOf.inet
    ? i32[(from + origin.address4) >> 2]! & 0xffffff
    : i32[(from + origin.address6) >> 2]!;
}
/** The lower bits; families never have them alike. */
export function networkLow(u8: Uint8Array, i32: Int32Array, from: number): number {
  return u8[from] === familyOf.inet ? -1 : i32[(from + origin.address6 + 4) >> 2]! & 0xffffff;
}

/** The way out. All calls are synchronous, keep no reference to an origin, and never throw. */
export interface Egress {
  /** Bytes that `replySpace` has room for: 65,535 where clients come over TCP, else the largest UDP answer. */
  readonly replyRoom: number;
  /** Room for one reply: its offset in the arena. Valid until `reply` or the next `replySpace`. */
  replySpace(): number;
  /** Sends the `length` bytes written at the offset that `replySpace` gave to the origin at `from` (copied now). */
  reply(from: number, length: number): void;

  /** Room for one query to a backend (65,535 bytes where clients come over TCP, else 4,096): its offset. */
  querySpace(): number;
  /**
   * The channel for the next query to the backend on `slot` over UDP: one of its sockets, chosen at random.
   * A channel is a small number below `channels`; ids are unique in each. −1 when no socket can be had.
   */
  datagramChannel(slot: number): number;
  /** The channel for a query over TCP, connecting when needed; −1 where the engine has none or the bound is reached. */
  streamChannel(slot: number): number;
  /** Sends the `length` bytes written at the offset that `querySpace` gave on that channel. */
  query(channel: number, length: number): void;
  /** Bound of channel numbers. */
  readonly channels: number;

  /**
   * Hands a zone transfer to the engine: it opens a connection of its own to the backend, sends the query at `at`
   * (unchanged) and passes everything back to the origin. False where it cannot.
   */
  relay(from: number, slot: number, at: number, length: number): boolean;
}
