import { formatIpv4, formatIpv6, parseIpv4, parseIpv6 } from '../address.ts';
import { record } from './codec.ts';
import type { Field } from './field.ts';

/** An address block: family 1 is IPv4, 2 IPv6. */
export type AplItem = {
  readonly negated: boolean;
  readonly family: 1 | 2;
  readonly address: string;
  readonly prefix: number;
};

const bits = { 1: 32, 2: 128 } as const;
const bytesOf = (family: 1 | 2, text: string) => (family === 1 ? parseIpv4(text) : parseIpv6(text));

const items: Field<readonly AplItem[]> = {
  read: from => {
    const list: AplItem[] = [];
    while (from.left > 0) {
      const at = from.at;
      const family = from.u16();
      if (family !== 1 && family !== 2) return from.unknown(`the address family ${family} is not known`, at);
      const prefix = from.u8();
      const head = from.u8();
      const octets = from.take(head & 0x7f);
      if (prefix > bits[family] || octets.length > bits[family] / 8 || octets.at(-1) === 0) {
        from.fail('an address block has a prefix or address that does not fit', at);
      }
      const whole = new Uint8Array(bits[family] / 8);
      whole.set(octets);
      const address = family === 1 ? formatIpv4(whole) : formatIpv6(whole);
      list.push({ negated: (head & 0x80) !== 0, family, address, prefix });
    }
    return list;
  },
  write: (to, list) => {
    for (const { negated, family, address, prefix } of list) {
      const bytes = bytesOf(family, address) ?? to.fail(`"${address}" is not an address of family ${family}`);
      if (prefix > bits[family]) to.fail(`the prefix ${prefix} does not fit family ${family}`);
      let length = bytes.length;
      while (length > 0 && bytes[length - 1] === 0) length--;
      to.u16(family);
      to.u8(prefix);
      to.u8((negated ? 0x80 : 0) | length);
      to.put(bytes.subarray(0, length));
    }
  },
  format: list =>
    list.map(item => `${item.negated ? '!' : ''}${item.family}:${item.address}/${item.prefix}`).join(' '),
  parse: from => {
    const list: AplItem[] = [];
    while (from.left > 0) {
      const at = from.at;
      const word = from.word('an address block');
      const parts = /^(!?)([12]):([^/]+)\/(\d{1,3})$/.exec(word);
      const family = parts?.[2] === '1' ? 1 : 2;
      const bytes = parts ? bytesOf(family, parts[3]!) : undefined;
      if (!parts || !bytes || Number(parts[4]) > bits[family]) {
        return from.fail(`"${word}" is not an address block such as 1:192.0.2.0/24`, at);
      }
      const address = family === 1 ? formatIpv4(bytes) : formatIpv6(bytes);
      list.push({ negated: parts[1] === '!', family, address, prefix: Number(parts[4]) });
    }
    return list;
  },
};

/** Address blocks (RFC 3123 section 4), of the two families that have a presentation format. */
export const apl = record('APL', { items }, { internet: true });
