/** Kinds of events, in the heap and in the trace. */
export const kinds = {
  /** A client has a question; the storm has one. */
  arrival: 0,
  stormArrival: 1,
  /** A packet from a backend arrives: query, what it is. */
  answer: 2,
  /** The network says that a channel is broken: worker, channel. */
  broken: 3,
  /** A worker's deadline. */
  expire: 4,
  /** Something that waits on health's clock. */
  clock: 5,
  /** Stubs lose patience. */
  patience: 6,
  /** A stub asks again; asks over TCP. */
  again: 7,
  overTcp: 8,
  /** An action of the scenario. */
  action: 9,
  /** Only in the trace: the front answers, asks; health changes its mind. */
  reply: 10,
  query: 11,
  change: 12,
} as const;
