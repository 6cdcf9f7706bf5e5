import { formatBase32, formatHex, parseBase32, parseHex } from '../octets.ts';
import { typeBitmap } from './bitmap.ts';
import { record } from './codec.ts';
import { type Field, plainName, u8, u16, u32 } from './field.ts';

/** Next name and the types that exist (RFC 4034 section 4). */
export const nsec = record('NSEC', { next: plainName, types: typeBitmap });

/** Octets with their count, in text hexadecimal, or "-" for none (RFC 5155 section 3.3). */
const salt: Field<Uint8Array> = {
  read: from => from.take(from.u8()),
  write: (to, value) => to.counted(value),
  format: value => (value.length === 0 ? '-' : formatHex(value)),
  parse: (from, what) => {
    const at = from.at;
    const word = from.word(what);
    const bytes = word === '-' ? new Uint8Array() : parseHex(word, at);
    return bytes.length <= 255 ? bytes : from.fail(`${what} has more than 255 octets`, at);
  },
};

/** A hash with its count, in text base32hex (RFC 5155 section 3.3). Never empty. */
const hash: Field<Uint8Array> = {
  read: from => {
    const value = from.take(from.u8());
    return value.length > 0 ? value : from.fail('the hash of an NSEC3 record is empty');
  },
  write: (to, value) => {
    if (value.length === 0) to.fail('the hash of an NSEC3 record is empty');
    to.counted(value);
  },
  format: formatBase32,
  parse: (from, what) => {
    const at = from.at;
    const bytes = parseBase32(from.word(what), at);
    return bytes.length > 0 && bytes.length <= 255
      ? bytes
      : from.fail(`${what} does not have 1 to 255 octets`, at);
  },
};

/** Hashed next name and the types that exist (RFC 5155 section 3). */
export const nsec3 = record('NSEC3', {
  algorithm: u8,
  flags: u8,
  iterations: u16,
  salt,
  next: hash,
  types: typeBitmap,
});

/** How a zone hashes its names (RFC 5155 section 4). */
export const nsec3param = record('NSEC3PARAM', { algorithm: u8, flags: u8, iterations: u16, salt });

/** What the parent should copy from the child (RFC 7477 section 2). */
export const csync = record('CSYNC', { serial: u32, flags: u16, types: typeBitmap });
