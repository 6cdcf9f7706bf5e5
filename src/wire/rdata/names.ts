import { record } from './codec.ts';
import { compressedName } from './field.ts';

/** Name server (RFC 1035 section 3.3.11). */
export const ns = record('NS', { target: compressedName });

/** Canonical name (RFC 1035 section 3.3.1). */
export const cname = record('CNAME', { target: compressedName });

/** Pointer (RFC 1035 section 3.3.12). */
export const ptr = record('PTR', { target: compressedName });
