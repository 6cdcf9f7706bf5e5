/** What `chorus up` shows, as lines of text. Pure. */
import { type Endpoint, formatEndpoint } from '#net/address.ts';
import type { NodeProcess } from './farm.ts';
import type { FarmBackend, FarmStatus } from './farm-status.ts';
import type { ClientView } from './load-account.ts';

export type Paint = (colour: 'bold' | 'dim' | 'red' | 'green' | 'yellow' | 'cyan', text: string) => string;

/** One moment of the farm. Times are those of Date.now(). */
export type Scene = {
  readonly now: number;
  readonly startedAt: number;
  readonly listen: readonly Endpoint[];
  readonly api: Endpoint;
  readonly frontPid: number;
  readonly nodes: readonly NodeProcess[];
  /** Null when the front did not tell. */
  readonly status: FarmStatus | null;
  /** Null when `up` sends no load. */
  readonly client: ClientView | null;
  readonly configFile: string;
  /** Folder of the logs. */
  readonly logs: string;
  /** The last events, the oldest first. */
  readonly events: readonly string[];
  /** The command that started this program, for commands to try. */
  readonly chorus: string;
};

const good: ReadonlySet<string> = new Set(['starting', 'up']);
/** So many of the last events are worth more than commands to try. */
const eventsKept = 3;

const stateColours = { up: 'green', starting: 'cyan', suspect: 'yellow', down: 'red' } as const;

/**
 * The whole screen, for a terminal of that size. Where it is short, old events go first, then commands to try.
 * What the farm does and the keys come first.
 */
export function drawScreen(scene: Scene, paint: Paint, size: { columns: number; rows: number }): string[] {
  const { status, client, events } = scene;
  const up = clock(scene.now - scene.startedAt);
  const workers = status
    ? `, ${status.workers} worker${status.workers === 1 ? '' : 's'}, ${engine(status)} engine`
    : '';
  const head = [
    `${paint('bold', 'Chorus')}: ${scene.nodes.length} nodes and the front before them, for ${up}`,
    `front    ${scene.listen.map(formatEndpoint).join(' and ')} (process ${scene.frontPid}${workers})`,
    `service  ${status ? serviceLine(status) : paint('red', 'the API of the front does not answer')}`,
  ];
  if (client) head.push(`clients  ${clientLine(client, paint)}`);
  head.push('', ...nodeTable(scene, paint, size.columns));
  if (status?.pools.some(pool => pool.failOpen)) {
    head.push(paint('red', 'No node is fit, so all of them are tried.'));
  }
  const foot = [
    '',
    paint('dim', `Configuration ${scene.configFile}, logs in ${scene.logs}`),
    paint('dim', 'Keys: r starts dead nodes again, q or Ctrl-C stops everything.'),
  ];
  // The last line stays empty for the cursor.
  const room = size.rows - 1 - head.length - foot.length;
  const least = Math.min(events.length, eventsKept);
  const commands = tries(scene).slice(0, Math.max(0, room - 2 - (least > 0 ? least + 1 : 0)));
  const middle =
    commands.length === 0 ? [] : ['', paint('bold', 'Try'), ...commands.map(line => `  ${line}`)];
  const left = Math.max(0, room - middle.length - 1);
  const shown = left === 0 ? [] : events.slice(-left);
  return [...head, ...middle, ...foot, ...(shown.length === 0 ? [] : ['', ...shown])];
}

/** One line that sums up the farm, for an output that is no terminal. */
export function summary(scene: Scene): string {
  const { status, client } = scene;
  const parts = [status ? serviceLine(status) : 'the API of the front does not answer'];
  if (client) parts.push(`clients: ${clientLine(client, (_, text) => text)}`);
  parts.push(scene.nodes.map(node => `${node.name} ${stateOf(node, backendOf(scene, node))}`).join(', '));
  return parts.join(' · ');
}

/** A line for each node whose state changed between two tellings. At the first, a good state is no news. */
export function changes(before: FarmStatus | null, after: FarmStatus): string[] {
  const old = new Map(
    before?.pools.flatMap(pool => pool.backends).map(backend => [backend.name, backend.state]),
  );
  return after.pools
    .flatMap(pool => pool.backends)
    .filter(({ name, state }) => state !== (old.get(name) ?? (good.has(state) ? state : undefined)))
    .map(
      ({ name, state, reason }) =>
        `${name} is ${state}${old.has(name) ? `, was ${old.get(name)}` : ''}: ${reason}`,
    );
}

/** A row for each node, and below the row of one that is not well the reason in full. */
function nodeTable(scene: Scene, paint: Paint, columns: number): string[] {
  const rows = scene.nodes.map(node => {
    const backend = backendOf(scene, node);
    const state = stateOf(node, backend);
    const failures = backend && Object.values(backend.failures).reduce((sum, count) => sum + count, 0);
    const cells = [
      node.name,
      formatEndpoint(node),
      node.ended ? 'ended' : String(node.pid),
      state,
      backend ? backend.queriesPerSecond.toFixed(1) : '-',
      ms(backend?.latencyMs.p50 ?? null),
      ms(backend?.latencyMs.p99 ?? null),
      failures === undefined ? '-' : whole(failures),
    ];
    const reason = node.ended || !good.has(state) ? why(node, backend, scene.now) : '';
    return { cells, state, reason };
  });
  const header = ['node', 'address', 'process', 'state', 'queries/s', 'p50', 'p99', 'failed'];
  const right = new Set([2, 4, 5, 6, 7]);
  const widths = header.map((title, i) => Math.max(title.length, ...rows.map(row => row.cells[i]!.length)));
  const pad = (cell: string, i: number) =>
    right.has(i) ? cell.padStart(widths[i]!) : cell.padEnd(widths[i]!);
  const indent = ' '.repeat(widths[0]! + 2);
  const lines = [paint('dim', header.map(pad).join('  '))];
  for (const { cells, state, reason } of rows) {
    const paintCell = (cell: string, i: number) =>
      i === 3 ? paint(colourOf(state), pad(cell, i)) : pad(cell, i);
    lines.push(cells.map(paintCell).join('  '));
    for (const line of wrap(reason, columns - indent.length)) lines.push(indent + line);
  }
  return lines;
}

/** `text` in lines of at most `width` characters, broken between words. */
function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  return line === '' ? lines : [...lines, line];
}

function colourOf(state: string): 'green' | 'cyan' | 'yellow' | 'red' {
  return Object.entries(stateColours).find(([name]) => name === state)?.[1] ?? 'yellow';
}

function backendOf({ status }: Scene, node: NodeProcess): FarmBackend | undefined {
  return status?.pools.flatMap(pool => pool.backends).find(backend => backend.name === node.name);
}

function stateOf(node: NodeProcess, backend: FarmBackend | undefined): string {
  return backend?.state ?? (node.ended ? 'ended' : 'unknown');
}

function why(node: NodeProcess, backend: FarmBackend | undefined, now: number): string {
  const reason = backend?.reason ?? '';
  if (!node.ended) return reason;
  const { how, at, restartAt } = node.ended;
  const next = restartAt === null ? '' : `, again in ${Math.max(0, Math.ceil((restartAt - now) / 1000))} s`;
  return `ended by ${how} ${clock(now - at)} ago${next}${reason === '' ? '' : `; ${reason}`}`;
}

function serviceLine({ clients, cache }: FarmStatus): string {
  const bad = Object.entries(clients.byRcode).filter(([rcode]) => !/^(noerror|nxdomain)$/i.test(rcode));
  const failed = bad.reduce((sum, [, count]) => sum + count, 0);
  const hits = cache?.hitRatio == null ? '' : `, ${Math.round(cache.hitRatio * 100)}% from the cache`;
  return `${clients.queriesPerSecond.toFixed(1)} queries/s, ${whole(clients.queries)} in all${hits}, ${whole(failed)} failed`;
}

function clientLine(client: ClientView, paint: Paint): string {
  const { asked, answered, failed, lost, p50, p99 } = client;
  const bad = `${whole(failed)} failed, ${whole(lost)} lost`;
  const latency = `p50 ${ms(p50)}, p99 ${ms(p99)}`;
  return `${whole(answered)} of ${whole(asked)} answered, ${failed + lost > 0 ? paint('red', bad) : bad}; ${latency}`;
}

function tries({ listen, nodes, api, chorus }: Scene): string[] {
  const [first] = listen;
  const last = listen.at(-1);
  const alive = nodes.find(node => !node.ended);
  const dig = (at: Endpoint | undefined) => (at ? `dig @${at.address} -p ${at.port}` : 'dig');
  return [
    `${dig(first)} www.lab.internal`,
    `${dig(last)} whoami.lab.internal TXT +short      (which node answers)`,
    ...(alive ? [`kill -9 ${alive.pid}      (node ${alive.name}; the clients must not notice)`] : []),
    `${chorus} burst --server ${first ? formatEndpoint(first) : ''}      (how large a burst is survived)`,
    `curl http://${formatEndpoint(api)}/metrics`,
  ];
}

function engine({ listeners }: FarmStatus): string {
  return listeners.find(listener => listener.protocol === 'udp')?.engine ?? 'unknown';
}

function whole(value: number): string {
  return value.toLocaleString('en');
}

function ms(value: number | null): string {
  if (value === null) return '-';
  return value < 10 ? `${value.toFixed(2)} ms` : `${Math.round(value)} ms`;
}

/** `7 s`, `3 min 5 s`, `2 h 0 min`. */
function clock(duration: number): string {
  const seconds = Math.max(0, Math.floor(duration / 1000));
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
  return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
}
