/** All EDNS options that have a file here. A new one adds its line to `optionCodecs`. */

import type { Reader } from '../reader.ts';
import type { Writer } from '../writer.ts';
import { cookie } from './cookie.ts';
import { ecs } from './ecs.ts';
import { ede } from './ede.ts';
import { expire } from './expire.ts';
import { keepalive } from './keepalive.ts';
import { nsid } from './nsid.ts';
import { formatOpaque, type OptionCodec } from './option.ts';
import { padding } from './padding.ts';

export const optionCodecs = [nsid, ecs, expire, cookie, keepalive, padding, ede] as const;

export type KnownOption = NonNullable<ReturnType<(typeof optionCodecs)[number]['decode']>>;
/** Any other option. */
export type UnknownOption = { readonly kind: 'unknown'; readonly code: number; readonly bytes: Uint8Array };
export type EdnsOption = KnownOption | UnknownOption;

const byCode: ReadonlyMap<number, OptionCodec<KnownOption>> = new Map(
  optionCodecs.map(each => [each.code, each]),
);
const byKind: ReadonlyMap<string, OptionCodec<KnownOption>> = new Map(
  optionCodecs.map(each => [each.kind, each]),
);

/** One option from its code on (RFC 6891 section 6.1.2). @throws WireError TRUNCATED or RDATA. */
export function readOption(from: Reader): EdnsOption {
  const code = from.u16();
  const part = from.part(from.u16());
  const codec = byCode.get(code);
  const start = part.at;
  const option = codec?.decode(part);
  if (!codec || !option) {
    part.at = start;
    return { kind: 'unknown', code, bytes: part.take() };
  }
  if (part.left > 0) part.fail(`${part.left} octets follow the data of the EDNS option ${codec.kind}`);
  return option;
}

/** @throws WireError RANGE. */
export function writeOption(to: Writer, option: EdnsOption): void {
  if (option.kind === 'unknown') {
    to.u16(option.code);
    to.measured(() => to.put(option.bytes));
    return;
  }
  const codec = byKind.get(option.kind)!;
  to.u16(codec.code);
  to.measured(() => codec.encode(to, option));
}

/** The option's code. */
export function codeOfOption(option: EdnsOption): number {
  return option.kind === 'unknown' ? option.code : byKind.get(option.kind)!.code;
}

/** The option's data as dig prints it. */
export function formatOption(option: EdnsOption): string {
  return option.kind === 'unknown' ? formatOpaque(option.bytes) : byKind.get(option.kind)!.format(option);
}
