import { extendedErrors, options } from '../types.ts';
import type { OptionCodec } from './option.ts';

/** Extended DNS error (RFC 8914 section 2). `text` is UTF-8 on the wire; octets that are not become U+FFFD. */
export type Ede = { readonly kind: 'EDE'; readonly info: number; readonly text: string };

const utf8 = new TextDecoder('utf-8', { ignoreBOM: true });

export const ede: OptionCodec<Ede> = {
  kind: 'EDE',
  code: options.EDE,
  decode: from => ({ kind: 'EDE', info: from.u16(), text: utf8.decode(from.take()) }),
  encode: (to, option) => {
    to.u16(option.info);
    to.put(new TextEncoder().encode(option.text));
  },
  format: ({ info, text }) => {
    const meaning = extendedErrors.get(info);
    return `${info}${meaning ? ` (${meaning})` : ''}${text ? `: (${text})` : ''}`;
  },
};
