import { options } from '../types.ts';
import type { OptionCodec } from './option.ts';

/** Zone expiry (RFC 7314 section 2): absent in a query, in an answer the seconds left. */
export type Expire = { readonly kind: 'EXPIRE'; readonly seconds?: number };

export const expire: OptionCodec<Expire> = {
  kind: 'EXPIRE',
  code: options.EXPIRE,
  decode: from => ({ kind: 'EXPIRE', ...(from.left > 0 ? { seconds: from.u32() } : {}) }),
  encode: (to, { seconds }) => {
    if (seconds !== undefined) to.u32(seconds);
  },
  format: ({ seconds }) => (seconds === undefined ? '' : String(seconds)),
};
