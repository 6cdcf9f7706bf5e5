import { readFileSync } from 'node:fs';

/** A record in text, and its data in octets. `dig` is what dig makes of it where that differs, null where it is not shown as a record. */
export type GoldenRecord = { readonly text: string; readonly hex: string; readonly dig?: string | null };

/** A message from a real program, and the text for it. */
export type GoldenMessage = { readonly name: string; readonly hex: string; readonly text: readonly string[] };

const load = (file: string): unknown => JSON.parse(readFileSync(new URL(file, import.meta.url), 'utf8'));

/** The records of records.json. */
export const goldenRecords = load('records.json') as readonly GoldenRecord[];

/** The messages of messages.json. */
export const goldenMessages = load('messages.json') as readonly GoldenMessage[];

/** Octets of a hexadecimal text. */
export function fromHex(hex: string): Uint8Array {
  return new Uint8Array(Buffer.from(hex, 'hex'));
}

/** Lower-case hexadecimal of octets. */
export function toHex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}
