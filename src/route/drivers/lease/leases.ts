/** Which addresses are to be leased where, and what a lease cannot tell. Pure. */
import { isIpv6 } from '#net/address.ts';
import { forever, type KernelAddress } from '#net/rtnetlink.ts';
import { type Announcement, formatPrefix, type Grade, type Prefix } from '../../announcement.ts';
import type { LeaseOptions } from './options.ts';

/** By this number (IFA_PROTO, rtm_protocol) our addresses and routes are known; nobody has registered it. */
export const ourProtocol = 67;
/** The same in every network namespace. */
export const loopback = { index: 1, name: 'lo' } as const;

/** One address on one interface. */
export type Lease = {
  readonly interface: string;
  readonly address: string;
  readonly bits: number;
  /** The prefix that is announced by it; null: a marker. */
  readonly prefix: Prefix | null;
};

/** A lease, by us or by a former run; kernels before 5.18 keep no protocol. */
export function isOurs({ valid, protocol }: Pick<KernelAddress, 'valid' | 'protocol'>): boolean {
  return valid !== forever && (protocol === ourProtocol || protocol === 0);
}

/** Identifies a lease. */
export function leaseKey(lease: Pick<Lease, 'interface' | 'address' | 'bits'>): string {
  return `${lease.address}/${lease.bits} on ${lease.interface}`;
}

/** The interface for a grade. */
export function interfaceOf(grade: Grade, options: LeaseOptions): string {
  return options.interfaces[grade] ?? options.interface;
}

/** All interfaces that these options name. */
export function interfacesOf(options: LeaseOptions): string[] {
  return [
    ...new Set([options.interface, ...Object.values(options.interfaces).filter(name => name !== undefined)]),
  ];
}

/** What is to be leased, by key. A marker is there while any address has its grade. */
export function leasesOf(announcements: readonly Announcement[], options: LeaseOptions): Map<string, Lease> {
  const leases = new Map<string, Lease>();
  const add = (lease: Lease) => leases.set(leaseKey(lease), lease);
  for (const { grade } of announcements) {
    for (const address of options.markers[grade] ?? [])
      add({ interface: options.interface, address, bits: hostBits(address), prefix: null });
  }
  for (const { address, prefix, grade } of announcements)
    add({ interface: interfaceOf(grade, options), address, bits: prefix.bits, prefix });
  return leases;
}

/** What of these announcements no routing daemon will learn. */
export function leaseWarnings(announcements: readonly Announcement[], options: LeaseOptions): string[] {
  const warnings = new Set<string>();
  for (const { address, prefix, attributes, grade } of announcements) {
    const { med, communities, largeCommunities, prepend } = attributes;
    const plain =
      (med ?? 0) === 0 && communities.length === 0 && largeCommunities.length === 0 && prepend === 0;
    const told = options.interfaces[grade] !== undefined || options.markers[grade] !== undefined;
    if (!plain && !told)
      warnings.add(
        `a lease carries no metric and no communities, and grade ${grade} has no interface of its own: name one in \`interfaces\``,
      );
    if (prefix.bits < hostBits(address))
      warnings.add(`${formatPrefix(prefix)} is announced as the connected prefix of ${address}`);
  }
  return [...warnings];
}

/** Length of a host route's prefix. */
export function hostBits(address: string): number {
  return isIpv6(address) ? 128 : 32;
}
