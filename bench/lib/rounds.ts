/** Rounds in turn (A B C, A B C, …), so that what disturbs the machine disturbs all alike. */
import type { Goal, Metric, Row } from '../cases/case.ts';
import type { Subject } from '../subjects/subject.ts';
import type { Throughput } from './load.ts';
import type { LaunchOptions, Server, Stage } from './stage.ts';
import { median, pairedRatio } from './stats.ts';

/** One server of a case. */
export type Entry = {
  readonly subject: Subject;
  readonly launch: LaunchOptions;
  /** Where they differ from the subject's own. */
  readonly name?: string;
  readonly label?: string;
  /** Before the first round: fills caches. */
  prepare?(server: Server): Promise<unknown>;
  measure(server: Server, round: number): Promise<Record<string, number>>;
};

/** Starts every entry, prepares it, and measures all in turn. One that fails is told of in its row, not thrown. */
export async function inTurn(
  stage: Stage,
  entries: readonly Entry[],
  rounds: number,
  say: (text: string) => void,
): Promise<Row[]> {
  const rows: Row[] = [];
  const servers: (Server | undefined)[] = [];
  for (const entry of entries) {
    const row: Row = {
      name: entry.name ?? entry.subject.name,
      label: entry.label ?? entry.subject.label,
      values: {},
    };
    rows.push(row);
    servers.push(
      await attempt(row, say, async () => {
        const server = await stage.launch(entry.subject, entry.launch);
        await entry.prepare?.(server);
        return server;
      }),
    );
  }
  for (let round = 0; round < rounds; round++) {
    for (const [index, entry] of entries.entries()) {
      const server = servers[index];
      const row = rows[index]!;
      if (!server || row.failed) continue;
      const figures = await attempt(row, say, () => entry.measure(server, round));
      if (!figures) continue;
      for (const [key, value] of Object.entries(figures)) {
        row.values[key] ??= [];
        row.values[key].push(value);
      }
      const text = Object.entries(figures).map(([key, value]) => `${key} ${Number(value.toPrecision(4))}`);
      say(`  round ${round + 1}  ${row.name.padEnd(14)} ${text.join('  ')}`);
    }
  }
  return rows;
}

/** Runs a step of a row; what it throws becomes the row's failure. */
export async function attempt<T>(
  row: Row,
  say: (text: string) => void,
  step: () => Promise<T>,
): Promise<T | undefined> {
  try {
    return await step();
  } catch (error) {
    row.failed = error instanceof Error ? error.message : String(error);
    say(`  ${row.name}: ${row.failed}`);
    return undefined;
  }
}

export const costMetrics: readonly Metric[] = [
  { key: 'cpu', label: 'CPU per query', unit: 'µs', digits: 2 },
  { key: 'user', label: 'user', unit: 'µs', digits: 2 },
  { key: 'system', label: 'system', unit: 'µs', digits: 2 },
  { key: 'rate', label: 'queries/s', unit: '', digits: 0 },
];

/** What a measurement is of: answers from the server's own cache, or from a backend. */
export type Work = 'cached' | 'forwarded';

/**
 * Processor time of the server for each query completed while `load` ran. Throws when the answerers heard more than 1%
 * of the queries that should have come from the cache, or less than 99% of those that should have been forwarded.
 */
export async function costOf(
  stage: Stage,
  server: Server,
  work: Work,
  load: () => Promise<Throughput>,
): Promise<Record<string, number>> {
  const answerers = await stage.answerers();
  const heardBefore = answerers.answered();
  const before = server.cpu();
  const { completed, perSecond } = await load();
  const after = server.cpu();
  const heard = (answerers.answered() - heardBefore) / completed;
  if (work === 'cached' ? heard > 0.01 : heard < 0.99) {
    throw new Error(
      `the backends heard ${(heard * 100).toFixed(1)}% of the queries: this is not ${work} work`,
    );
  }
  const user = (after.user - before.user) / completed;
  const system = (after.system - before.system) / completed;
  return { cpu: user + system, user, system, rate: perSecond };
}

/** The rounds of a row's figure; empty when it was not measured. */
export function roundsOf(rows: readonly Row[], name: string, key: string): number[] {
  return rows.find(row => row.name === name)?.values[key] ?? [];
}

/** A goal on the ratio of two rows; NaN, and so not met, when either is missing. */
export function ratioGoal(rows: readonly Row[], key: string, name: string, to: string, bound: number): Goal {
  const label = (of: string) => rows.find(row => row.name === of)?.label ?? of;
  return {
    text: `${label(name)} ≤ ${bound} × ${label(to)}`,
    measured: pairedRatio(roundsOf(rows, name, key), roundsOf(rows, to, key)),
    bound,
    digits: 2,
    unit: '×',
  };
}

/** The median of a row's figure; NaN when it was not measured. */
export function medianOf(rows: readonly Row[], name: string, key: string): number {
  return median(roundsOf(rows, name, key));
}

/** The highest round of a row's figure; NaN when it was not measured. */
export function worstOf(rows: readonly Row[], name: string, key: string): number {
  const values = roundsOf(rows, name, key);
  return values.length > 0 ? Math.max(...values) : Number.NaN;
}
