import { options } from '../types.ts';
import type { OptionCodec } from './option.ts';

/** TCP keepalive (RFC 7828 section 3): absent in a query, in an answer the idle timeout in units of 100 ms. */
export type Keepalive = { readonly kind: 'KEEPALIVE'; readonly timeout?: number };

export const keepalive: OptionCodec<Keepalive> = {
  kind: 'KEEPALIVE',
  code: options.KEEPALIVE,
  decode: from => ({ kind: 'KEEPALIVE', ...(from.left > 0 ? { timeout: from.u16() } : {}) }),
  encode: (to, { timeout }) => {
    if (timeout !== undefined) to.u16(timeout);
  },
  format: ({ timeout }) => (timeout === undefined ? '' : `${(timeout / 10).toFixed(1)} secs`),
};
