/** What the API asks of the daemon. Every method may throw a ChorusError, which becomes the answer. */

import type { Forcing } from '#health/judge.ts';
import type { CacheStatus, PoolStatus, Status } from '#insight/status.ts';
import type { Layer4Status } from '#layer4/report.ts';
import type { DrainOrder } from '#route/evidence.ts';
import type { ProblemStatus, RoutesStatus } from '#route/report.ts';

/** A yes or no with reasons; `reasons` says why not, or what to know nevertheless. */
export type Verdict = { readonly ok: boolean; readonly reasons: readonly string[] };

/** What a reload did. */
export type ReloadReport = {
  /** Snapshots put in force, from 1; of the snapshot now in force. */
  readonly generation: number;
  /** A line for each difference; empty when the file says what ran before. */
  readonly changes: readonly string[];
  /** Options that differ in the file and stay as they are until a restart. */
  readonly needsRestart: readonly string[];
  /** What is legal and may be meant, but should be known. */
  readonly warnings: readonly string[];
};

/** A backend after an operator's word on it. */
export type ForcedBackend = {
  readonly pool: string;
  readonly backend: string;
  readonly state: string;
  readonly forced: Forcing;
};

/** What became of a drain that was asked for, or of its end. */
export type DrainReport = {
  /** The drain in force; null: none. */
  readonly drain: DrainOrder | null;
  /** Whether there was one before. */
  readonly was: boolean;
  /** Why a restart will not find it as it is now; null: it will. */
  readonly problem: ProblemStatus | null;
};

export interface Control {
  status(): Status;
  /** Prometheus text. */
  metrics(): string;
  /** Whether clients are answered. */
  ready(): Verdict;
  /** Whether the process does its work. */
  alive(): Verdict;
  backends(): readonly PoolStatus[];
  /** Takes an operator's word on the backend called NAME or POOL/NAME. Throws BACKEND_UNKNOWN, BACKEND_AMBIGUOUS. */
  force(name: string, forcing: Forcing): ForcedBackend;
  /** Puts the configuration file in force again, or throws and changes nothing. */
  reload(): Promise<ReloadReport>;
  /** Null when the cache is off. */
  cache(): CacheStatus | null;
  /** Forgets all answers, those of one name, or those of a name and everything below. Gives how many. Throws CACHE_OFF, NAME_INVALID. */
  flush(name: string | null, subtree: boolean): number;
  /** Service addresses and their routes. Throws ROUTES_NONE. */
  routes(): RoutesStatus;
  /** What the kernel balances. Throws LAYER4_NONE. */
  layer4(): Layer4Status;
  /** What the announcer decided on lately, a line each, for `chorus routes --replay`. Throws ROUTES_NONE. */
  routesEvents(): readonly string[];
  /** Takes the service addresses away from the routers, for `ms` or until `undrain`. Throws DRAIN_NOTHING. */
  drain(who: string, reason: string, ms: number | null): Promise<DrainReport>;
  /** Throws DRAIN_NOTHING. */
  undrain(who: string): Promise<DrainReport>;
}
