/**
 * Checks between parts of the file that belong to different owners. They look at the file as it stands, so that they find
 * their problems beside those of the schema, and pass over whatever the schema complains of anyway.
 */

import { apiPort } from '#api/schema.ts';
import { maxBackends } from '#balance/board.ts';
import { parseDomain } from '#front/schema.ts';
import { nearest } from '#kit/suggest.ts';
import {
  type Endpoint,
  formatEndpoint,
  isIpv6,
  isLoopback,
  isWildcard,
  parseEndpoint,
} from '#net/address.ts';
import { layer4 } from './cross-layer4.ts';
import { serviceAddresses } from './cross-routes.ts';
import { formatPath } from './issues.ts';
import { elements, isMapping, keysOf } from './looking.ts';
import type { Problem } from './problem.ts';
import type { Path, Source } from './source.ts';

type Found = { readonly path: Path; readonly endpoint: Endpoint };

/** Problems between parts. */
export function crossCheck(source: Source): Problem[] {
  return [
    ...noListener(source),
    ...listeners(source),
    ...backends(source),
    ...routes(source),
    ...serviceAddresses(source),
    ...server(source),
    ...layer4(source),
  ];
}

/** Chorus has something to do without a listener where it moves service addresses or the kernel balances. */
function noListener(source: Source): Problem[] {
  const listen = source.valueAt(['listen']);
  const empty = Array.isArray(listen) && listen.length === 0;
  const kernel = isMapping(source.valueAt(['layer4']));
  const other = kernel || elements(source, ['service-addresses']).length > 0;
  if ((listen !== undefined && !empty) || other || !isMapping(source.data)) return [];
  const what = empty ? 'listen: an empty list is not right' : 'listen is missing';
  const expected = empty
    ? 'at least one, where there are no `service-addresses`'
    : 'a list of addresses with ports';
  return [{ ...source.locate(['listen']), what, expected }];
}

function listeners(source: Source): Problem[] {
  const found = listenersOf(source);
  const problems = found.flatMap(({ path, endpoint }, i): Problem[] => {
    const first = found
      .slice(0, i)
      .find(other => formatEndpoint(other.endpoint) === formatEndpoint(endpoint));
    if (!first) return [];
    const what = `${formatPath(path)}: ${formatEndpoint(endpoint)} is a listener already (line ${source.locate(first.path).line})`;
    return [{ ...source.locate(path), what }];
  });
  const api = endpointAt(source, ['api'], apiPort);
  const clash = api && found.find(({ endpoint }) => overlaps(endpoint, api));
  if (api && clash) {
    const what = `api: ${formatEndpoint(api)} is a listener for DNS over TCP too (line ${source.locate(clash.path).line})`;
    problems.push({ ...source.locate(['api']), what, expected: 'a port of its own' });
  }
  return problems;
}

function backends(source: Source): Problem[] {
  const problems: Problem[] = [];
  const own = listenersOf(source);
  let count = 0;
  for (const pool of keysOf(source.valueAt(['pools']))) {
    const second = (['probes', 'probe'] as const).map((key): Path => ['pools', pool, key]);
    if (second.every(path => source.valueAt(path) !== undefined)) {
      const what = `pools.${pool}: both \`probe\` and \`probes\` are given`;
      problems.push({ ...source.locate(second[0]!, true), what, expected: 'one of the two' });
    }
    const names = new Map<string, Path>();
    const places = new Map<string, Path>();
    for (const path of elements(source, ['pools', pool, 'backends'])) {
      count++;
      const name = source.valueAt([...path, 'name']);
      const endpoint = endpointAt(source, [...path, 'address'], 53);
      const local = JSON.stringify(source.valueAt([...path, 'source']));
      if (typeof name === 'string') {
        const first = names.get(name);
        if (first) {
          const what = `pools.${pool}: the name "${name}" is given to another backend already (line ${source.locate(first).line})`;
          problems.push({ ...source.locate([...path, 'name']), what, expected: 'another name' });
        } else names.set(name, path);
      }
      if (!endpoint) continue;
      const place = `${formatEndpoint(endpoint)} ${local}`;
      const twin = places.get(place);
      if (twin) {
        const what = `pools.${pool}: ${formatEndpoint(endpoint)} is the address of another backend already (line ${source.locate(twin).line})`;
        problems.push({
          ...source.locate([...path, 'address']),
          what,
          expected: 'another address or source; `weight` gives a backend a larger share',
        });
      } else places.set(place, path);
      const loop = own.find(listener => overlaps(listener.endpoint, endpoint));
      if (loop) {
        const what = `${formatPath(path)}: ${formatEndpoint(endpoint)} is a listener of this Chorus (line ${source.locate(loop.path).line}); it would ask itself`;
        problems.push({
          ...source.locate([...path, 'address']),
          what,
          expected: 'the address of a nameserver',
        });
      }
    }
  }
  // A reload needs places for the old and the new backends at once.
  if (count > maxBackends / 2) {
    const what = `pools: there are ${count} backends`;
    problems.push({ ...source.locate(['pools'], true), what, expected: `at most ${maxBackends / 2}` });
  }
  return problems;
}

/** What Chorus supervises must be started somehow, and watched by probes. */
function server(source: Source): Problem[] {
  const problems: Problem[] = [];
  const own = source.valueAt(['server']);
  if (!isMapping(own)) return problems;
  if (own.kind === 'other' && own.command === undefined) {
    const what = 'server: nothing says how a server of the kind `other` is started';
    problems.push({ ...source.locate(['server', 'kind']), what, expected: '`command`' });
  }
  if (own.user !== undefined && source.valueAt(['user']) !== undefined) {
    const what =
      'server.user: Chorus becomes another user itself (`user`), and only root can start a server as somebody else';
    problems.push({ ...source.locate(['server', 'user']), what, expected: 'one of the two' });
  }
  const pool = own.pool ?? 'default';
  const pools = keysOf(source.valueAt(['pools']));
  if (typeof pool !== 'string' || pools.length === 0) return problems;
  const place = source.locate(own.pool === undefined ? ['server'] : ['server', 'pool']);
  if (!pools.includes(pool)) {
    const what = `server: it is judged in the pool "${pool}", which does not exist`;
    problems.push({ ...place, what, expected: `pool: one of ${pools.join(', ')}` });
  } else if (['off', false].includes(source.valueAt(['pools', pool, 'probe']) as string | boolean)) {
    const what = `server: the pool "${pool}" has no probe, so nobody would know when the server answers`;
    problems.push({ ...place, what, expected: `\`probe\` or \`probes\` in pools.${pool}` });
  }
  return problems;
}

function routes(source: Source): Problem[] {
  const problems: Problem[] = [];
  const pools = keysOf(source.valueAt(['pools']));
  const known = source.valueAt(['pools']);
  const suffixes = new Map<string, Path>();
  for (const domain of keysOf(source.valueAt(['domains']))) {
    const path: Path = ['domains', domain];
    const pool = source.valueAt(path);
    if (typeof pool === 'string' && !pools.includes(pool)) {
      const meant = nearest(pool, pools);
      const what = `domains: "${domain}" goes to the pool "${pool}", which does not exist`;
      problems.push({
        ...source.locate(path),
        what,
        expected: meant ? undefined : `one of ${pools.join(', ')}`,
        suggestion: meant && `"${meant}"`,
      });
    }
    const suffix = parseDomain(domain);
    if (suffix === undefined) {
      const expected = 'a domain, such as corp.example, or "."';
      problems.push({
        ...source.locate(path, true),
        what: `domains: "${domain}" is not a domain name`,
        expected,
        suggestion: withoutStar(domain),
      });
      continue;
    }
    const first = suffixes.get(suffix);
    if (first) {
      const what = `domains: "${domain}" is named already (line ${source.locate(first, true).line})`;
      problems.push({ ...source.locate(path, true), what });
    } else suffixes.set(suffix, path);
  }
  if (pools.length > 0 && !pools.includes('default') && !suffixes.has('.') && isMapping(known)) {
    const meant = nearest('default', pools);
    problems.push({
      ...source.locate(['pools'], true),
      what: 'pools: no pool is called "default", and `domains` does not say where "." goes',
      suggestion: meant && `"default" instead of "${meant}"`,
    });
  }
  return problems;
}

/** Whether a packet to `there` reaches the listener, as far as can be told without looking at the interfaces. */
export function overlaps(listener: Endpoint, there: Endpoint): boolean {
  if (listener.port !== there.port) return false;
  if (listener.address === there.address) return true;
  const sameFamily = isIpv6(listener.address) === isIpv6(there.address);
  if (isWildcard(listener.address)) return sameFamily && isLoopback(there.address);
  return isWildcard(there.address) && sameFamily;
}

function listenersOf(source: Source): Found[] {
  return elements(source, ['listen']).flatMap(path => {
    const endpoint = endpointAt(source, path, 53);
    return endpoint ? [{ path, endpoint }] : [];
  });
}

function endpointAt(source: Source, path: Path, port: number): Endpoint | undefined {
  const value = source.valueAt(path);
  return typeof value === 'string' ? parseEndpoint(value, port) : undefined;
}

function withoutStar(domain: string): string | undefined {
  const rest = domain.replace(/^\*?\.+/, '');
  return rest !== domain && parseDomain(rest) !== undefined ? rest : undefined;
}
