/** What an answer of a backend means for the try that it ends. */
import { sameFolded } from '#kit/fold.ts';
import type { AnswerScan } from '#wire/scan.ts';
import { rcode } from './compose.ts';
import { field, type InFlight, outcome } from './inflight.ts';
import type { Blame, Trouble } from './ledger.ts';

/** How a failed try is counted, and how it is blamed when another backend answered well. */
export const troubles: Readonly<Record<number, Trouble>> = {
  [outcome.servfail]: 'servfail',
  [outcome.refused]: 'refused',
  [outcome.malformed]: 'malformed',
  [outcome.network]: 'network',
  [outcome.formerr]: 'malformed',
  [outcome.unfit]: 'malformed',
};
export const blames: Readonly<Record<number, Blame>> = {
  [outcome.servfail]: 'blamedServfail',
  [outcome.refused]: 'blamedRefused',
  [outcome.malformed]: 'blamedMalformed',
  [outcome.network]: 'blamedNetwork',
  [outcome.formerr]: 'blamedMalformed',
  [outcome.unfit]: 'blamedMalformed',
};

/** What became of the try that the answer at `at` ends: `open` for a good one. `sound`: what the scan said of it. */
export function outcomeOf(u8: Uint8Array, at: number, scan: AnswerScan, sound: boolean): number {
  const code = sound ? scan.rcode : u8[at + 3]! & 15;
  if (code === rcode.servfail) return outcome.servfail;
  if (code === rcode.refused) return outcome.refused;
  if (code === rcode.formerr) return outcome.formerr;
  if (code !== rcode.noerror && code !== rcode.nxdomain) return outcome.unfit;
  return sound && scan.nameLength > 0 ? outcome.open : outcome.malformed;
}

/** Servers leave the question out of some failures. */
export function mayLackQuestion(code: number): boolean {
  return code === rcode.formerr || code === rcode.servfail || code === rcode.notimp || code === rcode.refused;
}

/** Whether the scanned answer at `at` repeats the opcode and question of `query`. */
export function answersQuestion(
  table: InFlight,
  query: number,
  u8: Uint8Array,
  at: number,
  scan: AnswerScan,
): boolean {
  const nameLength = table.get(query, field.nameLength);
  if (((u8[at + 2]! >> 3) & 15) !== table.get(query, field.opcode)) return false;
  if (scan.nameLength === 0) return nameLength === 0 || mayLackQuestion(u8[at + 3]! & 15);
  return (
    scan.nameLength === nameLength &&
    scan.type === table.get(query, field.type) &&
    scan.class === table.get(query, field.class) &&
    sameFolded(u8, table.nameAt(query), u8, at + 12, nameLength)
  );
}
