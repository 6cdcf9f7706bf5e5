/** Values as they stand in a file. */

/** A value of a file. */
export type Plain = string | number | boolean | readonly Plain[] | { readonly [key: string]: Plain };
/** A mapping of a file. */
export type PlainMapping = { readonly [key: string]: Plain };

/** What `fileForm` gives. @throws TypeError for what cannot stand in a file: a fault of an option's writer. */
export function plainValue(value: unknown): Plain {
  if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') return value;
  if (Array.isArray(value)) return value.map(plainValue);
  if (typeof value !== 'object' || value === null)
    throw new TypeError(`${String(value)} has no form in a file`);
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]: [string, unknown]) => [key, plainValue(inner)]),
  );
}
