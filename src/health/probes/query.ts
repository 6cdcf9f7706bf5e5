/** The query of a DNS probe. */
import { WireError } from '#wire/error.ts';
import { maxName, parseName } from '#wire/name.ts';
import { classes } from '#wire/types.ts';
import type { ProbeQuestion } from '../targets.ts';

export const headerBytes = 12;
/** Characters of a random label: 60 bits, so that no cache has seen it. */
export const randomLabelBytes = 12;
const alphabet = 'abcdefghijklmnopqrstuvwxyz234567';
/** UDP size that is announced with EDNS (DNS Flag Day 2020). */
const udpSize = 1232;

/**
 * The query, with id 0 and a random label of zeros where one is asked for: RD is set; with `dnssec` also AD and, by EDNS, DO
 * (RFC 6840 section 5.7, RFC 4035 section 3.2.1). @throws WireError for a bad name, or one without room for the label
 */
export function probeQuery(question: ProbeQuestion): Uint8Array {
  const { dnssec, randomLabel } = question;
  const name = parseName(question.name);
  const label = randomLabel ? 1 + randomLabelBytes : 0;
  if (name.length + label > maxName) throw new WireError('NAME', 0, 'no room for a random label before it');
  const edns = dnssec ? 11 : 0;
  const bytes = new Uint8Array(headerBytes + label + name.length + 4 + edns);
  bytes[2] = 0x01; // RD
  bytes[5] = 1; // one question
  if (label > 0) bytes[headerBytes] = randomLabelBytes;
  bytes.set(name, headerBytes + label);
  let at = headerBytes + label + name.length;
  const klass = question.class ?? classes.IN;
  bytes[at++] = question.type >> 8;
  bytes[at++] = question.type & 0xff;
  bytes[at++] = klass >> 8;
  bytes[at++] = klass & 0xff;
  if (dnssec) {
    bytes[3] = 0x20; // AD
    bytes[11] = 1; // one additional record: OPT, of the root
    bytes[at + 2] = 41;
    bytes[at + 3] = udpSize >> 8;
    bytes[at + 4] = udpSize & 0xff;
    bytes[at + 7] = 0x80; // DO
  }
  return bytes;
}

/** Gives a query a fresh id and, where it has one, a fresh random label. */
export function freshen(query: Uint8Array, randomLabel: boolean, random: (bound: number) => number): void {
  const id = random(0x10000);
  query[0] = id >> 8;
  query[1] = id & 0xff;
  if (!randomLabel) return;
  for (let i = 0; i < randomLabelBytes; i += 6) {
    let bits = random(2 ** 30);
    for (let j = 0; j < 6; j++, bits >>= 5) {
      query[headerBytes + 1 + i + j] = alphabet.charCodeAt(bits & 31);
    }
  }
}
