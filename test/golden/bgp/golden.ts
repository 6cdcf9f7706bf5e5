/** Golden BGP messages and random ones. */
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import {
  noAttributes,
  origins,
  type PathAttributes,
  segmentKinds,
  type UpdateContext,
} from '#bgp/attributes.ts';
import type { Capability } from '#bgp/capability.ts';
import { type Family, formatAddress, type Prefix } from '#bgp/family.ts';
import type { Message } from '#bgp/message.ts';

/** A message of a real session, and what it means. */
export type GoldenMessage = {
  readonly name: string;
  /** What the session had agreed on. */
  readonly context: UpdateContext;
  readonly hex: string;
  /** A message, or the NOTIFICATION that it earns: code, subcode and data. */
  readonly decoded: unknown;
};

/** The messages of messages.json. */
export const goldenMessages = JSON.parse(
  readFileSync(new URL('messages.json', import.meta.url), 'utf8'),
) as readonly GoldenMessage[];

const u8 = fc.nat(0xff);
const u16 = fc.nat(0xffff);
const u32 = fc.nat(0xffffffff);
const as = fc.oneof(fc.integer({ min: 1, max: 0xffff }), fc.integer({ min: 1, max: 0xffffffff }));
const address = (family: Family): fc.Arbitrary<string> =>
  fc
    .uint8Array({ minLength: family === 'ipv4' ? 4 : 16, maxLength: family === 'ipv4' ? 4 : 16 })
    .map(octets => formatAddress(octets));

/** Address blocks of a family in canonical form. */
export const prefix = (family: Family): fc.Arbitrary<Prefix> => {
  const size = family === 'ipv4' ? 4 : 16;
  return fc
    .tuple(fc.uint8Array({ minLength: size, maxLength: size }), fc.nat(size * 8))
    .map(([octets, bits]) => ({
      address: formatAddress(
        octets.map((octet, i) => octet & (0xff00 >> Math.min(8, Math.max(0, bits - 8 * i))) & 0xff),
      ),
      bits,
    }));
};

const kept = { afi: u16, safi: u8, forwarding: fc.boolean() };
const hex = (most: number): fc.Arbitrary<string> =>
  fc.uint8Array({ maxLength: most }).map(octets => Buffer.from(octets).toString('hex'));

/** Capabilities, those with a code of their own among them. */
export const capability: fc.Arbitrary<Capability> = fc.oneof(
  fc.record({ kind: fc.constant('multiprotocol' as const), afi: u16, safi: u8 }),
  fc.constant<Capability>({ kind: 'route-refresh' }),
  fc.record({
    kind: fc.constant('extended-next-hop' as const),
    list: fc.array(fc.record({ afi: u16, safi: u16, nextHopAfi: u16 }), { maxLength: 5 }),
  }),
  fc.constant<Capability>({ kind: 'extended-message' }),
  fc.record({
    kind: fc.constant('graceful-restart' as const),
    restarted: fc.boolean(),
    notification: fc.boolean(),
    time: fc.nat(0xfff),
    families: fc.array(fc.record(kept), { maxLength: 5 }),
  }),
  fc.record({ kind: fc.constant('four-octet-as' as const), as: u32 }),
  fc.constant<Capability>({ kind: 'enhanced-route-refresh' }),
  fc.record({
    kind: fc.constant('long-lived-graceful-restart' as const),
    families: fc.array(fc.record({ ...kept, time: fc.nat(0xffffff) }), { maxLength: 5 }),
  }),
  fc.record({
    kind: fc.constant('unknown' as const),
    code: fc.integer({ min: 128, max: 255 }),
    value: hex(20),
  }),
);

const path = fc.array(
  fc.record({ kind: fc.constantFrom(...segmentKinds), as: fc.array(as, { minLength: 1, maxLength: 6 }) }),
  { maxLength: 3 },
);
const community = fc.tuple(u16, u16).map(parts => parts.join(':'));
const largeCommunity = fc.tuple(u32, u32, u32).map(parts => parts.join(':'));
const orNull = <T>(values: fc.Arbitrary<T>): fc.Arbitrary<T | null> => fc.option(values, { nil: null });

/** Attributes as a peer of our own AS with four-octet AS numbers may send them. */
export const attributes: fc.Arbitrary<PathAttributes> = fc.record({
  origin: fc.constantFrom(...origins),
  asPath: path,
  nextHop: address('ipv4'),
  med: orNull(u32),
  localPreference: orNull(u32),
  atomicAggregate: fc.boolean(),
  aggregator: orNull(fc.record({ as, address: address('ipv4') })),
  communities: fc.array(community, { maxLength: 80 }),
  originatorId: orNull(address('ipv4')),
  clusterList: fc.array(address('ipv4'), { maxLength: 3 }),
  as4Path: fc.constant(null),
  as4Aggregator: fc.constant(null),
  largeCommunities: fc.array(largeCommunity, { maxLength: 10 }),
  others: fc.uniqueArray(
    fc.record({
      type: fc.integer({ min: 128, max: 255 }),
      flags: fc.constantFrom(0x80, 0xc0),
      data: hex(300),
    }),
    { maxLength: 2, selector: ({ type }) => type },
  ),
});

const reach = fc.oneof(
  fc.record({
    family: fc.constant<Family>('ipv6'),
    nextHops: fc.array(address('ipv6'), { minLength: 1, maxLength: 2 }),
    prefixes: fc.array(prefix('ipv6'), { maxLength: 20 }),
  }),
  fc.record({
    family: fc.constant<Family>('ipv4'),
    nextHops: fc.constantFrom<Family>('ipv4', 'ipv6').chain(family => fc.tuple(address(family))),
    prefixes: fc.array(prefix('ipv4'), { maxLength: 20 }),
  }),
);
const unreach = fc
  .constantFrom<Family>('ipv4', 'ipv6')
  .chain(family =>
    fc.record({ family: fc.constant(family), prefixes: fc.array(prefix(family), { maxLength: 20 }) }),
  );

const update = fc
  .record({
    withdrawn: fc.array(prefix('ipv4'), { maxLength: 20 }),
    announced: fc.array(prefix('ipv4'), { maxLength: 20 }),
    attributes,
    reach: orNull(reach),
    unreach: orNull(unreach),
  })
  .map(whole => ({
    kind: 'update' as const,
    ...whole,
    attributes:
      whole.announced.length > 0 || whole.reach
        ? whole.attributes
        : { ...noAttributes, others: whole.attributes.others },
    faults: [],
    counts: {
      announced: whole.announced.length + (whole.reach?.prefixes.length ?? 0),
      withdrawn: whole.withdrawn.length + (whole.unreach?.prefixes.length ?? 0),
      foreign: 0,
    },
  }));

/** Any message that can be written, as it reads again between peers of one AS with four-octet AS numbers. */
export const message: fc.Arbitrary<Message> = fc
  .oneof(
    fc.record({
      kind: fc.constant('open' as const),
      version: fc.constant(4),
      as: u16,
      holdTime: u16,
      routerId: address('ipv4'),
      capabilities: fc.array(capability, { maxLength: 20 }),
    }),
    update,
    fc.record({ kind: fc.constant('notification' as const), code: u8, subcode: u8, data: hex(60) }),
    fc.constant<Message>({ kind: 'keepalive' }),
    fc.record({ kind: fc.constant('route-refresh' as const), afi: u16, safi: u8, subtype: u8 }),
  )
  // Plain objects, as the decoder gives them.
  .map(value => structuredClone(value));
