import type { Reader } from '../reader.ts';
import type { Writer } from '../writer.ts';

/** How one EDNS option's data is written. `from` ends where the option ends. */
export interface OptionCodec<O extends { readonly kind: string }> {
  readonly kind: O['kind'];
  readonly code: number;
  decode(from: Reader): O;
  encode(to: Writer, option: O): void;
  /** As dig prints it, after the option's name. */
  format(option: O): string;
}
