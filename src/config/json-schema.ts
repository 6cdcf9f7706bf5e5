/** The configuration as JSON Schema, for editors. */
import { z } from 'zod';
import { optionFacts } from '#kit/option.ts';
import { configSchema } from './schema.ts';

/** The JSON Schema (draft 7, which editors know best) of a configuration file. */
export function jsonSchema(): Record<string, unknown> {
  const schema = z.toJSONSchema(configSchema, {
    io: 'input',
    target: 'draft-07',
    override: ({ zodSchema, jsonSchema: json }) => {
      const facts = zodSchema instanceof z.ZodType ? optionFacts.get(zodSchema) : undefined;
      if (facts?.example !== undefined) json.examples = [facts.example];
    },
  });
  return { ...schema, title: 'Configuration of Chorus' };
}
