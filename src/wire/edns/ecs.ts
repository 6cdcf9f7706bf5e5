import { formatIpv4, formatIpv6, parseIpv4, parseIpv6 } from '../address.ts';
import { options } from '../types.ts';
import type { OptionCodec } from './option.ts';

/**
 * Client subnet (RFC 7871 section 6): the first `source` bits of the client's address, the rest 0. `scope` is 0 in
 * queries. Family 1 is IPv4, 2 IPv6; an option of another family is an unknown option.
 */
export type Ecs = {
  readonly kind: 'ECS';
  readonly family: 1 | 2;
  readonly source: number;
  readonly scope: number;
  readonly address: string;
};

const bits = { 1: 32, 2: 128 } as const;

/** Whether all bits from `prefix` on are 0. */
function isMasked(bytes: Uint8Array, prefix: number): boolean {
  return bytes.every((octet, i) => (octet & (0xff >> Math.min(8, Math.max(0, prefix - i * 8)))) === 0);
}

export const ecs: OptionCodec<Ecs> = {
  kind: 'ECS',
  code: options.ECS,
  decode: from => {
    const family = from.u16();
    if (family !== 1 && family !== 2) return undefined;
    const source = from.u8();
    const scope = from.u8();
    const bytes = new Uint8Array(bits[family] / 8);
    if (source > bits[family] || scope > bits[family])
      from.fail('a client subnet has a prefix that does not fit');
    if (from.left !== Math.ceil(source / 8))
      from.fail('a client subnet has not as many octets as its prefix needs');
    bytes.set(from.take());
    if (!isMasked(bytes, source)) from.fail('a client subnet has bits beyond its prefix');
    const address = family === 1 ? formatIpv4(bytes) : formatIpv6(bytes);
    return { kind: 'ECS', family, source, scope, address };
  },
  encode: (to, { family, source, scope, address }) => {
    const bytes =
      (family === 1 ? parseIpv4(address) : parseIpv6(address)) ?? to.fail(`"${address}" is not an address`);
    if (source > bits[family] || scope > bits[family])
      to.fail('a client subnet has a prefix that does not fit');
    if (!isMasked(bytes, source)) to.fail('a client subnet has bits beyond its prefix');
    to.u16(family);
    to.u8(source);
    to.u8(scope);
    to.put(bytes.subarray(0, Math.ceil(source / 8)));
  },
  format: ({ address, source, scope }) => `${address}/${source}/${scope}`,
};
