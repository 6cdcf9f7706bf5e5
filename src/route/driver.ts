/**
 * What a route driver is: it makes true, in one piece of routing software, what is wanted of the service addresses, and reads
 * back what is true there. All drivers pass the suite in test/contract/route-driver.ts.
 */
import type { ChorusError } from '#kit/errors.ts';
import type { Announcement, Attributes, Prefix } from './announcement.ts';

/** Where drivers take time, chance and a log. */
export type DriverWorld = {
  /** Its name in the configuration. */
  readonly name: string;
  /**
   * The service addresses that the configuration has for this driver, announced or not; absent where that is not known. Asked
   * again and again: a reload may change them.
   */
  readonly addresses?: () => readonly string[];
  /** Monotonic time in ms. */
  readonly now: () => number;
  /** Calls `then` once, `ms` from now; gives the function that calls it off. */
  readonly wait: (ms: number, then: () => void) => () => void;
  /** Uniform in 0 … bound−1. */
  readonly random: (bound: number) => number;
  /** A line for the log that changes nothing by itself. */
  readonly onNotice: (
    level: 'info' | 'warn' | 'error',
    message: string,
    details?: Readonly<Record<string, string | number>>,
  ) => void;
  /** The report has changed: session up or down, a route there or gone, a problem begun or ended. */
  readonly onChange: () => void;
};

/** A route as it stands in the routing software. */
export type ActualRoute = {
  readonly prefix: Prefix;
  /** Null where the software does not show them. */
  readonly attributes: Attributes | null;
  /** ms of `world.now` since when it has stood so. */
  readonly since: number;
};

/**
 * - `idle`: nothing begun. `connecting`: the software does not answer, or its session is not up yet.
 * - `up`: it answers, and what is wanted reaches the router (for a speaker: the session is established).
 * - `failed`: it cannot work until something is mended; `problem` says what. It goes on trying.
 */
export type DriverState = 'idle' | 'connecting' | 'up' | 'failed';

export type DriverReport = {
  readonly state: DriverState;
  /** ms of `world.now`. */
  readonly since: number;
  /** In words, for an operator: "established with 10.0.0.1 AS 65000, hold time 3 s". */
  readonly detail: string;
  /** What stands in the way; null when nothing does. */
  readonly problem: ChorusError | null;
  /** What works, but not as an operator would expect: "the peer negotiated graceful restart: it keeps stale routes for 120 s". */
  readonly warnings: readonly string[];
  /** What is really announced, as last read back. Without a session: empty. */
  readonly routes: readonly ActualRoute[];
  /** What stands there cannot be read now: routes of ours may stand that are not in `routes`. Absent: they are all of it. */
  readonly unread?: boolean;
};

export interface RouteDriver {
  /**
   * What is to be announced from now on: all of it, nothing else. Level-triggered and idempotent; called again and again with
   * the same. Never throws and never waits: work goes on behind it, the latest call wins, and what fails is tried again.
   */
  want(announcements: readonly Announcement[]): void;
  /**
   * The control loop is well: called every 100 ms or so while it is. A driver with a dead man's switch renews it here, and
   * only here.
   */
  beat(): void;
  report(): DriverReport;
  /**
   * Withdraws what it announced and ends; resolves when it is withdrawn as far as can be told, after `patience` ms at the
   * latest. Leaves nothing behind: no process, no timer, no address. `reason` reaches the peer where it can (RFC 9003).
   */
  close(patience: number, reason: string): Promise<void>;
}
