/**
 * Addresses and interfaces of the kernel over a netlink socket, without a child process and without waiting: the kernel works a
 * request off before `send` returns, so its answer can be read at once; some 10 µs each.
 *
 * Changes made by others come by multicast to a socket of their own, which is read when `changed` is asked (every 100 ms by the
 * control loop). A readable event is not to be had: Node takes no netlink socket (`ERR_INVALID_FD_TYPE`), and a thread that
 * blocks in `recv` for it would cost more than what 100 ms are worth; besides, nothing should be mended while the control loop is not well.
 */
import { makeArena } from '#kit/arena.ts';
import { constants, errnos, type Libc, loadLibc } from './libc.ts';
import {
  type AddressRequest,
  decodeDatagram,
  encodeAddLocalRoute,
  encodeCreateLink,
  encodeDeleteAddress,
  encodeDeleteLink,
  encodeDeleteLocalRoute,
  encodeDumpAddresses,
  encodeDumpLocalRoutes,
  encodeGetLink,
  encodeLinkUp,
  encodeSetAddress,
  type KernelAddress,
  type KernelLink,
  type LocalRoute,
  type NetlinkMessage,
} from './rtnetlink.ts';

/** What the kernel refused, in words. */
export class NetlinkError extends Error {
  override readonly name = 'NetlinkError';
  readonly errno: number;

  /** `words`: the kernel's own (extended acknowledgement); empty where it gave none. */
  constructor(what: string, errno: number, meaning: string, words: string) {
    super(words === '' ? `${what}: ${meaning}` : `${what}: ${words} (${meaning})`);
    this.errno = errno;
  }
}

/** What it takes of the kernel to lease addresses. Every call is synchronous and throws NetlinkError. */
export interface AddressKernel {
  /** All addresses of all interfaces. */
  addresses(): KernelAddress[];
  /** The interface of that name; null when there is none. */
  link(name: string): KernelLink | null;
  /** Makes an interface, up. */
  createLink(name: string, kind: string): void;
  linkUp(index: number): void;
  /** Makes an address, or gives the one that is there its new lifetime. */
  setAddress(request: AddressRequest): void;
  /** Gives false when it was not there. */
  deleteAddress(request: Pick<AddressRequest, 'address' | 'bits' | 'link'>): boolean;
  /** Local routes that `protocol` made, by which the kernel takes packets to an address that no interface has. */
  localRoutes(protocol: number): LocalRoute[];
  /** Makes one, unless it is there. */
  addLocalRoute(route: LocalRoute): void;
  /** Gives false when it was not there. */
  deleteLocalRoute(route: LocalRoute): boolean;
  /** Whether anybody else changed an address or a link since the last call; the first tells true. */
  changed(): boolean;
  close(): void;
}

const AF_NETLINK = 16;
const SOCK_RAW = 3;
const NETLINK_ROUTE = 0;
const SOL_NETLINK = 270;
const NETLINK_CAP_ACK = 10;
const NETLINK_EXT_ACK = 11;
const NETLINK_GET_STRICT_CHK = 12;
/** Index of the loopback interface in every namespace. */
const loopback = 1;
/** RTMGRP_LINK, RTMGRP_IPV4_IFADDR, RTMGRP_IPV6_IFADDR. */
const groups = 0x1 | 0x10 | 0x100;

/** The kernel fills 32 KiB of a dump at most into one datagram. */
const room = 65_536;
/** Datagrams of one answer; a machine with 100,000 addresses needs some 300. */
const most = 10_000;
/** A dump during which something changed is asked again so often. */
const dumps = 5;

/** The kernel of this network namespace. Throws NetlinkError where netlink cannot be had, Error where libc cannot. */
export function openNetlink(): AddressKernel {
  return new Netlink(loadLibc());
}

class Netlink implements AddressKernel {
  readonly #libc: Libc;
  readonly #u8: Uint8Array;
  readonly #at: number;
  readonly #ask: number;
  readonly #listen: number;
  /** Port id of the asking socket, by which our own changes are known in what is listened to. */
  readonly #port: number;
  #sequence = 0;
  #first = true;

  constructor(libc: Libc) {
    this.#libc = libc;
    const arena = makeArena(room + 128);
    this.#u8 = arena.u8.subarray(arena.reserve(room));
    this.#at = libc.addressOf(arena.u8) + (this.#u8.byteOffset - arena.u8.byteOffset);
    this.#ask = this.#open(0);
    this.#port = this.#portOf(this.#ask);
    try {
      this.#listen = this.#open(groups);
    } catch (thrown) {
      libc.close(this.#ask);
      throw thrown;
    }
  }

  addresses(): KernelAddress[] {
    for (let turn = 1; ; turn++) {
      const found: KernelAddress[] = [];
      const told = this.#converse('list addresses', encodeDumpAddresses, message => {
        if (message.kind === 'address' && !message.gone) found.push(message.address);
      });
      if (told !== 'interrupted' || turn === dumps) return found;
    }
  }

  link(name: string): KernelLink | null {
    const found: KernelLink[] = [];
    this.#converse(
      `find interface ${name}`,
      sequence => encodeGetLink(name, sequence),
      message => {
        if (message.kind === 'link') found.push(message.link);
      },
      [errnos.ENODEV],
    );
    return found[0] ?? null;
  }

  createLink(name: string, kind: string): void {
    this.#converse(`make ${kind} ${name}`, sequence => encodeCreateLink(name, kind, sequence));
  }

  linkUp(index: number): void {
    this.#converse(`raise interface ${index}`, sequence => encodeLinkUp(index, sequence));
  }

  setAddress(request: AddressRequest): void {
    this.#converse(`set address ${request.address}/${request.bits}`, sequence =>
      encodeSetAddress(request, sequence),
    );
  }

  deleteAddress(request: Pick<AddressRequest, 'address' | 'bits' | 'link'>): boolean {
    const what = `delete address ${request.address}/${request.bits}`;
    const ask = (sequence: number) => encodeDeleteAddress(request, sequence);
    return this.#converse(what, ask, () => {}, [errnos.EADDRNOTAVAIL, errnos.ENODEV]) === null;
  }

  localRoutes(protocol: number): LocalRoute[] {
    const found: LocalRoute[] = [];
    for (const family of ['ipv4', 'ipv6'] as const) {
      this.#converse(
        'list local routes',
        sequence => encodeDumpLocalRoutes(family, protocol, sequence),
        message => {
          if (message.kind === 'route' && message.route.protocol === protocol) found.push(message.route);
        },
        // What a kernel says where there is no table `local`: of IPv6, when it has none.
        [errnos.ENOENT, errnos.EOPNOTSUPP],
      );
    }
    return found;
  }

  addLocalRoute(route: LocalRoute): void {
    const ask = (sequence: number) => encodeAddLocalRoute(route, loopback, sequence);
    this.#converse(`take packets to ${route.address}`, ask, () => {}, [errnos.EEXIST]);
  }

  deleteLocalRoute(route: LocalRoute): boolean {
    const ask = (sequence: number) => encodeDeleteLocalRoute(route, loopback, sequence);
    return this.#converse(`take no packets to ${route.address}`, ask, () => {}, [errnos.ESRCH]) === null;
  }

  /** Removes an interface. Not part of `AddressKernel`: a driver deletes none. */
  deleteLink(index: number): void {
    this.#converse(`delete interface ${index}`, sequence => encodeDeleteLink(index, sequence));
  }

  changed(): boolean {
    let changed = this.#first;
    this.#first = false;
    for (let count = 0; count < most; count++) {
      const length = this.#libc.read(this.#listen, this.#at, room);
      if (length < 0) {
        const errno = this.#libc.errno();
        if (errno === errnos.EINTR) continue;
        if (errno === errnos.EAGAIN) break;
        // Some were lost.
        if (errno === errnos.ENOBUFS) changed = true;
        else throw this.#failure('hear of changes');
        continue;
      }
      const { messages, broken } = decodeDatagram(this.#u8.subarray(0, length));
      if (broken || messages.some(message => this.#isForeign(message))) changed = true;
    }
    return changed;
  }

  close(): void {
    this.#libc.close(this.#ask);
    this.#libc.close(this.#listen);
  }

  #isForeign(message: NetlinkMessage): boolean {
    if (message.kind === 'overrun') return true;
    if (message.kind !== 'address' && message.kind !== 'link') return false;
    return message.from !== this.#port;
  }

  /**
   * One request and all of its answer. Gives null when it went well, `interrupted` when it is not of one moment, or the errno of a
   * refusal that is one of `expected`.
   */
  #converse(
    what: string,
    request: (sequence: number) => Uint8Array,
    hear: (message: NetlinkMessage) => void = () => {},
    expected: readonly number[] = [],
  ): null | 'interrupted' | number {
    this.#sequence = (this.#sequence + 1) >>> 0;
    const sequence = this.#sequence;
    const bytes = request(sequence);
    this.#u8.set(bytes);
    if (this.#libc.write(this.#ask, this.#at, bytes.length) !== bytes.length) throw this.#failure(what);
    let all: null | 'interrupted' = null;
    for (let count = 0; count < most; count++) {
      const length = this.#libc.read(this.#ask, this.#at, room);
      if (length < 0) {
        if (this.#libc.errno() === errnos.EINTR) continue;
        throw this.#failure(what);
      }
      const { messages, interrupted } = decodeDatagram(this.#u8.subarray(0, length));
      if (interrupted) all = 'interrupted';
      for (const message of messages) {
        if (message.kind === 'answer' || message.kind === 'done') {
          // One that is late belongs to a request that failed.
          if (message.sequence !== sequence) continue;
          if (message.errno === 0) return all;
          if (expected.includes(message.errno)) return message.errno;
          const words = message.kind === 'answer' ? message.words : '';
          throw new NetlinkError(what, message.errno, this.#libc.strerror(message.errno), words);
        }
        hear(message);
      }
    }
    throw new NetlinkError(what, errnos.ENOBUFS, 'the answer has no end', '');
  }

  #open(multicast: number): number {
    const type = SOCK_RAW | constants.SOCK_CLOEXEC | constants.SOCK_NONBLOCK;
    const fd = this.#libc.socket(AF_NETLINK, type, NETLINK_ROUTE);
    if (fd < 0) throw this.#failure('open a netlink socket');
    // sockaddr_nl: family, padding, port (the kernel chooses), groups.
    const view = new DataView(this.#u8.buffer, this.#u8.byteOffset);
    this.#u8.fill(0, 0, 12);
    view.setUint16(0, AF_NETLINK, true);
    view.setUint32(8, multicast, true);
    if (this.#libc.bind(fd, this.#at, 12) < 0) {
      const failure = this.#failure('bind a netlink socket');
      this.#libc.close(fd);
      throw failure;
    }
    // A kernel that lacks one of these says less, nothing else.
    view.setUint32(0, 1, true);
    this.#libc.setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, this.#at, 4);
    this.#libc.setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, this.#at, 4);
    this.#libc.setsockopt(fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, this.#at, 4);
    return fd;
  }

  #portOf(fd: number): number {
    const view = new DataView(this.#u8.buffer, this.#u8.byteOffset);
    view.setUint32(16, 12, true);
    if (this.#libc.getsockname(fd, this.#at, this.#at + 16) < 0) throw this.#failure('name a netlink socket');
    return view.getUint32(4, true);
  }

  #failure(what: string): NetlinkError {
    const errno = this.#libc.errno();
    return new NetlinkError(what, errno, this.#libc.strerror(errno), '');
  }
}
