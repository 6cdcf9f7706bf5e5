/** Turns a CounterSet into families: the bridge from counting on the packet path to /metrics. */
import type { CounterSet } from '#kit/counters.ts';
import type { Samples } from '../exposition.ts';
import type { MetricFamily } from '../families.ts';
import type { MetricSource } from '../source.ts';

type Column = { readonly at: number; readonly family: MetricFamily; readonly labels: readonly string[] };

/** A set's families, and for each counter where it is in a row and which sample it makes. */
export type CounterColumns = {
  readonly families: readonly MetricFamily[];
  readonly columns: readonly Column[];
};

/**
 * The families of a set. `more` are labels that all its samples have before the declared ones; `without` are counters
 * that are told in another way.
 */
export function columnsOf(
  set: CounterSet,
  more: readonly string[] = [],
  without: readonly string[] = [],
): CounterColumns {
  const families = new Map<string, MetricFamily>();
  const columns: Column[] = [];
  for (const key of set.keys) {
    const declaration = set.declarations[key];
    const at = set.at[key];
    if (declaration === undefined || at === undefined || without.includes(key)) continue;
    const { family: name, help, kind = 'counter', labels = {} } = declaration;
    let family = families.get(name);
    if (!family) {
      family = { name: `chorus_${name}`, help, type: kind, labels: [...more, ...Object.keys(labels)] };
      const unit = /_(seconds|bytes)(_total)?$/.exec(name)?.[1];
      if (unit === 'seconds' || unit === 'bytes') family = { ...family, unit };
      families.set(name, family);
    }
    columns.push({ at, family, labels: Object.values(labels) });
  }
  return { families: [...families.values()], columns };
}

/** Gives the sums over `rows`, each row read from `base` on. */
export function collectColumns(
  { columns }: CounterColumns,
  rows: readonly Float64Array[],
  base: number,
  more: readonly string[],
  samples: Samples,
): void {
  for (const { at, family, labels } of columns) {
    let sum = 0;
    for (const row of rows) sum += row[base + at] ?? 0;
    samples.set(family, [...more, ...labels], sum);
  }
}

/** A source of all counters of a set, summed over the workers. */
export function counterSource(set: CounterSet): MetricSource {
  const columns = columnsOf(set);
  return {
    families: columns.families,
    collect(reading, samples) {
      for (const counters of reading.counters) {
        if (counters.set === set) collectColumns(columns, counters.rows, 0, [], samples);
      }
    },
  };
}
