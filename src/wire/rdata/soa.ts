import { record } from './codec.ts';
import { compressedName, seconds, u32 } from './field.ts';

/** Start of authority (RFC 1035 section 3.3.13). Times in seconds; `minimum` bounds negative answers (RFC 2308). */
export const soa = record('SOA', {
  primary: compressedName,
  mailbox: compressedName,
  serial: u32,
  refresh: seconds,
  retry: seconds,
  expire: seconds,
  minimum: seconds,
});
