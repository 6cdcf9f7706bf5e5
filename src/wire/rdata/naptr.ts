import { record } from './codec.ts';
import { string, tolerantName, u16 } from './field.ts';

/** Naming authority pointer (RFC 3403 section 4.1). */
export const naptr = record('NAPTR', {
  order: u16,
  preference: u16,
  flags: string,
  services: string,
  regexp: string,
  replacement: tolerantName,
});
