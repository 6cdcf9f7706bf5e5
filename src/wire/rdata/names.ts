import { record } from './codec.ts';
import { compressedName } from './field.ts';

/** Name server (RFC 1035 section 3.3.11). */
export const ns = record('NS', { target: compressedName });

/** Canonical name (RFC 1035 section 3.3.1). */
export const cname = record('CNAME', { target: compressedName });

/** Pointer (RFC 1035 section 3.3.12). */
export const ptr = record('PTR', { target: compressedName });

/** Mailbox names, obsolete or experimental (RFC 1035 sections 3.3.3 to 3.3.8). */
export const mb = record('MB', { target: compressedName });
export const md = record('MD', { target: compressedName });
export const mf = record('MF', { target: compressedName });
export const mg = record('MG', { target: compressedName });
export const mr = record('MR', { target: compressedName });
export const minfo = record('MINFO', { responsible: compressedName, errors: compressedName });
