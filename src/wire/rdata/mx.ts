import { record } from './codec.ts';
import { compressedName, u16 } from './field.ts';

/** Mail exchange (RFC 1035 section 3.3.9). */
export const mx = record('MX', { preference: u16, exchange: compressedName });
