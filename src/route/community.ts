/** BGP communities as texts: RFC 1997 communities with their well-known names, and RFC 8092 large ones. Pure. */

/** Well-known communities that may be sent with a service address, by name (the IANA registry of well-known communities). */
export const wellKnown: Readonly<Record<string, string>> = {
  'graceful-shutdown': '65535:0', // RFC 8326
  'accept-own': '65535:1', // RFC 7611
  'no-llgr': '65535:7', // RFC 9494
  'no-export': '65535:65281', // RFC 1997
  'no-advertise': '65535:65282', // RFC 1997
  'no-export-subconfed': '65535:65283', // RFC 1997
  'no-peer': '65535:65284', // RFC 3765
};

/** RFC 7999: routers that hear it throw away what is sent to the prefix. */
export const blackhole = '65535:666';

/** `65000:100` in its one form, or that of a well-known name; undefined for anything else. Both numbers 0 … 65535. */
export function parseCommunity(text: string): string | undefined {
  const name = text.toLowerCase().replaceAll('_', '-');
  if (name === 'blackhole') return blackhole;
  if (Object.hasOwn(wellKnown, name)) return wellKnown[name];
  return numbers(text, 2, 0xffff);
}

/** `65000:1:2` in its one form; undefined for anything else. Each number 0 … 2^32−1. */
export function parseLargeCommunity(text: string): string | undefined {
  return numbers(text, 3, 0xffff_ffff);
}

function numbers(text: string, count: number, most: number): string | undefined {
  const parts = text.split(':');
  if (parts.length !== count || !parts.every(part => /^\d{1,10}$/.test(part) && Number(part) <= most))
    return undefined;
  return parts.map(Number).join(':');
}

/** Communities in the order and without the repeats that `Attributes` wants. */
export function sortedCommunities(communities: readonly string[]): string[] {
  return [...new Set(communities)].toSorted((one, other) => {
    const [a, b] = [one.split(':').map(Number), other.split(':').map(Number)];
    const at = a.findIndex((number, i) => number !== b[i]);
    return at < 0 ? 0 : (a[at] ?? 0) - (b[at] ?? 0);
  });
}
