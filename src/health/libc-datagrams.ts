/**
 * UDP for many probes at little cost: sockets like those that queries leave from (connected, on a random port), by libc, and
 * looked after by one epoll instance. To make one costs more than to use it, so each serves a few probes of its backend
 * before it is replaced; one on which anything went wrong is replaced at once.
 *
 * Nothing wakes the main thread when an answer comes. It looks 1 ms after the last probe was sent, then less and less often,
 * every `slowest` ms at least as long as anything is under way: a latency is exact to about a millisecond, and upwards.
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

/** A socket serves so many probes, and up to so many more. */
const leastUses = 8;
const moreUses = 17;
/** A socket that has not been used for so long (ms) is closed; that is looked after so often. */
const idleTime = 60_000;
const sweepEvery = 10_000;

/** Socket addresses as the kernel takes them. */
type Place = { readonly to: Uint8Array; readonly source: Uint8Array | null };

/** One exchange. */
type Line = {
  readonly to: Destination;
  readonly bytes: Uint8Array;
  /** Null: it is over. */
  hearing: Hearing | null;
  /** Null: not sent yet, or over. */
  kept: Kept | null;
};

class Kept {
  readonly fd: number;
  readonly to: Destination;
  /** How often it may be used yet. */
  uses: number;
  used = false;
  /** Who uses it now; null: nobody. */
  line: Line | null = null;
  usedAt = 0;

  constructor(fd: number, to: Destination, uses: number) {
    this.fd = fd;
    this.to = to;
    this.uses = uses;
  }
}

export class LibcDatagrams implements Exchanger {
  readonly #libc: Libc;
  readonly #clock: Clock;
  readonly #random: (bound: number) => number;
  readonly #epoll: number;
  readonly #open = new Map<number, Kept>();
  /** The socket to each destination that nobody uses. */
  readonly #idle = new Map<Destination, Kept>();
  #underWay = 0;
  /** What is to be sent when the work of this moment is done. */
  #outbox: Line[] = [];
  readonly #places = new WeakMap<Destination, Place>();
  readonly #u8 = new Uint8Array(new SharedArrayBuffer(largestDatagram + 1 + eventsAtOnce * 16 + 64));
  readonly #i32 = new Int32Array(this.#u8.buffer);
  /** Address of `#u8`. Datagrams lie at its start; then come events, then a socket address. */
  readonly #base: number;
  readonly #events = largestDatagram + 1;
  readonly #sockaddr = largestDatagram + 1 + eventsAtOnce * 16;
  /** Descriptors with news: who hears it may send, and so use the memory of the events again. */
  readonly #ready = new Int32Array(eventsAtOnce);
  #stopped = false;
  #pause = 0;
  #unwait: (() => void) | null = null;
  #unsweep: (() => void) | null = null;

  /** `random`: uniform in 0 … bound−1. Throws where libc cannot be called or epoll cannot be had. */
  constructor(clock: Clock, random: (bound: number) => number) {
    this.#libc = loadLibc();
    this.#clock = clock;
    this.#random = random;
    this.#base = this.#libc.addressOf(this.#u8);
    this.#epoll = this.#libc.epollCreate(c.SOCK_CLOEXEC);
    if (this.#epoll < 0) throw new Error(`epoll_create1: ${this.#libc.strerror(this.#libc.errno())}`);
  }

  /** Closes everything, for good; nothing more is heard. */
  stop(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#unwait?.();
    this.#unsweep?.();
    this.#unwait = this.#unsweep = null;
    for (const fd of this.#open.keys()) this.#libc.close(fd);
    this.#open.clear();
    this.#idle.clear();
    this.#outbox = [];
    this.#libc.close(this.#epoll);
  }

  exchange(to: Destination, bytes: Uint8Array, hearing: Hearing): () => void {
    // The number of the epoll instance may be somebody else's by now.
    if (this.#stopped) return () => {};
    const line: Line = { to, bytes, hearing, kept: null };
    this.#underWay++;
    if (this.#outbox.push(line) === 1) queueMicrotask(() => this.#send());
    return () => this.#end(line);
  }

  /**
   * Sends all that waits, in a tight row: to wake up who sleeps, on another processor, costs more than the datagram, and
   * whoever is woken up by the first is still awake when the last comes.
   */
  #send(): void {
    const lines = this.#outbox;
    this.#outbox = [];
    if (this.#stopped) return;
    for (const line of lines) {
      if (line.hearing === null) continue;
      const kept = this.#idle.get(line.to);
      if (!kept) this.#connect(line);
      else if (this.#idle.delete(line.to)) this.#join(line, kept);
    }
    for (const line of lines) {
      const { kept, bytes } = line;
      if (!kept || this.#write(kept, bytes)) continue;
      // That may be old trouble of the socket.
      const errno = this.#libc.errno();
      this.#close(kept);
      if (!kept.used) this.#fail(line, -errno);
      else if (this.#connect(line) && line.kept && !this.#write(line.kept, bytes))
        this.#fail(line, -this.#libc.errno());
    }
    if (this.#underWay > 0) this.#lookIn(soonest);
  }

  #write({ fd }: Kept, bytes: Uint8Array): boolean {
    return this.#libc.write(fd, this.#put(bytes, 0), bytes.length) >= 0;
  }

  #join(line: Line, kept: Kept): void {
    line.kept = kept;
    kept.line = line;
  }

  /** Gives an exchange a new socket; false where there is none to be had, and the hearer has been told. */
  #connect(line: Line): boolean {
    const kept = this.#begin(line.to);
    if (typeof kept === 'number') this.#fail(line, kept);
    else this.#join(line, kept);
    return typeof kept !== 'number';
  }

  /** `errno` is negative. */
  #fail(line: Line, errno: number): void {
    const { hearing, kept } = line;
    if (kept) kept.uses = 0;
    this.#end(line);
    hearing?.failed(getSystemErrorName(errno));
  }

  /** An exchange is over: the socket waits for the next one, or has served. */
  #end(line: Line): void {
    if (line.hearing === null) return;
    line.hearing = null;
    this.#underWay--;
    const { kept } = line;
    line.kept = null;
    if (!kept) return;
    kept.line = null;
    kept.used = true;
    if (--kept.uses <= 0 || this.#idle.has(kept.to)) {
      this.#close(kept);
      return;
    }
    kept.usedAt = this.#clock.now();
    this.#idle.set(kept.to, kept);
    this.#unsweep ??= this.#clock.wait(sweepEvery, () => this.#sweep());
  }

  #sweep(): void {
    this.#unsweep = null;
    const before = this.#clock.now() - idleTime;
    for (const kept of this.#idle.values()) if (kept.usedAt < before) this.#close(kept);
    if (this.#idle.size > 0) this.#unsweep = this.#clock.wait(sweepEvery, () => this.#sweep());
  }

  /** A socket that is connected and watched, or a negative errno. */
  #begin(to: Destination): Kept | number {
    const libc = this.#libc;
    const six = to.address.includes(':');
    const fd = libc.socket(six ? c.AF_INET6 : c.AF_INET, c.SOCK_DGRAM | c.SOCK_NONBLOCK | c.SOCK_CLOEXEC, 0);
    if (fd < 0) return -libc.errno();
    const { to: remote, source } = this.#place(to);
    if (
      (source === null || libc.bind(fd, this.#put(source, this.#sockaddr), source.length) === 0) &&
      libc.connect(fd, this.#put(remote, this.#sockaddr), remote.length) === 0 &&
      this.#watch(fd)
    ) {
      const kept = new Kept(fd, to, leastUses + this.#random(moreUses));
      this.#open.set(fd, kept);
      return kept;
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

  #close(kept: Kept): void {
    // After the end the number may be somebody else's.
    if (!this.#open.delete(kept.fd)) return;
    if (this.#idle.get(kept.to) === kept) this.#idle.delete(kept.to);
    this.#libc.close(kept.fd);
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
    if (this.#underWay > 0 && !this.#unwait) this.#lookIn(Math.min(slowest, this.#pause * 2));
  }
  #take(fd: number): void {
    for (let i = 0; i < datagramsAtOnce; i++) {
      const kept = this.#open.get(fd);
      if (!kept) return;
      const { line } = kept;
      const length = this.#libc.read(fd, this.#base, largestDatagram);
      if (length >= 0) {
        // What comes when nobody waits any more came too late.
        line?.hearing?.message(this.#u8.slice(0, length));
        // Most often the one answer is all there is: what else there may be is found at the next look.
        if (kept.line === null) return;
        continue;
      }
      const errno = this.#libc.errno();
      if (errno === errnos.EAGAIN || errno === errnos.EINTR) return;
      if (line === null) this.#close(kept);
      else this.#fail(line, -errno);
    }
  }
}

function sockaddr(address: string, port: number): Uint8Array {
  const bytes = new Uint8Array(28);
  return bytes.slice(0, writeSockaddr(bytes, 0, address, port));
}
