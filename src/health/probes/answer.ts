/** What a message means for a DNS probe: the end of the run, or something to wait past. */
import { parseAddress } from '#net/address.ts';
import { decodeMessage, type Message } from '#wire/message.ts';
import { formatRData } from '#wire/rdata/registry.ts';
import { rcodeName, rcodes, types } from '#wire/types.ts';
import type { ProbeQuestion } from '../targets.ts';
import { judgeHeader } from './header.ts';

/** What is expected of an answer. */
export type Expectation = Pick<ProbeQuestion, 'expect' | 'answer' | 'dnssec'>;

/** NXDOMAIN says that the server works: it found out that there is no such name. */
const goodRcodes: readonly number[] = [rcodes.NOERROR, rcodes.NXDOMAIN];

export type AnswerVerdict =
  | { readonly kind: 'good' | 'bad'; readonly detail: string; readonly rcode: number | null }
  /** Late, doubled or forged: not the answer to this query. */
  | { readonly kind: 'stray'; readonly detail: string };

/**
 * Judges what came back for `query`: id, question, section counts, response code, and what else is wanted. The question
 * must come back octet for octet, letter case included; only an error may come without a question.
 */
export function judgeAnswer(query: Uint8Array, answer: Uint8Array, wanted: Expectation = {}): AnswerVerdict {
  const found = judgeHeader(query, answer);
  if (found.kind === 'stray') return found;
  if (found.kind === 'malformed') return { kind: 'bad', rcode: null, detail: found.detail };
  return weigh(answer, found.rcode, wanted);
}

function malformed(why: string): AnswerVerdict {
  return { kind: 'bad', detail: `malformed answer: ${why}`, rcode: null };
}

function weigh(bytes: Uint8Array, rcode: number, { expect, answer, dnssec }: Expectation): AnswerVerdict {
  const name = rcodeName(rcode);
  if (dnssec === 'broken') {
    if ((expect ?? [rcodes.SERVFAIL]).includes(rcode))
      return { kind: 'good', rcode, detail: `${name}: it validates` };
    const lax = rcode === rcodes.NOERROR || rcode === rcodes.NXDOMAIN;
    return { kind: 'bad', rcode, detail: lax ? `${name}: it does not validate` : name };
  }
  const good = expect ?? (dnssec === 'signed' ? [rcodes.NOERROR] : goodRcodes);
  if (!good.includes(rcode)) return { kind: 'bad', rcode, detail: name };
  if (dnssec === undefined && answer === undefined) return { kind: 'good', rcode, detail: name };
  let message: Message;
  try {
    message = decodeMessage(bytes);
  } catch {
    return malformed('a record of it cannot be read');
  }
  let detail = name;
  if (dnssec === 'signed') {
    const signed = message.answers.some(({ type }) => type === types.RRSIG);
    // What is truncated may have lost its signature.
    if (!message.ad && !signed && !message.tc)
      return { kind: 'bad', rcode, detail: `${name}, neither AD nor RRSIG` };
    detail = message.ad ? `${name} with AD` : `${name} with RRSIG`;
  }
  const missing = answer?.find(text => !holds(message, text));
  if (missing === undefined) return { kind: 'good', rcode, detail };
  const cut = message.tc ? ' (truncated: ask over TCP)' : '';
  return { kind: 'bad', rcode, detail: `${detail} without ${missing}${cut}` };
}

/** Whether a record of the answer section has this data: an address, a name, or, where it is quoted, a part of a text. */
export function holds({ answers }: Message, text: string): boolean {
  const wanted = parseAddress(text) ?? bareName(text);
  return answers.some(({ data }) => {
    const found = formatRData(data);
    return bareName(found) === wanted || (found.includes('"') && found.includes(text));
  });
}

function bareName(text: string): string {
  return (text.length > 1 && text.endsWith('.') ? text.slice(0, -1) : text).toLowerCase();
}
