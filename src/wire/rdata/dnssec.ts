import { algorithm } from './algorithm.ts';
import { record } from './codec.ts';
import { base64Rest, type Field, hexRest, plainName, rrType, tolerantName, u8, u16, u32 } from './field.ts';

const digest = { keyTag: u16, algorithm, digestType: u8, digest: hexRest };

/** Delegation signer (RFC 4034 section 5). */
export const ds = record('DS', digest);

/** Child's copy of DS (RFC 7344 section 3.1). */
export const cds = record('CDS', digest);

/** DNSSEC lookaside (RFC 4431). */
export const dlv = record('DLV', digest);

const key = { flags: u16, protocol: u8, algorithm, key: base64Rest };

/** DNSSEC key (RFC 4034 section 2). */
export const dnskey = record('DNSKEY', key);

/** Child's copy of DNSKEY (RFC 7344 section 3.2). */
export const cdnskey = record('CDNSKEY', key);

/** Key of SIG(0) (RFC 2535 section 3). */
export const key25 = record('KEY', key);

/** Seconds since 1970 in 32 bits; in text YYYYMMDDHHmmSS in UTC, or the number (RFC 4034 section 3.2). */
const time: Field<number> = {
  ...u32,
  format: value => new Date(value * 1000).toISOString().replace(/\..*|\D/g, ''),
  parse: (from, what) => {
    const text = from.peek()?.text ?? '';
    const parts = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)$/.exec(text);
    if (!parts) return u32.parse(from, what);
    const [year, month, day, hour, minute, second] = parts.slice(1).map(Number);
    const value = Date.UTC(year!, month! - 1, day, hour, minute, second) / 1000;
    if (value < 0 || value > 0xffffffff || time.format(value) !== text) from.fail(`"${text}" is not a time`);
    from.word(what);
    return value;
  },
};

const signature = (typeCovered: Field<number>, signer: Field<string>) => ({
  typeCovered,
  algorithm,
  labels: u8,
  originalTtl: u32,
  expiration: time,
  inception: time,
  keyTag: u16,
  signer,
  signature: base64Rest,
});

/** Signature of a set of records (RFC 4034 section 3). */
export const rrsig = record('RRSIG', signature(rrType, plainName));

/** A type, or 0 for none (RFC 2931 section 3). */
const anyOrNone: Field<number> = { ...rrType, format: type => (type === 0 ? '0' : rrType.format(type)) };

/** Signature of a message, SIG(0) (RFC 2931 section 3). */
export const sig = record('SIG', signature(anyOrNone, tolerantName));
