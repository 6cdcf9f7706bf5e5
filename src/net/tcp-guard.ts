/**
 * TCP sockets with options that Node does not set: TTL security (RFC 5082) and MD5 signatures (RFC 2385), both of which must be
 * there before the first packet. Linux only.
 */
import net, { type Server, type Socket } from 'node:net';
import { isIpv6 } from './address.ts';
import { constants, errnos, type Libc, loadLibc } from './libc.ts';
import { writeSockaddr } from './sockaddr.ts';

/** How a connection is guarded. */
export type TcpGuard = {
  /** Packets are sent with a TTL of 255, and those that have come over more than so many hops are dropped. Null: not looked at. */
  readonly hops: number | null;
  /** Key of the signatures, 1 … 80 octets. Null: none. */
  readonly key: Uint8Array | null;
};

export type Dial = {
  readonly address: string;
  readonly port: number;
  /** Our address; null: the kernel chooses. */
  readonly source: string | null;
  readonly guard: TcpGuard;
};

/** struct tcp_md5sig: sockaddr_storage (128), flags, prefix length, length of the key, interface, key. */
const md5Size = 216;
const keyLengthAt = 130;
const keyAt = 136;
/** Longest key, octets. */
export const longestKey = 80;

const scratch = new Uint8Array(new SharedArrayBuffer(512));

/** Whether a guard asks for anything. */
export function guards({ hops, key }: TcpGuard): boolean {
  return hops !== null || key !== null;
}

/**
 * A socket that is connecting. `opened` is called when it stands; 'error' and 'close' come as they do of any socket. Throws an
 * Error with the reason where an option or the address is refused at once.
 */
export function dial({ address, port, source, guard }: Dial, opened: () => void): Socket {
  if (!guards(guard)) {
    const socket = net.connect({
      host: address,
      port,
      noDelay: true,
      ...(source !== null && { localAddress: source }),
    });
    socket.once('connect', opened);
    return socket;
  }
  const libc = loadLibc();
  const family = isIpv6(address) ? constants.AF_INET6 : constants.AF_INET;
  const { SOCK_STREAM, SOCK_NONBLOCK, SOCK_CLOEXEC } = constants;
  const fd = must(libc, 'socket', libc.socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  try {
    applyGuard(libc, fd, guard, address, 'whole');
    const memory = libc.addressOf(scratch);
    if (source !== null) must(libc, 'bind', libc.bind(fd, memory, writeSockaddr(scratch, 0, source, 0)));
    const result = libc.connect(fd, memory, writeSockaddr(scratch, 0, address, port));
    if (result < 0 && libc.errno() !== errnos.EINPROGRESS) must(libc, 'connect', result);
  } catch (thrown) {
    libc.close(fd);
    throw thrown;
  }
  const socket = new net.Socket({ fd });
  socket.setNoDelay(true);
  // Nothing is written before the connection stands, so the end of this says that it does.
  socket.write(new Uint8Array(0), failure => {
    if (!failure && !socket.destroyed) opened();
  });
  return socket;
}

/** Guards what a server accepts from `peer`. Throws an Error with the reason. */
export function guardServer(server: Server, guard: TcpGuard, peer: string): void {
  // Other peers of the same listener may be nearer or farther: the least TTL is each connection's own matter.
  if (guards(guard)) applyGuard(loadLibc(), fdOf(server), guard, peer, 'ttl only');
}

/** Forgets the key of a peer that is not waited for any more. A kernel that knows none says so, to no harm. */
export function unguardServer(server: Server, guard: TcpGuard, peer: string): void {
  if (guard.key === null) return;
  try {
    // A key of no length is deleted.
    applyGuard(loadLibc(), fdOf(server), { hops: null, key: new Uint8Array(0) }, peer, 'ttl only');
  } catch {
    // The listener never stood.
  }
}

/** Guards a connection that a server has accepted. Throws an Error with the reason. */
export function guardAccepted(socket: Socket, guard: TcpGuard, peer: string): void {
  if (guard.hops !== null) applyGuard(loadLibc(), fdOf(socket), { ...guard, key: null }, peer, 'whole');
}

function applyGuard(
  libc: Libc,
  fd: number,
  { hops, key }: TcpGuard,
  peer: string,
  extent: 'whole' | 'ttl only',
): void {
  const six = isIpv6(peer);
  const memory = libc.addressOf(scratch);
  const set = (level: number, option: number, value: number): void => {
    new DataView(scratch.buffer).setInt32(0, value, true);
    must(libc, 'TTL', libc.setsockopt(fd, level, option, memory, 4));
  };
  const { IPPROTO_IP, IPPROTO_IPV6, IPPROTO_TCP } = constants;
  if (hops !== null) {
    if (six) set(IPPROTO_IPV6, constants.IPV6_UNICAST_HOPS, 255);
    else set(IPPROTO_IP, constants.IP_TTL, 255);
    const least = 256 - hops;
    if (extent === 'whole' && six) set(IPPROTO_IPV6, constants.IPV6_MINHOPCOUNT, least);
    else if (extent === 'whole') set(IPPROTO_IP, constants.IP_MINTTL, least);
  }
  if (key !== null) {
    scratch.fill(0, 0, md5Size);
    writeSockaddr(scratch, 0, peer, 0);
    new DataView(scratch.buffer).setUint16(keyLengthAt, key.length, true);
    scratch.set(key, keyAt);
    const result = libc.setsockopt(fd, IPPROTO_TCP, constants.TCP_MD5SIG, memory, md5Size);
    scratch.fill(0, 0, md5Size);
    must(libc, 'TCP MD5 signatures', result);
  }
}

function must(libc: Libc, what: string, result: number): number {
  if (result >= 0) return result;
  throw new Error(`${what}: ${libc.strerror(libc.errno())}`);
}

/** Node tells the descriptor of a socket to nobody but who looks. */
function fdOf(owner: Server | Socket): number {
  const handle: unknown = '_handle' in owner ? owner._handle : null;
  if (typeof handle === 'object' && handle !== null && 'fd' in handle) {
    const { fd } = handle;
    if (typeof fd === 'number' && fd >= 0) return fd;
  }
  throw new Error('the socket has no descriptor');
}
