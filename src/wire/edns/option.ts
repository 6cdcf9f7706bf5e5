import type { Reader } from '../reader.ts';
import type { Writer } from '../writer.ts';

/** How one EDNS option's data is written. `from` ends where the option ends. */
export interface OptionCodec<O extends { readonly kind: string }> {
  readonly kind: string;
  readonly code: number;
  /** Undefined: of a form that is not known here, to be kept as an unknown option. */
  decode(from: Reader): O | undefined;
  encode(to: Writer, option: O): void;
  /** As dig prints it, after the option's name. */
  format(option: O): string;
}

/** Opaque octets as dig prints them: hexadecimal, then what is printable. Empty for none. */
export function formatOpaque(bytes: Uint8Array): string {
  if (bytes.length === 0) return '';
  const hex = Array.from(bytes, octet => octet.toString(16).padStart(2, '0'));
  const text = Array.from(bytes, octet => (octet >= 0x20 && octet < 0x7f ? String.fromCharCode(octet) : '.'));
  return `${hex.join(' ')} ("${text.join('')}")`;
}
