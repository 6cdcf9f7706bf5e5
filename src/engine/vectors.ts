/** Arrays of struct mmsghdr in the arena, for recvmmsg and sendmmsg. Laid out once; only lengths change per packet. */
import type { Arena } from '#front/ports.ts';
import { constants, mmsghdr, sizes } from '#net/libc.ts';

/** Packets that one call takes or gives. */
export const batch = 64;
/** The longest packet taken; what is longer comes truncated. */
export const packetBytes = 4096;
/** Between buffers: an odd number of cache lines, so that their first lines do not fall on one set of the cache. */
export const packetStride = packetBytes + 64;
/** Room for one IP_PKTINFO or IPV6_PKTINFO message. */
export const controlBytes = 64;

/** Writes a 64-bit address: `base` plus `offset`. */
export function putAddress(i32: Int32Array, at: number, base: number, offset: number): void {
  const address = base + offset;
  i32[at >> 2] = address | 0;
  i32[(at >> 2) + 1] = Math.floor(address / 4294967296);
}

/** A vector for receiving: each message has a buffer, and an address and control messages where asked. */
export class ReceiveVector {
  readonly headers: number;
  readonly buffers: number;
  /** Where names are written; `nameStride` apart. 0: none. */
  readonly names: number;
  readonly controls: number;
  readonly #i32: Int32Array;
  readonly #nameBytes: number;

  constructor(arena: Arena, base: number, nameStride: number) {
    this.#i32 = arena.i32;
    this.#nameBytes = nameStride > 0 ? 28 : 0;
    this.headers = arena.reserve(batch * sizes.mmsghdr);
    const iovecs = arena.reserve(batch * sizes.iovec);
    this.buffers = arena.reserve(batch * packetStride);
    this.names = nameStride > 0 ? arena.reserve(batch * nameStride) : 0;
    this.controls = nameStride > 0 ? arena.reserve(batch * controlBytes) : 0;
    for (let i = 0; i < batch; i++) {
      const header = this.headers + i * sizes.mmsghdr;
      const iovec = iovecs + i * sizes.iovec;
      putAddress(this.#i32, iovec, base, this.buffers + i * packetStride);
      this.#i32[(iovec + 8) >> 2] = packetBytes;
      putAddress(this.#i32, header + mmsghdr.iov, base, iovec);
      this.#i32[(header + mmsghdr.iovCount) >> 2] = 1;
      if (nameStride > 0) {
        putAddress(this.#i32, header + mmsghdr.name, base, this.names + i * nameStride);
        putAddress(this.#i32, header + mmsghdr.control, base, this.controls + i * controlBytes);
        this.#i32[(header + mmsghdr.nameLength) >> 2] = 28;
      }
    }
  }

  /** Bytes of message `i`. */
  length(i: number): number {
    return this.#i32[(this.headers + i * sizes.mmsghdr + mmsghdr.length) >> 2]!;
  }
  /** Message `i` was longer than its buffer. */
  truncated(i: number): boolean {
    return (this.#i32[(this.headers + i * sizes.mmsghdr + mmsghdr.flags) >> 2]! & constants.MSG_TRUNC) !== 0;
  }
  nameLength(i: number): number {
    return this.#i32[(this.headers + i * sizes.mmsghdr + mmsghdr.nameLength) >> 2]!;
  }

  /** Puts back what the kernel overwrote in the first `count` headers; `control`: whether control messages are wanted. */
  rearm(count: number, control: boolean): void {
    for (let i = 0; i < count; i++) {
      const header = (this.headers + i * sizes.mmsghdr) >> 2;
      this.#i32[header + mmsghdr.nameLength / 4] = this.#nameBytes;
      this.#i32[header + mmsghdr.controlLength / 4] = control ? controlBytes : 0;
    }
  }
}

/** A vector for sending: `capacity` messages whose buffers are named as they are added. */
export class SendVector {
  readonly headers: number;
  readonly names: number;
  readonly controls: number;
  count = 0;
  readonly #iovecs: number;
  readonly #i32: Int32Array;
  readonly #base: number;

  constructor(arena: Arena, base: number, named: boolean, capacity: number) {
    this.#i32 = arena.i32;
    this.#base = base;
    this.headers = arena.reserve(capacity * sizes.mmsghdr);
    this.#iovecs = arena.reserve(capacity * sizes.iovec);
    this.names = named ? arena.reserve(capacity * 32) : 0;
    this.controls = named ? arena.reserve(capacity * controlBytes) : 0;
    for (let i = 0; i < capacity; i++) {
      const header = this.headers + i * sizes.mmsghdr;
      putAddress(this.#i32, header + mmsghdr.iov, base, this.#iovecs + i * sizes.iovec);
      this.#i32[(header + mmsghdr.iovCount) >> 2] = 1;
      if (named) {
        putAddress(this.#i32, header + mmsghdr.name, base, this.names + i * 32);
        putAddress(this.#i32, header + mmsghdr.control, base, this.controls + i * controlBytes);
      }
    }
  }

  /** Adds a message of `length` bytes at `at`; gives its index. */
  add(at: number, length: number): number {
    const i = this.count++;
    const iovec = this.#iovecs + i * sizes.iovec;
    putAddress(this.#i32, iovec, this.#base, at);
    this.#i32[(iovec + 8) >> 2] = length;
    return i;
  }

  /** Addresses message `i` to the origin at `from`. */
  address(i: number, from: number, nameLength: number, controlLength: number): void {
    const i32 = this.#i32;
    const name = (this.names + i * 32) >> 2;
    for (let word = 0; word < 7; word++) i32[name + word] = i32[(from >> 2) + word]!;
    const header = (this.headers + i * sizes.mmsghdr) >> 2;
    i32[header + mmsghdr.nameLength / 4] = nameLength;
    i32[header + mmsghdr.controlLength / 4] = controlLength;
  }
}
