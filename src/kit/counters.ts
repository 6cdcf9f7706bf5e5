/**
 * Counters in shared memory, declared once with help and unit. Each worker owns a row that only it writes, so that
 * counting on the packet path is one addition; readers add the rows up. Values are doubles: exact to 2^53.
 */

export type CounterKind = 'counter' | 'gauge';

/** What one counter means. `family` and `labels` make its name on /metrics: `chorus_<family>{labels}`. */
export type CounterDeclaration = {
  readonly family: string;
  readonly help: string;
  readonly kind?: CounterKind;
  readonly labels?: Readonly<Record<string, string>>;
};

/** The counters of one owner, with the place of each in a row. */
export type CounterSet<Key extends string = string> = {
  readonly declarations: Readonly<Record<Key, CounterDeclaration>>;
  readonly keys: readonly Key[];
  /** Place of each counter in a row. */
  readonly at: Readonly<Record<Key, number>>;
  /** Doubles in a row. */
  readonly size: number;
};

/** Declares the counters of one owner. Families of kind counter end in `_total`. */
export function defineCounters<const Key extends string>(
  declarations: Readonly<Record<Key, CounterDeclaration>>,
): CounterSet<Key> {
  const keys = Object.keys(declarations) as Key[];
  const at = Object.fromEntries(keys.map((key, index) => [key, index])) as Record<Key, number>;
  return { declarations, keys, at, size: keys.length };
}

/** Bytes from one row to the next: whole pairs of cache lines, so that no two threads write to one line. */
export function rowBytes(set: CounterSet): number {
  return Math.ceil((set.size * 8) / 128) * 128;
}

/** A row of doubles over shared memory. `index` counts rows from `byteOffset`. */
export function counterRow(
  memory: SharedArrayBuffer,
  byteOffset: number,
  set: CounterSet,
  index: number,
): Float64Array {
  return new Float64Array(memory, byteOffset + index * rowBytes(set), set.size);
}
