/** Random names, records and messages for property tests. */

import * as fc from 'fast-check';
import { formatIpv4, formatIpv6 } from '#wire/address.ts';
import type { EdnsOption } from '#wire/edns/registry.ts';
import type { Message, Question, RData, ResourceRecord } from '#wire/message.ts';
import { formatName } from '#wire/name.ts';
import { algorithm } from '#wire/rdata/algorithm.ts';
import { typeBitmap } from '#wire/rdata/bitmap.ts';
import type { Codec } from '#wire/rdata/codec.ts';
import * as field from '#wire/rdata/field.ts';
import { codecs, type KnownData } from '#wire/rdata/registry.ts';
import { parseRecord } from '#wire/record.ts';
import { classes } from '#wire/types.ts';
import { goldenRecords } from './golden.ts';

/** Runs that are the same each time; the fuzzer is for new ground. */
export const steady = { seed: 1035, numRuns: 300 } as const;

const bits = (count: number) => fc.integer({ min: 0, max: 2 ** count - 1 });
const bytes = (min: number, max: number) => fc.uint8Array({ minLength: min, maxLength: max });
const octets = (max: number) => bytes(0, max).map(value => String.fromCharCode(...value));

/** Absolute names, of any octets, in the form that `formatName` gives. */
export const anyName: fc.Arbitrary<string> = fc
  .array(fc.oneof(bytes(1, 12), bytes(1, 63)), { maxLength: 5 })
  .map(labels => {
    const wire = labels.flatMap(label => [label.length, ...label]);
    return formatName(Uint8Array.from(wire.length < 255 ? [...wire, 0] : [0]));
  });

const generators = new Map<unknown, fc.Arbitrary<unknown>>([
  [field.u8, bits(8)],
  [algorithm, bits(8)],
  [field.u16, bits(16)],
  [field.rrType, bits(16)],
  [field.u32, bits(32)],
  [field.seconds, bits(32)],
  [field.compressedName, anyName],
  [field.tolerantName, anyName],
  [field.plainName, anyName],
  [field.string, octets(255)],
  [field.stringRest, octets(600)],
  [field.strings, fc.array(octets(255), { minLength: 1, maxLength: 4 })],
  [field.ipv4, bytes(4, 4).map(value => formatIpv4(value))],
  [field.ipv6, bytes(16, 16).map(value => formatIpv6(value))],
  [field.hexRest, bytes(0, 64)],
  [field.base64Rest, bytes(0, 64)],
  [typeBitmap, fc.uniqueArray(bits(16), { maxLength: 20 }).map(list => list.sort((a, b) => a - b))],
]);

/** Golden records of one type. */
function samples(kind: string): readonly KnownData[] {
  const found = goldenRecords.map(golden => parseRecord(golden.text).data);
  return found.filter((data): data is KnownData => data.kind === kind);
}

/**
 * Data of one type: random where its fields have generators, else with values from the golden records.
 * @param narrow generators to use instead, by field.
 */
export function anyDataOf(
  codec: Codec<KnownData>,
  narrow: ReadonlyMap<unknown, fc.Arbitrary<unknown>> = new Map(),
): fc.Arbitrary<KnownData> {
  const parts: Record<string, fc.Arbitrary<unknown>> = { kind: fc.constant(codec.kind) };
  const known = samples(codec.kind);
  if (known.length === 0) throw new Error(`records.json has no ${codec.kind} record`);
  for (const [name, each] of Object.entries(codec.fields)) {
    const values = known.map(data => (data as unknown as Record<string, unknown>)[name]);
    parts[name] = narrow.get(each) ?? generators.get(each) ?? fc.constantFrom(...values);
  }
  // fast-check makes objects without a prototype unless told otherwise.
  return fc.record(parts, { noNullPrototype: true }) as unknown as fc.Arbitrary<KnownData>;
}

/** Every codec, as a type that takes all their data. */
export const everyCodec: readonly Codec<KnownData>[] = codecs;

function recordOf(type: number, data: fc.Arbitrary<RData>): fc.Arbitrary<ResourceRecord> {
  const head = {
    name: anyName,
    type: fc.constant(type),
    class: fc.constant(classes.IN),
    ttl: bits(32),
    data,
  };
  return fc.record(head, { noNullPrototype: true });
}

/** Records of all types that are understood, and of unknown ones. */
export const anyRecord: fc.Arbitrary<ResourceRecord> = fc.oneof(
  ...everyCodec.map(codec => recordOf(codec.type, anyDataOf(codec))),
  recordOf(
    65400,
    bytes(0, 64).map(value => ({ kind: 'unknown', bytes: value })),
  ),
);

const option: fc.Arbitrary<EdnsOption> = fc.oneof(
  bytes(0, 40).map((value): EdnsOption => ({ kind: 'NSID', bytes: value })),
  fc
    .tuple(bits(16), fc.string({ unit: 'binary' }))
    .map(([info, text]): EdnsOption => ({ kind: 'EDE', info, text })),
  fc
    .tuple(bytes(8, 8), fc.oneof(bytes(0, 0), bytes(8, 32)))
    .map(([client, server]): EdnsOption => ({ kind: 'COOKIE', client, server })),
  bits(9).map((length): EdnsOption => ({ kind: 'PADDING', length })),
  fc.option(bits(16), { nil: undefined }).map((timeout): EdnsOption => {
    return { kind: 'KEEPALIVE', ...(timeout === undefined ? {} : { timeout }) };
  }),
  fc.option(bits(32), { nil: undefined }).map((seconds): EdnsOption => {
    return { kind: 'EXPIRE', ...(seconds === undefined ? {} : { seconds }) };
  }),
  fc.tuple(fc.integer({ min: 0, max: 4 }), bytes(4, 4)).map(([length, value]): EdnsOption => {
    const address = formatIpv4(value.map((octet, i) => (i < length ? octet : 0)));
    return { kind: 'ECS', family: 1, source: length * 8, scope: 0, address };
  }),
  fc
    .tuple(fc.integer({ min: 0, max: 16 }), bytes(16, 16), bits(7))
    .map(([length, value, scope]): EdnsOption => {
      const address = formatIpv6(value.map((octet, i) => (i < length ? octet : 0)));
      return { kind: 'ECS', family: 2, source: length * 8, scope, address };
    }),
  bytes(0, 40).map((value): EdnsOption => ({ kind: 'unknown', code: 65001, bytes: value })),
);

const question: fc.Arbitrary<Question> = fc.record(
  { name: anyName, type: bits(16), class: bits(16) },
  { noNullPrototype: true },
);

/** Messages of every shape that can be written. */
export const anyMessage: fc.Arbitrary<Message> = fc
  .record(
    {
      id: bits(16),
      qr: fc.boolean(),
      opcode: bits(4),
      aa: fc.boolean(),
      tc: fc.boolean(),
      rd: fc.boolean(),
      ra: fc.boolean(),
      ad: fc.boolean(),
      cd: fc.boolean(),
      rcode: bits(12),
      questions: fc.array(question, { maxLength: 2 }),
      answers: fc.array(anyRecord, { maxLength: 4 }),
      authorities: fc.array(anyRecord, { maxLength: 2 }),
      additionals: fc.array(anyRecord, { maxLength: 2 }),
      z: fc.boolean(),
      edns: fc.option(
        fc.record(
          {
            udpSize: bits(16),
            version: bits(8),
            do: fc.boolean(),
            z: bits(15),
            options: fc.array(option, { maxLength: 4 }),
          },
          { noNullPrototype: true },
        ),
        { nil: undefined },
      ),
    },
    { noNullPrototype: true },
  )
  .map(({ z, edns, rcode, ...rest }) => ({
    ...rest,
    rcode: edns ? rcode : rcode & 15,
    ...(z ? { z } : {}),
    ...(edns ? { edns: ednsOf(edns) } : {}),
  }));

function ednsOf({ z, ...edns }: Required<NonNullable<Message['edns']>>): NonNullable<Message['edns']> {
  return { ...edns, ...(z ? { z } : {}) };
}
