import { options } from '../types.ts';
import type { OptionCodec } from './option.ts';

/** Padding (RFC 7830 section 3): `length` octets, written as 0 and not looked at. */
export type Padding = { readonly kind: 'PADDING'; readonly length: number };

export const padding: OptionCodec<Padding> = {
  kind: 'PADDING',
  code: options.PADDING,
  decode: from => ({ kind: 'PADDING', length: from.take().length }),
  encode: (to, { length }) => {
    if (!Number.isInteger(length) || length < 0 || length > 0xffff) to.fail(`${length} octets of padding`);
    to.put(new Uint8Array(length));
  },
  format: ({ length }) => `(${length} bytes)`,
};
