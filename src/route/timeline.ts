/** What would have happened, and when: as plain data, and as a table for people. Pure. */
import type { Attributes } from './announcement.ts';
import { seconds } from './events.ts';
import type { AddressReport, AddressState, DrainPhase } from './report.ts';

/**
 * What happened to a service address. `announced`: it was not before. `changed`: with other attributes, or as of another
 * state. `withdrawn`: it was announced before. `none`: another state, and not announced before or after.
 */
export type TimelineChange = {
  readonly at: number;
  readonly address: string;
  /** Drivers that would have told the routers. */
  readonly drivers: readonly string[];
  readonly change: 'announced' | 'changed' | 'withdrawn' | 'none';
  readonly from: AddressState;
  readonly to: AddressState;
  readonly reason: string;
  /** As what it is announced from then on; null: it is not. */
  readonly attributes: Attributes | null;
};

/** The drain of the front came into another phase. */
export type TimelinePhase = { readonly at: number; readonly drain: DrainPhase };

/** Times in ms, as in the events. */
export type Timeline = {
  readonly begin: number;
  /** Time of day at the beginning, ms since 1970; null where the events do not say. */
  readonly day: number | null;
  /** The last event, or the last change that follows from it. */
  readonly end: number;
  readonly entries: readonly (TimelineChange | TimelinePhase)[];
  /** How it stands at the end. */
  readonly addresses: readonly Pick<
    AddressReport,
    'address' | 'state' | 'since' | 'reason' | 'via' | 'heldUntil'
  >[];
};

const phases: Readonly<Record<DrainPhase, string>> = {
  none: 'the drain is over',
  leaving: 'the drain begins: clients are asked to leave',
  settling: 'all is withdrawn; packets may be under way',
  safe: 'safe to stop',
};

/** A line for each change, then how it stands at the end. */
export function timelineText(timeline: Timeline): string {
  const { entries, addresses, begin, day, end } = timeline;
  const time = (at: number) =>
    day === null ? seconds(at) : new Date(Math.round(day + at - begin)).toISOString().slice(11, 23);
  const rows = entries.map(entry => [
    time(entry.at),
    'address' in entry ? entry.address : 'drain',
    'address' in entry ? deedOf(entry) : phaseOf(entry),
    'address' in entry ? entry.reason : '',
  ]);
  const head = [
    day === null ? 'at' : `${new Date(day).toISOString().slice(0, 10)}, UTC`,
    'address',
    'what',
    'why',
  ];
  const lines = entries.length > 0 ? grid([head, ...rows]) : ['Nothing changes.'];
  lines.push('', `At the end (${time(end)}):`);
  for (const { address, state, reason, via, heldUntil } of addresses) {
    const held = heldUntil === null ? '' : `, held down until ${time(heldUntil)}`;
    const drivers = via.length > 0 ? ` via ${via.join(', ')}` : ', and no route driver would tell of it';
    lines.push(`  ${address} is ${state}${held}${drivers}: ${reason}`);
  }
  return `${lines.join('\n')}\n`;
}

function phaseOf({ drain }: TimelinePhase): string {
  return phases[drain];
}

function deedOf({ change, from, to, drivers, attributes }: TimelineChange): string {
  const turn = from === to ? to : `${from} → ${to}`;
  const via = drivers.length > 0 ? ` via ${drivers.join(', ')}` : '';
  if (change === 'none') return turn;
  if (attributes === null) return `WITHDRAWN${via}, ${turn}`;
  return `${change === 'announced' ? 'ANNOUNCED' : 'changed'}${via}, ${turn}: ${attributesText(attributes)}`;
}

/** `med 0, local preference 200, communities 65000:100`. */
function attributesText(attributes: Attributes): string {
  const { med, localPreference, communities, largeCommunities, prepend } = attributes;
  const parts = [
    med === null ? 'no med' : `med ${med}`,
    ...(localPreference === null ? [] : [`local preference ${localPreference}`]),
    ...(communities.length > 0 ? [`communities ${communities.join(' ')}`] : []),
    ...(largeCommunities.length > 0 ? [`large communities ${largeCommunities.join(' ')}`] : []),
    ...(prepend > 0 ? [`prepend ${prepend}`] : []),
  ];
  return parts.join(', ');
}

/** Columns of one width, the last as it is. */
function grid(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map(row => (row[column] ?? '').length)));
  return rows.map(row =>
    row
      .map((text, column) => (column === row.length - 1 ? text : text.padEnd(widths[column] ?? 0)))
      .join('  ')
      .trimEnd(),
  );
}
