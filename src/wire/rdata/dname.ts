import { record } from './codec.ts';
import { plainName } from './field.ts';

/** Redirection of a subtree (RFC 6672 section 2.1). Its target is never compressed (section 2.5). */
export const dname = record('DNAME', { target: plainName });
