import { formatBase64, parseBase64 } from '../octets.ts';
import { rcodeCode, rcodeName } from '../types.ts';
import { record } from './codec.ts';
import { coded, type Field, plainName, u16, u32 } from './field.ts';

/** 48 bits of seconds since 1970. */
const u48: Field<number> = {
  read: from => from.u48(),
  write: (to, value) => to.u48(value),
  format: String,
  parse: (from, what) => from.number(what, 0xffffffffffff),
};

/** Octets with their count in 16 bits; in text the count, then base64 when there are any. */
const sized: Field<Uint8Array> = {
  read: from => from.take(from.u16()),
  write: (to, value) => {
    to.u16(value.length);
    to.put(value);
  },
  format: value => (value.length === 0 ? '0' : `${value.length} ${formatBase64(value)}`),
  parse: (from, what) => {
    const at = from.at;
    const length = from.number(what, 0xffff);
    const bytes = length === 0 ? new Uint8Array() : parseBase64(from.word(what), at);
    return bytes.length === length ? bytes : from.fail(`${what} does not have ${length} octets`, at);
  },
};

/** The errors that share a number with others by their name here (RFC 8945 section 3). */
const error = coded(
  u16,
  code => (code === 16 ? 'BADSIG' : code > 0xfff ? String(code) : rcodeName(code)),
  word => (word.toUpperCase() === 'BADSIG' ? 16 : rcodeCode(word)),
);

/** Signature of a message with a shared key (RFC 8945 section 4.2). */
export const tsig = record('TSIG', {
  algorithm: plainName,
  time: u48,
  fudge: u16,
  mac: sized,
  originalId: u16,
  error,
  other: sized,
});

/** Agreement on a shared key (RFC 2930 section 2). */
export const tkey = record('TKEY', {
  algorithm: plainName,
  inception: u32,
  expiration: u32,
  mode: u16,
  error,
  key: sized,
  other: sized,
});
