/** From the octets of a query to the octets of its answer: what may not be answered, errors of format, and size. */

import { decodeMessage, encodeMessage, type Message, reply } from '#wire/message.ts';
import { rcodes } from '#wire/types.ts';
import { type Authority, answer, type Transport } from './answer.ts';
import type { Fate } from './fault.ts';

/** Largest answer over UDP that a node sends, in octets (RFC 9715). */
export const udpLimit = 1232;

const headerLength = 12;

/**
 * The answers to what came in; empty where silence is due: no whole header, an answer, or a fate of `drop`. Never throws
 * for what the octets hold.
 */
export function respond(
  bytes: Uint8Array,
  authority: Authority,
  transport: Transport,
  fate: Fate = 'answer',
): Uint8Array[] {
  if (bytes.length < headerLength || (bytes[2]! & 0x80) !== 0 || fate === 'drop') return [];
  let asked: Message;
  try {
    asked = decodeMessage(bytes);
  } catch {
    return [formatError(bytes)];
  }
  if (fate === 'servfail' || fate === 'refused') {
    const rcode = fate === 'servfail' ? rcodes.SERVFAIL : rcodes.REFUSED;
    return [encodeMessage(reply(asked, { rcode }))];
  }
  const messages = answer(asked, authority, transport);
  const sent = messages.map(message =>
    transport === 'udp' ? fitted(message, asked) : encodeMessage(message),
  );
  if (fate === 'wrongid') for (const octets of sent) octets[0]! ^= 0xff;
  return sent;
}

/** Cut to what the client can take over UDP: whole, or without records and with TC (RFC 2181 section 9). */
function fitted(message: Message, asked: Message): Uint8Array {
  const limit = Math.min(udpLimit, Math.max(512, asked.edns?.udpSize ?? 512));
  const whole = encodeMessage(message);
  if (whole.length <= limit) return whole;
  const required = encodeMessage({ ...message, additionals: [] });
  if (required.length <= limit) return required;
  return encodeMessage({ ...message, tc: true, answers: [], authorities: [], additionals: [] });
}

/** FORMERR with the header only: nothing after it can be trusted. Keeps id, opcode and RD. */
function formatError(bytes: Uint8Array): Uint8Array {
  const answered = new Uint8Array(headerLength);
  answered.set(bytes.subarray(0, 2));
  answered[2] = 0x80 | (bytes[2]! & 0x79);
  answered[3] = rcodes.FORMERR;
  return answered;
}
