/** What a reload would change, in lines for an operator; and what of it waits for a restart. */
import { type Plain, type PlainMapping, plainOf } from './plain.ts';
import type { Snapshot } from './snapshot.ts';
import { allOptions } from './walk.ts';

type Change = {
  readonly path: readonly string[];
  readonly text: string;
  /** The value before, in a file's form; empty where there was none. */
  readonly before: string;
};

/**
 * The differences between the running snapshot and another, a line each, in the order of the reference:
 * `pools.default.backends: nika added (127.0.0.1:5402)`, `workers: 1 → 2 (needs a restart: stays 1)`.
 */
export function diffSnapshots(running: Snapshot, next: Snapshot): string[] {
  return changes(running, next).map(change => {
    const line = `${change.path.join('.')}: ${change.text}`;
    if (!needsRestart(change, running)) return line;
    return `${line} (needs a restart: stays ${change.before === '' ? 'unset' : change.before})`;
  });
}

/** Options that differ and that only a restart puts in force, such as `cache.memory`. */
export function restartOnly(running: Snapshot, next: Snapshot): string[] {
  return changes(running, next)
    .filter(change => needsRestart(change, running))
    .map(({ path }) => path.join('.'));
}

/** The next snapshot as a reload puts it in force: what needs a restart stays as it runs. */
export function keepRestartOnly(running: Snapshot, next: Snapshot): Snapshot {
  const { user: _user, group: _group, ...rest } = next;
  return {
    ...rest,
    // Without a listener there are no workers, and only a start makes them.
    listen: running.listen.length === 0 ? [] : next.listen,
    api: running.api,
    server: running.server,
    workers: running.workers,
    engine: running.engine,
    receiveBuffer: running.receiveBuffer,
    portsPerBackend: running.portsPerBackend,
    routes: { ...next.routes, state: running.routes.state },
    cache: running.cache && next.cache && { ...next.cache, memory: running.cache.memory },
    ...(running.user !== undefined && { user: running.user }),
    ...(running.group !== undefined && { group: running.group }),
  };
}

const restartPaths = new Set(
  allOptions()
    .filter(({ applies }) => applies === 'restart')
    .map(({ path }) => path.join('.')),
);

function needsRestart({ path }: Change, running: Snapshot): boolean {
  const name = path.join('.');
  // A cache takes its memory at the start, a listener its workers: they can be turned off at any time, but not on.
  return (
    restartPaths.has(name) ||
    path[0] === 'server' ||
    (name === 'cache' && running.cache === null) ||
    (name === 'listen' && running.listen.length === 0)
  );
}

function changes(a: Snapshot, b: Snapshot): Change[] {
  return compareMappings(plainOf(a), plainOf(b), []);
}

function compareMappings(a: PlainMapping, b: PlainMapping, path: readonly string[]): Change[] {
  return [...new Set([...Object.keys(a), ...Object.keys(b)])].flatMap(key =>
    compare(own(a, key), own(b, key), [...path, key]),
  );
}

function own(mapping: PlainMapping, key: string): Plain | undefined {
  return Object.hasOwn(mapping, key) ? mapping[key] : undefined;
}

function compare(a: Plain | undefined, b: Plain | undefined, path: readonly string[]): Change[] {
  if (isList(a) && isList(b)) return compareLists(a, b, path);
  if (isMapping(a) && isMapping(b)) return compareMappings(a, b, path);
  if (a === b) return [];
  const before = a === undefined ? '' : brief(a);
  if (a === undefined) return [{ path, before, text: `${brief(b)} added` }];
  if (b === undefined) return [{ path, before, text: `${before} removed` }];
  return [{ path, before, text: `${before} → ${brief(b)}` }];
}

function compareLists(a: readonly Plain[], b: readonly Plain[], path: readonly string[]): Change[] {
  const olds = new Map(a.map(item => [keyOf(item), item]));
  const news = new Map(b.map(item => [keyOf(item), item]));
  const found: Change[] = [];
  const before = brief(a);
  for (const [key, item] of olds)
    if (!news.has(key)) found.push({ path, before, text: `${brief(item)} removed` });
  for (const [key, item] of news) {
    const old = olds.get(key);
    if (old === undefined) found.push({ path, before, text: `${brief(item)} added` });
    else if (isMapping(old) && isMapping(item)) found.push(...compareMappings(old, item, [...path, key]));
  }
  const order = (from: ReadonlyMap<string, Plain>, other: ReadonlyMap<string, Plain>) =>
    [...from.keys()].filter(key => other.has(key)).join(', ');
  const [was, is] = [order(olds, news), order(news, olds)];
  if (was !== is) found.push({ path, before, text: `order ${was} → ${is}` });
  return found;
}

function keyOf(item: Plain): string {
  if (!isMapping(item)) return String(item);
  // Probes are told apart by all that they ask.
  if (isList(item.exec)) return `exec ${item.exec.join(' ')}`;
  const { name, type, transport } = item;
  // Service addresses have no other name.
  if (name === undefined && typeof item.address === 'string') return item.address;
  const asks = [
    name,
    type,
    transport,
    isList(item.also) ? item.also.join(' ') : '',
    item['random-label'] === 'on' ? 'random-label' : '',
    item.dnssec ?? '',
  ];
  return transport === undefined ? String(name) : asks.filter(word => word !== '').join(' ');
}

/** A value in a few words. */
function brief(value: Plain | undefined): string {
  if (isList(value)) return value.map(brief).join(', ');
  if (!isMapping(value)) return String(value);
  if (typeof value.name === 'string' && typeof value.address === 'string') {
    return `${value.name} (${value.address})`;
  }
  if (typeof value.address === 'string') return value.address;
  if (isList(value.backends)) return `a pool of ${value.backends.map(keyOf).join(', ')}`;
  if (typeof value.name === 'string') return `${value.name} ${String(value.type ?? '')}`.trim();
  return 'on';
}

function isList(value: Plain | undefined): value is readonly Plain[] {
  return Array.isArray(value);
}

function isMapping(value: Plain | undefined): value is PlainMapping {
  return typeof value === 'object' && !Array.isArray(value);
}
