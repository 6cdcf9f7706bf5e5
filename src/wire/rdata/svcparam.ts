/** Service parameters that are known, by IANA "DNS Service Bindings (SVCB)". Values are octets as on the wire. */

import { formatIpv4, formatIpv6, parseIpv4, parseIpv6 } from '../address.ts';
import { formatBare, formatBase64, parseBase64 } from '../octets.ts';

const keys: readonly string[] = [
  'mandatory',
  'alpn',
  'no-default-alpn',
  'port',
  'ipv4hint',
  'ech',
  'ipv6hint',
  'dohpath',
  'ohttp',
  'tls-supported-groups',
];

/** A key's name, else key123 (RFC 9460 section 2.1). */
export function keyName(key: number): string {
  return keys[key] ?? `key${key}`;
}

/** A key by name or key123; undefined when it is neither. */
export function keyCode(name: string): number | undefined {
  const text = name.toLowerCase();
  const known = keys.indexOf(text);
  if (known >= 0) return known;
  const digits = /^key(0|[1-9]\d{0,4})$/.exec(text)?.[1];
  return digits !== undefined && Number(digits) <= 0xffff ? Number(digits) : undefined;
}

/** A known value's text, and its octets from the octet string that the text stands for; undefined when it is wrong. */
type ValueForm = {
  format(value: Uint8Array): string | undefined;
  parse(octets: string): Uint8Array | undefined;
};

/** Codes of 16 bits, at least one. */
function codes(text: (code: number) => string, code: (text: string) => number | undefined): ValueForm {
  return {
    format: value => {
      if (value.length === 0 || value.length % 2 !== 0) return undefined;
      const list: string[] = [];
      for (let i = 0; i < value.length; i += 2) list.push(text((value[i]! << 8) | value[i + 1]!));
      return list.join(',');
    },
    parse: octets => {
      const list = octets.split(',').map(code);
      if (list.some(each => each === undefined)) return undefined;
      return Uint8Array.from(list.flatMap(each => [each! >> 8, each! & 0xff]));
    },
  };
}

const decimal = (text: string) =>
  /^\d{1,5}$/.test(text) && Number(text) <= 0xffff ? Number(text) : undefined;

/** In the text the keys may stand in any order, on the wire they ascend (RFC 9460 section 8). */
const keyCodes = codes(keyName, keyCode);
const mandatory: ValueForm = {
  format: keyCodes.format,
  parse: octets => {
    const list = octets.split(',').map(keyCode);
    if (list.some(each => each === undefined)) return undefined;
    list.sort((a, b) => a! - b!);
    return Uint8Array.from(list.flatMap(each => [each! >> 8, each! & 0xff]));
  },
};

const port: ValueForm = {
  format: value => (value.length === 2 ? String((value[0]! << 8) | value[1]!) : undefined),
  parse: octets => {
    const number = decimal(octets);
    return number === undefined ? undefined : Uint8Array.of(number >> 8, number & 0xff);
  },
};

const nothing: ValueForm = {
  format: value => (value.length === 0 ? '' : undefined),
  parse: octets => (octets === '' ? new Uint8Array() : undefined),
};

const ech: ValueForm = {
  format: value => (value.length > 0 ? formatBase64(value) : undefined),
  parse: octets => (octets === '' ? undefined : parseBase64(octets)),
};

function addresses(
  size: number,
  text: (value: Uint8Array, at: number) => string,
  bytes: (text: string) => Uint8Array | undefined,
): ValueForm {
  return {
    format: value => {
      if (value.length === 0 || value.length % size !== 0) return undefined;
      return Array.from({ length: value.length / size }, (_, i) => text(value, i * size)).join(',');
    },
    parse: octets => {
      const list = octets.split(',').map(bytes);
      return list.some(each => !each) ? undefined : Uint8Array.from(list.flatMap(each => [...each!]));
    },
  };
}

/** Protocol ids of 1 to 255 octets; commas and backslashes inside are escaped once more (RFC 9460 appendix A.1). */
const alpn: ValueForm = {
  format: value => {
    const ids: string[] = [];
    for (let at = 0; at < value.length; at += value[at]! + 1) {
      const end = at + 1 + value[at]!;
      if (value[at] === 0 || end > value.length) return undefined;
      const id = Array.from(value.subarray(at + 1, end), octet => String.fromCharCode(octet)).join('');
      ids.push(formatBare(id.replace(/[\\,]/g, '\\$&')));
    }
    return ids.length > 0 ? `"${ids.join(',')}"` : undefined;
  },
  parse: octets => {
    const ids: string[] = [''];
    for (let i = 0; i < octets.length; i++) {
      if (octets[i] === ',') ids.push('');
      else ids.push(ids.pop()! + (octets[i] === '\\' ? (octets[++i] ?? '') : octets[i]));
    }
    if (ids.some(id => id.length === 0 || id.length > 255)) return undefined;
    return Uint8Array.from(ids.flatMap(id => [id.length, ...Array.from(id, char => char.charCodeAt(0))]));
  },
};

/** A URI template in UTF-8 that starts with "/" and has the variable dns (RFC 9461 section 5). */
const dohpath: ValueForm = {
  format: value => {
    const octets = Array.from(value, octet => String.fromCharCode(octet)).join('');
    return octets.startsWith('/') ? `"${formatBare(octets)}"` : undefined;
  },
  parse: octets => (octets.startsWith('/') ? Uint8Array.from(octets, char => char.charCodeAt(0)) : undefined),
};

/** How the values of known keys are written. */
export const valueForms: ReadonlyMap<number, ValueForm> = new Map([
  [0, mandatory],
  [1, alpn],
  [2, nothing],
  [3, port],
  [4, addresses(4, formatIpv4, parseIpv4)],
  [5, ech],
  [6, addresses(16, formatIpv6, parseIpv6)],
  [7, dohpath],
  [8, nothing],
  [9, codes(String, decimal)],
]);
