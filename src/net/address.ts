/** Texts of addresses with ports and of address blocks, as the configuration and the command line write them. Pure. */
import { formatIpv4, formatIpv6, parseIpv4, parseIpv6 } from '#wire/address.ts';

/** An address and port. IPv6 in the form of RFC 5952, without brackets; a scope after `%` allowed. */
export type Endpoint = { readonly address: string; readonly port: number };

/** An address block: the first `bits` of `bytes` (4 or 16) count, the rest are zero. */
export type Block = { readonly bytes: readonly number[]; readonly bits: number };

/** The address in its one form, or undefined. A scope (`%eth0`) may follow a link-local IPv6 address. */
export function parseAddress(text: string): string | undefined {
  const [, literal = '', scope] = /^([^%]*)(?:%([A-Za-z0-9_.-]{1,15}))?$/.exec(text) ?? [];
  const four = scope === undefined && parseIpv4(literal);
  if (four) return formatIpv4(four);
  const six = parseIpv6(literal);
  if (!six) return undefined;
  const linkLocal = six[0] === 0xfe && (six[1]! & 0xc0) === 0x80;
  if (scope !== undefined && !linkLocal) return undefined;
  return scope === undefined ? formatIpv6(six) : `${formatIpv6(six)}%${scope}`;
}

/** `192.0.2.1:53`, `[2001:db8::1]:53`, or an address alone, which gets `port`. Undefined for anything else. */
export function parseEndpoint(text: string, port: number): Endpoint | undefined {
  const [, bracketed, plain, digits] = /^(?:\[([^[\]]*)\]|([^:]*))(?::(\d{1,5}))?$/.exec(text) ?? [];
  const bare = bracketed === undefined && plain === undefined;
  const address = parseAddress(bare ? text : (bracketed ?? plain ?? ''));
  if (address === undefined) return undefined;
  if (bracketed !== undefined && !isIpv6(address)) return undefined;
  const number = digits === undefined ? port : Number(digits);
  return number >= 1 && number <= 65_535 ? { address, port: number } : undefined;
}

/** `192.0.2.1:53` or `[2001:db8::1]:53`. */
export function formatEndpoint({ address, port }: Endpoint): string {
  return isIpv6(address) ? `[${address}]:${port}` : `${address}:${port}`;
}

/** Whether an address literal is of IPv6. */
export function isIpv6(address: string): boolean {
  return address.includes(':');
}

/** `192.0.2.0/24`, or an address alone as a block of one. Bits after the prefix length are cleared. */
export function parseBlock(text: string): Block | undefined {
  const [, literal = '', digits] = /^([^/]*)(?:\/(\d{1,3}))?$/.exec(text) ?? [];
  const octets = parseIpv4(literal) ?? parseIpv6(literal);
  if (!octets) return undefined;
  const bits = digits === undefined ? octets.length * 8 : Number(digits);
  if (bits > octets.length * 8) return undefined;
  const bytes = Array.from(
    octets,
    (octet, i) => octet & (0xff00 >> Math.min(8, Math.max(0, bits - 8 * i))) & 0xff,
  );
  return { bytes, bits };
}

/** `192.0.2.0/24`. */
export function formatBlock({ bytes, bits }: Block): string {
  const octets = Uint8Array.from(bytes);
  return `${octets.length === 4 ? formatIpv4(octets) : formatIpv6(octets)}/${bits}`;
}

/** Whether the block has this address, which has no scope. False where the families differ. */
export function blockHas({ bytes, bits }: Block, address: string): boolean {
  const octets = parseIpv4(address) ?? parseIpv6(address);
  if (!octets || octets.length !== bytes.length) return false;
  return octets.every(
    (octet, i) => ((octet ^ bytes[i]!) & (0xff00 >> Math.min(8, Math.max(0, bits - 8 * i))) & 0xff) === 0,
  );
}

/**
 * What counts as one client of an address literal: an IPv4 address, the /64 of an IPv6 address, since a host has all of its /64 to
 * choose from; a link-local address is itself, since all hosts of a link share that /64.
 */
export function clientOf(address: string): string {
  const octets = isIpv6(address) ? parseIpv6(address) : undefined;
  if (!octets || (octets[0] === 0xfe && (octets[1]! & 0xc0) === 0x80)) return address;
  return `${formatIpv6(octets.fill(0, 8))}/64`;
}

const loopback = ['127.0.0.0/8', '::1/128'].map(text => parseBlock(text)!);

/** Whether an address is one of this machine's loopback addresses. */
export function isLoopback(address: string): boolean {
  return loopback.some(block => blockHas(block, address));
}

/** Whether an address stands for all addresses of the machine. */
export function isWildcard(address: string): boolean {
  return address === '0.0.0.0' || address === '::';
}
