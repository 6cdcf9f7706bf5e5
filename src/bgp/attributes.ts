/** Path attributes (RFC 4271 sections 4.3 and 5), with the error handling of RFC 7606. */
import { BgpError, errorCode, updateError } from './error.ts';
import {
  addressOctets,
  afiOf,
  type Family,
  familyOf,
  formatAddress,
  type Prefix,
  readPrefixes,
  unicast,
  writePrefix,
} from './family.ts';
import { Gather, hexOf, type Octets, octetsOf, Short } from './octets.ts';

/** What is agreed on in a session that the form of an UPDATE depends on. */
export type UpdateContext = {
  /** Both speak four-octet AS numbers (RFC 6793). */
  readonly fourOctetAs: boolean;
  /** The peer is of our own AS. */
  readonly internal: boolean;
  /** Prefixes are given; false: they are checked and counted only. */
  readonly keepPrefixes: boolean;
};

export const segmentKinds = ['set', 'sequence', 'confederation-sequence', 'confederation-set'] as const;

/** A segment of an AS_PATH (RFC 4271 section 4.3, RFC 5065 section 3). 1 … 255 AS numbers. */
export type PathSegment = { readonly kind: (typeof segmentKinds)[number]; readonly as: readonly number[] };

export const origins = ['igp', 'egp', 'incomplete'] as const;

/** An attribute that is not looked into, its data in hexadecimal. */
export type OtherAttribute = { readonly type: number; readonly flags: number; readonly data: string };

/** The attributes of a route. Null: not there. */
export type PathAttributes = {
  readonly origin: (typeof origins)[number] | null;
  readonly asPath: readonly PathSegment[] | null;
  readonly nextHop: string | null;
  readonly med: number | null;
  readonly localPreference: number | null;
  readonly atomicAggregate: boolean;
  readonly aggregator: { readonly as: number; readonly address: string } | null;
  /** As `65000:100`, in the order of the message. */
  readonly communities: readonly string[];
  readonly originatorId: string | null;
  readonly clusterList: readonly string[];
  readonly as4Path: readonly PathSegment[] | null;
  readonly as4Aggregator: { readonly as: number; readonly address: string } | null;
  /** As `65000:1:2`. */
  readonly largeCommunities: readonly string[];
  readonly others: readonly OtherAttribute[];
};

/** MP_REACH_NLRI of a family that is spoken here; others are passed over. */
export type Reach = {
  readonly family: Family;
  /** One, or with IPv6 the global and the link-local one (RFC 2545 section 3). */
  readonly nextHops: readonly string[];
  readonly prefixes: readonly Prefix[];
};

/** MP_UNREACH_NLRI of a family that is spoken here. Without prefixes: the end of its routes (RFC 4724 section 2). */
export type Unreach = { readonly family: Family; readonly prefixes: readonly Prefix[] };

/**
 * What is wrong with an attribute and does not end the session (RFC 7606): the attribute is passed over, or all of the update's
 * routes count as withdrawn.
 */
export type Fault = {
  readonly action: 'discard' | 'withdraw';
  /** 0: the list as a whole. */
  readonly type: number;
  readonly detail: string;
};

/** A list of path attributes, read. */
export type ReadAttributes = {
  readonly attributes: PathAttributes;
  readonly reach: Reach | null;
  readonly unreach: Unreach | null;
  readonly faults: readonly Fault[];
  /** Prefixes of MP_REACH_NLRI and MP_UNREACH_NLRI of families spoken here. */
  readonly reached: number;
  readonly unreached: number;
  /** MP_REACH_NLRI and MP_UNREACH_NLRI of other families. */
  readonly foreign: number;
};

/** No attribute at all. */
export const noAttributes: PathAttributes = {
  origin: null,
  asPath: null,
  nextHop: null,
  med: null,
  localPreference: null,
  atomicAggregate: false,
  aggregator: null,
  communities: [],
  originatorId: null,
  clusterList: [],
  as4Path: null,
  as4Aggregator: null,
  largeCommunities: [],
  others: [],
};

export const attributeType = {
  origin: 1,
  asPath: 2,
  nextHop: 3,
  med: 4,
  localPreference: 5,
  atomicAggregate: 6,
  aggregator: 7,
  communities: 8,
  originatorId: 9,
  clusterList: 10,
  reach: 14,
  unreach: 15,
  extendedCommunities: 16,
  as4Path: 17,
  as4Aggregator: 18,
  largeCommunities: 32,
} as const;

/** Stands for an AS number that an old speaker has no room for (RFC 6793 section 9). */
export const asTrans = 23_456;

const optional = 0x80;
const transitive = 0x40;
const extended = 0x10;

/** Optional and transitive bit of the attributes known here. */
const flagsOf: Readonly<Record<number, number>> = {
  1: transitive,
  2: transitive,
  3: transitive,
  4: optional,
  5: transitive,
  6: transitive,
  7: optional | transitive,
  8: optional | transitive,
  9: optional,
  10: optional,
  14: optional,
  15: optional,
  16: optional | transitive,
  17: optional | transitive,
  18: optional | transitive,
  32: optional | transitive,
};

/** In what way an attribute is wrong: thrown by the readers of values, caught where the list is read. */
class Faulty extends Error {
  readonly action: Fault['action'];
  constructor(action: Fault['action'], detail: string) {
    super(detail);
    this.action = action;
  }
}

type Draft = { -readonly [Key in keyof PathAttributes]: PathAttributes[Key] };

/** Reads the value of each attribute. Throws Faulty or Short: the routes then count as withdrawn, where nothing else is said. */
const readers: Readonly<Record<number, (from: Octets, draft: Draft, context: UpdateContext) => void>> = {
  [attributeType.origin]: (from, draft) => {
    lengthIs(from, 1);
    const origin = origins[from.u8()];
    if (!origin) throw new Faulty('withdraw', 'an ORIGIN that is not defined');
    draft.origin = origin;
  },
  [attributeType.asPath]: (from, draft, { fourOctetAs }) => {
    draft.asPath = readPath(from, fourOctetAs ? 4 : 2);
  },
  [attributeType.nextHop]: (from, draft) => {
    lengthIs(from, 4);
    draft.nextHop = formatAddress(from.take());
  },
  [attributeType.med]: (from, draft) => {
    lengthIs(from, 4);
    draft.med = from.u32();
  },
  [attributeType.localPreference]: (from, draft, { internal }) => {
    if (!internal) throw new Faulty('discard', 'LOCAL_PREF from another AS');
    lengthIs(from, 4);
    draft.localPreference = from.u32();
  },
  [attributeType.atomicAggregate]: (from, draft) => {
    lengthIs(from, 0, 'discard');
    draft.atomicAggregate = true;
  },
  [attributeType.aggregator]: (from, draft, { fourOctetAs }) => {
    lengthIs(from, fourOctetAs ? 8 : 6, 'discard');
    draft.aggregator = readAggregator(from, fourOctetAs);
  },
  [attributeType.communities]: (from, draft) => {
    lengthOf(from, 4);
    draft.communities = Array.from({ length: from.left / 4 }, () => `${from.u16()}:${from.u16()}`);
  },
  [attributeType.originatorId]: (from, draft, { internal }) => {
    if (!internal) throw new Faulty('discard', 'ORIGINATOR_ID from another AS');
    lengthIs(from, 4);
    draft.originatorId = formatAddress(from.take());
  },
  [attributeType.clusterList]: (from, draft, { internal }) => {
    if (!internal) throw new Faulty('discard', 'CLUSTER_LIST from another AS');
    lengthOf(from, 4);
    draft.clusterList = Array.from({ length: from.left / 4 }, () => formatAddress(from.take(4)));
  },
  [attributeType.as4Path]: (from, draft, { fourOctetAs }) => {
    if (fourOctetAs) throw new Faulty('discard', 'AS4_PATH from who speaks four-octet AS numbers');
    try {
      draft.as4Path = readPath(from, 4);
    } catch {
      throw new Faulty('discard', 'a malformed AS4_PATH');
    }
  },
  [attributeType.as4Aggregator]: (from, draft, { fourOctetAs }) => {
    if (fourOctetAs) throw new Faulty('discard', 'AS4_AGGREGATOR from who speaks four-octet AS numbers');
    lengthIs(from, 8, 'discard');
    draft.as4Aggregator = readAggregator(from, true);
  },
  [attributeType.extendedCommunities]: (from, draft) => {
    lengthOf(from, 8);
    const { type, flags } = { type: attributeType.extendedCommunities, flags: optional | transitive };
    draft.others = [...draft.others, { type, flags, data: hexOf(from.take()) }];
  },
  [attributeType.largeCommunities]: (from, draft) => {
    lengthOf(from, 12);
    draft.largeCommunities = Array.from(
      { length: from.left / 12 },
      () => `${from.u32()}:${from.u32()}:${from.u32()}`,
    );
  },
};

function lengthIs(from: Octets, length: number, action: Fault['action'] = 'withdraw'): void {
  if (from.left !== length) throw new Faulty(action, `${from.left} octets instead of ${length}`);
}

/** RFC 7606 section 7.8, RFC 8092 section 5: a multiple, and not empty. */
function lengthOf(from: Octets, unit: number): void {
  if (from.left === 0 || from.left % unit !== 0) {
    throw new Faulty('withdraw', `${from.left} octets, which is no multiple of ${unit}`);
  }
}

function readAggregator(from: Octets, four: boolean): { as: number; address: string } {
  const as = four ? from.u32() : from.u16();
  if (as === 0) throw new Faulty('discard', 'AS 0 (RFC 7607)');
  return { as, address: formatAddress(from.take(4)) };
}

function readPath(from: Octets, size: 2 | 4): PathSegment[] {
  const segments: PathSegment[] = [];
  while (from.left > 0) {
    const kind = segmentKinds[from.u8() - 1];
    const count = from.u8();
    if (!kind || count === 0) throw new Faulty('withdraw', 'a segment that is not defined, or empty');
    const as = Array.from({ length: count }, () => (size === 4 ? from.u32() : from.u16()));
    if (as.includes(0)) throw new Faulty('withdraw', 'AS 0 (RFC 7607)');
    segments.push({ kind, as });
  }
  return segments;
}

/**
 * Reads a list of path attributes. What RFC 7606 lets a session survive is among the faults.
 * @throws BgpError for what ends the session.
 */
export function readAttributes(from: Octets, context: UpdateContext): ReadAttributes {
  const draft: Draft = { ...noAttributes };
  const faults: Fault[] = [];
  const seen = new Set<number>();
  let reach: Reach | null = null;
  let unreach: Unreach | null = null;
  let reached = 0;
  let unreached = 0;
  let foreign = 0;
  while (from.left > 0) {
    const start = from.at;
    const found = nextAttribute(from);
    // RFC 7606 section 4: the length of the list as a whole is relied upon.
    if (!found) {
      faults.push({ action: 'withdraw', type: 0, detail: 'an attribute longer than the list' });
      break;
    }
    const { flags, type, value } = found;
    const multiprotocol = type === attributeType.reach || type === attributeType.unreach;
    if (seen.has(type)) {
      if (multiprotocol) throw malformed(`attribute ${type} twice`);
      faults.push({ action: 'discard', type, detail: 'there twice: the first one counts' });
      continue;
    }
    seen.add(type);
    const known = flagsOf[type];
    if (known === undefined) {
      if ((flags & optional) === 0) {
        const data = new Uint8Array(from.bytes.subarray(start, from.at));
        const detail = `attribute ${type} claims to be well-known`;
        throw new BgpError(errorCode.update, updateError.unrecognizedWellKnown, detail, data);
      }
      draft.others = [...draft.others, { type, flags: flags & ~extended, data: hexOf(value.take()) }];
      continue;
    }
    if ((flags & (optional | transitive)) !== known) {
      faults.push({ action: 'withdraw', type, detail: `flags ${flags.toString(16)}` });
      // Where its routes are must be known all the same.
      if (!multiprotocol) continue;
    }
    if (type === attributeType.reach) {
      const result = readReach(value, context.keepPrefixes);
      if (result) {
        reach = result.reach;
        reached = result.count;
      } else foreign++;
    } else if (type === attributeType.unreach) {
      const result = readUnreach(value, context.keepPrefixes);
      if (result) {
        unreach = result.unreach;
        unreached = result.count;
      } else foreign++;
    } else {
      const fault = attempt(() => readers[type]!(value, draft, context));
      if (fault) faults.push({ ...fault, type });
    }
  }
  return { attributes: draft, reach, unreach, faults, reached, unreached, foreign };
}

/** Null when it does not fit in what is left. */
function nextAttribute(from: Octets): { flags: number; type: number; value: Octets } | null {
  try {
    const flags = from.u8();
    const type = from.u8();
    return { flags, type, value: from.part(flags & extended ? from.u16() : from.u8()) };
  } catch (thrown) {
    if (thrown instanceof Short) return null;
    throw thrown;
  }
}

function attempt(read: () => void): Omit<Fault, 'type'> | null {
  try {
    read();
    return null;
  } catch (thrown) {
    if (thrown instanceof Faulty) return { action: thrown.action, detail: thrown.message };
    if (thrown instanceof Short) return { action: 'withdraw', detail: thrown.message };
    throw thrown;
  }
}

function malformed(detail: string): BgpError {
  return new BgpError(errorCode.update, updateError.malformedList, detail);
}

/** Runs what reads NLRI of another family; RFC 7606 section 5.3: what cannot be read ends the session. */
function inAttribute<T>(name: string, read: () => T): T {
  try {
    return read();
  } catch (thrown) {
    if (!(thrown instanceof Short)) throw thrown;
    throw new BgpError(errorCode.update, updateError.optionalAttribute, `${name}: ${thrown.message}`);
  }
}

function readReach(from: Octets, keep: boolean): { reach: Reach; count: number } | null {
  return inAttribute('MP_REACH_NLRI', () => {
    const family = familyOf(from.u16(), from.u8());
    const hop = from.part(from.u8());
    // Reserved (RFC 4760 section 3).
    from.u8();
    if (!family) return null;
    const length = hop.left;
    // An IPv4 next hop of 4 octets, an IPv6 one of 16, or of 32 with the link-local one (RFC 2545, RFC 8950).
    if (length !== 16 && length !== 32 && !(length === 4 && family === 'ipv4')) {
      throw new Short(`a next hop of ${length} octets`);
    }
    const nextHops = [formatAddress(hop.take(Math.min(length, 16)))];
    if (hop.left > 0) nextHops.push(formatAddress(hop.take()));
    const prefixes: Prefix[] = [];
    const count = readPrefixes(from, family, keep ? prefixes : null);
    return { reach: { family, nextHops, prefixes }, count };
  });
}

function readUnreach(from: Octets, keep: boolean): { unreach: Unreach; count: number } | null {
  return inAttribute('MP_UNREACH_NLRI', () => {
    const family = familyOf(from.u16(), from.u8());
    if (!family) return null;
    const prefixes: Prefix[] = [];
    const count = readPrefixes(from, family, keep ? prefixes : null);
    return { unreach: { family, prefixes }, count };
  });
}

/** What an encoder is given: attributes and, first in the list (RFC 7606 section 5.1), the NLRI of RFC 4760. */
export type AttributesToWrite = {
  readonly attributes: PathAttributes;
  readonly reach: Reach | null;
  readonly unreach: Unreach | null;
};

/** A list of path attributes. @throws RangeError for values that do not fit. */
export function writeAttributes(
  { attributes, reach, unreach }: AttributesToWrite,
  { fourOctetAs }: Pick<UpdateContext, 'fourOctetAs'>,
): Uint8Array {
  const out = new Gather();
  const put = (type: number, value: Gather, flags = flagsOf[type]!): void => {
    if (value.length > 255)
      out
        .u8(flags | extended)
        .u8(type)
        .u16(value.length);
    else out.u8(flags).u8(type).u8(value.length);
    out.put(value.done());
  };
  const value = (): Gather => new Gather();
  if (unreach) {
    const data = value().u16(afiOf(unreach.family)).u8(unicast);
    for (const prefix of unreach.prefixes) writePrefix(data, prefix);
    put(attributeType.unreach, data);
  }
  if (reach) {
    const hops = value();
    for (const hop of reach.nextHops) hops.put(addressOctets(hop));
    const data = value().u16(afiOf(reach.family)).u8(unicast).u8(hops.length).put(hops.done()).u8(0);
    for (const prefix of reach.prefixes) writePrefix(data, prefix);
    put(attributeType.reach, data);
  }
  const { origin, asPath, nextHop, med, localPreference, aggregator, communities } = attributes;
  if (origin) put(attributeType.origin, value().u8(origins.indexOf(origin)));
  if (asPath) put(attributeType.asPath, writePath(asPath, fourOctetAs));
  if (nextHop !== null) put(attributeType.nextHop, value().put(addressOctets(nextHop)));
  if (med !== null) put(attributeType.med, value().u32(med));
  if (localPreference !== null) put(attributeType.localPreference, value().u32(localPreference));
  if (attributes.atomicAggregate) put(attributeType.atomicAggregate, value());
  if (aggregator) {
    const data = fourOctetAs ? value().u32(aggregator.as) : value().u16(shortAs(aggregator.as));
    put(attributeType.aggregator, data.put(addressOctets(aggregator.address)));
  }
  if (communities.length > 0) {
    const data = value();
    for (const part of communities.flatMap(text => text.split(':'))) data.u16(Number(part));
    put(attributeType.communities, data);
  }
  if (attributes.originatorId !== null) {
    put(attributeType.originatorId, value().put(addressOctets(attributes.originatorId)));
  }
  if (attributes.clusterList.length > 0) {
    const data = value();
    for (const id of attributes.clusterList) data.put(addressOctets(id));
    put(attributeType.clusterList, data);
  }
  if (attributes.as4Path) put(attributeType.as4Path, writePath(attributes.as4Path, true));
  if (attributes.as4Aggregator) {
    const { as, address } = attributes.as4Aggregator;
    put(attributeType.as4Aggregator, value().u32(as).put(addressOctets(address)));
  }
  if (attributes.largeCommunities.length > 0) {
    const data = value();
    for (const part of attributes.largeCommunities.flatMap(text => text.split(':'))) data.u32(Number(part));
    put(attributeType.largeCommunities, data);
  }
  for (const { type, flags, data } of attributes.others) put(type, value().put(octetsOf(data)), flags);
  return out.done();
}

function writePath(path: readonly PathSegment[], four: boolean): Gather {
  const out = new Gather();
  for (const { kind, as } of path) {
    out.u8(segmentKinds.indexOf(kind) + 1).u8(as.length);
    for (const number of as) four ? out.u32(number) : out.u16(shortAs(number));
  }
  return out;
}

/** An AS number for who knows two octets only (RFC 6793 section 4.2.2). */
export function shortAs(as: number): number {
  return as > 0xffff ? asTrans : as;
}
