/** Texts of octets: character-strings, hexadecimal, base64 and base32hex as zone files write them. */

import { WireError } from './error.ts';
import { escapedOctet, isDigit } from './name.ts';

/** A character-string in quotes: `"` and `\` escaped, what is not printable as \DDD (RFC 1035 section 5.1). */
export function formatString(octets: string): string {
  return `"${formatBare(octets)}"`;
}

/** The inside of a quoted character-string. */
export function formatBare(octets: string): string {
  let text = '';
  for (let i = 0; i < octets.length; i++) {
    const code = octets.charCodeAt(i);
    if (code === 0x22 || code === 0x5c) text += `\\${octets[i]}`;
    else if (code >= 0x20 && code < 0x7f) text += octets[i];
    else text += `\\${String(code).padStart(3, '0')}`;
  }
  return text;
}

/** The octet string that a text with escapes means; characters beyond ASCII stand for their UTF-8. @throws WireError TEXT. */
export function parseOctets(text: string, at = 0): string {
  if (!/[^ -[\]-~]/.test(text)) return text;
  let octets = '';
  for (let i = 0; i < text.length; i++) {
    const escaped = text[i] === '\\';
    if (escaped) i++;
    if (escaped && isDigit(text.charCodeAt(i))) {
      octets += String.fromCharCode(escapedOctet(text, i, at));
      i += 2;
      continue;
    }
    const point = text.codePointAt(i);
    if (point === undefined) throw new WireError('TEXT', at + i, 'a backslash escapes nothing');
    for (const octet of utf8.encode(String.fromCodePoint(point))) octets += String.fromCharCode(octet);
    if (point > 0xffff) i++;
  }
  return octets;
}

const utf8 = new TextEncoder();

/** Hexadecimal in upper case; empty for none. */
export function formatHex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('hex').toUpperCase();
}

/** @throws WireError TEXT. */
export function parseHex(text: string, at = 0): Uint8Array {
  if (text.length % 2 !== 0 || !/^[0-9a-fA-F]*$/.test(text)) {
    throw new WireError('TEXT', at, `"${text}" is not pairs of hexadecimal digits`);
  }
  return new Uint8Array(Buffer.from(text, 'hex'));
}

/** Base64 with padding (RFC 4648 section 4). */
export function formatBase64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('base64');
}

/** @throws WireError TEXT. */
export function parseBase64(text: string, at = 0): Uint8Array {
  const bytes = new Uint8Array(Buffer.from(text, 'base64'));
  // Buffer passes over what is not base64; only the one right text gives itself back.
  if (formatBase64(bytes) !== text) throw new WireError('TEXT', at, `"${text}" is not base64`);
  return bytes;
}

const base32Digits = '0123456789ABCDEFGHIJKLMNOPQRSTUV';

/** Base32 with the extended hex alphabet, without padding (RFC 4648 section 7, RFC 5155 section 3.3). */
export function formatBase32(bytes: Uint8Array): string {
  let text = '';
  let bits = 0;
  let held = 0;
  for (const octet of bytes) {
    held = ((held << 8) | octet) & 0xfff;
    for (bits += 8; bits >= 5; bits -= 5) text += base32Digits[(held >> (bits - 5)) & 31];
  }
  return bits > 0 ? text + base32Digits[(held << (5 - bits)) & 31] : text;
}

/** @throws WireError TEXT. */
export function parseBase32(text: string, at = 0): Uint8Array {
  const bytes: number[] = [];
  let bits = 0;
  let held = 0;
  for (const char of text.toUpperCase()) {
    const digit = base32Digits.indexOf(char);
    if (digit < 0) throw new WireError('TEXT', at, `"${text}" is not base32 with the extended hex alphabet`);
    held = ((held << 5) | digit) & 0xfff;
    bits += 5;
    if (bits >= 8) {
      bits -= 8;
      bytes.push((held >> bits) & 0xff);
    }
  }
  if (bits >= 5 || (held & ((1 << bits) - 1)) !== 0) {
    throw new WireError('TEXT', at, `"${text}" does not end on an octet`);
  }
  return Uint8Array.from(bytes);
}
