/** What an answer says, in words for a person. Reads with the full codec: load it only where an answer must be read. */
import { holds } from '#health/probes/answer.ts';
import { formatOption } from '#wire/edns/registry.ts';
import { decodeMessage } from '#wire/message.ts';
import { formatRData } from '#wire/rdata/registry.ts';
import { formatRecord } from '#wire/record.ts';
import { types } from '#wire/types.ts';

/** The parts of an answer that a check looks at. */
export type AnswerText = {
  /** Records of the answer section, a line each. */
  readonly records: readonly string[];
  /** Data of those that have the type asked for. */
  readonly data: readonly string[];
  /** Extended errors (RFC 8914): `22 (No Reachable Authority): (at delegation)`. */
  readonly extended: readonly string[];
  readonly truncated: boolean;
};

/** @throws WireError for a message that is none. */
export function readAnswer(bytes: Uint8Array, type: number): AnswerText {
  const { answers, edns, tc } = decodeMessage(bytes);
  return {
    records: answers.map(formatRecord),
    data: answers
      .filter(record => type === types.ANY || record.type === type)
      .map(record => formatRData(record.data)),
    extended: (edns?.options ?? []).filter(option => option.kind === 'EDE').map(formatOption),
    truncated: tc,
  };
}

/** The first of the wanted data that is not in the answer, by the rule of a probe's `answer`; undefined when none is missing. */
export function missingOf(bytes: Uint8Array, wanted: readonly string[]): string | undefined {
  const message = decodeMessage(bytes);
  return wanted.find(text => !holds(message, text));
}
