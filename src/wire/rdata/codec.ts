import type { Reader } from '../reader.ts';
import type { Tokens } from '../tokens.ts';
import { type TypeName, types } from '../types.ts';
import type { Writer } from '../writer.ts';
import type { Field } from './field.ts';

/** How one record type's data is written, on the wire and in presentation format. */
export interface Codec<D extends { readonly kind: TypeName }> {
  readonly kind: TypeName;
  readonly type: number;
  /** The type is defined for class IN only; elsewhere its data is unknown data. */
  readonly internet: boolean;
  /** The parts, in order, for types that are no more than a list. */
  readonly fields: Fields;
  decode(from: Reader): D;
  encode(to: Writer, data: D): void;
  format(data: D): string;
  parse(from: Tokens): D;
}

/** Parts by name, in the order of wire and text. */
export type Fields = { readonly [name: string]: Field<unknown> };

/** The object that stands for record data made of these fields. */
export type DataOf<K extends TypeName, F extends Fields> = { readonly kind: K } & {
  readonly [N in keyof F]: F[N] extends Field<infer T> ? T : never;
};

/** A record type that is a list of fields. */
export function record<const K extends TypeName, F extends Fields>(
  kind: K,
  fields: F,
  rules: { internet?: boolean } = {},
): Codec<DataOf<K, F>> {
  type D = DataOf<K, F>;
  const parts = Object.entries(fields);
  // The loops below fill exactly the fields that DataOf lists.
  const build = (each: (name: string, field: Field<unknown>) => unknown): D => {
    const data: Record<string, unknown> = { kind };
    for (const [name, field] of parts) data[name] = each(name, field);
    return data as D;
  };
  const part = (data: D, name: string): unknown => (data as Readonly<Record<string, unknown>>)[name];
  return {
    kind,
    type: types[kind],
    internet: rules.internet ?? false,
    fields,
    decode: from => build((_, field) => field.read(from)),
    encode: (to, data) => {
      for (const [name, field] of parts) field.write(to, part(data, name));
    },
    format: data =>
      parts
        .map(([name, field]) => field.format(part(data, name)))
        .filter(text => text !== '')
        .join(' '),
    parse: from => build((name, field) => field.parse(from, `the ${kind} record's ${name}`)),
  };
}
