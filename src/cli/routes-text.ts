/** Routes for people: tables of what the API tells. Pure. */
import type { Attributes } from '#route/announcement.ts';
import type { AddressState, RoutesStatus } from '#route/report.ts';
import { type Colour, paint, table } from './command.ts';
import { formatAge, formatCount } from './status-text.ts';

const stateColours: Readonly<Record<AddressState, Colour>> = {
  initial: 'cyan',
  rising: 'cyan',
  up: 'green',
  degraded: 'yellow',
  draining: 'yellow',
  down: 'red',
};
const driverColours = { idle: 'cyan', connecting: 'yellow', up: 'green', failed: 'red' } as const;

/** Attributes in a few words: `med 0 pref 200 65000:100`. */
export function attributesInShort(attributes: Attributes): string {
  const { med, localPreference, communities, largeCommunities, prepend } = attributes;
  const words = [
    med === null ? '' : `med ${med}`,
    localPreference === null ? '' : `pref ${localPreference}`,
    ...communities,
    ...largeCommunities,
    prepend === 0 ? '' : `prepend ${prepend}`,
  ].filter(word => word !== '');
  return words.length === 0 ? 'announced' : words.join(' ');
}

const age = (since: number, now: number) => formatAge((now - since) / 1000);

/** Service addresses with their states, a line each. */
export function addressTable({ addresses }: Pick<RoutesStatus, 'addresses'>, now: number): string {
  const rows = addresses.map(({ prefix, state, since, reason }) => [
    prefix,
    paint(stateColours[state], state),
    age(since, now),
    reason,
  ]);
  return table([['ADDRESS', 'STATE', 'FOR', 'WHY'], ...rows]);
}

/** All of it. `now` is the time of day in ms since 1970. */
export function routesText(status: RoutesStatus, now: number): string {
  const lines: string[] = [];
  const drain = drainText(status, now);
  if (drain !== '') lines.push(drain, '');
  for (const { message, remedy } of status.problems) lines.push(paint('red', message), remedy, '');
  lines.push(addressTable(status, now), '', routeTable(status, now), '');
  const drivers = status.drivers.map(({ name, kind, state, since, detail }) => [
    name,
    kind,
    paint(driverColours[state], state),
    age(since, now),
    detail,
  ]);
  lines.push(table([['DRIVER', 'KIND', 'STATE', 'FOR', 'DETAIL'], ...drivers]));
  for (const { name, problem, warnings } of status.drivers) {
    if (problem) lines.push(paint('red', `${name}: ${problem.message}`), `  ${problem.remedy}`);
    for (const warning of warnings) lines.push(paint('yellow', `${name}: ${warning}`));
  }
  if (status.budget) {
    const { farm, member, state, detail, problems, warnings } = status.budget;
    lines.push('', `farm ${farm}, this is ${member}: ${state}, ${detail}`);
    for (const { message } of problems) lines.push(paint('red', message));
    for (const warning of warnings) lines.push(paint('yellow', warning));
  }
  if (status.farm.length > 0) {
    const rows = status.farm.map(({ member, address, state, reason }) => [
      member,
      address,
      paint(stateColours[state], state),
      reason,
    ]);
    lines.push('', table([['MEMBER', 'ADDRESS', 'STATE', 'WHY'], ...rows]));
  }
  return lines.join('\n');
}

/** Who drained it, why and how far it is; empty without a drain. */
export function drainText({ drain, safe, traffic }: RoutesStatus, now: number): string {
  if (!drain) return '';
  const why = drain.reason === '' ? '' : `: ${drain.reason}`;
  const until = drain.until === null ? '' : `, ends in ${formatAge((drain.until - now) / 1000)}`;
  const left = traffic === null ? '' : `, traffic ${formatCount(traffic)}/s`;
  const text = `drained for ${age(drain.since, now)} by ${drain.who}${why}${until}`;
  return `${paint('yellow', text)} – ${safe ? paint('green', 'safe to stop') : `not safe to stop yet${left}`}`;
}

function routeTable({ routes, drivers }: RoutesStatus, now: number): string {
  const unread = new Set(drivers.flatMap(({ name, unread }) => (unread ? [name] : [])));
  const rows = routes.map(({ prefix, driver, wanted, actual, agrees, convergence }) => [
    prefix,
    driver,
    wanted ? attributesInShort(wanted) : '–',
    actual
      ? actual.attributes
        ? attributesInShort(actual.attributes)
        : 'announced'
      : unread.has(driver)
        ? '?'
        : '–',
    actual ? age(actual.since, now) : '',
    agrees ? paint('green', 'as wanted') : paint('red', 'NOT AS WANTED'),
    convergence === null || convergence === 0 ? '' : `in ${Math.round(convergence)} ms`,
  ]);
  return table([['ROUTE', 'THROUGH', 'WANTED', 'ACTUAL', 'FOR', '', ''], ...rows]);
}
