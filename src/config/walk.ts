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
  return allOptions().find(option => leads(path, option.path));
}

/** Names of the options directly below a path of a file. */
export function optionNames(path: Path): string[] {
  return allOptions()
    .filter(({ path: own }) => leads(path, own.slice(0, -1)))
    .map(({ path: own }) => own.at(-1) ?? '')
    .filter(name => name !== '*' && name !== '[]');
}

/** Whether a path of a file is that of an option. A list of one may stand without brackets, and then has no place in the path. */
function leads([step, ...rest]: Path, [own, ...others]: readonly string[]): boolean {
  if (own === undefined) return step === undefined;
  if (own === '[]')
    return leads(typeof step === 'number' || step === undefined ? rest : [step, ...rest], others);
  return step !== undefined && (own === '*' || own === String(step)) && leads(rest, others);
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
