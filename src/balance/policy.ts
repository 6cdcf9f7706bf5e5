/** The contract of a balancing policy. A policy is one file, its test and a line in registry.ts. */

/** What a policy may know of the pool's backends. Indexes count the pool's backends in configured order. */
export interface Candidates {
  readonly size: number;
  /** Whether backend `index` may be given this query: in a fit state, and not excluded by an earlier try. */
  fit(index: number): boolean;
  /** Configured weight times health factor; > 0 for one that is fit. */
  weight(index: number): number;
  /** Queries of this worker now waiting for it. */
  outstanding(index: number): number;
  /** Moving average of its latency in µs; 0 while unknown. */
  latency(index: number): number;
  /** Most queries in flight that it should be given; Infinity when not configured. */
  capacity(index: number): number;
  /** Its name, stable across reloads: for hashing. */
  name(index: number): string;
}

/** What is known of the query. One object, reused for each query. */
export type Question = {
  /** FNV-1a of the lower-case wire name: the same in every worker and every run. Unsigned 32-bit. */
  readonly nameHash: number;
  /** Hash of the client's address without port: the same in every worker. Unsigned 32-bit. */
  readonly clientHash: number;
};

/** Uniform random integers: `random(n)` is in 0 … n−1. */
export type RandomInt = (bound: number) => number;

/** Chooses a backend for each query. Runs on the packet path: `pick` allocates nothing and never throws. */
export interface Policy {
  /** An index for which `candidates.fit` holds, or −1 when there is none. */
  pick(question: Question): number;
}

/** Makes a policy for one pool of one snapshot; called at each reload, so setting up may allocate. */
export type PolicyFactory = (candidates: Candidates, random: RandomInt) => Policy;
