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
