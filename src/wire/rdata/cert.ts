import { algorithm } from './algorithm.ts';
import { record } from './codec.ts';
import { base64Rest, coded, u16 } from './field.ts';

/** Certificate types (RFC 4398 section 2.1). */
const kinds: Readonly<Record<string, number>> = {
  PKIX: 1,
  SPKI: 2,
  PGP: 3,
  IPKIX: 4,
  ISPKI: 5,
  IPGP: 6,
  ACPKIX: 7,
  IACPKIX: 8,
  URI: 253,
  OID: 254,
};

const kindField = coded(
  u16,
  code => Object.keys(kinds).find(name => kinds[name] === code) ?? String(code),
  word => (Object.hasOwn(kinds, word.toUpperCase()) ? kinds[word.toUpperCase()] : undefined),
);

/** Certificate (RFC 4398 section 2). */
export const cert = record('CERT', {
  certificateType: kindField,
  keyTag: u16,
  algorithm,
  certificate: base64Rest,
});
