/** Linux's sockaddr_in and sockaddr_in6, written into and read from memory (ip(7), ipv6(7)). */
import os from 'node:os';
import ipaddr from 'ipaddr.js';

export const AF_INET = 2;
export const AF_INET6 = 10;

/** A socket address: IPv4 or IPv6 literal without brackets (a scope after `%` allowed), and port. */
export type SocketAddress = { readonly address: string; readonly port: number };

function scopeId(zone: string): number {
  if (/^\d+$/.test(zone)) return Number(zone);
  for (const entry of os.networkInterfaces()[zone] ?? []) {
    if (entry.family === 'IPv6') return entry.scopeid ?? 0;
  }
  return 0;
}

/** Writes the sockaddr at `at`; gives its length, 16 or 28. Throws Error on text that is no address. */
export function writeSockaddr(u8: Uint8Array, at: number, address: string, port: number): number {
  const parsed = ipaddr.parse(address);
  const bytes = parsed.toByteArray();
  const six = bytes.length === 16;
  u8.fill(0, at, at + 28);
  // Family in host order: both supported machines are little-endian.
  u8[at] = six ? AF_INET6 : AF_INET;
  u8[at + 2] = port >> 8;
  u8[at + 3] = port & 255;
  u8.set(bytes, at + (six ? 8 : 4));
  if (six) {
    const scope = 'zoneId' in parsed && parsed.zoneId ? scopeId(parsed.zoneId) : 0;
    for (let i = 0; i < 4; i++) u8[at + 24 + i] = (scope >>> (8 * i)) & 255;
  }
  return six ? 28 : 16;
}

/** Port of the sockaddr at `at`. */
export function readPort(u8: Uint8Array, at: number): number {
  return (u8[at + 2]! << 8) | u8[at + 3]!;
}

/** Address text of the sockaddr at `at`, IPv6 without brackets, a link-local one with its scope as a number. */
export function readAddress(u8: Uint8Array, at: number): string {
  if (u8[at] === AF_INET) return `${u8[at + 4]}.${u8[at + 5]}.${u8[at + 6]}.${u8[at + 7]}`;
  const text = new ipaddr.IPv6(Array.from(u8.subarray(at + 8, at + 24))).toString();
  const scope = u8[at + 24]! | (u8[at + 25]! << 8) | (u8[at + 26]! << 16) | (u8[at + 27]! << 24);
  return scope ? `${text}%${scope >>> 0}` : text;
}
