/** Reading `ADDRESS:PORT` as people write it. */
import ipaddr from 'ipaddr.js';
import type { SocketAddress } from './sockaddr.ts';

/**
 * `192.0.2.1:53`, `[2001:db8::1]:53`, and where a default port is given also `192.0.2.1` and `2001:db8::1`. Literals
 * only, ports 0 to 65,535. Null for anything else.
 */
export function parseEndpoint(text: string, defaultPort?: number): SocketAddress | null {
  const found = /^(?:\[([^\]]+)\]|([^:[\]]+))(?::(\d{1,5}))?$/.exec(text);
  const bare = defaultPort !== undefined && found === null ? text : undefined;
  const address = found?.[1] ?? found?.[2] ?? bare;
  const port = found?.[3] === undefined ? defaultPort : Number(found[3]);
  if (address === undefined || port === undefined || port > 65_535) return null;
  if (found?.[1] === undefined && bare === undefined) {
    return ipaddr.IPv4.isValidFourPartDecimal(address) ? { address, port } : null;
  }
  return ipaddr.IPv6.isValid(address) ? { address, port } : null;
}
