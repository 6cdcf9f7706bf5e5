/** Address families and the address blocks that BGP carries (RFC 4271 section 4.3, RFC 4760). */
import { formatIpv4, formatIpv6, parseIpv4, parseIpv6 } from '#wire/address.ts';
import { type Gather, type Octets, Short } from './octets.ts';

/** The families of unicast addresses: AFI 1 and 2 with SAFI 1. */
export const families = ['ipv4', 'ipv6'] as const;
export type Family = (typeof families)[number];

/** An address block. */
export type Prefix = {
  /** In canonical form; no bit set beyond `bits`. */
  readonly address: string;
  /** 0 … 32 or 0 … 128. */
  readonly bits: number;
};

/** Subsequent address family of unicast routes. */
export const unicast = 1;

/** The address family number (AFI). */
export function afiOf(family: Family): number {
  return family === 'ipv4' ? 1 : 2;
}

/** The family of an AFI and SAFI; undefined for what is not spoken here. */
export function familyOf(afi: number, safi: number): Family | undefined {
  if (safi !== unicast) return undefined;
  return afi === 1 ? 'ipv4' : afi === 2 ? 'ipv6' : undefined;
}

/** The family of an address literal. */
export function familyOfAddress(address: string): Family {
  return address.includes(':') ? 'ipv6' : 'ipv4';
}

/** Octets of an address literal. @throws RangeError for anything else. */
export function addressOctets(address: string): Uint8Array {
  const octets = parseIpv4(address) ?? parseIpv6(address);
  if (!octets) throw new RangeError(`${address} is no address`);
  return octets;
}

/** The literal of 4 or 16 octets. */
export function formatAddress(octets: Uint8Array): string {
  return octets.length === 4 ? formatIpv4(octets) : formatIpv6(octets);
}

/** `192.0.2.53/32`. */
export function formatPrefix({ address, bits }: Prefix): string {
  return `${address}/${bits}`;
}

/** Octets that a prefix takes on the wire. */
export function prefixLength({ bits }: Prefix): number {
  return 1 + ((bits + 7) >> 3);
}

/** Writes a length in bits and the octets that it needs. */
export function writePrefix(out: Gather, { address, bits }: Prefix): void {
  const octets = addressOctets(address);
  if (!Number.isInteger(bits) || bits < 0 || bits > octets.length * 8) {
    throw new RangeError(`${address} has no ${bits} bits`);
  }
  out.u8(bits).put(octets.subarray(0, (bits + 7) >> 3));
}

/**
 * Reads prefixes to the end of `from`; gives how many there are. `into` takes them; null: they are only counted, which makes no
 * garbage when a peer sends all of the Internet. Bits beyond the length are of no meaning (RFC 4271 section 4.3) and cleared.
 * @throws Short for a length beyond the family's, or more octets promised than there are.
 */
export function readPrefixes(from: Octets, family: Family, into: Prefix[] | null): number {
  const size = family === 'ipv4' ? 4 : 16;
  let count = 0;
  while (from.left > 0) {
    const bits = from.u8();
    if (bits > size * 8) throw new Short(`a prefix of ${bits} bits`);
    const length = (bits + 7) >> 3;
    const at = from.claim(length);
    count++;
    if (!into) continue;
    const octets = new Uint8Array(size);
    octets.set(from.bytes.subarray(at, at + length));
    if (bits % 8 !== 0) octets[length - 1]! &= 0xff00 >> (bits % 8);
    into.push({ address: formatAddress(octets), bits });
  }
  return count;
}
