/** Checks of the service addresses against each other, against the pools and against what announces them. */
import { nearest } from '#kit/suggest.ts';
import { blockHas, formatBlock, isIpv6, parseAddress, parseBlock, parseEndpoint } from '#net/address.ts';
import { formatPath } from './issues.ts';
import { elements, isMapping, keysOf, texts } from './looking.ts';
import type { Problem } from './problem.ts';
import type { Path, Source } from './source.ts';

/** Shorter prefixes are half the Internet, and nobody means them. */
const leastBits = { ipv4: 8, ipv6: 16 } as const;

/** Problems of `service-addresses`. */
export function serviceAddresses(source: Source): Problem[] {
  const addresses = new Map<string, Path>();
  const prefixes = new Map<string, Path>();
  return elements(source, ['service-addresses']).flatMap((path): Problem[] => {
    const value = source.valueAt([...path, 'address']);
    const address = typeof value === 'string' ? parseAddress(value) : undefined;
    return [
      ...unknownNames(source, [...path, 'via'], keysOf(source.valueAt(['route-drivers'])), 'route driver'),
      ...unknownNames(source, [...path, 'pools'], keysOf(source.valueAt(['pools'])), 'pool'),
      ...(address === undefined ? [] : ofAddress(source, path, address, addresses, prefixes)),
    ];
  });
}

function ofAddress(
  source: Source,
  path: Path,
  address: string,
  addresses: Map<string, Path>,
  prefixes: Map<string, Path>,
): Problem[] {
  const first = addresses.get(address);
  if (first) {
    const what = `${formatPath(path)}: ${address} is a service address already (line ${source.locate(first).line})`;
    return [{ ...source.locate([...path, 'address']), what }];
  }
  addresses.set(address, path);
  return [
    ...prefixOf(source, path, address, prefixes),
    ...otherFamily(source, path, address),
    ...tooFew(source, path, address),
    ...askedThere(source, path, address),
  ];
}

function unknownNames(source: Source, path: Path, known: readonly string[], what: string): Problem[] {
  return texts(source, path)
    .filter(({ text }) => !known.includes(text))
    .map(({ path: at, text }) => {
      const meant = nearest(text, known);
      const others = known.length > 0 ? `one of ${known.join(', ')}` : `a ${what}, and there is none`;
      return {
        ...source.locate(at),
        what: `${formatPath(at)}: there is no ${what} "${text}"`,
        expected: meant === undefined ? others : undefined,
        suggestion: meant && `"${meant}"`,
      };
    });
}

function prefixOf(source: Source, path: Path, address: string, prefixes: Map<string, Path>): Problem[] {
  const at: Path = [...path, 'prefix'];
  const value = source.valueAt(at);
  const block = parseBlock(typeof value === 'string' ? value : address);
  // Bits beyond the prefix length are the schema's complaint.
  if (!block) return [];
  const place = source.locate(value === undefined ? [...path, 'address'] : at);
  const text = formatBlock(block);
  if (!blockHas(block, address)) {
    const network = parseBlock(`${address}/${isIpv6(address) ? 64 : 24}`);
    const what = `${formatPath(at)}: ${address} is not in ${text}`;
    return [
      {
        ...place,
        what,
        expected: `a prefix with the address in it, such as ${network && formatBlock(network)}`,
      },
    ];
  }
  const least = leastBits[isIpv6(address) ? 'ipv6' : 'ipv4'];
  if (block.bits < least)
    return [{ ...place, what: `${formatPath(at)}: ${text} is too large`, expected: `at least /${least}` }];
  const first = prefixes.get(text);
  if (first) {
    const what = `${formatPath(path)}: ${text} is announced for another service address already (line ${source.locate(first).line})`;
    return [{ ...place, what, expected: 'a prefix of its own: one route cannot follow two addresses' }];
  }
  prefixes.set(text, path);
  const hosts = block.bits < (isIpv6(address) ? 128 : 32) ? hostOnly(source, path) : undefined;
  if (hosts === undefined) return [];
  const what = `${formatPath(at)}: the route driver ${hosts} raises addresses on an interface and cannot announce ${text}`;
  return [{ ...place, what, expected: 'no `prefix`, or `via` other drivers' }];
}

/** A driver of the address that takes host routes only. */
function hostOnly(source: Source, path: Path): string | undefined {
  const via = texts(source, [...path, 'via']).map(({ text }) => text);
  const names = via.length > 0 ? via : keysOf(source.valueAt(['route-drivers']));
  return names.find(name => source.valueAt(['route-drivers', name, 'lease']) !== undefined);
}

/** A BGP session carries the families that are offered on it. */
function otherFamily(source: Source, path: Path, address: string): Problem[] {
  const family = isIpv6(address) ? 'ipv6' : 'ipv4';
  return texts(source, [...path, 'via']).flatMap(({ path: at, text }) => {
    const families = texts(source, ['route-drivers', text, 'bgp', 'families']);
    const [first] = families;
    if (!first || families.some(each => each.text === family)) return [];
    const what = `${formatPath(at)}: the route driver ${text} carries ${first.text} only (line ${source.locate(first.path).line}), and ${address} is none`;
    return [{ ...source.locate(at), what, expected: `another driver, or ${family} among its \`families\`` }];
  });
}

/** `least` cannot be more than there are. */
function tooFew(source: Source, path: Path, address: string): Problem[] {
  const at: Path = [...path, 'least'];
  const least = source.valueAt(at);
  if (typeof least !== 'number') return [];
  const named = texts(source, [...path, 'pools']).map(({ text }) => text);
  const own = source.valueAt([...path, 'family']) === 'own';
  for (const pool of named.length > 0 ? named : keysOf(source.valueAt(['pools']))) {
    const backends = backendsOf(source, pool);
    const counted = own ? backends.filter(each => isIpv6(each.address) === isIpv6(address)) : backends;
    const count = counted.length > 0 ? counted.length : backends.length;
    if (count === 0 || least <= count) continue;
    const family = counted.length > 0 && own ? `${isIpv6(address) ? 'IPv6' : 'IPv4'} ` : '';
    const what = `${formatPath(at)}: ${least} backends must serve, and pool ${pool} has ${count} ${family}backend${count === 1 ? '' : 's'}`;
    return [{ ...source.locate(at), what, expected: `at most ${count}; fewer, so that one may fail` }];
  }
  return [];
}

/** A probe of the service address would reach whichever front announces it. */
function askedThere(source: Source, path: Path, address: string): Problem[] {
  for (const pool of keysOf(source.valueAt(['pools']))) {
    const backend = backendsOf(source, pool).find(each => each.address === address);
    if (!backend) continue;
    const what = `${formatPath(backend.path)}: ${address} is a service address (line ${source.locate(path).line}); whichever front announces it would be asked`;
    return [
      { ...source.locate([...backend.path, 'address']), what, expected: 'an address of this one nameserver' },
    ];
  }
  return [];
}

function backendsOf(source: Source, pool: string): { readonly path: Path; readonly address: string }[] {
  return elements(source, ['pools', pool, 'backends']).flatMap(path => {
    const value = isMapping(source.valueAt(path)) ? source.valueAt([...path, 'address']) : undefined;
    const found = typeof value === 'string' ? parseEndpoint(value, 53) : undefined;
    return found ? [{ path, address: found.address }] : [];
  });
}
