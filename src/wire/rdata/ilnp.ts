import { record } from './codec.ts';
import { hexGroups, ipv4, plainName, u16 } from './field.ts';

/** ILNP node identifier (RFC 6742 section 2.1). */
export const nid = record('NID', { preference: u16, node: hexGroups(8, 2, ':') });

/** ILNP 32-bit locator (RFC 6742 section 2.2). */
export const l32 = record('L32', { preference: u16, locator: ipv4 });

/** ILNP 64-bit locator (RFC 6742 section 2.3). */
export const l64 = record('L64', { preference: u16, locator: hexGroups(8, 2, ':') });

/** ILNP locator pointer (RFC 6742 section 2.4). */
export const lp = record('LP', { preference: u16, target: plainName });
