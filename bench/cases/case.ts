/** The shape of a case: one row of the goals, one file, one line in registry.ts. */
import type { Stage } from '../lib/stage.ts';

export type Options = {
  /** How often each server is measured, in turn. */
  readonly rounds: number;
  /** How long one measurement lasts. */
  readonly seconds: number;
  /** How long the soak lasts, in seconds. */
  readonly soak: number;
  /** Only to see that all runs. */
  readonly quick?: true;
  /** Of cases that have parts, only these: see `isWanted`. */
  readonly parts?: readonly string[];
};

/** A figure that is measured; the first of a case is drawn. */
export type Metric = {
  readonly key: string;
  readonly label: string;
  readonly unit: string;
  readonly digits: number;
};

/** What one server did: for each metric, a value for each round. */
export type Row = {
  readonly name: string;
  readonly label: string;
  /** What was done to it, where a case does several things: rows of one group stand together. */
  readonly group?: string;
  readonly values: Record<string, number[]>;
  /** Why it was not measured, or not to the end. */
  failed?: string;
};

/** A goal of the project, with what was measured: met when `measured` ≤ `bound` (≥ where `atLeast`). */
export type Goal = {
  readonly text: string;
  readonly measured: number;
  readonly bound: number;
  readonly digits: number;
  readonly unit: string;
  readonly atLeast?: boolean;
};

/** A line to draw: x in seconds. */
export type Series = { readonly label: string; readonly unit: string; readonly points: [number, number][] };

export type Outcome = {
  readonly metrics: readonly Metric[];
  readonly rows: readonly Row[];
  readonly goals: readonly Goal[];
  /** The row that ratios are taken to, if there are any. */
  readonly reference?: string;
  readonly series?: readonly Series[];
  /** How long it was measured, where that is not rounds of seconds. */
  readonly span?: string;
};

export type Case = {
  readonly name: string;
  readonly title: string;
  /** One or two sentences: what is done and what the figure means. */
  readonly about: string;
  run(stage: Stage, options: Options, say: (text: string) => void): Promise<Outcome>;
};

/** Whether a part named `subject:what` was asked for: all are when nothing is said, else by how either word begins. */
export function isWanted(parts: readonly string[] | undefined, name: string): boolean {
  const what = name.slice(name.indexOf(':') + 1);
  return !parts || parts.some(part => name.startsWith(part) || what.startsWith(part));
}
