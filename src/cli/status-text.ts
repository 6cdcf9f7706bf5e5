/** The status for people: tables of what the API tells. Pure. */
import type { BackendStatus, PoolStatus, Status } from '#insight/status.ts';
import { type Colour, paint, table } from './command.ts';

const stateColours: Readonly<Record<string, Colour>> = {
  up: 'green',
  starting: 'cyan',
  suspect: 'yellow',
  draining: 'yellow',
  down: 'red',
  disabled: 'red',
};

/** Bytes in the unit that suits them. */
export function formatBytes(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${unit === 0 || value >= 100 ? Math.round(value) : Number(value.toFixed(1))} ${units[unit]}`;
}

/** A whole number with commas between thousands. */
export function formatCount(value: number): string {
  return Math.round(value).toLocaleString('en-US');
}

/** A share of 1 in percent. */
export function formatShare(share: number): string {
  return `${(share * 100).toFixed(1)}%`;
}

/** A length of time in its two largest units: "3d 4h", "12s". */
export function formatAge(seconds: number): string {
  const units: readonly (readonly [string, number])[] = [
    ['d', 86_400],
    ['h', 3600],
    ['m', 60],
    ['s', 1],
  ];
  let rest = Math.max(0, Math.round(seconds));
  const parts: string[] = [];
  for (const [unit, size] of units) {
    const count = Math.floor(rest / size);
    rest -= count * size;
    if (count > 0 || parts.length > 0 || unit === 's') parts.push(`${count}${unit}`);
  }
  return parts.slice(0, 2).join(' ');
}

/** All backends of all pools. `now` is the time of day in ms since 1970. */
export function backendTable(pools: readonly PoolStatus[], now: number): string {
  const head = [
    'BACKEND',
    'ADDRESS',
    'STATE',
    'FOR',
    'QUERIES/S',
    'FAIL/S',
    'P50 MS',
    'P99 MS',
    'WAITING',
    'WHY',
  ];
  const rows = pools.flatMap(pool => pool.backends.map(backend => backendRow(pool, backend, now)));
  return table([head.map(cell => paint('dim', cell)), ...rows], [4, 5, 6, 7, 8]);
}

function backendRow(pool: PoolStatus, backend: BackendStatus, now: number): string[] {
  const { address, port, state, latencyMs } = backend;
  const figure = (value: number | null) => (value === null ? '–' : value.toFixed(1));
  return [
    `${pool.name}/${backend.name}`,
    address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`,
    paint(stateColours[state] ?? 'dim', state),
    formatAge((now - Date.parse(backend.since)) / 1000),
    formatCount(backend.queriesPerSecond),
    formatCount(backend.failuresPerSecond),
    figure(latencyMs.p50),
    figure(latencyMs.p99),
    formatCount(backend.outstanding),
    backend.reason,
  ];
}

/** The whole status. `now` is the time of day in ms since 1970. */
export function statusText(status: Status, now: number): string {
  const { config } = status;
  const idle = status.listeners.length === 0;
  const lines = [
    `${paint('bold', status.identity)}: Chorus ${status.version}, up ${formatAge(status.uptimeSeconds)}, ${status.workers} ${status.workers === 1 ? 'worker' : 'workers'}, ${formatBytes(status.memory.residentBytes)}`,
    `configuration  ${config.file}, generation ${config.generation}`,
    ...(idle ? ['listeners      none: no query passes through Chorus'] : clientLines(status)),
    ...serverLines(status, now),
  ];
  if (config.lastReload && !config.lastReload.applied) {
    lines.push(
      paint(
        'red',
        `last reload    refused at ${config.lastReload.at}: ${indented(config.lastReload.message)}`,
      ),
    );
  }
  lines.push(...listenerLines(status), ...routeLines(status, now), '');
  for (const pool of status.pools) {
    const alike = pool.everybody === null ? '' : paint('red', ` – ${pool.everybody}`);
    const open = pool.failOpen ? paint('red', ' – no backend serves, those that are down are tried') : '';
    lines.push(`pool ${paint('bold', pool.name)}, ${pool.policy}${open}${alike}`);
  }
  lines.push(backendTable(status.pools, now));
  return lines.join('\n');
}

function clientLines({ clients, cache }: Status): string[] {
  const answers = Object.entries(clients.byRcode)
    .filter(([, count]) => count > 0)
    .map(([rcode, count]) => `${formatCount(count)} ${rcode}`);
  return [
    `clients        ${formatCount(clients.queriesPerSecond)} queries/s, ${formatCount(clients.queries)} since the start`,
    `answers        ${answers.length === 0 ? 'none yet' : answers.join(', ')}`,
    `cache          ${cache ? `${formatShare(cache.hitRatio ?? 0)} hits, ${formatCount(cache.entries)} ${cache.entries === 1 ? 'answer' : 'answers'} in ${formatBytes(cache.usedBytes)} of ${formatBytes(cache.memoryBytes)}` : 'off'}`,
  ];
}

function serverLines({ server }: Status, now: number): string[] {
  if (!server) return [];
  const { name, state, since, detail, pid, restarts, lastEnd } = server;
  const age = formatAge((now - Date.parse(since)) / 1000);
  const shown = paint(state === 'running' ? 'green' : 'yellow', state);
  const process = pid === null ? '' : `, pid ${pid}`;
  const last = lastEnd
    ? `; the last ended ${formatAge((now - Date.parse(lastEnd.at)) / 1000)} ago: ${lastEnd.reason}`
    : '';
  return [
    `server         ${name} ${shown} for ${age}${process}: ${detail}`,
    ...(restarts === 0
      ? []
      : [`               started again ${restarts} ${restarts === 1 ? 'time' : 'times'}${last}`]),
  ];
}

/** A message of several lines, which then stand under the first. */
function indented(message: string): string {
  return message.replaceAll('\n', `\n${' '.repeat(15)}`);
}

/** Service addresses in short; `chorus routes` has all of it. */
function routeLines({ routes }: Status, now: number): string[] {
  if (!routes) return [];
  const rows = routes.addresses.map(({ address, state, since, announcedBy }) => [
    'address      ',
    address,
    paint(state === 'up' ? 'green' : state === 'down' ? 'red' : 'yellow', state),
    formatAge((now - Date.parse(since)) / 1000),
    announcedBy.length === 0 ? 'not announced' : `announced by ${announcedBy.join(', ')}`,
  ]);
  const lines = [table(rows)];
  const { drain } = routes;
  if (drain) {
    const why = drain.reason === '' ? '' : `: ${drain.reason}`;
    const safe = drain.safe ? 'safe to stop' : 'not safe to stop yet';
    lines.push(paint('yellow', `drained        by ${drain.who}${why}, ${safe}`));
  }
  if (!routes.agrees)
    lines.push(paint('red', 'routes         not all are as wanted: `chorus routes` says which'));
  for (const problem of routes.problems) lines.push(paint('red', `routes         ${indented(problem)}`));
  return lines;
}

function listenerLines({ listeners }: Status): string[] {
  const rows = listeners.map(({ address, port, protocol, engine, receiveBufferBytes, kernelDrops }) => {
    const place = address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
    const buffer = receiveBufferBytes === null ? '' : `buffer ${formatBytes(receiveBufferBytes)}`;
    const drops = kernelDrops === null ? '' : `${formatCount(kernelDrops)} dropped by the kernel`;
    const lost = (kernelDrops ?? 0) > 0 ? paint('yellow', drops) : drops;
    return ['listener     ', `${place} ${protocol}`, engine, buffer, lost];
  });
  return rows.length === 0 ? [] : [table(rows)];
}
