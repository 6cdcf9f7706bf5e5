/** Records in presentation format (RFC 1035 section 5.1). */

import type { ResourceRecord } from './message.ts';
import { parseName } from './name.ts';
import { parseSeconds } from './rdata/field.ts';
import { formatRData, parseRData } from './rdata/registry.ts';
import { entriesOf, Tokens } from './tokens.ts';
import { classCode, classes, className, typeCode, typeName, types } from './types.ts';

/** One line: name, TTL, class, type and data with single spaces between. */
export function formatRecord(record: ResourceRecord): string {
  const data = formatRData(record.data);
  const head = `${record.name} ${record.ttl} ${className(record.class)} ${typeName(record.type)}`;
  return data === '' ? head : `${head} ${data}`;
}

/**
 * A record from one line such as `www 300 IN A 192.0.2.1`; TTL and class in either order or left out.
 * @param origin completes relative names; default the root.
 * @param ttl for a line without one, in seconds.
 * @throws WireError TEXT, or NAME for a name beyond the limits.
 */
export function parseRecord(text: string, origin = '.', ttl = 0): ResourceRecord {
  const entries = [...entriesOf(text)];
  const words = entries.flatMap(entry => entry.tokens);
  const from = new Tokens(words, parseName(origin));
  if (entries.length > 1)
    from.fail('one record is expected and more lines follow', entries[1]!.tokens[0]!.at);
  return readRecordText(from, { name: from.name("the record's name"), ttl, class: classes.IN });
}

/** The record whose TTL, class, type and data are the words left; what is left out comes from `base`. */
export function readRecordText(
  from: Tokens,
  base: { readonly name: string; readonly ttl: number | undefined; readonly class: number },
): ResourceRecord {
  let ttl: number | undefined;
  let klass: number | undefined;
  for (let word = from.peek(); word && !word.quoted; word = from.peek()) {
    const seconds: number | undefined = ttl === undefined ? parseSeconds(word.text) : undefined;
    const code: number | undefined =
      seconds === undefined && klass === undefined ? classCode(word.text) : undefined;
    if (seconds !== undefined) ttl = seconds;
    else if (code !== undefined) klass = code;
    else break;
    from.word('a word');
  }
  const word = from.token("the record's type");
  const type = typeCode(word.text);
  if (type === undefined || word.quoted) from.fail(`"${word.text}" is not a record type`, word.at);
  if (type === types.OPT) from.fail('OPT has no presentation format', word.at);
  const classOf = klass ?? base.class;
  const data = parseRData(type, classOf, from);
  ttl ??= base.ttl ?? (data.kind === 'SOA' ? data.minimum : undefined);
  if (ttl === undefined) from.fail('the record has no TTL and there is no $TTL', word.at);
  return { name: base.name, type, class: classOf, ttl, data };
}
