/** What a router is told of a service address: the prefix and its path attributes. Plain data, the same for all drivers. */
import { isIpv6 } from '#net/address.ts';

/** An address block that is announced: a host route as a rule. */
export type Prefix = {
  /** In canonical form, IPv6 without brackets, no bit set beyond `bits`. */
  readonly address: string;
  /** 0 … 32 or 0 … 128. */
  readonly bits: number;
};

/** Path attributes. Drivers that cannot express one say so when they are made (`RouteDriver.warnings`). */
export type Attributes = {
  /** MULTI_EXIT_DISC: the lower one wins among routes from one neighbouring AS. 0 … 2^32−1; null: not sent. */
  readonly med: number | null;
  /** LOCAL_PREF: the higher one wins inside an AS; sent to peers of our own AS only. 0 … 2^32−1; null: the driver's default. */
  readonly localPreference: number | null;
  /** RFC 1997, each as "65000:100", sorted and without repeats. Well-known ones have their number: "65535:0". */
  readonly communities: readonly string[];
  /** RFC 8092, each as "65000:1:2", sorted and without repeats. */
  readonly largeCommunities: readonly string[];
  /** How often our own AS stands before the path once more. 0 … 16. */
  readonly prepend: number;
};

/** GRACEFUL_SHUTDOWN, RFC 8326 section 5. */
export const gracefulShutdown = '65535:0';

/** How good an announcement is meant to be: what drivers without attributes (markers of the address lease) tell apart. */
export const grades = ['primary', 'backup', 'degraded', 'draining'] as const;
export type Grade = (typeof grades)[number];

/** One service address as it is to be announced. */
export type Announcement = {
  readonly prefix: Prefix;
  /** The service address itself, inside the prefix. */
  readonly address: string;
  readonly attributes: Attributes;
  readonly grade: Grade;
};

/** `192.0.2.53/32`. */
export function formatPrefix({ address, bits }: Prefix): string {
  return `${address}/${bits}`;
}

/** The host route of an address. */
export function hostPrefix(address: string): Prefix {
  return { address, bits: isIpv6(address) ? 128 : 32 };
}

/** Whether two announcements tell a router the same. */
export function sameAttributes(one: Attributes, other: Attributes): boolean {
  return (
    one.med === other.med &&
    one.localPreference === other.localPreference &&
    one.prepend === other.prepend &&
    one.communities.join(' ') === other.communities.join(' ') &&
    one.largeCommunities.join(' ') === other.largeCommunities.join(' ')
  );
}
