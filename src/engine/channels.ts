/**
 * The sockets of one packet worker to its backends: several for each backend, on source ports of the kernel's random
 * choice, one replaced now and then, so that nobody learns them for long (RFC 5452 9.2). A channel is
 * `slot * perSlot + k`; the slot of a channel is found by a shift.
 */
import { maxBackends } from '#balance/board.ts';
import type { RandomInt } from '#balance/policy.ts';
import type { PlanBackend } from '#front/plan.ts';
import type { Libc } from '#net/libc.ts';
import { openBackendSocket } from './sockets.ts';

const shift = 6;
/** Channels of a slot: those in use, those being retired, and some free. */
const perSlot = 1 << shift;
/** Most source ports to a backend. */
export const maxPortsPerBackend = perSlot / 2;
/** Backends whose sockets are looked after in one call of `tend`. */
const tendAtOnce = 32;
export const channelBound = maxBackends * perSlot;

type Target = { readonly address: string; readonly port: number; readonly source: string | undefined };

/** Tells the engine which sockets to listen to. */
export type ChannelEvents = {
  /** False when it cannot be listened to: it is closed again. */
  opened(channel: number, fd: number): boolean;
  closing(channel: number, fd: number): void;
  /** Whether no query waits on the channel. */
  idle(channel: number): boolean;
};

export class Channels {
  /** Descriptor of each channel; −1: closed. */
  readonly fds: Int32Array = new Int32Array(channelBound).fill(-1);
  /** For each slot, channels now chosen from: `chosen[slot * perSlot …]`, and how many. */
  readonly #chosen = new Int32Array(channelBound);
  readonly #counts = new Int32Array(maxBackends);
  readonly #targets = new Map<number, Target>();
  readonly #retiring = new Set<number>();
  #nextTended = 0;
  readonly #libc: Libc;
  readonly #random: RandomInt;
  readonly #receiveBuffer: number;
  readonly #events: ChannelEvents;

  constructor(libc: Libc, random: RandomInt, receiveBuffer: number, events: ChannelEvents) {
    this.#libc = libc;
    this.#random = random;
    this.#receiveBuffer = receiveBuffer;
    this.#events = events;
  }

  static slotOf(channel: number): number {
    return channel >> shift;
  }

  /** A channel of the slot, at random; −1 when it has none. */
  choose(slot: number): number {
    const count = this.#counts[slot]!;
    return count === 0 ? -1 : this.#chosen[slot * perSlot + this.#random(count)]!;
  }

  /** Opens what the backends need beyond what is open, and retires what none of them uses. */
  apply(backends: readonly PlanBackend[], ports: number): void {
    this.#closeIdle();
    const wanted = new Set(backends.map(backend => backend.slot));
    for (const [slot, target] of this.#targets) {
      const same = backends.find(
        b => b.slot === slot && b.address === target.address && b.port === target.port,
      );
      if (!wanted.has(slot) || !same || same.source !== target.source) this.#retireAll(slot);
    }
    for (const backend of backends) {
      this.#targets.set(backend.slot, {
        address: backend.address,
        port: backend.port,
        source: backend.source,
      });
      while (this.#counts[backend.slot]! > ports) this.#retireOne(backend.slot);
      while (this.#counts[backend.slot]! < ports && this.#open(backend.slot)) {
        // One more until there are enough, or none is to be had now.
      }
    }
  }

  /**
   * Closes what is no longer waited on, and replaces one socket of each backend, or opens one for those that lack some: of 32
   * backends at a call, in turn, so that hundreds of them do not hold up the packets.
   */
  tend(ports: number): void {
    this.#closeIdle();
    const slots = [...this.#targets.keys()];
    for (let i = 0; i < Math.min(slots.length, tendAtOnce); i++) {
      const slot = slots[this.#nextTended++ % slots.length]!;
      const enough = this.#counts[slot]! >= ports;
      if (this.#open(slot) && enough) this.#retireOne(slot);
    }
  }

  #closeIdle(): void {
    for (const channel of this.#retiring) if (this.#events.idle(channel)) this.#close(channel);
  }

  #open(slot: number): boolean {
    const target = this.#targets.get(slot);
    if (!target) return false;
    for (let k = 0; k < perSlot; k++) {
      const channel = slot * perSlot + k;
      if (this.fds[channel] !== -1) continue;
      const fd = openBackendSocket(this.#libc, target, target.source, this.#receiveBuffer);
      if (fd < 0) return false;
      if (!this.#events.opened(channel, fd)) {
        this.#libc.close(fd);
        return false;
      }
      this.fds[channel] = fd;
      this.#chosen[slot * perSlot + this.#counts[slot]!] = channel;
      this.#counts[slot] = this.#counts[slot]! + 1;
      return true;
    }
    return false;
  }

  /** Chooses the oldest no more. */
  #retireOne(slot: number): void {
    const first = slot * perSlot;
    const count = this.#counts[slot]!;
    if (count === 0) return;
    this.#retiring.add(this.#chosen[first]!);
    this.#chosen.copyWithin(first, first + 1, first + count);
    this.#counts[slot] = count - 1;
  }

  #retireAll(slot: number): void {
    while (this.#counts[slot]! > 0) this.#retireOne(slot);
    this.#targets.delete(slot);
  }

  #close(channel: number): void {
    const fd = this.fds[channel]!;
    this.#retiring.delete(channel);
    if (fd < 0) return;
    this.#events.closing(channel, fd);
    this.#libc.close(fd);
    this.fds[channel] = -1;
  }

  /** Closes everything. */
  closeAll(): void {
    for (let channel = 0; channel < channelBound; channel++)
      if (this.fds[channel] !== -1) this.#close(channel);
    this.#targets.clear();
    this.#counts.fill(0);
  }
}
