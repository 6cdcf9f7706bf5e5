import { coded, type Field, u8 } from './field.ts';

/** DNSSEC algorithm mnemonics (IANA "Domain Name System Security (DNSSEC) Algorithm Numbers"). */
const algorithms: Readonly<Record<string, number>> = {
  RSAMD5: 1,
  DH: 2,
  DSA: 3,
  RSASHA1: 5,
  'DSA-NSEC3-SHA1': 6,
  'RSASHA1-NSEC3-SHA1': 7,
  RSASHA256: 8,
  RSASHA512: 10,
  'ECC-GOST': 12,
  ECDSAP256SHA256: 13,
  ECDSAP384SHA384: 14,
  ED25519: 15,
  ED448: 16,
  INDIRECT: 252,
  PRIVATEDNS: 253,
  PRIVATEOID: 254,
};

/** A DNSSEC algorithm: printed as a number (RFC 4034 section 2.2), taken as a mnemonic too. */
export const algorithm: Field<number> = coded(u8, String, word =>
  Object.hasOwn(algorithms, word.toUpperCase()) ? algorithms[word.toUpperCase()] : undefined,
);
