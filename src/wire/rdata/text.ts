import { record } from './codec.ts';
import { string, strings } from './field.ts';

/** Text (RFC 1035 section 3.3.14). Each string is an octet string of at most 255 octets. */
export const txt = record('TXT', { strings });

/** Sender policy, as TXT (RFC 7208 section 3.1 withdrew it). */
export const spf = record('SPF', { strings });

/** Host information (RFC 1035 section 3.3.2). */
export const hinfo = record('HINFO', { cpu: string, os: string });
