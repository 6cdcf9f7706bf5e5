/**
 * The few calls of libc that Node does not offer, by FFI: batched UDP, socket options, epoll, eventfd.
 * Structures are laid out for 64-bit Linux (x86-64 and arm64 agree but for epoll_event).
 */
import { createRequire } from 'node:module';
import type koffiModule from 'koffi';

export const sizes = { mmsghdr: 64, iovec: 16, epollEvent: process.arch === 'x64' ? 12 : 16 } as const;
/** Offsets in struct mmsghdr (struct msghdr, then msg_len). */
export const mmsghdr = {
  name: 0,
  nameLength: 8,
  iov: 16,
  iovCount: 24,
  control: 32,
  controlLength: 40,
  flags: 48,
  length: 56,
} as const;
/** Offset of `data` in struct epoll_event: packed on x86-64 only. */
export const epollData = process.arch === 'x64' ? 4 : 8;

export const constants = {
  AF_INET: 2,
  AF_INET6: 10,
  SOCK_STREAM: 1,
  SOCK_DGRAM: 2,
  SOCK_NONBLOCK: 0x800,
  SOCK_CLOEXEC: 0x80000,
  SOL_SOCKET: 1,
  SO_REUSEADDR: 2,
  SO_SNDBUF: 7,
  SO_RCVBUF: 8,
  SO_REUSEPORT: 15,
  SO_SNDBUFFORCE: 32,
  SO_RCVBUFFORCE: 33,
  SO_MEMINFO: 55,
  IPPROTO_IP: 0,
  IP_TTL: 2,
  IP_PKTINFO: 8,
  IP_MTU_DISCOVER: 10,
  IP_PMTUDISC_OMIT: 5,
  IP_FREEBIND: 15,
  IP_MINTTL: 21,
  IPPROTO_TCP: 6,
  TCP_MD5SIG: 14,
  IPPROTO_IPV6: 41,
  IPV6_UNICAST_HOPS: 16,
  IPV6_MTU_DISCOVER: 23,
  IPV6_PMTUDISC_OMIT: 5,
  IPV6_V6ONLY: 26,
  IPV6_RECVPKTINFO: 49,
  IPV6_PKTINFO: 50,
  IPV6_FREEBIND: 78,
  IPV6_MINHOPCOUNT: 73,
  MSG_DONTWAIT: 0x40,
  MSG_TRUNC: 0x20,
  EPOLLIN: 1,
  EPOLLERR: 8,
  EPOLL_CTL_ADD: 1,
  EPOLL_CTL_DEL: 2,
  MADV_HUGEPAGE: 14,
  PR_SET_KEEPCAPS: 8,
  PR_SET_TIMERSLACK: 29,
  SCHED_OTHER: 0,
  SCHED_RR: 2,
  SCHED_BATCH: 3,
  SCHED_RESET_ON_FORK: 0x40000000,
  PR_CAP_AMBIENT: 47,
  EFD_NONBLOCK: 0x800,
  EFD_CLOEXEC: 0x80000,
} as const;

/** Values of errno that are told apart. */
export const errnos = {
  EPERM: 1,
  ENOENT: 2,
  ESRCH: 3,
  EINTR: 4,
  EAGAIN: 11,
  EACCES: 13,
  EEXIST: 17,
  ENODEV: 19,
  EINVAL: 22,
  EOPNOTSUPP: 95,
  EAFNOSUPPORT: 97,
  EADDRINUSE: 98,
  EADDRNOTAVAIL: 99,
  ENETUNREACH: 101,
  ENOBUFS: 105,
  ECONNREFUSED: 111,
  EINPROGRESS: 115,
  EHOSTUNREACH: 113,
} as const;

/** Addresses are numbers: user space ends below 2^47. Calls give −1 on error; then `errno()` tells. */
export type Libc = {
  /** Address of the first byte of `view`. Stays right as long as its buffer lives: for SharedArrayBuffers. */
  addressOf(view: Uint8Array | Int32Array): number;
  errno(): number;
  strerror(errno: number): string;
  socket(domain: number, type: number, protocol: number): number;
  bind(fd: number, address: number, length: number): number;
  connect(fd: number, address: number, length: number): number;
  getsockname(fd: number, address: number, length: number): number;
  setsockopt(fd: number, level: number, option: number, value: number, length: number): number;
  getsockopt(fd: number, level: number, option: number, value: number, length: number): number;
  recvmmsg(fd: number, messages: number, count: number, flags: number, timeout: number): number;
  sendmmsg(fd: number, messages: number, count: number, flags: number): number;
  epollCreate(flags: number): number;
  epollControl(epoll: number, operation: number, fd: number, event: number): number;
  epollWait(epoll: number, events: number, count: number, timeout: number): number;
  eventfd(initial: number, flags: number): number;
  read(fd: number, buffer: number, count: number): number;
  write(fd: number, buffer: number, count: number): number;
  close(fd: number): number;
  madvise(address: number, length: number, advice: number): number;
  nanosleep(request: number, remaining: number): number;
  prctl(option: number, value: number, a: number, b: number, c: number): number;
  setScheduler(thread: number, policy: number, parameter: number): number;
  capget(header: number, data: number): number;
  capset(header: number, data: number): number;
};

/** Asks for huge pages under `memory`, where the system gives them: a lookup then costs one address translation less. */
export function preferHugePages(memory: SharedArrayBuffer): void {
  const libc = loadLibc();
  const from = libc.addressOf(new Uint8Array(memory));
  const start = Math.ceil(from / pageSize) * pageSize;
  // A refusal changes speed, nothing else.
  libc.madvise(start, from + memory.byteLength - start, constants.MADV_HUGEPAGE);
}
const pageSize = 4096;

let loaded: Libc | undefined;

/** Binds the calls; throws an Error that says why where that cannot be done. */
export function loadLibc(): Libc {
  if (loaded) return loaded;
  if (process.platform !== 'linux') throw new Error(`needs Linux, this is ${process.platform}`);
  if (process.arch !== 'x64' && process.arch !== 'arm64')
    throw new Error(`needs x86-64 or arm64, this is ${process.arch}`);
  // By require, so that a machine without the native module still gets the loop engine.
  const koffi: typeof koffiModule = createRequire(import.meta.url)('koffi');
  const lib = koffi.load(null);
  const address = lib.func('intptr_t memmove(void *to, void *from, size_t count)');
  loaded = {
    addressOf: view => Number(address(view, view, 0)),
    errno: () => koffi.errno(),
    strerror: lib.func('const char *strerror(int)'),
    socket: lib.func('int socket(int, int, int)'),
    bind: lib.func('int bind(int, intptr_t, uint32_t)'),
    connect: lib.func('int connect(int, intptr_t, uint32_t)'),
    getsockname: lib.func('int getsockname(int, intptr_t, intptr_t)'),
    setsockopt: lib.func('int setsockopt(int, int, int, intptr_t, uint32_t)'),
    getsockopt: lib.func('int getsockopt(int, int, int, intptr_t, intptr_t)'),
    recvmmsg: lib.func('int recvmmsg(int, intptr_t, uint32_t, int, intptr_t)'),
    sendmmsg: lib.func('int sendmmsg(int, intptr_t, uint32_t, int)'),
    epollCreate: lib.func('int epoll_create1(int)'),
    epollControl: lib.func('int epoll_ctl(int, int, int, intptr_t)'),
    epollWait: lib.func('int epoll_wait(int, intptr_t, int, int)'),
    eventfd: lib.func('int eventfd(uint32_t, int)'),
    read: lib.func('int64_t read(int, intptr_t, size_t)'),
    write: lib.func('int64_t write(int, intptr_t, size_t)'),
    close: lib.func('int close(int)'),
    nanosleep: lib.func('int nanosleep(intptr_t, intptr_t)'),
    prctl: lib.func('int prctl(int, uint64_t, uint64_t, uint64_t, uint64_t)'),
    setScheduler: lib.func('int sched_setscheduler(int, int, intptr_t)'),
    capget: lib.func('int capget(intptr_t, intptr_t)'),
    capset: lib.func('int capset(intptr_t, intptr_t)'),
    madvise: lib.func('int madvise(intptr_t, size_t, int)'),
  };
  return loaded;
}

/** Why the batch engine cannot run on this machine; null when it can. */
export function batchUnavailable(): string | null {
  try {
    const libc = loadLibc();
    const fd = libc.eventfd(0, constants.EFD_CLOEXEC);
    if (fd < 0) return `eventfd: ${libc.strerror(libc.errno())}`;
    libc.close(fd);
    return null;
  } catch (thrown) {
    return thrown instanceof Error ? thrown.message.split('\n')[0]! : String(thrown);
  }
}

const one = new BigUint64Array(new SharedArrayBuffer(8));
one[0] = 1n;

/** An eventfd that wakes a packet worker out of its wait. Throws where it cannot be had. */
export function makeDoorbell(): number {
  const libc = loadLibc();
  const fd = libc.eventfd(0, constants.EFD_CLOEXEC | constants.EFD_NONBLOCK);
  if (fd < 0) throw new Error(`eventfd: ${libc.strerror(libc.errno())}`);
  return fd;
}

/** Rings a doorbell: after each message posted to the packet worker that waits on it. */
export function ring(doorbell: number): void {
  const libc = loadLibc();
  libc.write(doorbell, libc.addressOf(new Uint8Array(one.buffer)), 8);
}
