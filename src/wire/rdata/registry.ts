/** All record types that have a file here. A new one adds its line to `codecs`. */

import { reasonOf } from '#kit/errors.ts';
import { formatHex, parseHex } from '../octets.ts';
import { Reader, UnknownForm } from '../reader.ts';
import type { Tokens } from '../tokens.ts';
import { classes, typeName } from '../types.ts';
import type { Writer } from '../writer.ts';
import { a, aaaa } from './address.ts';
import { apl } from './apl.ts';
import { caa } from './caa.ts';
import { cert } from './cert.ts';
import type { Codec } from './codec.ts';
import { dhcid } from './dhcid.ts';
import { openpgpkey, smimea, sshfp, tlsa, zonemd } from './digests.ts';
import { dname } from './dname.ts';
import { cdnskey, cds, dlv, dnskey, ds, key25, rrsig, sig } from './dnssec.ts';
import { eui48, eui64 } from './eui.ts';
import { amtrelay, ipseckey } from './gateway.ts';
import { hip } from './hip.ts';
import { l32, l64, lp, nid } from './ilnp.ts';
import { kx } from './kx.ts';
import { loc } from './loc.ts';
import { mx } from './mx.ts';
import { cname, mb, md, mf, mg, minfo, mr, ns, ptr } from './names.ts';
import { naptr } from './naptr.ts';
import { csync, nsec, nsec3, nsec3param } from './nsec.ts';
import { afsdb, px, rp, rt } from './person.ts';
import { tkey, tsig } from './signing.ts';
import { soa } from './soa.ts';
import { srv } from './srv.ts';
import { https, svcb } from './svcb.ts';
import { avc, hinfo, ninfo, resinfo, spf, txt, wallet } from './text.ts';
import { uri } from './uri.ts';

/** The record types that are understood. */
export const codecs = [
  a,
  aaaa,
  apl,
  caa,
  cert,
  dhcid,
  openpgpkey,
  smimea,
  sshfp,
  tlsa,
  zonemd,
  dname,
  cdnskey,
  cds,
  dlv,
  dnskey,
  ds,
  key25,
  rrsig,
  sig,
  eui48,
  eui64,
  amtrelay,
  ipseckey,
  hip,
  l32,
  l64,
  lp,
  nid,
  kx,
  loc,
  mx,
  cname,
  mb,
  md,
  mf,
  mg,
  minfo,
  mr,
  ns,
  ptr,
  naptr,
  csync,
  nsec,
  nsec3,
  nsec3param,
  afsdb,
  px,
  rp,
  rt,
  tkey,
  tsig,
  soa,
  srv,
  https,
  svcb,
  avc,
  hinfo,
  ninfo,
  resinfo,
  spf,
  txt,
  wallet,
  uri,
] as const;

/** Data of a type that is understood; `kind` is the type's mnemonic. */
export type KnownData = ReturnType<(typeof codecs)[number]['decode']>;
/** Data of any other type, of a type outside the class that defines it, or of a form not known (RFC 3597). */
export type UnknownData = { readonly kind: 'unknown'; readonly bytes: Uint8Array };
/** Record data. Octet strings in it hold one octet per character; names are absolute presentation names. */
export type RData = KnownData | UnknownData;

const byType: ReadonlyMap<number, Codec<KnownData>> = new Map(codecs.map(codec => [codec.type, codec]));

function codecFor(type: number, klass: number): Codec<KnownData> | undefined {
  const codec = byType.get(type);
  return codec?.internet && klass !== classes.IN && klass !== classes.NONE ? undefined : codec;
}

/**
 * The data of a record, to the end of `from`. No data at all is taken for every type in the classes NONE and ANY,
 * where UPDATE uses it (RFC 2136 section 2.4).
 * @throws WireError TRUNCATED, RDATA, or what its names cause.
 */
export function decodeRData(type: number, klass: number, from: Reader): RData {
  const codec = codecFor(type, klass);
  if (!codec || (from.left === 0 && (klass === classes.NONE || klass === classes.ANY))) {
    return { kind: 'unknown', bytes: from.take() };
  }
  const start = from.at;
  let data: KnownData;
  try {
    data = codec.decode(from);
  } catch (error) {
    if (!(error instanceof UnknownForm)) throw error;
    from.at = start;
    return { kind: 'unknown', bytes: from.take() };
  }
  if (from.left > 0) from.fail(`${from.left} octets follow the data of a ${codec.kind} record`);
  return data;
}

/** @throws WireError RANGE for data of another type or values out of range. */
export function encodeRData(type: number, klass: number, data: RData, to: Writer): void {
  if (data.kind === 'unknown') {
    to.put(data.bytes);
    return;
  }
  const codec = codecFor(type, klass);
  if (codec?.kind !== data.kind) to.fail(`a ${typeName(type)} record has ${data.kind} data`);
  codec.encode(to, data);
}

/** Presentation format; the form of RFC 3597 section 5 (`\# 4 C0000201`) for unknown data. */
export function formatRData(data: RData): string {
  if (data.kind === 'unknown') return `\\# ${data.bytes.length} ${formatHex(data.bytes)}`.trimEnd();
  return byKind.get(data.kind)!.format(data);
}

const byKind: ReadonlyMap<string, Codec<KnownData>> = new Map(codecs.map(codec => [codec.kind, codec]));

/**
 * Data from presentation format. The form of RFC 3597 section 5 is taken for every type: for a type that is
 * understood its octets are decoded.
 * @throws WireError TEXT.
 */
export function parseRData(type: number, klass: number, from: Tokens): RData {
  const first = from.peek();
  if (first?.text === '\\#' && !first.quoted) {
    from.word('\\#');
    const length = from.number('the length', 0xffff);
    const at = from.at;
    const bytes = parseHex(from.joined(), at);
    if (bytes.length !== length)
      from.fail(`the length ${length} is given and ${bytes.length} octets are there`, at);
    try {
      // Names in this form are not compressed.
      return decodeRData(type, klass, new Reader(bytes, 0, length, length));
    } catch (error) {
      from.fail(reasonOf(error), at);
    }
  }
  const codec = codecFor(type, klass);
  if (!codec) from.fail(`the data of type ${typeName(type)} must be written as \\# LENGTH HEX`);
  const data = codec.parse(from);
  from.finish();
  return data;
}
