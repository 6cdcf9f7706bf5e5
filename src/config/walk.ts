/** The schema as a list of options, for messages, the reference page and the diff. */
import { z } from 'zod';
import { type OptionFacts, optionFacts } from '#kit/option.ts';
import { configSchema } from './schema.ts';
import type { Path } from './source.ts';

/** An option. Steps of its path: names, `*` for any name, `[]` for any place in a list. */
export type OptionEntry = OptionFacts & {
  readonly path: readonly string[];
  /** Whether options stand below it. */
  readonly section: boolean;
};

/** All options, each before those below it. */
export function allOptions(): OptionEntry[] {
  return walk(configSchema, []);
}

/** The facts of the option that a path of a file leads to. */
export function schemaAt(path: Path): OptionEntry | undefined {
  const steps = path.map(step => (typeof step === 'number' ? '[]' : String(step)));
  return allOptions().find(
    option =>
      option.path.length === steps.length &&
      option.path.every((step, i) => step === '*' || step === steps[i]),
  );
}

/** Names of the options directly below a path of a file. */
export function optionNames(path: Path): string[] {
  const steps = path.map(step => (typeof step === 'number' ? '[]' : String(step)));
  return allOptions()
    .filter(
      ({ path: own }) =>
        own.length === steps.length + 1 && steps.every((step, i) => own[i] === '*' || own[i] === step),
    )
    .map(({ path: own }) => own.at(-1) ?? '')
    .filter(name => name !== '*' && name !== '[]');
}

function walk(schema: z.core.$ZodType, path: readonly string[]): OptionEntry[] {
  const below = children(schema, path);
  const facts = optionFacts.get(schema as z.ZodType);
  return facts ? [{ ...facts, path, section: below.length > 0 }, ...below] : below;
}

function children(schema: z.core.$ZodType, path: readonly string[]): OptionEntry[] {
  if (schema instanceof z.ZodObject) {
    return Object.entries<z.core.$ZodType>(schema.shape).flatMap(([name, inner]) =>
      walk(inner, [...path, name]),
    );
  }
  if (schema instanceof z.ZodRecord) return children(schema.valueType, [...path, '*']);
  if (schema instanceof z.ZodArray) return children(schema.element, [...path, '[]']);
  if (schema instanceof z.ZodUnion) return schema.options.slice(0, 1).flatMap(inner => children(inner, path));
  if (schema instanceof z.ZodPipe) return children(schema.in, path);
  if (schema instanceof z.ZodPrefault || schema instanceof z.ZodOptional)
    return children(schema.unwrap(), path);
  return [];
}
