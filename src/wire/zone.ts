import type { ResourceRecord } from './message.ts';
import { formatName, parseName } from './name.ts';
import { parseSeconds } from './rdata/field.ts';
import { readRecordText } from './record.ts';
import { type Entry, entriesOf, Tokens } from './tokens.ts';
import { classes } from './types.ts';

/**
 * The records of a zone file (RFC 1035 section 5, $TTL from RFC 2308 section 4): $ORIGIN and $TTL, parentheses,
 * comments, `@`, relative names, and lines that start with white space and so keep the last owner. What a line leaves
 * out comes from $TTL, else the line before it; a SOA record without TTL has its minimum. $INCLUDE is refused: this
 * reads no files.
 * @param origin for relative names until the first $ORIGIN; default the root.
 * @throws WireError TEXT with the line in its message, or NAME for a name beyond the limits.
 */
export function parseZone(text: string, origin = '.'): ResourceRecord[] {
  const records: ResourceRecord[] = [];
  let base = parseName(origin);
  let defaultTtl: number | undefined;
  let last: ResourceRecord | undefined;
  for (const entry of entriesOf(text)) {
    const from = new Tokens(entry.tokens, base, `line ${entry.line}: `);
    const directive = directiveOf(entry);
    if (directive === '$ORIGIN') {
      from.word('');
      base = parseName(from.name('the origin'));
      from.finish();
    } else if (directive === '$TTL') {
      from.word('');
      const at = from.at;
      defaultTtl = parseSeconds(from.word('the TTL')) ?? from.fail('$TTL needs a number of seconds', at);
      from.finish();
    } else if (directive) {
      from.fail(`${directive} is not taken here`);
    } else {
      const name = entry.blank
        ? (last?.name ?? from.fail('the first record has no owner'))
        : from.name('the owner');
      const ttl = defaultTtl ?? last?.ttl;
      last = readRecordText(from, { name, ttl, class: last?.class ?? classes.IN });
      records.push(last);
    }
  }
  return records;
}

function directiveOf({ tokens, blank }: Entry): string | undefined {
  const word = tokens[0]!;
  return !blank && !word.quoted && word.text.startsWith('$') ? word.text.toUpperCase() : undefined;
}

/** A name in the one form that `formatName` gives, completed by `origin`. @throws WireError TEXT or NAME. */
export function canonicalName(text: string, origin = '.'): string {
  return formatName(parseName(text, parseName(origin)));
}
