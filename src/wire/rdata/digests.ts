import { record } from './codec.ts';
import { base64Rest, hexRest, u8, u32 } from './field.ts';

/** SSH key fingerprint (RFC 4255 section 3.1). */
export const sshfp = record('SSHFP', { algorithm: u8, hash: u8, fingerprint: hexRest });

const association = { usage: u8, selector: u8, matching: u8, certificate: hexRest };

/** TLS certificate association (RFC 6698 section 2.1). */
export const tlsa = record('TLSA', association);

/** S/MIME certificate association (RFC 8162 section 2). */
export const smimea = record('SMIMEA', association);

/** OpenPGP public key (RFC 7929 section 2). */
export const openpgpkey = record('OPENPGPKEY', { key: base64Rest });

/** Digest of a zone (RFC 8976 section 2). */
export const zonemd = record('ZONEMD', { serial: u32, scheme: u8, hash: u8, digest: hexRest });
