/** The front's part of the configuration: who may ask, what Chorus says of itself, which names go where. */
import { z } from 'zod';
import {
  flag,
  label,
  list,
  offOr,
  option,
  optional,
  parsed,
  section,
  text,
  Wrong,
  whole,
} from '#kit/option.ts';
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
    formatBlock,
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

const mostPerSecond = 10_000_000;

/** A rate such as `200/s`, in queries per second. */
export function perSecond() {
  const expected = `a number of queries per second from 1/s to ${mostPerSecond}/s`;
  return parsed<number>(
    expected,
    { type: 'string', pattern: '^[1-9]\\d{0,7}/s$' },
    value => {
      const [, digits] = /^([1-9]\d{0,7})\/s$/.exec(typeof value === 'string' ? value : '') ?? [];
      if (digits !== undefined && Number(digits) <= mostPerSecond) return Number(digits);
      const [, number] = /^([1-9]\d*)\s*(\/\s*s(ec.*)?|qps)?$/i.exec(String(value)) ?? [];
      const fits = number !== undefined && digits === undefined && Number(number) <= mostPerSecond;
      return new Wrong({ suggestion: fits ? `${number}/s` : undefined });
    },
    formatPerSecond,
  );
}

/** A rate in the form of the file. */
export function formatPerSecond(rate: number): string {
  return `${rate}/s`;
}

/** Two prefix lengths, of IPv4 and of IPv6. */
function prefixLengths() {
  const json = {
    type: 'array',
    items: { type: 'integer', minimum: 1, maximum: 64 },
    minItems: 2,
    maxItems: 2,
  };
  return parsed<readonly [number, number]>(
    'two prefix lengths, of IPv4 (1 to 32) and of IPv6 (1 to 64), such as [24, 56]',
    json,
    value => {
      const list: unknown[] = Array.isArray(value) ? value : [];
      const [four, six] = list;
      const fits = (bits: unknown, most: number): bits is number =>
        Number.isInteger(bits) && Number(bits) >= 1 && Number(bits) <= most;
      return list.length === 2 && fits(four, 32) && fits(six, 64) ? [four, six] : new Wrong();
    },
  );
}

const limits = section('a mapping of limits', {
  'per-client': option(offOr(perSecond()), {
    docs: 'Queries that one client may ask, such as `200/s`, over UDP and over TCP each. A client is an IPv4 address or an IPv6 /64. After a pause it may ask a second’s worth at once. Beyond it, UDP queries are dropped or truncated (`slip`), TCP queries get REFUSED with extended error 18 (Prohibited).',
    default: 'off',
  }),
  'per-network': option(offOr(perSecond()), {
    docs: 'The same for all clients of a network together.',
    default: 'off',
  }),
  networks: option(prefixLengths(), {
    docs: 'Lengths of the prefixes that make a network, of IPv4 and of IPv6 addresses.',
    default: [24, 56],
  }),
  slip: option(whole(0, 100), {
    docs: 'Of the UDP queries beyond a rate, one in so many gets an empty answer with TC set, so that a client whose address was forged still gets its answer, over TCP. `0`: all are dropped; `1`: none is.',
    default: 2,
  }),
  exempt: option(list('a list of address blocks', block()), {
    docs: 'Clients without rates.',
    default: ['127.0.0.0/8', '::1/128'],
  }),
  'failing-zones': option(flag(), {
    docs: 'When nearly all questions under a zone fail, and many, it is asked only a trickle until it answers again; clients get SERVFAIL with extended error 13 (Cached Error), or an answer that is stale. Against storms of failing names and floods of random ones. `off`: every question is asked.',
    default: 'on',
  }),
});

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
  limits: option(limits, { docs: 'Bounds on what clients may ask.', default: {} }),
};
