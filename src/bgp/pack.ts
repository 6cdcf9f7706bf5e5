/** What a peer is sent for a change of routes: as few UPDATE messages as hold it. */
import { noAttributes, type PathAttributes, type PathSegment, shortAs } from './attributes.ts';
import { type Family, familyOfAddress, formatPrefix, type Prefix, prefixLength } from './family.ts';
import { encodeMessage, maxMessage } from './message.ts';

/** A route as it is sent. */
export type Route = {
  readonly prefix: Prefix;
  /** An IPv4 prefix with an IPv6 next hop goes in the form of RFC 8950. */
  readonly nextHop: string;
  /** Empty towards our own AS. */
  readonly asPath: readonly number[];
  readonly med: number | null;
  readonly localPreference: number | null;
  readonly communities: readonly string[];
  readonly largeCommunities: readonly string[];
};

/** Changes of routes. */
export type Change = {
  /** Routes as they were announced. */
  readonly withdraw: readonly Route[];
  readonly announce: readonly Route[];
};

/** What a peer is sent. */
export type Packed = {
  /** Withdrawals first. */
  readonly messages: readonly Uint8Array[];
  /** Routes whose attributes leave no room for a prefix: not sent. */
  readonly unfit: readonly Route[];
};

/** Two routes that tell a peer the same have the same text. */
export function keyOf(route: Route): string {
  return `${formatPrefix(route.prefix)} ${pathKey(route)}`;
}

function pathKey(route: Route): string {
  const { nextHop, asPath, med, localPreference, communities, largeCommunities } = route;
  return JSON.stringify([nextHop, asPath, med, localPreference, communities, largeCommunities]);
}

/** Octets before the list of prefixes in an UPDATE: header, two lengths. */
const fixed = 23;

/** Encodes a change; prefixes with the same attributes share messages. `fourOctetAs`: as agreed in the session. */
export function packUpdates(change: Change, context: { readonly fourOctetAs: boolean }): Packed {
  const messages: Uint8Array[] = [];
  const unfit: Route[] = [];
  for (const [form, routes] of grouped(change.withdraw, formOf)) {
    const prefixes = routes.map(({ prefix }) => prefix);
    // AFI, SAFI and the attribute's own 4 octets.
    const room = maxMessage - fixed - (form === 'classic' ? 0 : 7);
    for (const part of portions(prefixes, room)) messages.push(withdrawal(form, part));
  }
  for (const routes of grouped(change.announce, route => `${formOf(route)} ${pathKey(route)}`).values()) {
    const form = formOf(routes[0]!);
    const empty = announcement(routes[0]!, form, [], context);
    // A longer MP_REACH_NLRI may need one octet more for its length.
    const room = maxMessage - (empty?.length ?? maxMessage) - 1;
    if (!empty || prefixLength(routes[0]!.prefix) > room) {
      unfit.push(...routes);
      continue;
    }
    const prefixes = routes.map(({ prefix }) => prefix);
    for (const part of portions(prefixes, room)) {
      messages.push(announcement(routes[0]!, form, part, context)!);
    }
  }
  return { messages, unfit };
}

/** The marker that all routes of a family have been sent (RFC 4724 section 2). */
export function endOfRibFor(family: Family): Uint8Array {
  return family === 'ipv4' ? withdrawal('classic', []) : withdrawal(family, []);
}

/** `classic`: in the fields of RFC 4271. A family: in the attributes of RFC 4760. */
type Form = 'classic' | Family;

function formOf({ prefix, nextHop }: Route): Form {
  const family = familyOfAddress(prefix.address);
  return family === 'ipv4' && familyOfAddress(nextHop) === 'ipv4' ? 'classic' : family;
}

function grouped<Key>(routes: readonly Route[], key: (route: Route) => Key): Map<Key, Route[]> {
  const groups = new Map<Key, Route[]>();
  for (const route of routes) {
    const group = groups.get(key(route));
    if (group) group.push(route);
    else groups.set(key(route), [route]);
  }
  return groups;
}

/** The prefixes in runs of at most `room` octets. */
function portions(prefixes: readonly Prefix[], room: number): Prefix[][] {
  const runs: Prefix[][] = [];
  let left = 0;
  for (const prefix of prefixes) {
    const length = prefixLength(prefix);
    if (length > left) {
      runs.push([]);
      left = room;
    }
    left -= length;
    runs.at(-1)!.push(prefix);
  }
  return runs;
}

function withdrawal(form: Form, prefixes: readonly Prefix[]): Uint8Array {
  return encodeMessage({
    kind: 'update',
    withdrawn: form === 'classic' ? prefixes : [],
    announced: [],
    attributes: noAttributes,
    reach: null,
    unreach: form === 'classic' ? null : { family: form, prefixes },
  });
}

/** Null when it does not fit in a message. */
function announcement(
  route: Route,
  form: Form,
  prefixes: readonly Prefix[],
  context: { readonly fourOctetAs: boolean },
): Uint8Array | null {
  const attributes: PathAttributes = {
    ...noAttributes,
    ...paths(route.asPath, context.fourOctetAs),
    origin: 'igp',
    nextHop: form === 'classic' ? route.nextHop : null,
    med: route.med,
    localPreference: route.localPreference,
    communities: route.communities,
    largeCommunities: route.largeCommunities,
  };
  const reach = form === 'classic' ? null : { family: form, nextHops: [route.nextHop], prefixes };
  const announced = form === 'classic' ? prefixes : [];
  try {
    return encodeMessage(
      { kind: 'update', withdrawn: [], announced, attributes, reach, unreach: null },
      context,
    );
  } catch (thrown) {
    if (thrown instanceof RangeError) return null;
    throw thrown;
  }
}

/** AS_PATH, and for old speakers AS4_PATH where a number needs it (RFC 6793 section 4.2.2). */
function paths(as: readonly number[], fourOctetAs: boolean): Pick<PathAttributes, 'asPath' | 'as4Path'> {
  const path: readonly PathSegment[] = as.length === 0 ? [] : [{ kind: 'sequence', as }];
  const needed = !fourOctetAs && as.some(number => shortAs(number) !== number);
  return { asPath: path, as4Path: needed ? path : null };
}
