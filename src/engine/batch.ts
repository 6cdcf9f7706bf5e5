/**
 * The batch engine: one thread that takes and gives UDP packets in batches through recvmmsg and sendmmsg, on memory that
 * never moves, and sleeps in epoll_wait. Between two sleeps it allocates nothing.
 */
import { maxBackends } from '#balance/board.ts';
import type { RandomInt } from '#balance/policy.ts';
import type { Front } from '#front/front.ts';
import type { PlanBackend } from '#front/plan.ts';
import { type Arena, type Egress, origin } from '#front/ports.ts';
import { ChorusError } from '#kit/errors.ts';
import { netCounters } from '#net/counters.ts';
import { constants as c, epollData, errnos, type Libc, sizes } from '#net/libc.ts';
import type { SocketAddress } from '#net/sockaddr.ts';
import { Channels, channelBound } from './channels.ts';
import { Coalescing } from './coalescing.ts';
import { readPacketInfo, writePacketInfo } from './pktinfo.ts';
import { isWildcard, type OpenSocket, openListener } from './sockets.ts';
import { batch, controlBytes, packetStride, ReceiveVector, SendVector } from './vectors.ts';

const count = netCounters.at;
/** Listeners that can be open at once, in one worker. */
const maxListeners = 128;
/** Packets waiting to be sent before they are given to the kernel, for each direction. */
const ring = 128;
/** Between reply buffers: a packet, room for NSID, and an odd number of cache lines. */
const replyStride = packetStride + 384;
/** Between origins: the 80 bytes of one, on lines of its own. */
const originStride = 128;
const events = 64;
/** epoll data above channels: listeners, then the doorbell. */
const listenerData = channelBound;
const doorbellData = channelBound + maxListeners;
/** Most time between two rounds of housekeeping, ms. */
const tendEvery = 1000;
/** Looks for room in a full send queue before a packet is dropped. */
const sendTries = 3;

/** Bytes that the engine takes from the arena. */
export const batchArenaBytes =
  2 * batch * (packetStride + 512) +
  ring * (replyStride + packetStride) +
  maxListeners * ring * 200 +
  maxBackends * batch * 96 +
  65_536;

type Listener = {
  readonly at: SocketAddress;
  readonly socket: OpenSocket;
  readonly wildcard: boolean;
  readonly send: SendVector;
};

export type BatchParts = {
  readonly libc: Libc;
  readonly arena: Arena;
  /** eventfd that ends a wait. */
  readonly doorbell: number;
  readonly counters: Float64Array;
  readonly random: RandomInt;
  readonly receiveBuffer: number;
  /** Milliseconds, the same clock in all threads. */
  readonly clock: () => number;
};

export class BatchEngine implements Egress {
  readonly replyRoom = replyStride - 64;
  readonly channels: number = channelBound;
  readonly #libc: Libc;
  readonly #arena: Arena;
  readonly #i32: Int32Array;
  readonly #base: number;
  readonly #counts: Float64Array;
  readonly #clock: () => number;
  readonly #receiveBuffer: number;
  readonly #doorbell: number;
  readonly #epoll: number;
  readonly #events: number;
  readonly #event: number;
  readonly #pause: number;
  readonly #fromClients: ReceiveVector;
  readonly #fromBackends: ReceiveVector;
  readonly #sockets: Channels;
  readonly #listeners: (Listener | undefined)[] = new Array(maxListeners).fill(undefined);
  /** Send vectors by listener index, kept when a listener closes: the arena takes nothing back. */
  readonly #replyVectors: SendVector[] = [];
  readonly #queryVectors = new Map<number, SendVector>();
  /** Slots for which a channel was chosen for the batch at hand. */
  readonly #chosen: Int32Array = new Int32Array(maxBackends);
  #chosenCount = 0;
  readonly #querySlots: Int32Array = new Int32Array(maxBackends);
  #querySlotCount = 0;
  /** Channel of each slot for the batch at hand; −1: not chosen yet. */
  readonly #current: Int32Array = new Int32Array(maxBackends).fill(-1);
  readonly #vectorOf: (SendVector | undefined)[] = new Array(maxBackends).fill(undefined);
  readonly #replies: number;
  readonly #queries: number;
  #nextReply = 0;
  #nextQuery = 0;
  /** Channels that the kernel reported broken while sending; told to the front between batches. */
  readonly #broken: Int32Array = new Int32Array(1024);
  #brokenCount = 0;
  #nextListener = 0;
  readonly #lengths = new Int32Array(batch);
  #front!: Front;
  readonly #coalescing = new Coalescing();
  #ports = 16;

  constructor(parts: BatchParts) {
    this.#libc = parts.libc;
    this.#arena = parts.arena;
    this.#i32 = parts.arena.i32;
    this.#base = parts.libc.addressOf(parts.arena.u8);
    this.#counts = parts.counters;
    this.#clock = parts.clock;
    this.#receiveBuffer = parts.receiveBuffer;
    this.#doorbell = parts.doorbell;
    this.#events = parts.arena.reserve(events * 16);
    this.#event = parts.arena.reserve(64);
    this.#pause = parts.arena.reserve(64);
    this.#fromClients = new ReceiveVector(parts.arena, this.#base, originStride);
    this.#fromBackends = new ReceiveVector(parts.arena, this.#base, 0);
    this.#replies = parts.arena.reserve(ring * replyStride);
    this.#queries = parts.arena.reserve(ring * packetStride);
    this.#epoll = parts.libc.epollCreate(c.SOCK_CLOEXEC);
    if (this.#epoll < 0) throw new Error(`epoll_create1: ${parts.libc.strerror(parts.libc.errno())}`);
    this.#watch(doorbellData, parts.doorbell);
    this.#sockets = new Channels(parts.libc, parts.random, parts.receiveBuffer, {
      opened: (channel, fd) => this.#watch(channel, fd),
      closing: (_channel, fd) => this.#unwatch(fd),
      idle: channel => this.#front.idle(channel),
    });
  }

  /** The front to feed. Call once, before anything else. */
  drive(front: Front): void {
    this.#front = front;
  }

  #watch(data: number, fd: number): boolean {
    this.#i32[this.#event >> 2] = c.EPOLLIN;
    this.#i32[(this.#event + epollData) >> 2] = data;
    return this.#libc.epollControl(this.#epoll, c.EPOLL_CTL_ADD, fd, this.#base + this.#event) === 0;
  }

  #unwatch(fd: number): void {
    this.#libc.epollControl(this.#epoll, c.EPOLL_CTL_DEL, fd, this.#base + this.#event);
  }

  /** Opens a listener, bound but not read yet; gives its index. Throws a ChorusError. */
  open(at: SocketAddress): { index: number; receiveBuffer: number } {
    const index = this.#freeListener();
    const socket = openListener(this.#libc, at, this.#receiveBuffer);
    this.#replyVectors[index] ??= new SendVector(this.#arena, this.#base, true, ring);
    this.#listeners[index] = {
      at,
      socket,
      wildcard: isWildcard(at.address),
      send: this.#replyVectors[index],
    };
    return { index, receiveBuffer: socket.receiveBuffer };
  }

  /** In turn, so that a late answer to a listener that closed finds nobody for as long as may be. */
  #freeListener(): number {
    for (let i = 0; i < maxListeners; i++) {
      const index = (this.#nextListener + i) % maxListeners;
      if (this.#listeners[index]) continue;
      this.#nextListener = index + 1;
      return index;
    }
    throw new ChorusError('LISTEN_FAILED', {
      address: 'one address more',
      protocol: 'UDP',
      reason: `a worker has at most ${maxListeners} listeners`,
    });
  }

  /** Begins to take packets from a listener. */
  listen(index: number): void {
    const listener = this.#listeners[index];
    if (!listener || this.#watch(listenerData + index, listener.socket.fd)) return;
    throw new Error(`epoll_ctl: ${this.#libc.strerror(this.#libc.errno())}`);
  }

  /** Closes a listener; answers that wait to leave through it are lost. */
  close(index: number): void {
    const listener = this.#listeners[index];
    if (!listener) return;
    listener.send.count = 0;
    this.#libc.close(listener.socket.fd);
    this.#listeners[index] = undefined;
  }

  /** Whether packets may gather for up to 0.3 ms under load. */
  set coalesce(on: boolean) {
    this.#coalescing.on = on;
  }

  /** Has `ports` sockets to each of these backends, and to no others. */
  connect(backends: readonly PlanBackend[], ports: number): void {
    this.#ports = ports;
    for (const { slot } of backends) {
      this.#queryVectors.get(slot) ??
        this.#queryVectors.set(slot, new SendVector(this.#arena, this.#base, false, batch));
      this.#vectorOf[slot] = this.#queryVectors.get(slot);
      this.#current[slot] = -1;
    }
    this.#sockets.apply(backends, ports);
  }

  replySpace(): number {
    if (this.#nextReply === ring) this.#sendReplies();
    return this.#replies + this.#nextReply * replyStride;
  }

  reply(from: number, length: number): void {
    const listener = this.#listeners[this.#i32[(from + origin.listener) >> 2]!];
    if (!listener) return;
    const vector = listener.send;
    const i = vector.add(this.#replies + this.#nextReply * replyStride, length);
    const control = listener.wildcard
      ? writePacketInfo(this.#i32, from, vector.controls + i * controlBytes)
      : 0;
    vector.address(i, from, this.#i32[(from + origin.length) >> 2]!, control);
    this.#nextReply++;
  }

  querySpace(): number {
    if (this.#nextQuery === ring) this.#sendQueries();
    return this.#queries + this.#nextQuery * packetStride;
  }

  datagramChannel(slot: number): number {
    // One random socket a backend and batch: an attacker knows no more of it, and the kernel is called once.
    const current = this.#current[slot]!;
    if (current >= 0) return current;
    const channel = this.#sockets.choose(slot);
    this.#current[slot] = channel;
    this.#chosen[this.#chosenCount++ % maxBackends] = slot;
    return channel;
  }

  streamChannel(): number {
    return -1;
  }

  relay(): boolean {
    return false;
  }

  query(channel: number, length: number): void {
    const slot = Channels.slotOf(channel);
    const vector = this.#vectorOf[slot]!;
    // Making room may have sent the batch that the channel was chosen for, and forgotten it.
    this.#current[slot] = channel;
    if (vector.count === 0) this.#querySlots[this.#querySlotCount++] = slot;
    vector.add(this.#queries + this.#nextQuery * packetStride, length);
    this.#nextQuery++;
    if (vector.count === batch) this.#sendQueries();
  }

  #sendReplies(): void {
    for (let index = 0; index < this.#replyVectors.length; index++) {
      const listener = this.#listeners[index];
      if (!listener || listener.send.count === 0) continue;
      const lost = this.#send(listener.socket.fd, listener.send, -1);
      if (lost > 0) this.#counts[count.droppedToClients]! += lost;
    }
    this.#nextReply = 0;
  }

  #sendQueries(): void {
    for (let i = 0; i < this.#querySlotCount; i++) {
      const slot = this.#querySlots[i]!;
      const channel = this.#current[slot]!;
      const vector = this.#vectorOf[slot]!;
      const fd = channel < 0 ? -1 : this.#sockets.fds[channel]!;
      const lost = fd < 0 ? vector.count : this.#send(fd, vector, channel);
      if (lost > 0) this.#counts[count.droppedToBackends]! += lost;
      vector.count = 0;
      this.#current[slot] = -1;
    }
    this.#querySlotCount = 0;
    this.#nextQuery = 0;
  }

  /** Gives a vector to the kernel and empties it; gives the number of packets that it would not take. */
  #send(fd: number, vector: SendVector, channel: number): number {
    const total = vector.count;
    vector.count = 0;
    let done = 0;
    let lost = 0;
    let tries = 0;
    while (done < total) {
      const sent = this.#libc.sendmmsg(
        fd,
        this.#base + vector.headers + done * sizes.mmsghdr,
        total - done,
        0,
      );
      if (sent > 0) {
        done += sent;
        tries = 0;
        continue;
      }
      const errno = this.#libc.errno();
      if (errno === errnos.EINTR) continue;
      if (channel >= 0 && errno === errnos.ECONNREFUSED && tries++ < sendTries) {
        // News of an earlier packet: the socket is well, nobody listens at the other end.
        this.#breaks(channel);
        continue;
      }
      if ((errno === errnos.EAGAIN || errno === errnos.ENOBUFS) && tries++ < sendTries) continue;
      // This one cannot go (queue full, firewall, message too long, no route): the next may.
      done++;
      lost++;
      tries = 0;
      if (channel >= 0 && (errno === errnos.ENETUNREACH || errno === errnos.EHOSTUNREACH))
        this.#breaks(channel);
    }
    return lost;
  }

  #breaks(channel: number): void {
    for (let i = 0; i < this.#brokenCount; i++) if (this.#broken[i] === channel) return;
    if (this.#brokenCount < this.#broken.length) this.#broken[this.#brokenCount++] = channel;
  }

  /** Gives everything that waits to the kernel. */
  flush(now: number): void {
    // What is broken is asked elsewhere, which may break too: bounded by the tries of each query.
    for (let round = 0; round < 4; round++) {
      if (this.#querySlotCount > 0) this.#sendQueries();
      if (this.#brokenCount === 0) break;
      const broken = this.#brokenCount;
      for (let i = 0; i < broken; i++) this.#front.broken(this.#broken[i]!, now);
      this.#broken.copyWithin(0, broken, this.#brokenCount);
      this.#brokenCount -= broken;
    }
    if (this.#nextReply > 0) this.#sendReplies();
    if (this.#querySlotCount > 0) this.#sendQueries();
    // A channel that was chosen and not used is chosen anew in the next batch.
    if (this.#chosenCount > maxBackends) this.#current.fill(-1);
    else for (let i = 0; i < this.#chosenCount; i++) this.#current[this.#chosen[i]!] = -1;
    this.#chosenCount = 0;
  }

  #fromListener(index: number, now: number): void {
    const listener = this.#listeners[index];
    if (!listener) return;
    const vector = this.#fromClients;
    vector.rearm(batch, listener.wildcard);
    const got = this.#libc.recvmmsg(
      listener.socket.fd,
      this.#base + vector.headers,
      batch,
      c.MSG_DONTWAIT,
      0,
    );
    if (got <= 0) return;
    this.#counts[count.batches]!++;
    this.#counts[count.packets]! += got;
    const i32 = this.#i32;
    const lengths = this.#lengths;
    for (let i = 0; i < got; i++) {
      const from = vector.names + i * originStride;
      i32[(from + origin.length) >> 2] = vector.nameLength(i);
      i32[(from + origin.listener) >> 2] = index;
      i32[(from + origin.transport) >> 2] = 0;
      lengths[i] = vector.length(i);
      if (vector.truncated(i)) {
        // Longer than any query we take: what is left of it is not what was asked.
        lengths[i] = -1;
        this.#counts[count.oversized]!++;
      }
      if (listener.wildcard) readPacketInfo(i32, vector.controls + i * controlBytes, from);
    }
    this.#front.queries(vector.buffers, packetStride, lengths, vector.names, originStride, got, now);
  }

  #fromBackend(channel: number, now: number): void {
    const fd = this.#sockets.fds[channel]!;
    if (fd < 0) return;
    const vector = this.#fromBackends;
    const got = this.#libc.recvmmsg(fd, this.#base + vector.headers, batch, c.MSG_DONTWAIT, 0);
    if (got <= 0) {
      const errno = this.#libc.errno();
      if (errno !== errnos.EAGAIN && errno !== errnos.EINTR) this.#breaks(channel);
      return;
    }
    const slot = Channels.slotOf(channel);
    const front = this.#front;
    for (let i = 0; i < got; i++) {
      if (vector.truncated(i)) {
        this.#counts[count.oversized]!++;
        continue;
      }
      front.answer(channel, slot, vector.buffers + i * packetStride, vector.length(i), now);
    }
  }

  /**
   * Moves packets until `done` says so. `rung` is called when the doorbell rang; `tend` about once a second; `done` is asked
   * after each round.
   */
  run(rung: () => void, tend: (now: number) => void, done: () => boolean): void {
    const libc = this.#libc;
    const i32 = this.#i32;
    let nextTend = 0;
    let packets = this.#counts[count.packets]!;
    // Else the kernel may add 50 µs to each pause.
    libc.prctl(c.PR_SET_TIMERSLACK, 1, 0, 0, 0);
    do {
      let now = this.#clock();
      const got = this.#counts[count.packets]! - packets;
      packets += got;
      const pause = this.#brokenCount > 0 ? 0 : this.#coalescing.wait(now, packets, got);
      if (pause > 0) {
        i32[(this.#pause + 8) >> 2] = pause * 1e6;
        libc.nanosleep(this.#base + this.#pause, 0);
        now = this.#clock();
      }
      const wait = this.#brokenCount > 0 ? 0 : Math.min(this.#front.deadline(), nextTend) - now;
      const ready = libc.epollWait(
        this.#epoll,
        this.#base + this.#events,
        events,
        wait <= 0 ? 0 : Math.min(tendEvery, Math.ceil(wait)),
      );
      now = this.#clock();
      let bell = false;
      for (let i = 0; i < ready; i++) {
        const data = i32[(this.#events + i * sizes.epollEvent + epollData) >> 2]!;
        if (data < listenerData) this.#fromBackend(data, now);
        else if (data < doorbellData) this.#fromListener(data - listenerData, now);
        else bell = true;
      }
      if (this.#front.deadline() <= now) this.#front.expire(now);
      this.flush(now);
      if (bell) {
        libc.read(this.#doorbell, this.#base + this.#event, 8);
        rung();
      }
      if (now >= nextTend) {
        this.#sockets.tend(this.#ports);
        tend(now);
        nextTend = now + tendEvery;
      }
    } while (!done());
    this.flush(this.#clock());
  }

  /** Closes all sockets. */
  end(): void {
    this.#sockets.closeAll();
    for (let index = 0; index < maxListeners; index++) this.close(index);
    this.#libc.close(this.#epoll);
  }
}
