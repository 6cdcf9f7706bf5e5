import { options } from '../types.ts';
import type { OptionCodec } from './option.ts';

/** Name server identifier (RFC 5001): empty in a query, opaque octets in an answer. */
export type Nsid = { readonly kind: 'NSID'; readonly bytes: Uint8Array };

export const nsid: OptionCodec<Nsid> = {
  kind: 'NSID',
  code: options.NSID,
  decode: from => ({ kind: 'NSID', bytes: from.take() }),
  encode: (to, option) => to.put(option.bytes),
  format: ({ bytes }) => {
    if (bytes.length === 0) return '';
    const hex = Array.from(bytes, octet => octet.toString(16).padStart(2, '0')).join(' ');
    const text = Array.from(bytes, octet =>
      octet >= 0x20 && octet < 0x7f ? String.fromCharCode(octet) : '.',
    );
    return `${hex} ("${text.join('')}")`;
  },
};
