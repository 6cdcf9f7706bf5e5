/** Any value at any place of another: for properties of what reads configuration. */

/** Paths of every value within a value. */
export function pathsOf(value: unknown): string[][] {
  if (typeof value !== 'object' || value === null) return [[]];
  return [[], ...Object.entries(value).flatMap(([key, inner]) => pathsOf(inner).map(path => [key, ...path]))];
}

/** A copy of a value with another value at a path. */
export function replaced(value: unknown, [key, ...rest]: readonly string[], put: unknown): unknown {
  if (key === undefined) return put;
  if (Array.isArray(value))
    return value.map((item, i) => (i === Number(key) ? replaced(item, rest, put) : item));
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).map(([name, item]) => [
    name,
    name === key ? replaced(item, rest, put) : item,
  ]);
  return Object.fromEntries(entries);
}
