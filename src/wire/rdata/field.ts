/** The parts that record data is made of. A record type is a list of them: see `record` in codec.ts. */

import { formatIpv4, formatIpv6, parseIpv4, parseIpv6 } from '../address.ts';
import { formatBase64, formatHex, formatString, parseBase64, parseHex, parseOctets } from '../octets.ts';
import type { Reader } from '../reader.ts';
import type { Tokens } from '../tokens.ts';
import { typeCode, typeName } from '../types.ts';
import type { Writer } from '../writer.ts';

/**
 * One part of record data, on the wire and in presentation format. `read` throws WireError, `write` WireError RANGE
 * for values out of range, `parse` WireError TEXT. A field that takes the rest stands last.
 */
export interface Field<T> {
  read(from: Reader): T;
  write(to: Writer, value: T): void;
  format(value: T): string;
  parse(from: Tokens, what: string): T;
}

export const u8: Field<number> = {
  read: from => from.u8(),
  write: (to, value) => to.u8(value),
  format: String,
  parse: (from, what) => from.number(what, 0xff),
};

export const u16: Field<number> = {
  read: from => from.u16(),
  write: (to, value) => to.u16(value),
  format: String,
  parse: (from, what) => from.number(what, 0xffff),
};

export const u32: Field<number> = {
  read: from => from.u32(),
  write: (to, value) => to.u32(value),
  format: String,
  parse: (from, what) => from.number(what, 0xffffffff),
};

/** Seconds, in text also with units as BIND takes them: 1h30m. */
export const seconds: Field<number> = {
  ...u32,
  parse: (from, what) => {
    const at = from.at;
    const text = from.word(what);
    return parseSeconds(text) ?? from.fail(`${what} "${text}" is not a number of seconds`, at);
  },
};

const unitSeconds: Readonly<Record<string, number>> = { w: 604800, d: 86400, h: 3600, m: 60, s: 1 };

/** Seconds of a text such as 300 or 1h30m, at most 32 bits; undefined when it is none. */
export function parseSeconds(text: string): number | undefined {
  let sum = Number(text);
  if (!/^\d{1,10}$/.test(text)) {
    if (!/^(\d{1,10}[wdhms])+$/i.test(text)) return undefined;
    sum = 0;
    for (const [, count, unit] of text.toLowerCase().matchAll(/(\d+)([wdhms])/g)) {
      sum += Number(count) * unitSeconds[unit!]!;
    }
  }
  return sum <= 0xffffffff ? sum : undefined;
}

function nameField(compress: boolean, pointers: boolean): Field<string> {
  return {
    read: from => from.name(pointers),
    write: (to, value) => to.name(value, compress),
    format: value => value,
    parse: (from, what) => from.name(what),
  };
}

/** A name in a type of RFC 1035: compressed on sending (RFC 3597 section 4). */
export const compressedName = nameField(true, true);
/** A name that is not compressed on sending but taken compressed: RP, AFSDB, RT, PX, NAPTR, SRV (RFC 3597 section 4). */
export const tolerantName = nameField(false, true);
/** A name in a later type: never compressed (RFC 3597 section 4). */
export const plainName = nameField(false, false);

/** A <character-string> as an octet string. */
export const string: Field<string> = {
  read: from => from.string(),
  write: (to, value) => to.string(value),
  format: formatString,
  parse: (from, what) => from.string(what),
};

/** One or more <character-string>s to the end (RFC 1035 section 3.3.14). */
export const strings: Field<readonly string[]> = {
  read: from => {
    const values = [from.string()];
    while (from.left > 0) values.push(from.string());
    return values;
  },
  write: (to, values) => {
    if (values.length === 0) to.fail('no character-string is given, one is the least');
    for (const value of values) to.string(value);
  },
  format: values => values.map(formatString).join(' '),
  parse: (from, what) => {
    const values = [from.string(what)];
    while (from.left > 0) values.push(from.string(what));
    return values;
  },
};

/** An IPv4 address as a dotted quad. */
export const ipv4: Field<string> = {
  read: from => formatIpv4(from.take(4)),
  write: (to, value) => to.put(parseIpv4(value) ?? to.fail(`"${value}" is not an IPv4 address`)),
  format: value => value,
  parse: (from, what) => {
    const at = from.at;
    const text = from.word(what);
    const bytes = parseIpv4(text) ?? from.fail(`"${text}" is not an IPv4 address`, at);
    return formatIpv4(bytes);
  },
};

/** An IPv6 address as RFC 5952 writes it. */
export const ipv6: Field<string> = {
  read: from => formatIpv6(from.take(16)),
  write: (to, value) => to.put(parseIpv6(value) ?? to.fail(`"${value}" is not an IPv6 address`)),
  format: value => value,
  parse: (from, what) => {
    const at = from.at;
    const text = from.word(what);
    const bytes = parseIpv6(text) ?? from.fail(`"${text}" is not an IPv6 address`, at);
    return formatIpv6(bytes);
  },
};

/** The octets to the end, in hexadecimal. */
export const hexRest: Field<Uint8Array> = {
  read: from => from.take(),
  write: (to, value) => to.put(value),
  format: formatHex,
  parse: from => {
    const at = from.at;
    return parseHex(from.joined(), at);
  },
};

/** The octets to the end, in base64. */
export const base64Rest: Field<Uint8Array> = {
  read: from => from.take(),
  write: (to, value) => to.put(value),
  format: formatBase64,
  parse: from => {
    const at = from.at;
    return parseBase64(from.joined(), at);
  },
};

/** The octets to the end as one octet string, in quotes; unlike a <character-string> not bounded to 255. */
export const stringRest: Field<string> = {
  read: from => from.octets(),
  write: (to, value) => to.octets(value),
  format: formatString,
  parse: (from, what) => {
    const { text, at } = from.token(what);
    return parseOctets(text, at);
  },
};

/** A code with mnemonics. `text` gives what is printed, `code` what a word means. */
export function coded(
  width: Field<number>,
  text: (value: number) => string,
  code: (word: string) => number | undefined,
): Field<number> {
  return {
    ...width,
    format: text,
    parse: (from, what) => {
      const word = from.peek()?.text ?? '';
      const value = code(word);
      if (value === undefined) return width.parse(from, what);
      from.word(what);
      return value;
    },
  };
}

/** A record type's code, in text its mnemonic. */
export const rrType: Field<number> = coded(u16, typeName, typeCode);

/** A fixed number of octets as groups of hexadecimal digits. */
export function hexGroups(octets: number, group: number, separator: string): Field<string> {
  const digits = group * 2;
  const split = new RegExp(`.{${digits}}`, 'g');
  const valid = new RegExp(`^[0-9a-f]{${digits}}(${separator}[0-9a-f]{${digits}}){${octets / group - 1}}$`);
  // Leading zeros of a group may be left out where groups are numbers.
  const whole = (text: string) =>
    group > 1
      ? text
          .split(separator)
          .map(each => each.padStart(digits, '0'))
          .join(separator)
      : text;
  const bytesOf = (text: string) => (valid.test(text) ? parseHex(text.replaceAll(separator, '')) : undefined);
  return {
    read: from => (formatHex(from.take(octets)).toLowerCase().match(split) ?? []).join(separator),
    write: (to, value) =>
      to.put(bytesOf(value) ?? to.fail(`"${value}" is not ${octets} octets in hexadecimal`)),
    format: value => value,
    parse: (from, what) => {
      const at = from.at;
      const text = whole(from.word(what).toLowerCase());
      return bytesOf(text) ? text : from.fail(`${what} "${text}" is not ${octets} octets in hexadecimal`, at);
    },
  };
}
