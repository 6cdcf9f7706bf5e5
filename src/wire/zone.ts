import { WireError } from './error.ts';
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
  const zone: Zone = { records: [], origin: parseName(origin), ttl: undefined };
  for (const entry of entriesOf(text)) {
    try {
      readEntry(zone, entry);
    } catch (error) {
      if (!(error instanceof WireError)) throw error;
      throw new WireError(error.code, error.offset, `line ${entry.line}: ${error.detail}`);
    }
  }
  return zone.records;
}

/** What has been read so far. */
type Zone = { readonly records: ResourceRecord[]; origin: Uint8Array; ttl: number | undefined };

function readEntry(zone: Zone, entry: Entry): void {
  const from = new Tokens(entry.tokens, zone.origin);
  const directive = directiveOf(entry);
  if (!directive) {
    const last = zone.records.at(-1);
    const name = entry.blank
      ? (last?.name ?? from.fail('the first record has no owner'))
      : from.name('the owner');
    const ttl = zone.ttl ?? last?.ttl;
    zone.records.push(readRecordText(from, { name, ttl, class: last?.class ?? classes.IN }));
    return;
  }
  from.word(directive);
  if (directive === '$ORIGIN') zone.origin = parseName(from.name('the origin'));
  else if (directive === '$TTL') {
    const at = from.at;
    zone.ttl = parseSeconds(from.word('the TTL')) ?? from.fail('$TTL needs a number of seconds', at);
  } else from.fail(`${directive} is not taken here`, 0);
  from.finish();
}

function directiveOf({ tokens, blank }: Entry): string | undefined {
  const word = tokens[0]!;
  return !blank && !word.quoted && word.text.startsWith('$') ? word.text.toUpperCase() : undefined;
}

/** A name in the one form that `formatName` gives, completed by `origin`. @throws WireError TEXT or NAME. */
export function canonicalName(text: string, origin = '.'): string {
  return formatName(parseName(text, parseName(origin)));
}
