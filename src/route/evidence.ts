/** What the announcer decides on: everything that speaks for or against a service address, at one moment. Plain data. */
import type { BackendState } from '#balance/board.ts';

/** One backend of a pool. */
export type MemberView = {
  readonly name: string;
  readonly family: 'ipv4' | 'ipv6';
  readonly state: BackendState;
  readonly weight: number;
  /** Why it is overloaded, in words: it serves, but its weight is not counted as serving. Absent or null: it is not. */
  readonly strained?: string | null;
};

/** One pool. */
export type PoolView = {
  readonly pool: string;
  readonly members: readonly MemberView[];
  /** All of its backends fail alike: none of them serves, whatever their states are. */
  readonly everybody: boolean;
  /** Queries/s that it was given lately; null where that is not known. */
  readonly load: number | null;
};

/** What our own listener does at a service address; absent where Chorus does not listen there. */
export type ListenerView = {
  readonly address: string;
  readonly udp: 'good' | 'bad' | 'unknown';
  readonly tcp: 'good' | 'bad' | 'unknown';
  /** In words, when one of them is bad. */
  readonly detail: string;
};

/** An operator's drain, or that of a stop. Times of day in ms since 1970. */
export type DrainOrder = {
  readonly since: number;
  readonly who: string;
  readonly reason: string;
  /** When it ends by itself; null: not. */
  readonly until: number | null;
  /** The short form, at the end of the process. */
  readonly stop: boolean;
};

/**
 * What the fronts of the farm agree on for one service address that is found down (`AddressReport.asks`).
 * - `free`: there is no budget; each decides for itself.
 * - `granted`: it may be withdrawn, and stay so. The only verdict of an existing budget with which it may.
 * - `denied`: too few others announce it: it stays announced as degraded, and comes back so where it was withdrawn.
 * - `asking`: the answer is on its way, within milliseconds as a rule: nothing changes until then.
 * - `away`: nobody to agree with, and the rule of the configuration is to keep it: as `denied` where it is announced; what is
 *   withdrawn stays so. (Where the rule is to withdraw, the verdict is `granted`.)
 * - `everybody`: all fronts find the address down at the same time: nobody withdraws, who had withdrawn comes back degraded.
 *
 * While nothing is asked it is `asking`, or `denied` where the answer would be that.
 */
export type BudgetView = {
  readonly verdict: 'free' | 'asking' | 'granted' | 'denied' | 'away' | 'everybody';
  /** In words: "2 of 3 others announce, 1 must stay". */
  readonly detail: string;
};

/** Everything at one moment. */
export type Evidence = {
  readonly pools: readonly PoolView[];
  readonly listeners: readonly ListenerView[];
  /** The cache is warm, the first probes are answered: what was just started may be announced. */
  readonly warm: boolean;
  readonly drain: DrainOrder | null;
  /**
   * When the drain ends by itself, in ms of the announcer's clock, so that no jump of the time of day moves it; null: it does
   * not. From then on the announcer takes the drain for over, whether the order is still there or not.
   */
  readonly drainEnds: number | null;
  /** By service address; absent: `free`. */
  readonly budget: ReadonlyMap<string, BudgetView>;
  /** Queries/s by all clients lately; null where that is not known (no listener). */
  readonly traffic: number | null;
  /** Why nothing may be announced at all; null when nothing speaks against it: "another Chorus announces 192.0.2.53 here". */
  readonly forbidden: string | null;
};
