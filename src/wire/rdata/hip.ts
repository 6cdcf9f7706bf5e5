import { formatBase64, formatHex, parseBase64, parseHex } from '../octets.ts';
import { record } from './codec.ts';
import { type Field, plainName } from './field.ts';

type Identity = { readonly algorithm: number; readonly hit: Uint8Array; readonly key: Uint8Array };

/** The counts stand before both values on the wire, so the three are one field. */
const identity: Field<Identity> = {
  read: from => {
    const hitLength = from.u8();
    const algorithm = from.u8();
    const keyLength = from.u16();
    if (hitLength === 0 || keyLength === 0) from.fail('a HIP record has an empty identity tag or key');
    return { algorithm, hit: from.take(hitLength), key: from.take(keyLength) };
  },
  write: (to, { algorithm, hit, key }) => {
    if (hit.length === 0 || key.length === 0) to.fail('a HIP record has an empty identity tag or key');
    to.u8(hit.length);
    to.u8(algorithm);
    to.u16(key.length);
    to.put(hit);
    to.put(key);
  },
  format: ({ algorithm, hit, key }) => `${algorithm} ${formatHex(hit)} ${formatBase64(key)}`,
  parse: from => {
    const at = from.at;
    const algorithm = from.number('the algorithm', 0xff);
    const hit = parseHex(from.word('the host identity tag'), at);
    const key = parseBase64(from.word('the public key'), at);
    if (hit.length === 0 || hit.length > 0xff || key.length === 0)
      from.fail('the identity tag or key is empty', at);
    return { algorithm, hit, key };
  },
};

const servers: Field<readonly string[]> = {
  read: from => {
    const names: string[] = [];
    while (from.left > 0) names.push(plainName.read(from));
    return names;
  },
  write: (to, names) => {
    for (const name of names) plainName.write(to, name);
  },
  format: names => names.join(' '),
  parse: from => {
    const names: string[] = [];
    while (from.left > 0) names.push(from.name('a rendezvous server'));
    return names;
  },
};

/** Host identity (RFC 8005 section 5). */
export const hip = record('HIP', { identity, servers });
