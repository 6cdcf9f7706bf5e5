/** What a message is to a query, by its header, its question and the counts of its sections: what every DNS probe looks at first. */
import { AnswerScan, scanAnswer } from '#wire/scan.ts';
import { rcodes } from '#wire/types.ts';
import { headerBytes } from './query.ts';

const scan = new AnswerScan();

export type HeaderVerdict =
  /** `rcode` has the upper bits of EDNS. */
  | { readonly kind: 'answer'; readonly rcode: number }
  | { readonly kind: 'malformed'; readonly detail: string }
  /** Late, doubled or forged: not the answer to this query. */
  | { readonly kind: 'stray'; readonly detail: string };

/** The question must come back octet for octet, letter case included; only an error may come without a question. */
export function judgeHeader(query: Uint8Array, answer: Uint8Array): HeaderVerdict {
  if (answer.length < headerBytes) return { kind: 'stray', detail: `a message of ${answer.length} bytes` };
  if (answer[0] !== query[0] || answer[1] !== query[1]) {
    return { kind: 'stray', detail: 'an answer with a wrong id' };
  }
  const flags = answer[2]!;
  if ((flags & 0x80) === 0) return malformed('it is a query (QR is 0)');
  if ((flags & 0x78) !== 0) return malformed(`opcode ${(flags >> 3) & 15}`);
  const rcode = answer[3]! & 0x0f;
  const questions = (answer[4]! << 8) | answer[5]!;
  const bare = questions === 0 && rcode !== rcodes.NOERROR && rcode !== rcodes.NXDOMAIN;
  if (!bare) {
    if (questions !== 1) return malformed(`${questions} questions`);
    const end = questionEnd(query);
    for (let at = headerBytes; at < end; at++) {
      if (answer[at] !== query[at])
        return { kind: 'malformed', detail: 'the answer is for another question' };
    }
  }
  if (!scanAnswer(answer, 0, answer.length, scan)) return malformed('its sections are not what it counts');
  return { kind: 'answer', rcode: scan.rcode };
}

function malformed(why: string): HeaderVerdict {
  return { kind: 'malformed', detail: `malformed answer: ${why}` };
}

/** Where the first question of a query ends. */
function questionEnd(query: Uint8Array): number {
  let at = headerBytes;
  while (query[at] !== 0) at += 1 + query[at]!;
  return at + 5;
}
