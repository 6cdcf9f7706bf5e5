/** What the announcer is told of the configuration. Plain data; times in ms. */
import type { Attributes, Grade, Prefix } from './announcement.ts';

/** Attributes with which an address is announced, by the state that it is in. */
export type AttributesByState = {
  readonly up: Attributes;
  readonly degraded: Attributes;
  readonly draining: Attributes;
};

/** One service address. */
export type AddressPlan = {
  /** The address that clients know. Identifies it across reloads. */
  readonly address: string;
  readonly prefix: Prefix;
  /** Names of drivers. */
  readonly via: readonly string[];
  /** Pools all of which must be able to serve. */
  readonly pools: readonly string[];
  /** `own`: only backends of the address's own family count, where the pool has any. */
  readonly family: 'any' | 'own';
  /** So many backends of each pool must serve; fewer: down. ≥ 1. */
  readonly least: number;
  /** Share of a pool's weight, 0 … 1, that must serve; less: degraded. */
  readonly degradedBelow: number;
  /** Queries/s that a backend of weight 1 carries; load above what the serving ones carry: degraded. Null: not looked at. */
  readonly capacity: number | null;
  /** Well for so long before it is announced. */
  readonly rise: number;
  /** Down for so long before it is withdrawn. */
  readonly fall: number;
  /** Held down after flaps: at first, at most, and how long it must stay up until flaps are forgotten. */
  readonly hold: { readonly first: number; readonly most: number; readonly forget: number };
  /** What when it is down: taken back, or announced as degraded. */
  readonly whenDown: 'withdraw' | 'degrade';
  readonly role: Extract<Grade, 'primary' | 'backup'>;
  readonly attributes: AttributesByState;
};

/** How a drain goes. */
export type DrainPlan = {
  /** Announced as draining for so long at most, until traffic has fallen. */
  readonly wait: number;
  /** Share of the traffic before the drain, 0 … 1, below which traffic has fallen. */
  readonly quiet: number;
  /** Withdrawn for so long before it is safe to stop. */
  readonly settle: number;
  /** The same two at a stop of the process. */
  readonly stop: { readonly wait: number; readonly settle: number };
};
