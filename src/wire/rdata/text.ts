import { record } from './codec.ts';
import { string, strings } from './field.ts';

/** Text (RFC 1035 section 3.3.14). Each string is an octet string of at most 255 octets. */
export const txt = record('TXT', { strings });

/** Sender policy, as TXT (RFC 7208 section 3.1 withdrew it). */
export const spf = record('SPF', { strings });

/** Host information (RFC 1035 section 3.3.2). */
export const hinfo = record('HINFO', { cpu: string, os: string });

/** Application visibility and control, as TXT (IANA registration). */
export const avc = record('AVC', { strings });

/** What a resolver can do, as TXT (RFC 9606 section 4). */
export const resinfo = record('RESINFO', { strings });

/** Zone status, as TXT (IANA registration). */
export const ninfo = record('NINFO', { strings });

/** Wallet address, as TXT (IANA registration). */
export const wallet = record('WALLET', { strings });
