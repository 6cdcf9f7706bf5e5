/**
 * What the folders declare their part of the configuration with: one declaration for each option gives its check, its
 * default, its unit, its page in the reference and its place in the JSON Schema.
 *
 * In every issue that these schemas raise, `message` says what was expected; `params.suggestion` what may have been
 * meant, and `params.what`, where set, what is wrong in other words than "this value".
 */
import { z } from 'zod';
import { nearest } from './suggest.ts';
import {
  durationPattern,
  formatDuration,
  formatSize,
  parseDuration,
  parseSize,
  sizePattern,
} from './units.ts';

/** What is said of an option besides its check. */
export type About = {
  /** One to three sentences for an operator. Markdown. */
  readonly docs: string;
  /** A value as it stands in YAML. Needed where there is no default. */
  readonly example?: unknown;
  /** The value where the option is left out, as it stands in YAML. Absent: see `optional`. */
  readonly default?: unknown;
  /** The option may be left out and then is not set; the text says what happens then. */
  readonly optional?: string;
  /** Whether a reload puts a new value in force, or only a restart. Default: reload. */
  readonly applies?: 'reload' | 'restart';
};

/** What the reference and the diff know of an option. */
export type OptionFacts = About & { readonly expected: string };

/** Facts of each schema made by `option`. */
export const optionFacts = z.registry<OptionFacts>();
const expectations = z.registry<{ expected: string }>();
/** How the value of a schema stands in a file, where it does not stand there as it is. */
const writers = z.registry<{ write: (value: unknown) => unknown }>();

/** A value that a check turned down. */
export class Wrong {
  readonly expected: string | undefined;
  readonly suggestion: string | undefined;
  constructor(more: { expected?: string; suggestion?: string | undefined } = {}) {
    this.expected = more.expected;
    this.suggestion = more.suggestion;
  }
}

/**
 * A scalar: `parse` gives its value or what is wrong. `json` is its JSON Schema. `write` gives the value in the form of the
 * file again; needed where that is another one.
 */
export function parsed<T>(
  expected: string,
  json: Readonly<Record<string, unknown>>,
  parse: (value: unknown) => T | Wrong,
  write?: (value: T) => unknown,
): z.ZodType<T> {
  const schema = z
    .unknown()
    .meta(json)
    .transform((value, context): T => {
      const result = parse(value);
      if (!(result instanceof Wrong)) return result;
      context.addIssue({
        code: 'custom',
        message: result.expected ?? expected,
        params: { suggestion: result.suggestion, missing: value === undefined },
      });
      return z.NEVER;
    });
  // What it is called with has come through `parse`.
  if (write) writers.add(schema, { write: value => write(value as T) });
  return expectations.add(schema, { expected }) && schema;
}

/** A duration from `least` to `most` (in YAML's form), in ms, or in whole seconds with `unit: 's'`. */
export function duration(least: string, most: string, unit: 'ms' | 's' = 'ms'): z.ZodType<number> {
  const factor = unit === 's' ? 1000 : 1;
  return quantity({
    what: unit === 's' ? 'a duration of whole seconds' : 'a duration',
    bounds: [least, most],
    json: { type: 'string', pattern: durationPattern },
    parse: text => {
      const ms = parseDuration(text);
      return ms === undefined || ms % factor !== 0 ? undefined : ms;
    },
    guess: text =>
      /^\d+$/.test(text) ? `${text}s` : text.toLowerCase().replace(/\s|(?<=s)ec.*|(?<=m)in.*/g, ''),
    format: formatDuration,
    factor,
  });
}

/** A size in bytes from `least` to `most` (in YAML's form). */
export function size(least: string, most: string): z.ZodType<number> {
  return quantity({
    what: 'a size',
    bounds: [least, most],
    json: { type: 'string', pattern: sizePattern },
    parse: parseSize,
    guess: text =>
      /^\d+$/.test(text)
        ? formatSize(Number(text))
        : text.replace(/\s/g, '').replace(/([kmg])(i?b)?$/i, (_, unit: string) => `${unit.toUpperCase()}iB`),
    format: formatSize,
    factor: 1,
  });
}

type Quantity = {
  what: string;
  bounds: readonly [string, string];
  json: Record<string, unknown>;
  parse: (text: string) => number | undefined;
  guess: (text: string) => string;
  format: (value: number) => string;
  factor: number;
};

function quantity({ what, bounds, json, parse, guess, format, factor }: Quantity): z.ZodType<number> {
  const [least, most] = bounds.map(bound => parse(bound) ?? Number.NaN) as [number, number];
  const expected = `${what} with a unit, from ${format(least)} to ${format(most)}`;
  return parsed(
    expected,
    json,
    value => {
      const text = typeof value === 'string' || typeof value === 'number' ? String(value) : '';
      const number = typeof value === 'string' ? parse(value) : undefined;
      if (number !== undefined && number >= least && number <= most) return number / factor;
      const meant = number === undefined ? guess(text) : '';
      const right = parse(meant);
      const fits = right !== undefined && right >= least && right <= most;
      return new Wrong({ suggestion: fits ? meant : undefined });
    },
    value => format(value * factor),
  );
}

/** A whole number from `least` to `most`. */
export function whole(least: number, most: number): z.ZodType<number> {
  const expected = `a whole number from ${least} to ${most}`;
  return parsed(expected, { type: 'integer', minimum: least, maximum: most }, value => {
    if (typeof value === 'number' && Number.isInteger(value) && value >= least && value <= most) return value;
    const text = typeof value === 'string' && /^\d+$/.test(value) ? value : undefined;
    return new Wrong({ suggestion: text && `${text} without quotes` });
  });
}

/** One of some names. */
export function choice<const Name extends string>(names: readonly Name[]): z.ZodType<Name> {
  const expected = names.length === 1 ? `${names[0]}` : `one of ${names.join(', ')}`;
  return parsed(expected, { type: 'string', enum: [...names] }, value => {
    const found = names.find(name => name === value);
    return found ?? new Wrong({ suggestion: typeof value === 'string' ? nearest(value, names) : undefined });
  });
}

/** On or off; YAML 1.2 reads `on` and `off` as texts, so both forms count. */
export function flag(): z.ZodType<boolean> {
  return parsed(
    'on or off',
    { enum: [true, false, 'on', 'off'] },
    value => {
      if (value === true || value === 'on') return true;
      if (value === false || value === 'off') return false;
      const meant = value === 'yes' ? 'on' : value === 'no' ? 'off' : undefined;
      return new Wrong({
        suggestion: meant ?? (typeof value === 'string' ? nearest(value, ['on', 'off']) : undefined),
      });
    },
    value => (value ? 'on' : 'off'),
  );
}

/** A text of a stated form. */
export function text(expected: string, pattern: RegExp): z.ZodType<string> {
  return parsed(expected, { type: 'string', pattern: pattern.source }, value => {
    if (typeof value === 'string' && pattern.test(value)) return value;
    const quoted =
      typeof value === 'number' || typeof value === 'boolean' ? JSON.stringify(String(value)) : undefined;
    return new Wrong({ suggestion: quoted });
  });
}

/** A name of our own things: pools, backends. */
export function label(what: string): z.ZodType<string> {
  return text(`${what}: 1 to 63 letters, digits, "-", "_" or "."`, /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,62}$/);
}

/** A section: a mapping with these keys and no others. */
export function section<Shape extends z.core.$ZodLooseShape>(expected: string, shape: Shape) {
  const schema = z.strictObject(shape, {
    error: issue => (issue.code === 'invalid_type' ? expected : undefined),
  });
  return expectations.add(schema, { expected }) && schema;
}

/** A mapping from names of the operator's choice. */
export function mapping<Value extends z.ZodType>(expected: string, key: z.ZodType<string>, value: Value) {
  const schema = z.record(key, value, {
    error: issue => (issue.code === 'invalid_type' ? expected : undefined),
  });
  return expectations.add(schema, { expected }) && schema;
}

/** A list with at least `least` elements: one, where nothing is said. A single element may stand without the brackets. */
export function list<T>(expected: string, element: z.ZodType<T>, least: 0 | 1 = 1): z.ZodType<T[]> {
  const several = least === 0 ? z.array(element) : z.array(element).min(1).meta({ minItems: 1 });
  const schema = z
    .union([several, element], { error: expected })
    .transform((value): T[] => (Array.isArray(value) ? (value as T[]) : [value as T]));
  writers.add(schema, {
    write: value => (Array.isArray(value) ? value.map(item => fileForm(element, item)) : value),
  });
  return expectations.add(schema, { expected }) && schema;
}

/** `off` (or false), which gives null, or a value. */
export function offOr<Schema extends z.ZodType>(schema: Schema) {
  const expected = `${expectedBy(schema)}, or off`;
  const off = z.enum(['off']).or(z.literal(false));
  const either = z.union([schema, off.transform(() => null)], { error: expected });
  writers.add(either, { write: value => (value === null ? 'off' : fileForm(schema, value)) });
  return expectations.add(either, { expected }) && either;
}

/** `auto`, or a value. */
export function autoOr<Schema extends z.ZodType>(schema: Schema) {
  const expected = `${expectedBy(schema)}, or auto`;
  const either = z.union([schema, z.literal('auto')], { error: expected });
  writers.add(either, { write: value => (value === 'auto' ? 'auto' : fileForm(schema, value)) });
  return expectations.add(either, { expected }) && either;
}

/** A value that a schema of this file gave, in the form of a file: loaded again, it gives the same value. */
export function fileForm(schema: z.core.$ZodType, value: unknown): unknown {
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodPrefault)
    return value === undefined ? undefined : fileForm(schema.unwrap(), value);
  const writer = schema instanceof z.ZodType ? writers.get(schema) : undefined;
  if (writer) return writer.write(value);
  if (typeof value !== 'object' || value === null) return value;
  if (schema instanceof z.ZodRecord)
    return Object.fromEntries(
      Object.entries(value).map(([name, inner]) => [name, fileForm(schema.valueType, inner)]),
    );
  if (!(schema instanceof z.ZodObject)) return value;
  const shape: Readonly<Record<string, z.core.$ZodType>> = schema.shape;
  return Object.fromEntries(
    Object.entries<unknown>({ ...value }).flatMap(([name, inner]) =>
      inner === undefined || !shape[name] ? [] : [[name, fileForm(shape[name], inner)]],
    ),
  );
}

/** Says in words what a schema of this file takes. */
export function expectedBy(schema: z.ZodType): string {
  return expectations.get(schema)?.expected ?? optionFacts.get(schema)?.expected ?? 'a value';
}

/** An option with a default. */
export function option<Schema extends z.ZodType>(schema: Schema, about: About & { default: unknown }) {
  const standing = schema.prefault(
    () => structuredClone(about.default) as z.core.util.NoUndefined<z.input<Schema>>,
  );
  return described(standing, schema, about);
}

/** An option that must be given. */
export function required<Schema extends z.ZodType>(
  schema: Schema,
  about: About & { example: unknown },
): Schema {
  return described(schema, schema, about);
}

/** An option that may be left out and is then not set. */
export function optional<Schema extends z.ZodType>(
  schema: Schema,
  about: About & { optional: string; example: unknown },
) {
  return described(schema.optional(), schema, about);
}

function described<Schema extends z.ZodType>(schema: Schema, inner: z.ZodType, about: About): Schema {
  const example = about.example;
  const named = schema.meta({
    description: about.docs,
    ...(example !== undefined && { examples: [example] }),
  });
  optionFacts.add(named, { ...about, expected: expectedBy(inner) });
  return named;
}
