/** Opens the UDP sockets of the batch engine and says clearly why one cannot be had. */
import { ChorusError } from '#kit/errors.ts';
import { formatEndpoint } from '#net/address.ts';
import { constants as c, errnos, type Libc } from '#net/libc.ts';
import { type SocketAddress, writeSockaddr } from '#net/sockaddr.ts';

const scratch = new Uint8Array(new SharedArrayBuffer(256));
const words = new Int32Array(scratch.buffer);

/** A socket and the receive buffer that the kernel granted, in bytes. */
export type OpenSocket = { readonly fd: number; readonly receiveBuffer: number };

function setOption(libc: Libc, fd: number, level: number, option: number, value: number): boolean {
  words[0] = value;
  return libc.setsockopt(fd, level, option, libc.addressOf(scratch), 4) === 0;
}

function getOption(libc: Libc, fd: number, level: number, option: number): number {
  words[0] = 0;
  words[1] = 4;
  const at = libc.addressOf(scratch);
  return libc.getsockopt(fd, level, option, at, at + 4) === 0 ? words[0]! : 0;
}

/** Asks for a buffer, with force where the privilege is there; gives what the kernel granted. */
function growBuffer(libc: Libc, fd: number, option: number, force: number, bytes: number): number {
  setOption(libc, fd, c.SOL_SOCKET, option, bytes);
  // The kernel doubles what was asked, for its own bookkeeping (socket(7)).
  if (getOption(libc, fd, c.SOL_SOCKET, option) < bytes * 2) setOption(libc, fd, c.SOL_SOCKET, force, bytes);
  return getOption(libc, fd, c.SOL_SOCKET, option) / 2;
}

/** Gives the descriptor −1 where the system has none to give. */
function datagramSocket(libc: Libc, six: boolean, receiveBuffer: number): OpenSocket {
  const fd = libc.socket(six ? c.AF_INET6 : c.AF_INET, c.SOCK_DGRAM | c.SOCK_NONBLOCK | c.SOCK_CLOEXEC, 0);
  if (fd < 0) return { fd, receiveBuffer: 0 };
  const granted = growBuffer(libc, fd, c.SO_RCVBUF, c.SO_RCVBUFFORCE, receiveBuffer);
  growBuffer(libc, fd, c.SO_SNDBUF, c.SO_SNDBUFFORCE, receiveBuffer);
  // Path MTU news from strangers is no reason to drop or shrink an answer (RFC 8085 3.2; avoids fragmentation attacks).
  if (six) setOption(libc, fd, c.IPPROTO_IPV6, c.IPV6_MTU_DISCOVER, c.IPV6_PMTUDISC_OMIT);
  else setOption(libc, fd, c.IPPROTO_IP, c.IP_MTU_DISCOVER, c.IP_PMTUDISC_OMIT);
  return { fd, receiveBuffer: granted };
}

/** Whether an address stands for all addresses of its family. */
export function isWildcard(address: string): boolean {
  return address === '0.0.0.0' || /^[0:]+$/.test(address);
}

/**
 * A bound UDP socket that shares its port with the other workers' (SO_REUSEPORT). A wildcard one tells with each packet which
 * address was asked. Throws a ChorusError that names the address.
 */
export function openListener(libc: Libc, at: SocketAddress, receiveBuffer: number): OpenSocket {
  const six = at.address.includes(':');
  const socket = datagramSocket(libc, six, receiveBuffer);
  const { fd } = socket;
  if (fd < 0) throw listenError(at, 'UDP', libc.errno(), libc.strerror(libc.errno()));
  setOption(libc, fd, c.SOL_SOCKET, c.SO_REUSEPORT, 1);
  if (six) setOption(libc, fd, c.IPPROTO_IPV6, c.IPV6_V6ONLY, 1);
  if (isWildcard(at.address)) {
    if (six) {
      setOption(libc, fd, c.IPPROTO_IPV6, c.IPV6_RECVPKTINFO, 1);
      // It answers from an address that this machine has by a local route alone: a service address after its withdrawal.
      setOption(libc, fd, c.IPPROTO_IPV6, c.IPV6_FREEBIND, 1);
    } else setOption(libc, fd, c.IPPROTO_IP, c.IP_PKTINFO, 1);
  }
  const length = writeSockaddr(scratch, 64, at.address, at.port);
  if (libc.bind(fd, libc.addressOf(scratch) + 64, length) < 0) {
    const errno = libc.errno();
    libc.close(fd);
    throw listenError(at, 'UDP', errno, libc.strerror(errno));
  }
  return socket;
}

/** The error of the table for a failed bind. */
export function listenError(at: SocketAddress, protocol: string, errno: number, reason: string): ChorusError {
  const details = { address: formatEndpoint(at), protocol, reason };
  if (errno === errnos.EADDRINUSE) return new ChorusError('ADDRESS_IN_USE', details);
  if (errno === errnos.EADDRNOTAVAIL) return new ChorusError('ADDRESS_NOT_AVAILABLE', details);
  if (errno === errnos.EACCES || errno === errnos.EPERM) return new ChorusError('PERMISSION', details);
  return new ChorusError('LISTEN_FAILED', details);
}

/**
 * A UDP socket connected to a backend, on a source port of the kernel's random choice (RFC 5452 9.2): the kernel takes packets from that
 * address and port only. Gives −1 when it cannot be had now: no route, no such source address, no descriptor left.
 */
export function openBackendSocket(
  libc: Libc,
  to: SocketAddress,
  source: string | undefined,
  receiveBuffer: number,
): number {
  const { fd } = datagramSocket(libc, to.address.includes(':'), receiveBuffer);
  if (fd < 0) return -1;
  const base = libc.addressOf(scratch) + 64;
  if (source !== undefined && libc.bind(fd, base, writeSockaddr(scratch, 64, source, 0)) < 0) {
    libc.close(fd);
    return -1;
  }
  if (libc.connect(fd, base, writeSockaddr(scratch, 64, to.address, to.port)) < 0) {
    libc.close(fd);
    return -1;
  }
  return fd;
}
