import { record } from './codec.ts';
import { ipv4, ipv6 } from './field.ts';

/** Host address (RFC 1035 section 3.4.1). */
export const a = record('A', { address: ipv4 }, { internet: true });

/** IPv6 host address (RFC 3596 section 2.2). */
export const aaaa = record('AAAA', { address: ipv6 }, { internet: true });
