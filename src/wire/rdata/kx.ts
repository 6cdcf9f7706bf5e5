import { record } from './codec.ts';
import { plainName, u16 } from './field.ts';

/** Key exchanger (RFC 2230 section 3). */
export const kx = record('KX', { preference: u16, exchanger: plainName }, { internet: true });
