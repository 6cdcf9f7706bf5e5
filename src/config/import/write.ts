/** A translation as the text of a configuration, and what became of the file as a report. */
import { Document, isMap, isSeq } from 'yaml';
import { formatDuration } from '#kit/units.ts';
import { formatEndpoint } from '#net/address.ts';
import type { Place } from './problems.ts';
import { type Remark, verdicts } from './remarks.ts';
import { seconds } from './removal.ts';
import type { NewProbe, Removal, Translation } from './translate.ts';

/** The configuration as YAML. `id`: what it is named after in its first line. */
export function configurationText(translation: Translation, file: string): string {
  const { listen, api, policy, backends, probes } = translation;
  const document = new Document(
    {
      listen: listen.map(formatEndpoint),
      ...(api && { api: formatEndpoint(api) }),
      pools: {
        default: {
          policy,
          backends: backends.map(({ name, endpoint, weight, capacity, source }) => ({
            name,
            address: formatEndpoint(endpoint),
            ...(weight !== 1 && { weight }),
            ...(capacity !== undefined && { capacity }),
            ...(source !== undefined && { source }),
          })),
          ...probeOptions(probes),
        },
      },
    },
    { version: '1.2', aliasDuplicateObjects: false },
  );
  document.commentBefore = ` Made from ${oneLine(file)} by \`chorus config import keepalived\`. See its report for what was not kept.`;
  flow(document.get('listen', true));
  const list = document.getIn(['pools', 'default', 'backends'], true);
  for (const [index] of probes.entries()) {
    const at = probes.length === 1 ? ['probe'] : ['probes', index];
    for (const key of ['expect', 'exec', 'window'])
      flow(document.getIn(['pools', 'default', ...at, key], true));
  }
  if (isSeq(list)) {
    for (const [index, item] of list.items.entries()) {
      flow(item);
      const place = backends[index]?.place;
      if (place && isMap(item))
        item.comment = ` line ${place.line}${place.file === file ? '' : ` of ${oneLine(place.file)}`}`;
    }
  }
  return document.toString({ lineWidth: 0, flowCollectionPadding: true });
}

/** A path or a word as a comment can hold it. */
function oneLine(text: string): string {
  return text.replace(/[^\x20-\x7e\xa0-\ud7ff]/g, '?').slice(0, 200);
}

function flow(node: unknown): void {
  if (isMap(node) || isSeq(node)) node.flow = true;
}

/** The option of a pool for its probes. */
function probeOptions(probes: readonly NewProbe[]): object {
  const options = probes.map(probeOption);
  return options.length === 1 ? { probe: options[0] } : { probes: options };
}

function probeOption({ asks, timers }: NewProbe): object {
  const { interval, timeout, window } = timers;
  return {
    ...(asks.kind === 'exec'
      ? { exec: asks.command, ...(asks.dynamic && { dynamic: 'on' }) }
      : {
          name: asks.name,
          type: asks.type,
          ...(asks.kind === 'dns-tcp' && { transport: 'tcp' }),
          ...(asks.expect && { expect: asks.expect }),
        }),
    interval: formatDuration(interval),
    timeout: formatDuration(timeout),
    window,
  };
}

/** The report as lines for people. `width`: columns of a line, at least. */
export function reportText(file: string, remarks: readonly Remark[], removal: readonly Removal[]): string {
  const lines: string[] = [];
  for (const verdict of verdicts.toReversed()) {
    const own = remarks.filter(remark => remark.verdict === verdict);
    lines.push(`${verdict}: ${own.length === 0 ? 'nothing' : ''}`.trimEnd());
    for (const { what, places, why, todo } of own) {
      lines.push(`  ${what}  (${placesText(places)})`, `      ${why}`);
      if (todo !== '') lines.push(`      → ${todo}`);
    }
  }
  if (removal.length > 0) {
    lines.push('', 'at most until a server is out (keepalived → probes of Chorus):');
    for (const { check, program, servers, old, new: now } of removal) {
      const [silent, failing] = program
        ? ['the program does not end', 'the program fails']
        : ['it answers nothing', 'it answers SERVFAIL'];
      lines.push(
        `  ${check}, ${servers} server${servers === 1 ? '' : 's'}`,
        `      ${`${silent}:`.padEnd(26)} ${seconds(old.silent)} → ${seconds(now.silent)}`,
        `      ${`${failing}:`.padEnd(26)} ${seconds(old.servfail)} → ${seconds(now.servfail)}`,
      );
    }
  }
  const counts = verdicts.map(
    verdict => `${remarks.filter(remark => remark.verdict === verdict).length} ${verdict}`,
  );
  lines.push('', `${file}: ${counts.join(', ')}`);
  return `${lines.join('\n')}\n`;
}

/** `a.conf:3, 7 and 40 more`. */
function placesText(places: readonly Place[]): string {
  const shown = places.slice(0, 4);
  const texts = shown.map(({ file, line }, i) =>
    shown[i - 1]?.file === file ? String(line) : `${file}:${line}`,
  );
  const more = places.length - shown.length;
  return `${texts.join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}
