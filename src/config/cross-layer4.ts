/** Checks of `layer4` against the rest of the file, as it stands. */
import { isIpv6, parseAddress, parseEndpoint } from '#net/address.ts';
import { elements, isMapping, keysOf } from './looking.ts';
import type { Problem } from './problem.ts';
import type { Path, Source } from './source.ts';

/** Problems of `layer4`: pools that do not exist, services that cannot be told apart. */
export function layer4(source: Source): Problem[] {
  const own = source.valueAt(['layer4']);
  if (!isMapping(own)) return [];
  const problems: Problem[] = [];
  const pools = keysOf(source.valueAt(['pools']));
  const services = new Map<string, Path>();
  const answering = new Map<string, { readonly path: Path; readonly service: string }>();
  for (const path of elements(source, ['layer4', 'services'])) {
    const service = source.valueAt(path);
    if (!isMapping(service) || typeof service.address !== 'string') continue;
    const address = parseAddress(service.address);
    if (address === undefined) continue;
    const { port = 53, pool = 'default' } = service;
    const name = `${address} port ${String(port)}`;
    const first = services.get(name);
    if (first) {
      const what = `layer4: ${name} is a service already (line ${source.locate(first).line})`;
      problems.push({ ...source.locate(path), what });
      continue;
    }
    services.set(name, path);
    if (typeof pool !== 'string' || pools.length === 0) continue;
    if (!pools.includes(pool)) {
      const what = `layer4: ${name} is served by the pool "${pool}", which does not exist`;
      problems.push({ ...source.locate(path), what, expected: `pool: one of ${pools.join(', ')}` });
      continue;
    }
    const family = isIpv6(address);
    const backends = elements(source, ['pools', pool, 'backends']).flatMap(at => {
      const text = source.valueAt([...at, 'address']);
      return (typeof text === 'string' && parseEndpoint(text, 53)) || [];
    });
    const fit = backends.filter(backend => isIpv6(backend.address) === family);
    if (backends.length > 0 && fit.length === 0) {
      const what = `layer4: the pool "${pool}" has no backend of the family of ${address}, and the kernel translates no family into the other`;
      problems.push({
        ...source.locate(path),
        what,
        expected: `a backend with an ${family ? 'IPv6' : 'IPv4'} address`,
      });
    }
    const protocols = service.protocols ?? ['udp', 'tcp'];
    const udp = protocols === 'udp' || (Array.isArray(protocols) && protocols.includes('udp'));
    for (const backend of fit) {
      if (backend.address === address && backend.port === port) {
        const what = `layer4: ${name} is its own backend`;
        problems.push({ ...source.locate(path), what, expected: 'the address of a nameserver' });
      }
      if (!udp || own['data-plane'] === 'ipvs') continue;
      const place = `${backend.address} port ${backend.port}`;
      const other = answering.get(place);
      if (other && other.service !== name) {
        const what = `layer4: ${place} serves ${other.service} too (line ${source.locate(other.path).line}); without state its answers would all come from one of the two`;
        problems.push({
          ...source.locate(path),
          what,
          expected: 'backends of its own, or another port of theirs',
        });
        break;
      }
      answering.set(place, { path, service: name });
    }
  }
  return problems;
}
