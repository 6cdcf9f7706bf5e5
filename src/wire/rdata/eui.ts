import { record } from './codec.ts';
import { hexGroups } from './field.ts';

/** 48-bit interface address (RFC 7043 section 3). */
export const eui48 = record('EUI48', { address: hexGroups(6, 1, '-') });

/** 64-bit interface address (RFC 7043 section 4). */
export const eui64 = record('EUI64', { address: hexGroups(8, 1, '-') });
