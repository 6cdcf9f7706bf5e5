/** The front's part of the configuration: who may ask, what Chorus says of itself, which names go where. */
import { z } from 'zod';
import { label, list, option, optional, parsed, text, Wrong, whole } from '#kit/option.ts';
import { type Block, formatBlock, parseBlock } from '#net/address.ts';
import { formatName, lowerName, parseName } from '#wire/name.ts';

const privateBlocks = [
  '127.0.0.0/8',
  '10.0.0.0/8',
  '172.16.0.0/12',
  '192.168.0.0/16',
  '169.254.0.0/16',
  '100.64.0.0/10',
  '::1/128',
  'fc00::/7',
  'fe80::/10',
];

/** An address block in CIDR form; bits after the prefix length are a slip. */
export function block() {
  return parsed<Block>(
    'an address block, such as 192.0.2.0/24 or 2001:db8::/32',
    { type: 'string' },
    value => {
      const found = typeof value === 'string' ? parseBlock(value) : undefined;
      if (!found) return new Wrong({ suggestion: anyone(value) });
      const [literal] = String(value).split('/');
      const exact = parseBlock(literal ?? '');
      if (exact?.bytes.some((octet, i) => octet !== found.bytes[i])) {
        return new Wrong({
          expected: 'an address block without bits after its prefix length',
          suggestion: formatBlock(found),
        });
      }
      return found;
    },
  );
}

function anyone(value: unknown): string | undefined {
  return value === 'any' || value === 'all' ? '"0.0.0.0/0" and "::/0"' : undefined;
}

/** A domain as a suffix: in lower case, without the final dot except for the root. Undefined where it is none. */
export function parseDomain(value: string): string | undefined {
  try {
    // A star would look as if it meant something: a suffix covers all names below it anyway.
    if (value.startsWith('*')) return undefined;
    const name = lowerName(formatName(parseName(value)));
    return name === '.' ? name : name.slice(0, -1);
  } catch {
    return undefined;
  }
}

/** Top-level options of this folder. */
export const frontOptions = {
  allow: option(list('a list of address blocks', block()), {
    docs: 'Clients that may ask; others get REFUSED over UDP and TCP. The default is loopback and private networks, so that Chorus is not an open resolver. `["0.0.0.0/0", "::/0"]` lets everybody ask.',
    default: privateBlocks,
  }),
  identity: optional(text('a text of 1 to 255 printable ASCII characters', /^[\x20-\x7e]{1,255}$/), {
    docs: 'What Chorus answers to `id.server` and `hostname.bind` (class CH, type TXT; RFC 4892) and to NSID (RFC 5001), so that a client can tell which front answered.',
    optional: 'the name of the host',
    example: 'front-1.example.net',
  }),
  'udp-size': option(whole(512, 4096), {
    docs: 'Largest UDP answer in bytes, asked of backends and given to clients (EDNS). The default avoids fragments on any path (DNS Flag Day 2020).',
    default: 1232,
  }),
  domains: option(
    z.record(z.string(), label('the name of a pool'), { error: 'a mapping of domains to pools' }),
    {
      docs: 'Names under these domains go to another pool than `default`. The longest suffix counts; `"."` stands for all names.',
      default: {},
      example: { 'corp.example': 'internal' },
    },
  ),
};
