/** Whether somebody listens on a TCP port already: another nameserver, which would share it with ours unseen (SO_REUSEPORT). */
import { readFileSync } from 'node:fs';
import { endianness } from 'node:os';
import { isIpv6, parseAddress } from '#net/address.ts';

/** Listening sockets (state 0A) of a table of proc_net(5), /proc/net/tcp or tcp6: address in hexadecimal words of the machine's order. */
const listening = /^ *\d+: ([0-9A-F]{8}|[0-9A-F]{32}):([0-9A-F]{4}) [0-9A-F]+:0000 0A /gm;

/** Whether one of the listening sockets of a table takes connections to an address and port. */
export function takes(
  table: string,
  address: string,
  port: number,
  littleEndian = endianness() === 'LE',
): boolean {
  const wanted = [isIpv6(address) ? '0'.repeat(32) : '0'.repeat(8), wordsOf(address, littleEndian)];
  for (const [, at = '', digits = ''] of table.matchAll(listening))
    if (Number.parseInt(digits, 16) === port && wanted.includes(at)) return true;
  return false;
}

/** An address as the kernel writes it there. */
function wordsOf(address: string, littleEndian: boolean): string {
  const bytes = bytesOf(address);
  const words: string[] = [];
  for (let at = 0; at < bytes.length; at += 4) {
    const word = bytes.slice(at, at + 4);
    words.push(Buffer.from(littleEndian ? word.toReversed() : word).toString('hex'));
  }
  return words.join('').toUpperCase();
}

function bytesOf(address: string): number[] {
  if (!isIpv6(address)) return address.split('.').map(Number);
  const [head = '', tail] = (parseAddress(address) ?? address).split('::');
  const groups = (text: string) => (text === '' ? [] : text.split(':'));
  const [before, after] = [groups(head), groups(tail ?? '')];
  const middle = tail === undefined ? [] : new Array<string>(8 - before.length - after.length).fill('0');
  return [...before, ...middle, ...after].flatMap(group => {
    const value = Number.parseInt(group, 16);
    return [value >> 8, value & 255];
  });
}

/** Whether somebody on this machine listens there over TCP; false where the kernel does not say. */
export function isTaken(address: string, port: number): boolean {
  try {
    return takes(readFileSync(`/proc/net/tcp${isIpv6(address) ? '6' : ''}`, 'latin1'), address, port);
  } catch {
    return false;
  }
}
