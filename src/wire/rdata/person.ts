import { record } from './codec.ts';
import { tolerantName, u16 } from './field.ts';

/** Responsible person (RFC 1183 section 2.2). */
export const rp = record('RP', { mailbox: tolerantName, text: tolerantName });

/** AFS database or other service (RFC 1183 section 1). */
export const afsdb = record('AFSDB', { subtype: u16, host: tolerantName });

/** Route through (RFC 1183 section 3.3). */
export const rt = record('RT', { preference: u16, host: tolerantName });

/** X.400 mapping (RFC 2163 section 4). */
export const px = record(
  'PX',
  { preference: u16, map822: tolerantName, mapx400: tolerantName },
  { internet: true },
);
