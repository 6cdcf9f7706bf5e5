import { options } from '../types.ts';
import { formatOpaque, type OptionCodec } from './option.ts';

/** Name server identifier (RFC 5001): empty in a query, opaque octets in an answer. */
export type Nsid = { readonly kind: 'NSID'; readonly bytes: Uint8Array };

export const nsid: OptionCodec<Nsid> = {
  kind: 'NSID',
  code: options.NSID,
  decode: from => ({ kind: 'NSID', bytes: from.take() }),
  encode: (to, option) => to.put(option.bytes),
  format: ({ bytes }) => formatOpaque(bytes),
};
