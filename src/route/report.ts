/** What is told of the service addresses: to the status, the metrics, `chorus routes` and the log. Plain data. */
import type { Announcement, Attributes, Prefix } from './announcement.ts';
import type { DriverState } from './driver.ts';
import type { BudgetView, DrainOrder } from './evidence.ts';

/**
 * - `initial`: just configured, nothing known. `rising`: well, not for long enough or not warm yet; nothing is announced.
 * - `up`. `degraded`: announced worse: too little serves, too much load, or down without being allowed to withdraw.
 * - `draining`: announced as leaving, then withdrawn, by an operator's word. `down`: not announced.
 */
export const addressStates = ['initial', 'rising', 'up', 'degraded', 'draining', 'down'] as const;
export type AddressState = (typeof addressStates)[number];

/** Where a drain stands. `none`: no drain. `leaving`: announced as draining. `settling`: withdrawn, packets may be under way. `safe`: may be stopped. */
export type DrainPhase = 'none' | 'leaving' | 'settling' | 'safe';

/** One change of one service address. `at` in ms of the clock that the announcer was given. */
export type AddressEvent = {
  readonly at: number;
  readonly address: string;
  readonly from: AddressState;
  readonly to: AddressState;
  readonly reason: string;
  /** Null: withdrawn or not announced. */
  readonly wanted: Attributes | null;
};

/** One service address. Times in ms of the clock that the announcer was given. */
export type AddressReport = {
  readonly address: string;
  readonly prefix: Prefix;
  readonly state: AddressState;
  readonly since: number;
  /** In words: why it is in this state. */
  readonly reason: string;
  /** Null: nothing is to be announced. */
  readonly wanted: Announcement | null;
  readonly via: readonly string[];
  readonly drain: DrainPhase;
  /** What the evidence says of it, whatever is announced and whatever the budget allows. `down` from the first moment, `fall` or not. */
  readonly found: {
    readonly verdict: 'well' | 'down' | 'unknown';
    readonly since: number;
    readonly reason: string;
  };
  /**
   * It is to be withdrawn on evidence, or is withdrawn so already: found down for `fall`, `when-down: withdraw`, no drain. The
   * budget is asked exactly while this is true, and a permission ends with it.
   */
  readonly asks: boolean;
  readonly budget: BudgetView;
  /** It is held down until then after flaps; null: it is not. */
  readonly heldUntil: number | null;
  /** Times that it was withdrawn or came to be announced. */
  readonly changes: number;
};

/** One driver and what really stands in its routing software. Times of day in ms since 1970. */
export type DriverStatus = {
  readonly name: string;
  readonly kind: string;
  readonly state: DriverState;
  readonly since: number;
  readonly detail: string;
  readonly problem: ProblemStatus | null;
  readonly warnings: readonly string[];
  /** What stands there cannot be read: its routes may be there or not. */
  readonly unread: boolean;
};

/** What is told of one service address through one driver. Times of day in ms since 1970. */
export type RouteStatus = {
  readonly address: string;
  readonly prefix: string;
  readonly driver: string;
  readonly wanted: Attributes | null;
  /** Null: not there. `unknown` attributes are null inside. */
  readonly actual: { readonly attributes: Attributes | null; readonly since: number } | null;
  /** What is wanted is what is there. */
  readonly agrees: boolean;
  /** ms from the last decision to what was read back; null before the first, and while they differ. */
  readonly convergence: number | null;
};

/** How it stands with the other fronts of the farm, beyond single addresses. */
export type BudgetStatus = {
  readonly farm: string;
  readonly member: string;
  /** `connecting`: not yet agreed with anybody. `up`: in touch through etcd. `away`: etcd was not heard of for longer than the lease. */
  readonly state: 'connecting' | 'up' | 'away';
  /** Time of day in ms since 1970. */
  readonly since: number;
  readonly detail: string;
  readonly problems: readonly ProblemStatus[];
  /** What works, but leaves the farm near its limit: "a drain leaves 0 others that announce 192.0.2.53, 1 must stay". */
  readonly warnings: readonly string[];
};

/** An error of the table, as it is told. */
export type ProblemStatus = { readonly code: string; readonly message: string; readonly remedy: string };

/** All of it: `GET /api/v1/routes`. Times of day in ms since 1970. */
export type RoutesStatus = {
  readonly addresses: readonly (Omit<AddressReport, 'prefix'> & { readonly prefix: string })[];
  readonly drivers: readonly DriverStatus[];
  readonly routes: readonly RouteStatus[];
  readonly drain: DrainOrder | null;
  /** Drained, withdrawn everywhere, and nothing under way any more: this front may be stopped. */
  readonly safe: boolean;
  /** Queries/s by clients over the last second; null where there is no listener, and at first. */
  readonly traffic: number | null;
  /** What stands in the way of the service addresses as a whole. */
  readonly problems: readonly ProblemStatus[];
  /** The members of the farm that agree with us, ourselves too; empty without a budget. */
  readonly farm: readonly {
    readonly member: string;
    readonly address: string;
    readonly state: AddressState;
    readonly reason: string;
  }[];
  /** Null without a budget. */
  readonly budget: BudgetStatus | null;
};
