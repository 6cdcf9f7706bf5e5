/** The results of a case as they are kept: one JSON file each. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Goal, Options, Outcome } from '../cases/case.ts';
import type { Machine } from './machine.ts';

export type Result = {
  readonly name: string;
  readonly title: string;
  readonly about: string;
  /** Date in UTC. */
  readonly measured: string;
  /** The commit that was measured; `+` when files were changed. */
  readonly commit: string;
  readonly machine: Machine;
  /** Average number of processes that wanted to run in the minute before the case: what else the machine was doing. */
  readonly loadBefore: number;
  readonly pinned: boolean;
  readonly options: Options;
  /** How long the case took, in seconds. */
  readonly took: number;
  readonly outcome: Outcome;
};

export function writeResult(folder: string, result: Result): void {
  mkdirSync(folder, { recursive: true });
  // A figure of six digits says all that a noisy machine can.
  const text = JSON.stringify(
    result,
    (_key, value: unknown) =>
      typeof value === 'number' && !Number.isInteger(value) && Number.isFinite(value)
        ? Number(value.toPrecision(6))
        : value,
    1,
  );
  // Arrays of numbers on one line each, so that a difference between two runs can be read.
  const compact = text.replace(/\[[\d\s.,e+\-null]*\]/g, list =>
    list.replace(/\s+/g, '').replaceAll(',', ', '),
  );
  writeFileSync(join(folder, `${result.name}.json`), `${compact}\n`);
}

/** The kept result of a case, if there is one. */
export function readResult(folder: string, name: string): Result | undefined {
  const path = join(folder, `${name}.json`);
  return existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')) : undefined;
}

/** Whether a goal is met; null when it could not be measured. */
export function isMet(goal: Goal): boolean | null {
  // What is not a number is null once it has been through JSON.
  if (typeof goal.measured !== 'number' || typeof goal.bound !== 'number') return null;
  if (!Number.isFinite(goal.measured) || !Number.isFinite(goal.bound)) return null;
  return goal.atLeast ? goal.measured >= goal.bound : goal.measured <= goal.bound;
}
