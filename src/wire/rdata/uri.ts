import { record } from './codec.ts';
import { stringRest, u16 } from './field.ts';

/** URI (RFC 7553 section 4). */
export const uri = record('URI', { priority: u16, weight: u16, target: stringRest });
