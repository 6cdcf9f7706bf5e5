/** The part of a configuration snapshot that a worker needs: plain data that can be posted to a thread. */
import type { CacheRules } from '#cache/cache.ts';

/** An address block. `bytes` has 4 or 16 bytes; the first `bits` of them count. */
export type Prefix = { readonly bytes: readonly number[]; readonly bits: number };

export type PlanBackend = {
  readonly name: string;
  /** Its place on the board. */
  readonly slot: number;
  /** An IPv4 or IPv6 literal, IPv6 without brackets, a scope after `%` allowed. */
  readonly address: string;
  readonly port: number;
  /** Local address to ask from; absent: the kernel chooses. */
  readonly source?: string;
  readonly weight: number;
  /** Most queries in flight under the policy first-available; absent: no bound. */
  readonly capacity?: number;
};

/** When a second backend is asked because the first is slow. Times in ms. */
export type PlanHedge = {
  /** Bounds of the delay. */
  readonly least: number;
  readonly most: number;
  /** The delay while nothing is known of the backend. */
  readonly unknown: number;
  /** Hedges as a share of queries in the long run, 0 … 1. */
  readonly budget: number;
  /** Further ones that are saved up for times of trouble. */
  readonly burst: number;
};

export type PlanPool = {
  readonly name: string;
  readonly policy: string;
  /** How long an answer may take, in ms. */
  readonly timeout: number;
  /** Most backends asked one question when their answers are bad, at least 1. */
  readonly tries: number;
  /** Null: no hedging. */
  readonly hedge: PlanHedge | null;
  readonly backends: readonly PlanBackend[];
};

/** How answers may be kept; absent when the cache is off. In seconds. */
export type PlanCache = CacheRules & {
  readonly minTtl: number;
  readonly maxTtl: number;
  readonly maxNegativeTtl: number;
  /** The client-response timer, in ms: when clients get a stale answer while the question goes on (RFC 8767 5). */
  readonly staleAfter: number;
  readonly prefetch: boolean;
};

/** Bounds on what clients may ask. */
export type PlanLimits = {
  /** Queries/s of one client (an IPv4 address, an IPv6 /64), each over UDP and over TCP; 0: no bound. */
  readonly perClient: number;
  /** Queries/s of one network of clients; 0: no bound. */
  readonly perNetwork: number;
  /** Bits of an address that make its network: 1 … 32, and 1 … 64. */
  readonly ipv4Bits: number;
  readonly ipv6Bits: number;
  /** Of the queries beyond a rate over UDP, one in so many gets a truncated answer; 0: none. */
  readonly slip: number;
  /** Clients without rates. */
  readonly exempt: readonly Prefix[];
  /** Whether zones that fail are given few queries. */
  readonly zones: boolean;
};

export type Plan = {
  /** Counts snapshots from 1. */
  readonly generation: number;
  readonly allow: readonly Prefix[];
  /** The text for id.server, hostname.bind and NSID. */
  readonly identity: string;
  /** The text for version.bind. */
  readonly version: string;
  /** UDP answer size that Chorus asks of backends and grants to clients at most, in bytes (EDNS). */
  readonly udpSize: number;
  readonly pools: readonly PlanPool[];
  /** Index into `pools` for names that no domain matches. */
  readonly defaultPool: number;
  /** Domain suffixes (presentation format, lower case, no final dot except the root ".") with a pool of their own. */
  readonly domains: readonly { readonly suffix: string; readonly pool: number }[];
  readonly cache?: PlanCache;
  /** Absent: no rates, and zones are watched. */
  readonly limits?: PlanLimits;
};
