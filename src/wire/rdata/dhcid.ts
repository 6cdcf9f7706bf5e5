import { record } from './codec.ts';
import { base64Rest } from './field.ts';

/** DHCP client identity (RFC 4701 section 3). */
export const dhcid = record('DHCID', { identity: base64Rest }, { internet: true });
