/** Texts of IPv4 and IPv6 addresses: dotted quad, and RFC 5952 as BIND prints it. */

/** The 4 octets of a dotted quad, or undefined. */
export function parseIpv4(text: string): Uint8Array | undefined {
  const parts = text.split('.');
  if (parts.length !== 4 || !parts.every(part => /^(0|[1-9]\d{0,2})$/.test(part) && Number(part) < 256)) {
    return undefined;
  }
  return Uint8Array.from(parts, Number);
}

/** A dotted quad from the 4 octets at `at`. */
export function formatIpv4(bytes: Uint8Array, at = 0): string {
  return `${bytes[at]}.${bytes[at + 1]}.${bytes[at + 2]}.${bytes[at + 3]}`;
}

/** The 16 octets of an IPv6 address without scope (RFC 4291 section 2.2), or undefined. */
export function parseIpv6(text: string): Uint8Array | undefined {
  const halves = text.split('::');
  if (halves.length > 2) return undefined;
  const head = groups(halves[0]!, halves.length === 1);
  const tail = halves.length === 2 ? groups(halves[1]!, true) : [];
  if (!head || !tail) return undefined;
  const missing = 16 - head.length - tail.length;
  if (halves.length === 1 ? missing !== 0 : missing < 2) return undefined;
  return Uint8Array.from([...head, ...new Array<number>(missing).fill(0), ...tail]);
}

/** Octets of colon-separated groups; `last`: the text ends here, so a dotted quad may end it. */
function groups(text: string, last: boolean): number[] | undefined {
  if (text === '') return [];
  const octets: number[] = [];
  const parts = text.split(':');
  for (const [i, part] of parts.entries()) {
    if (/^[0-9a-fA-F]{1,4}$/.test(part)) {
      const value = Number.parseInt(part, 16);
      octets.push(value >> 8, value & 0xff);
      continue;
    }
    const quad = last && i === parts.length - 1 ? parseIpv4(part) : undefined;
    if (!quad) return undefined;
    octets.push(...quad);
  }
  return octets;
}

/** The text of the 16 octets at `at`: RFC 5952, with a dotted quad for IPv4-mapped and IPv4-compatible addresses. */
export function formatIpv6(bytes: Uint8Array, at = 0): string {
  const words = Array.from({ length: 8 }, (_, i) => (bytes[at + 2 * i]! << 8) | bytes[at + 2 * i + 1]!);
  let best = { from: -1, length: 1 };
  for (let i = 0; i < 8; i++) {
    let length = 0;
    while (words[i + length] === 0) length++;
    if (length > best.length) best = { from: i, length };
  }
  const mapped = best.from === 0 && (best.length === 6 || (best.length === 5 && words[5] === 0xffff));
  const texts = words.map(word => word.toString(16));
  if (mapped) texts.splice(6, 2, formatIpv4(bytes, at + 12));
  if (best.from < 0) return texts.join(':');
  return `${texts.slice(0, best.from).join(':')}::${texts.slice(best.from + best.length).join(':')}`;
}
