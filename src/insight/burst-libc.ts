/** Burst sockets over libc: sendmmsg and recvmmsg on memory laid out before the first query leaves. */
import { setTimeout as after } from 'node:timers/promises';
import type { Endpoint } from '#net/address.ts';
import { constants, errnos, type Libc, loadLibc, mmsghdr, sizes } from '#net/libc.ts';
import { readPort, writeSockaddr } from '#net/sockaddr.ts';
import {
  type BurstQueries,
  type BurstSockets,
  bufferWanted,
  type Sent,
  sendPatience,
  type TakeAnswer,
  turn,
} from './burst-sockets.ts';

const answerRoom = 4096;
const scratchBytes = 128;

/** Opens connected sockets. Throws Error where libc cannot be called or a socket not be opened. */
export function openLibcSockets(server: Endpoint, count: number): BurstSockets {
  const libc = loadLibc();
  const fds: number[] = [];
  try {
    const scratch = new Uint8Array(new SharedArrayBuffer(scratchBytes));
    const opened = Array.from({ length: count }, () => openSocket(libc, server, scratch, fds));
    return new LibcSockets(libc, fds, opened);
  } catch (error) {
    for (const fd of fds) libc.close(fd);
    throw error;
  }
}

type Opened = { readonly port: number; readonly receiveBuffer: number };

function openSocket(libc: Libc, server: Endpoint, scratch: Uint8Array, fds: number[]): Opened {
  const words = new Int32Array(scratch.buffer);
  const base = libc.addressOf(scratch);
  const length = writeSockaddr(scratch, 0, server.address, server.port);
  const must = (result: number, call: string) => {
    if (result < 0) throw new Error(`${call}: ${libc.strerror(libc.errno())}`);
    return result;
  };
  const { SOL_SOCKET, SO_SNDBUF, SO_SNDBUFFORCE, SO_RCVBUF, SO_RCVBUFFORCE } = constants;
  const kind = constants.SOCK_DGRAM | constants.SOCK_NONBLOCK | constants.SOCK_CLOEXEC;
  const fd = must(libc.socket(length === 16 ? constants.AF_INET : constants.AF_INET6, kind, 0), 'socket');
  fds.push(fd);
  words[8] = bufferWanted;
  for (const [forced, plain] of [
    [SO_RCVBUFFORCE, SO_RCVBUF],
    [SO_SNDBUFFORCE, SO_SNDBUF],
  ] as const) {
    // Root may go beyond the system's limit; others get what the limit allows.
    if (libc.setsockopt(fd, SOL_SOCKET, forced, base + 32, 4) < 0)
      libc.setsockopt(fd, SOL_SOCKET, plain, base + 32, 4);
  }
  must(libc.connect(fd, base, length), 'connect');
  words[16] = 28;
  must(libc.getsockname(fd, base + 80, base + 64), 'getsockname');
  words[16] = 4;
  must(libc.getsockopt(fd, SOL_SOCKET, SO_RCVBUF, base + 32, base + 64), 'getsockopt');
  return { port: readPort(scratch, 80), receiveBuffer: words[8]! };
}

/** Message headers with one buffer each, ready for sendmmsg or recvmmsg. */
class Headers {
  readonly base: number;
  readonly #view: DataView;
  readonly #count: number;

  constructor(libc: Libc, count: number) {
    const bytes = new Uint8Array(new SharedArrayBuffer(Math.max(1, count) * (sizes.mmsghdr + sizes.iovec)));
    this.base = libc.addressOf(bytes);
    this.#view = new DataView(bytes.buffer);
    this.#count = count;
    for (let i = 0; i < count; i++) {
      const iovec = count * sizes.mmsghdr + i * sizes.iovec;
      this.#view.setBigUint64(i * sizes.mmsghdr + mmsghdr.iov, BigInt(this.base + iovec), true);
      this.#view.setBigUint64(i * sizes.mmsghdr + mmsghdr.iovCount, 1n, true);
    }
  }
  /** Lets message `i` lie at an address of memory. */
  set(i: number, address: number, length: number): void {
    const iovec = this.#count * sizes.mmsghdr + i * sizes.iovec;
    this.#view.setBigUint64(iovec, BigInt(address), true);
    this.#view.setBigUint64(iovec + 8, BigInt(length), true);
  }
  /** Address of the header of message `i`. */
  at(i: number): number {
    return this.base + i * sizes.mmsghdr;
  }
  /** Octets that were sent or came. */
  length(i: number): number {
    return this.#view.getUint32(i * sizes.mmsghdr + mmsghdr.length, true);
  }
}

class LibcSockets implements BurstSockets {
  readonly kind = 'sendmmsg';
  readonly ports: readonly number[];
  readonly receiveBuffer: number;
  unreachable = 0;
  readonly #libc: Libc;
  readonly #fds: readonly number[];
  readonly #room = new Uint8Array(new SharedArrayBuffer(turn * answerRoom));
  readonly #incoming: Headers;

  constructor(libc: Libc, fds: readonly number[], opened: readonly Opened[]) {
    this.#libc = libc;
    this.#fds = fds;
    this.ports = opened.map(({ port }) => port);
    this.receiveBuffer = Math.min(...opened.map(({ receiveBuffer }) => receiveBuffer));
    this.#incoming = new Headers(libc, turn);
    const room = libc.addressOf(this.#room);
    for (let i = 0; i < turn; i++) this.#incoming.set(i, room + i * answerRoom, answerRoom);
  }

  async send(queries: BurstQueries): Promise<Sent> {
    const sockets = this.#fds.length;
    const { count, starts, bytes } = queries;
    const base = this.#libc.addressOf(bytes);
    const headers = new Headers(this.#libc, count);
    // A socket's queries stand together: the first `longer` sockets have one more than the others.
    const each = Math.floor(count / sockets);
    const longer = count % sockets;
    const first = (socket: number) => socket * each + Math.min(socket, longer);
    for (let socket = 0; socket < sockets; socket++) {
      for (let i = socket, at = first(socket); i < count; i += sockets, at++) {
        headers.set(at, base + starts[i]!, starts[i + 1]! - starts[i]!);
      }
    }
    const next = Array.from({ length: sockets }, (_, socket) => first(socket));
    let left = count;
    const started = performance.now();
    let patience = started + sendPatience;
    while (left > 0) {
      let moved = 0;
      for (let socket = 0; socket < sockets; socket++) {
        const end = first(socket + 1);
        const wanted = Math.min(turn, end - next[socket]!);
        if (wanted === 0) continue;
        const sent = this.#libc.sendmmsg(this.#fds[socket]!, headers.at(next[socket]!), wanted, 0);
        if (sent < 0) this.#failed();
        else moved += sent;
        next[socket]! += Math.max(0, sent);
      }
      left -= moved;
      if (moved > 0) patience = performance.now() + sendPatience;
      else if (performance.now() > patience) break;
      else await after(1);
    }
    return { unsent: left, started };
  }

  take(answer: TakeAnswer): boolean {
    let any = false;
    for (const [socket, fd] of this.#fds.entries()) {
      for (;;) {
        const came = this.#libc.recvmmsg(fd, this.#incoming.at(0), turn, constants.MSG_DONTWAIT, 0);
        if (came < 0) this.#failed();
        for (let i = 0; i < came; i++) answer(socket, this.#room, i * answerRoom, this.#incoming.length(i));
        any ||= came > 0;
        if (came < turn) break;
      }
    }
    return any;
  }

  close(): void {
    for (const fd of this.#fds) this.#libc.close(fd);
  }

  /** An error of a connected socket is news from the network about an earlier query. */
  #failed(): void {
    const errno = this.#libc.errno();
    const { ECONNREFUSED, EHOSTUNREACH, ENETUNREACH, EPERM } = errnos;
    if ([ECONNREFUSED, EHOSTUNREACH, ENETUNREACH, EPERM].some(known => known === errno)) this.unreachable++;
  }
}
