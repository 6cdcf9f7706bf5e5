/** Hands what became of a query to those who wait for it. */
import { keyFlag } from '#wire/scan.ts';
import { composeEmpty, copy, rcode } from './compose.ts';
import { field, type InFlight, waiter, waiterMark } from './inflight.ts';
import type { Arena, Egress } from './ports.ts';
import { nsidRoom, type Replies, unbounded } from './replies.ts';

export class Delivery {
  readonly #u8: Uint8Array;
  readonly #i32: Int32Array;
  readonly #egress: Egress;
  readonly #table: InFlight;
  readonly #replies: Replies;

  constructor(arena: Arena, egress: Egress, table: InFlight, replies: Replies) {
    this.#u8 = arena.u8;
    this.#i32 = arena.i32;
    this.#egress = egress;
    this.#table = table;
    this.#replies = replies;
  }

  /** Sends the answer of `length` bytes at `at`, its OPT at offset `opt` (0: none), to all who wait for `entry`. */
  answer(entry: number, at: number, length: number, opt: number): void {
    for (let place = this.#table.shiftWaiter(entry); place !== 0; place = this.#table.shiftWaiter(entry)) {
      this.#reply(entry, place, at, length, opt);
    }
  }

  /** Sends a message that is not ours to read to all who wait for it, each with its own id. */
  asItIs(entry: number, at: number, length: number): void {
    for (let place = this.#table.shiftWaiter(entry); place !== 0; place = this.#table.shiftWaiter(entry)) {
      const to = this.#egress.replySpace();
      const id = this.#i32[(place + waiter.id) >> 2]!;
      copy(this.#u8, this.#i32, at, to, length);
      this.#u8[to] = id >> 8;
      this.#u8[to + 1] = id;
      this.#replies.countRcode(this.#u8[to + 3]! & 15);
      this.#egress.reply(place, length);
      this.#table.freeWaiter(place);
    }
  }

  /**
   * Sends a truncated answer to those who came over UDP, and with `all` to the others too. Gives how many wait on, for the
   * whole answer.
   */
  truncated(entry: number, at: number, length: number, opt: number, all: boolean): number {
    const table = this.#table;
    const last = table.get(entry, field.lastWaiter);
    let waiting = 0;
    for (let place = -1; place !== last && last !== 0; ) {
      place = table.shiftWaiter(entry);
      if ((this.#i32[(place + waiter.marks) >> 2]! & waiterMark.tcp) !== 0 && !all) {
        table.putBack(entry, place);
        waiting++;
      } else this.#reply(entry, place, at, length, opt);
    }
    return waiting;
  }

  /** Sends an answer to one waiter, and frees it. */
  #reply(entry: number, place: number, at: number, length: number, opt: number): void {
    const i32 = this.#i32;
    const marks = i32[(place + waiter.marks) >> 2]!;
    const to = this.#egress.replySpace();
    copy(this.#u8, i32, at, to, length);
    this.#replies.finish(
      place,
      to,
      length,
      opt,
      i32[(place + waiter.id) >> 2]!,
      place + waiter.name,
      this.#table.get(entry, field.nameLength),
      (marks & waiterMark.tcp) !== 0 ? unbounded : i32[(place + waiter.udpSize) >> 2]!,
      (marks & waiterMark.nsid) !== 0 && length + nsidRoom <= this.#egress.replyRoom,
    );
    this.#table.freeWaiter(place);
  }

  /** Sends SERVFAIL with the extended error `ede` to all who wait. */
  fail(entry: number, ede: number): void {
    const table = this.#table;
    for (let place = table.shiftWaiter(entry); place !== 0; place = table.shiftWaiter(entry)) {
      this.failOne(entry, place, ede);
    }
  }

  /** Sends SERVFAIL to one that waited for `entry` and was taken off it, and frees it. */
  failOne(entry: number, place: number, ede: number): void {
    const table = this.#table;
    const edns = (this.#i32[(place + waiter.marks) >> 2]! & waiterMark.edns) !== 0;
    const length = composeEmpty(
      this.#u8,
      this.#egress.replySpace(),
      this.#i32[(place + waiter.id) >> 2]!,
      table.get(entry, field.opcode),
      (table.get(entry, field.keyFlags) & ~keyFlag.edns) | (edns ? keyFlag.edns : 0),
      rcode.servfail,
      place + waiter.name,
      table.get(entry, field.nameLength),
      table.get(entry, field.type),
      table.get(entry, field.class),
      this.#replies.udpSize,
      ede,
    );
    this.#replies.countRcode(rcode.servfail);
    this.#egress.reply(place, length);
    table.freeWaiter(place);
  }
}
