import { formatHex } from '../octets.ts';
import { options } from '../types.ts';
import type { OptionCodec } from './option.ts';

/** Cookies (RFC 7873 section 4): 8 octets of the client, and none or 8 to 32 of the server. */
export type Cookie = { readonly kind: 'COOKIE'; readonly client: Uint8Array; readonly server: Uint8Array };

const fits = (server: number) => server === 0 || (server >= 8 && server <= 32);

export const cookie: OptionCodec<Cookie> = {
  kind: 'COOKIE',
  code: options.COOKIE,
  decode: from => {
    if (from.left < 8 || !fits(from.left - 8)) from.fail(`a cookie has ${from.left} octets`);
    return { kind: 'COOKIE', client: from.take(8), server: from.take() };
  },
  encode: (to, { client, server }) => {
    if (client.length !== 8 || !fits(server.length)) to.fail('a cookie has not 8 octets, or 16 to 40');
    to.put(client);
    to.put(server);
  },
  format: ({ client, server }) => (formatHex(client) + formatHex(server)).toLowerCase(),
};
