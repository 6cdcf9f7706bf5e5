import { record } from './codec.ts';
import { tolerantName, u16 } from './field.ts';

/** Service location (RFC 2782). */
export const srv = record(
  'SRV',
  { priority: u16, weight: u16, port: u16, target: tolerantName },
  { internet: true },
);
