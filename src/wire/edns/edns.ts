import type { Reader } from '../reader.ts';
import { types } from '../types.ts';
import type { Writer } from '../writer.ts';
import { type EdnsOption, readOption, writeOption } from './registry.ts';

/** What the OPT record says (RFC 6891 section 6.1). `udpSize` in octets. */
export type Edns = {
  readonly udpSize: number;
  readonly version: number;
  readonly do: boolean;
  /** The 15 flag bits after DO; absent when 0. */
  readonly z?: number;
  readonly options: readonly EdnsOption[];
};

/** An OPT record from its class on. @throws WireError TRUNCATED or RDATA. */
export function readEdns(from: Reader): { edns: Edns; upperRcode: number } {
  const udpSize = from.u16();
  const upperRcode = from.u8();
  const version = from.u8();
  const flags = from.u16();
  const data = from.part(from.u16());
  const options: EdnsOption[] = [];
  while (data.left > 0) options.push(readOption(data));
  const z = flags & 0x7fff;
  return {
    edns: { udpSize, version, do: (flags & 0x8000) !== 0, ...(z ? { z } : {}), options },
    upperRcode,
  };
}

/** A whole OPT record. @throws WireError RANGE. */
export function writeEdns(to: Writer, edns: Edns, upperRcode: number): void {
  const { z = 0 } = edns;
  if (!Number.isInteger(z) || z < 0 || z > 0x7fff) to.fail(`the EDNS flags ${z} are not in 15 bits`);
  to.u8(0);
  to.u16(types.OPT);
  to.u16(edns.udpSize);
  to.u8(upperRcode);
  to.u8(edns.version);
  to.u16((edns.do ? 0x8000 : 0) | z);
  to.measured(() => {
    for (const option of edns.options) writeOption(to, option);
  });
}

/** The first option of a kind. */
export function findOption<K extends EdnsOption['kind']>(
  edns: Edns | undefined,
  kind: K,
): Extract<EdnsOption, { readonly kind: K }> | undefined {
  const isKind = (option: EdnsOption): option is Extract<EdnsOption, { readonly kind: K }> =>
    option.kind === kind;
  return edns?.options.find(isKind);
}
