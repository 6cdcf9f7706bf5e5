/**
 * UDP for many probes at little cost: sockets like those that queries leave from (connected, a fresh random port for each
 * run), by libc, and looked after by one epoll instance. Node's dgram takes five times as long over each socket.
 *
 * Nothing wakes the main thread when an answer comes. It looks 1 ms after the last probe was sent, then less and less often,
 * every `slowest` ms at least as long as anything is open: a latency is exact to about a millisecond, and upwards.
 */
import { getSystemErrorName } from 'node:util';
import { constants as c, epollData, errnos, type Libc, loadLibc, sizes } from '#net/libc.ts';
import { writeSockaddr } from '#net/sockaddr.ts';
import type { Clock } from './clock.ts';
import type { Destination, Exchanger, Hearing } from './exchange.ts';

/** ms until the first look after something was sent, and between looks when nothing was sent lately. */
const soonest = 1;
const slowest = 5;
/** Descriptors that one look is told of. */
const eventsAtOnce = 64;
/** Times that one look asks for more of them. */
const roundsAtOnce = 32;
/** Datagrams taken from one socket in one look. */
const datagramsAtOnce = 16;
const largestDatagram = 65_535;

/** Socket addresses as the kernel takes them. */
type Place = { readonly to: Uint8Array; readonly source: Uint8Array | null };

export class LibcDatagrams implements Exchanger {
  readonly #libc: Libc;
  readonly #clock: Clock;
  readonly #epoll: number;
  readonly #open = new Map<number, Hearing>();
  readonly #places = new WeakMap<Destination, Place>();
  readonly #u8 = new Uint8Array(new SharedArrayBuffer(largestDatagram + 1 + eventsAtOnce * 16 + 64));
  readonly #i32 = new Int32Array(this.#u8.buffer);
  /** Address of `#u8`. Datagrams lie at its start; then come events, then a socket address. */
  readonly #base: number;
  readonly #events = largestDatagram + 1;
  readonly #sockaddr = largestDatagram + 1 + eventsAtOnce * 16;
  /** Descriptors with news: who hears it may send, and so use the memory of the events again. */
  readonly #ready = new Int32Array(eventsAtOnce);
  #pause = 0;
  #unwait: (() => void) | null = null;

  /** Throws where libc cannot be called or epoll cannot be had. */
  constructor(clock: Clock) {
    this.#libc = loadLibc();
    this.#clock = clock;
    this.#base = this.#libc.addressOf(this.#u8);
    this.#epoll = this.#libc.epollCreate(c.SOCK_CLOEXEC);
    if (this.#epoll < 0) throw new Error(`epoll_create1: ${this.#libc.strerror(this.#libc.errno())}`);
  }

  /** Closes everything; nothing more is heard. */
  stop(): void {
    this.#unwait?.();
    this.#unwait = null;
    for (const fd of this.#open.keys()) this.#libc.close(fd);
    this.#open.clear();
    this.#libc.close(this.#epoll);
  }

  exchange(to: Destination, bytes: Uint8Array, hearing: Hearing): () => void {
    const fd = this.#begin(to, bytes);
    if (fd < 0) {
      let wanted = true;
      queueMicrotask(() => wanted && hearing.failed(getSystemErrorName(fd)));
      return () => {
        wanted = false;
      };
    }
    this.#open.set(fd, hearing);
    this.#lookIn(soonest);
    return () => {
      // The kernel gives a number anew as soon as it is free.
      if (this.#open.get(fd) === hearing) this.#close(fd);
    };
  }

  /** A socket on which `bytes` went out, or a negative errno. */
  #begin(to: Destination, bytes: Uint8Array): number {
    const libc = this.#libc;
    const six = to.address.includes(':');
    const fd = libc.socket(six ? c.AF_INET6 : c.AF_INET, c.SOCK_DGRAM | c.SOCK_NONBLOCK | c.SOCK_CLOEXEC, 0);
    if (fd < 0) return -libc.errno();
    const { to: remote, source } = this.#place(to);
    if (
      (source === null || libc.bind(fd, this.#put(source, this.#sockaddr), source.length) === 0) &&
      libc.connect(fd, this.#put(remote, this.#sockaddr), remote.length) === 0 &&
      this.#watch(fd) &&
      libc.write(fd, this.#put(bytes, 0), bytes.length) >= 0
    ) {
      return fd;
    }
    const errno = libc.errno();
    libc.close(fd);
    return -errno;
  }

  #watch(fd: number): boolean {
    const event = this.#events;
    this.#i32[event >> 2] = c.EPOLLIN;
    this.#i32[(event + epollData) >> 2] = fd;
    return this.#libc.epollControl(this.#epoll, c.EPOLL_CTL_ADD, fd, this.#base + event) === 0;
  }

  /** Copies to where the kernel reads it; gives the address. */
  #put(bytes: Uint8Array, at: number): number {
    this.#u8.set(bytes, at);
    return this.#base + at;
  }

  #place(to: Destination): Place {
    const known = this.#places.get(to);
    if (known) return known;
    const place = {
      to: sockaddr(to.address, to.port),
      source: to.source === undefined ? null : sockaddr(to.source, 0),
    };
    // The number of an interface can change.
    if (!to.address.includes('%')) this.#places.set(to, place);
    return place;
  }

  #close(fd: number): void {
    this.#open.delete(fd);
    this.#libc.close(fd);
  }

  #lookIn(ms: number): void {
    if (ms >= this.#pause && this.#unwait) return;
    this.#unwait?.();
    this.#pause = ms;
    this.#unwait = this.#clock.wait(ms, () => this.#look());
  }

  #look(): void {
    this.#unwait = null;
    for (let round = 0; round < roundsAtOnce; round++) {
      const count = this.#libc.epollWait(this.#epoll, this.#base + this.#events, eventsAtOnce, 0);
      for (let i = 0; i < count; i++) {
        this.#ready[i] = this.#i32[(this.#events + i * sizes.epollEvent + epollData) >> 2]!;
      }
      for (let i = 0; i < count; i++) this.#take(this.#ready[i]!);
      if (count < eventsAtOnce) break;
    }
    if (this.#open.size > 0 && !this.#unwait) this.#lookIn(Math.min(slowest, this.#pause * 2));
  }
  #take(fd: number): void {
    const hearing = this.#open.get(fd);
    for (let i = 0; i < datagramsAtOnce; i++) {
      if (!hearing || this.#open.get(fd) !== hearing) return;
      const length = this.#libc.read(fd, this.#base, largestDatagram);
      if (length >= 0) {
        hearing.message(this.#u8.slice(0, length));
        continue;
      }
      const errno = this.#libc.errno();
      if (errno === errnos.EAGAIN || errno === errnos.EINTR) return;
      this.#close(fd);
      hearing.failed(getSystemErrorName(-errno));
    }
  }
}

function sockaddr(address: string, port: number): Uint8Array {
  const bytes = new Uint8Array(28);
  return bytes.slice(0, writeSockaddr(bytes, 0, address, port));
}
