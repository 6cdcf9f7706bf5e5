/**
 * What Linux counts of UDP: datagrams dropped at each socket because its receive buffer was full (/proc/net/udp, udp6),
 * and in the whole network namespace (/proc/net/snmp, snmp6). Formats: net/ipv4/udp.c and net/ipv4/proc.c.
 */
import { formatIpv4, formatIpv6, parseIpv4, parseIpv6 } from '#wire/address.ts';

/** One UDP socket of the network namespace. */
export type KernelSocket = {
  readonly address: string;
  readonly port: number;
  /** Not connected: it takes datagrams from everybody. */
  readonly listening: boolean;
  readonly inode: number;
  /** Bytes that wait in its receive buffer. */
  readonly waiting: number;
  readonly drops: number;
};

export type KernelUdp = {
  readonly sockets: readonly KernelSocket[];
  /** Datagrams dropped for full receive buffers in the whole network namespace, by any program. */
  readonly receiveBufferErrors: number;
};

/** Reads a file of /proc whole, as text. @throws when it is not there */
export type ReadText = (path: string) => string;

const line =
  /^\s*\d+: ([0-9A-F]{8}|[0-9A-F]{32}):([0-9A-F]{4}) ([0-9A-F]{8}|[0-9A-F]{32}):([0-9A-F]{4}) [0-9A-F]{2} [0-9A-F]{8}:([0-9A-F]{8}) [0-9A-F]{2}:[0-9A-F]{8} [0-9A-F]{8} +\d+ +\d+ (\d+) \d+ [0-9a-f]+ (\d+)\s*$/;

/** An address as the kernel prints it: 32-bit words in the byte order of the machine. */
function addressOf(hex: string, littleEndian: boolean): string {
  const words = new DataView(new ArrayBuffer(hex.length / 2));
  for (let at = 0; at < words.byteLength; at += 4) {
    words.setUint32(at, Number.parseInt(hex.slice(at * 2, at * 2 + 8), 16), littleEndian);
  }
  const bytes = new Uint8Array(words.buffer);
  return bytes.length === 4 ? formatIpv4(bytes) : formatIpv6(bytes);
}

const machineIsLittleEndian = new Uint8Array(new Uint32Array([1]).buffer)[0] === 1;

/** The sockets in the text of /proc/net/udp or udp6; lines of any other form are passed over. */
export function parseSockets(text: string, littleEndian = machineIsLittleEndian): KernelSocket[] {
  const sockets: KernelSocket[] = [];
  for (const row of text.split('\n').slice(1)) {
    const found = line.exec(row);
    if (!found) continue;
    const [, local = '', port = '', remote = '', remotePort = '', waiting = '', inode = '', drops = ''] =
      found;
    sockets.push({
      address: addressOf(local, littleEndian),
      port: Number.parseInt(port, 16),
      listening: /^0+$/.test(remote) && remotePort === '0000',
      inode: Number(inode),
      waiting: Number.parseInt(waiting, 16),
      drops: Number(drops),
    });
  }
  return sockets;
}

/** RcvbufErrors of UDP in the text of /proc/net/snmp; 0 when it does not say. */
export function parseReceiveBufferErrors(text: string): number {
  const [names, values] = text.split('\n').filter(row => row.startsWith('Udp: '));
  const at = names?.split(' ').indexOf('RcvbufErrors') ?? -1;
  const value = Number(values?.split(' ')[at]);
  return at > 0 && Number.isSafeInteger(value) ? value : 0;
}

/** Udp6RcvbufErrors in the text of /proc/net/snmp6; 0 when it does not say. */
export function parseReceiveBufferErrors6(text: string): number {
  return Number(/^Udp6RcvbufErrors\s+(\d+)\s*$/m.exec(text)?.[1] ?? 0);
}

/** What the kernel says now; null where there is no /proc/net (not Linux). A machine without IPv6 has no udp6. */
export function readKernelUdp(read: ReadText): KernelUdp | null {
  const orEmpty = (path: string) => {
    try {
      return read(path);
    } catch {
      return '';
    }
  };
  const udp = orEmpty('/proc/net/udp');
  if (udp === '') return null;
  return {
    sockets: [...parseSockets(udp), ...parseSockets(orEmpty('/proc/net/udp6'))],
    receiveBufferErrors:
      parseReceiveBufferErrors(orEmpty('/proc/net/snmp')) +
      parseReceiveBufferErrors6(orEmpty('/proc/net/snmp6')),
  };
}

/** The same text for every spelling of an address, without its scope. */
function canonical(address: string): string {
  const [bare = ''] = address.split('%');
  const four = parseIpv4(bare);
  if (four) return formatIpv4(four);
  const six = parseIpv6(bare);
  return six ? formatIpv6(six) : bare;
}

/** Datagrams dropped at the sockets that listen on `address` and `port`, since those were opened. */
export function dropsAt(kernel: KernelUdp, address: string, port: number): number {
  const wanted = canonical(address);
  let drops = 0;
  for (const socket of kernel.sockets) {
    if (socket.listening && socket.port === port && socket.address === wanted) drops += socket.drops;
  }
  return drops;
}
