/**
 * What happens between a question and its answer: choose a backend, send, hedge, ask again elsewhere, decide whose fault a
 * failure was, give a stale answer rather than none (design of failures: docs/failures.md). Synchronous, over bytes in
 * an arena; a part of the front.
 */
import { type Board, stateCode } from '#balance/board.ts';
import type { Cache } from '#cache/cache.ts';
import { foldedHash } from '#kit/fold.ts';
import { Wheel } from '#kit/wheel.ts';
import { AnswerScan, keyFlag, scanAnswer } from '#wire/scan.ts';
import { Asked } from './asked.ts';
import { Attempts, attemptField, attemptMark } from './attempts.ts';
import { composeQuery, copy, extendedError, rcode, readExtendedError } from './compose.ts';
import { frontCounters } from './counters.ts';
import type { Delivery } from './delivery.ts';
import { Domains } from './domains.ts';
import type { Entropy } from './entropy.ts';
import { Budget, Opinions } from './hedge.ts';
import { field, type InFlight, mark, maxInFlight, maxTried, outcome, waiter } from './inflight.ts';
import { Ledger } from './ledger.ts';
import { Orphans } from './orphans.ts';
import { answersQuestion, blames, outcomeOf, troubles } from './outcomes.ts';
import type { Plan, PlanCache } from './plan.ts';
import { Pool } from './pool.ts';
import type { Arena, Egress } from './ports.ts';
import type { Replies } from './replies.ts';
import { Shelf } from './shelf.ts';
import { ending, kindOf, type Zones } from './zones.ts';

const count = frontCounters.at;
/** Messages that one question may cost in all, over UDP and TCP, network errors included. */
const maxSends = 8;
/** All tries together may last so many timeouts. */
const maxTimeouts = 2;
/** Ids tried before a channel counts as full. */
const idTries = 16;
/** Above so many queries in flight nothing is hedged: it would feed the fire. */
const hedgeBelow = maxInFlight / 8;
/** Extended errors that say that the name is at fault: DNSSEC (RFC 8914 4.7–4.13). */
const firstDnssecError = 6;
const lastDnssecError = 12;
/** A second hedge waits twice as long as the first, and so on, up to 2 to this power. */
const hedgeDoublings = 3;

export type AskingParts = {
  readonly arena: Arena;
  readonly egress: Egress;
  readonly board: Board;
  readonly worker: number;
  readonly counts: Float64Array;
  readonly cache: Cache | null;
  readonly entropy: Entropy;
  readonly table: InFlight;
  readonly replies: Replies;
  readonly delivery: Delivery;
  readonly zones: Zones;
};

export class Asking {
  readonly #u8: Uint8Array;
  readonly #i32: Int32Array;
  readonly #egress: Egress;
  readonly #board: Board;
  readonly #worker: number;
  readonly #ledger: Ledger;
  readonly #replies: Replies;
  readonly #delivery: Delivery;
  readonly #counts: Float64Array;
  readonly #entropy: Entropy;
  readonly #table: InFlight;
  readonly #attempts: Attempts;
  readonly #shelf: Shelf;
  readonly #zones: Zones;
  readonly #wheel = new Wheel(maxInFlight);
  readonly #orphans: Orphans;
  readonly #opinions = new Opinions();
  readonly #answer = new AnswerScan();
  readonly #tried = new Int32Array(maxTried);
  /** Hashes of names that failed lately, each in the one place where it can be. */
  readonly #failedNames = new Uint32Array(4096);
  /** The question at hand: whoever picks says first whose it is. */
  readonly asked: Asked;
  #domains!: Domains;
  #pools: readonly Pool[] = [];
  /** By pool, kept across snapshots. */
  #budgets: ReadonlyMap<string, Budget> = new Map();
  #pool: Pool | undefined;

  constructor(parts: AskingParts) {
    this.#u8 = parts.arena.u8;
    this.#i32 = parts.arena.i32;
    this.asked = new Asked(parts.arena.u8);
    this.#egress = parts.egress;
    this.#board = parts.board;
    this.#worker = parts.worker;
    this.#ledger = new Ledger(parts.board, parts.worker);
    this.#replies = parts.replies;
    this.#delivery = parts.delivery;
    this.#counts = parts.counts;
    this.#entropy = parts.entropy;
    this.#table = parts.table;
    this.#shelf = new Shelf(parts.arena, parts.cache, parts.table);
    this.#zones = parts.zones;
    this.#attempts = new Attempts(parts.egress.channels);
    this.#orphans = new Orphans(parts.arena.u8, this.#attempts, parts.table, this.#ledger);
  }

  /** Puts a snapshot in force. What is in flight, and what was learnt of the backends, stays. */
  apply(plan: Plan, keeping: PlanCache | undefined): void {
    this.#domains = new Domains(plan);
    const before = this.#budgets;
    this.#budgets = new Map(plan.pools.map(({ name }) => [name, before.get(name) ?? new Budget()]));
    this.#pools = plan.pools.map(pool => {
      const budget = this.#budgets.get(pool.name)!;
      if (pool.hedge) budget.apply(pool.hedge);
      return new Pool(pool, this.#board, this.#worker, this.#entropy.int, budget);
    });
    this.#shelf.apply(keeping);
  }

  /** Whether nothing is in flight on `channel`. */
  idle(channel: number): boolean {
    return this.#attempts.anyOf(channel) === 0;
  }

  /** When `expire` has something to do at the earliest (ms); Infinity: nothing to wait for. */
  deadline(): number {
    return Math.min(this.#wheel.next(), this.#orphans.deadline());
  }

  /** The slot of a backend for the name, none of the first `tried` of the list at hand; −1 when there is none. */
  #pick(nameAt: number, nameLength: number, tried: number): number {
    const pool = this.#pools[this.#domains.poolOf(this.#u8, nameAt, nameLength)];
    this.#pool = pool;
    if (!pool) return -1;
    this.asked.name(nameAt, nameLength);
    const slot = pool.pick(this.asked, this.#tried, tried);
    if (slot >= 0 && pool.failedOpen) this.#counts[count.failOpen]!++;
    return slot;
  }

  /** Another backend than those that the query was asked of. */
  #pickOther(query: number): number {
    const table = this.#table;
    const tried = table.get(query, field.triedCount);
    for (let i = 0; i < tried; i++) this.#tried[i] = table.triedSlot(query, i);
    const first = table.get(query, field.firstWaiter);
    if (first !== 0) this.asked.client(first);
    return this.#pick(table.nameAt(query), table.get(query, field.nameLength), tried);
  }

  /** An id that is free on the channel; −1 when none was found. */
  #freeId(channel: number): number {
    for (let i = 0; i < idTries; i++) {
      const id = this.#entropy.id();
      if (this.#attempts.find(channel, id) === 0) return id;
    }
    return -1;
  }

  /** Asks a backend for the first time; fails the query when there is none. */
  ask(query: number, now: number): void {
    const table = this.#table;
    const slot = this.#pick(table.nameAt(query), table.get(query, field.nameLength), 0);
    this.#pool?.budget.earn();
    if (slot >= 0) {
      this.#send(query, slot, this.#egress.datagramChannel(slot), 0, now);
      return;
    }
    this.#counts[count.noBackend]!++;
    this.#begin(query, now);
    this.#conclude(query, extendedError.noReachableAuthority, 0, 0, now);
  }

  /** Notes when the query was first sent, and under which rules. */
  #begin(query: number, now: number): void {
    const table = this.#table;
    if (table.begun[query] !== 0) return;
    table.begun[query] = now;
    table.set(query, field.timeout, this.#pool?.timeout ?? 0);
    table.set(query, field.tries, this.#pool?.tries ?? 1);
  }

  /**
   * Sends the question of `query` on `channel` (−1: none could be had) to the backend on `slot`. Where that fails and nobody else is left
   * to ask, the query ends in here: callers touch it no more.
   */
  #send(query: number, slot: number, channel: number, marks: number, now: number): void {
    const table = this.#table;
    const id = channel < 0 || this.#attempts.full ? -1 : this.#freeId(channel);
    this.#begin(query, now);
    table.trying(query, slot);
    if (id < 0) {
      this.#ledger.note(slot, 'network');
      const ours = channel >= 0 || (marks & attemptMark.stream) !== 0;
      table.setOutcome(query, slot, ours ? outcome.unsent : outcome.network);
      table.set(query, field.sends, table.get(query, field.sends) + 1);
      this.#elsewhere(query, extendedError.networkError, 0, 0, now);
      return;
    }
    this.#start(query, slot, channel, id, marks, now);
    const to = this.#egress.querySpace();
    const plain = (table.get(query, field.marks) & mark.plainDns) !== 0;
    const flags = table.get(query, field.keyFlags);
    const length = composeQuery(
      this.#u8,
      to,
      id,
      plain ? flags & ~(keyFlag.edns | keyFlag.dnssecOk) : flags,
      table.nameAt(query),
      table.get(query, field.nameLength),
      table.get(query, field.type),
      table.get(query, field.class),
      this.#replies.udpSize,
      table.ecsAt(query),
      table.get(query, field.ecsLength),
    );
    this.#egress.query(channel, length);
  }

  #start(query: number, slot: number, channel: number, id: number, marks: number, now: number): void {
    const table = this.#table;
    const attempt = this.#attempts.add(query, slot, channel, id, marks, now);
    this.#attempts.set(attempt, attemptField.nextOfQuery, table.get(query, field.attempt));
    table.set(query, field.attempt, attempt);
    table.set(query, field.sends, table.get(query, field.sends) + 1);
    table.sent[query] = now;
    this.#ledger.sent(slot);
    this.#hedgeLater(query, slot);
  }

  /** Sets when the query, sent last to the backend on `slot`, is hedged, if anybody waits for it. */
  #hedgeLater(query: number, slot: number): void {
    const table = this.#table;
    const pool = this.#pool;
    const stays = mark.pass | mark.diagnosis;
    const delay =
      pool && (table.get(query, field.marks) & stays) === 0 && table.get(query, field.firstWaiter) !== 0
        ? pool.hedgeDelay(slot) << table.get(query, field.hedges)
        : 0;
    const sent = Math.ceil(table.sent[query]! - table.begun[query]!);
    table.set(query, field.delay, delay);
    table.set(query, field.hedgeAt, delay === 0 ? 0 : sent + delay);
    this.#schedule(query);
  }

  /** A client waits for a query that nobody waited for, a prefetch: it is worth from now on what others are. */
  awaited(query: number): void {
    const table = this.#table;
    table.set(query, field.marks, table.get(query, field.marks) & ~mark.prefetch);
    const attempt = table.get(query, field.attempt);
    if (attempt === 0 || table.get(query, field.hedgeAt) !== 0) return;
    this.#poolOf(query);
    this.#hedgeLater(query, this.#attempts.get(attempt, attemptField.slot));
  }

  /** Sets the time at which something is to be done about the query if no answer comes before. */
  #schedule(query: number): void {
    const table = this.#table;
    const timeout = table.get(query, field.timeout);
    const begun = table.begun[query]!;
    let due = Math.min(table.sent[query]! + timeout, begun + timeout * maxTimeouts);
    const hedgeAt = table.get(query, field.hedgeAt);
    if (hedgeAt > 0 && begun + hedgeAt < due) due = begun + hedgeAt;
    if (this.#awaitsStale(query)) due = Math.min(due, begun + this.#shelf.staleAfter);
    this.#wheel.set(query, due);
  }

  /** Whether the client-response timer of the query runs (RFC 8767 5). */
  #awaitsStale(query: number): boolean {
    return (
      this.#shelf.staleAfter !== Infinity &&
      (this.#table.get(query, field.marks) & (mark.timerOver | mark.pass | mark.diagnosis)) === 0 &&
      this.#table.get(query, field.firstWaiter) !== 0
    );
  }

  /**
   * A backend for a message that is passed on as it is, other than the `tries` that this gave before for the same message; −1 when
   * there is none.
   */
  pickPass(nameAt: number, nameLength: number, tries: number): number {
    const slot = this.#pick(nameAt, nameLength, tries);
    this.#tried[tries] = slot;
    if (slot < 0 && tries === 0) this.#counts[count.noBackend]!++;
    return slot;
  }

  /** Finds a channel to the backend on `slot` and an id on it for a message that is passed on; false when there is none. */
  findPass(slot: number, tcp: boolean): boolean {
    this.#passSlot = slot;
    this.#passChannel = tcp ? this.#egress.streamChannel(slot) : this.#egress.datagramChannel(slot);
    this.#passId = this.#passChannel < 0 || this.#attempts.full ? -1 : this.#freeId(this.#passChannel);
    if (this.#passId >= 0) return true;
    this.#ledger.note(slot, 'network');
    return false;
  }
  #passSlot = -1;
  #passChannel = -1;
  #passId = -1;

  /** Sends the message of `length` bytes at `at` for `query` to where `findPass` found, with the id it found. */
  pass(query: number, at: number, length: number, tcp: boolean, now: number): void {
    const u8 = this.#u8;
    this.#begin(query, now);
    this.#table.trying(query, this.#passSlot);
    const marks = tcp ? attemptMark.stream : 0;
    this.#start(query, this.#passSlot, this.#passChannel, this.#passId, marks, now);
    const to = this.#egress.querySpace();
    copy(u8, this.#i32, at, to, length);
    u8[to] = this.#passId >> 8;
    u8[to + 1] = this.#passId;
    this.#egress.query(this.#passChannel, length);
  }

  /**
   * Takes a packet of `length` bytes at `at` that came on `channel` (so from the right address and port). It is an answer
   * only if an attempt has its id and its question; anything else is counted and dropped.
   */
  answer(channel: number, slot: number, at: number, length: number, now: number): void {
    const u8 = this.#u8;
    const attempts = this.#attempts;
    const attempt =
      length < 12 || (u8[at + 2]! & 0x80) === 0 ? 0 : attempts.find(channel, (u8[at]! << 8) | u8[at + 1]!);
    if (attempt === 0) {
      this.#ledger.note(slot, 'unexpected');
      return;
    }
    const sound = scanAnswer(u8, at, length, this.#answer);
    const query = attempts.get(attempt, attemptField.query);
    if (query === 0) {
      this.#orphans.answered(attempt, at, this.#answer, sound, now);
      return;
    }
    if (!answersQuestion(this.#table, query, u8, at, this.#answer)) {
      this.#ledger.note(slot, 'unexpected');
      this.#doubt(query, attempt, now);
      return;
    }
    const table = this.#table;
    const marks = table.get(query, field.marks);
    const failed = outcomeOf(u8, at, this.#answer, sound);
    this.#ledger.answered(slot, now - attempts.sent[attempt]!, failed !== outcome.open);
    if (failed !== outcome.open) this.#ledger.note(slot, troubles[failed]!);
    if (marks & mark.pass) {
      // With several questions, which we do not read, nobody can say whether it is sound.
      if (sound || table.get(query, field.nameLength) === 0) this.#delivery.asItIs(query, at, length);
      else this.#delivery.fail(query, extendedError.networkError);
      const bad = failed === outcome.servfail ? ending.bad : ending.unknown;
      this.end(query, now, failed === outcome.open ? ending.good : bad);
      return;
    }
    if (marks & mark.diagnosis) {
      const verdict = failed === outcome.open ? count.verdictBogus : count.verdictName;
      this.#counts[verdict]!++;
      this.end(query, now);
      return;
    }
    const scan = this.#answer;
    if (sound && scan.optAt > 0) {
      // What is said there is the size of packets that we take, not the backend's.
      u8[at + scan.optAt + 3] = this.#replies.udpSize >> 8;
      u8[at + scan.optAt + 4] = this.#replies.udpSize;
    }
    if (failed !== outcome.open) {
      this.#failed(query, attempt, failed, sound ? at : 0, length, now);
      return;
    }
    if (scan.rcode === rcode.nxdomain) this.#ledger.count(slot, 'nxdomain');
    if (scan.truncated) {
      this.#truncated(query, attempt, at, length, now);
      return;
    }
    this.#settle(query, attempt, true, now);
    this.#shelf.keep(query, at, length, scan, now);
    this.#delivery.answer(query, at, length, scan.optAt);
    this.end(query, now, ending.good);
  }

  /** The right id, but not the question: forged, or the backend is confused. Another is asked; the true answer may still come. */
  #doubt(query: number, attempt: number, now: number): void {
    const attempts = this.#attempts;
    if (attempts.is(attempt, attemptMark.doubted)) return;
    attempts.mark(attempt, attemptMark.doubted);
    if ((this.#table.get(query, field.marks) & (mark.pass | mark.diagnosis)) === 0) this.#another(query, now);
  }

  /** Takes an attempt off its query and out. */
  #release(query: number, attempt: number): void {
    const attempts = this.#attempts;
    const next = attempts.get(attempt, attemptField.nextOfQuery);
    let at = this.#table.get(query, field.attempt);
    if (at === attempt) this.#table.set(query, field.attempt, next);
    else {
      while (attempts.get(at, attemptField.nextOfQuery) !== attempt) {
        at = attempts.get(at, attemptField.nextOfQuery);
      }
      attempts.set(at, attemptField.nextOfQuery, next);
    }
    this.#ledger.ended(attempts.get(attempt, attemptField.slot));
    attempts.remove(attempt);
  }

  /**
   * A good answer came by `attempt`: whoever failed at the same question is to blame. One that is not `whole` was truncated: what says
   * nothing of the name does not speak against those who said SERVFAIL. Nor is blamed who was not asked the same (all said FORMERR to
   * EDNS) or may well differ (another class, no recursion): else a client could have any backend blamed.
   */
  #settle(query: number, attempt: number, whole: boolean, now: number): void {
    const table = this.#table;
    table.setOutcome(query, this.#attempts.get(attempt, attemptField.slot), outcome.open);
    this.#release(query, attempt);
    const tries = table.get(query, field.triedCount);
    const plain = (table.get(query, field.marks) & mark.plainDns) !== 0;
    const usual =
      table.get(query, field.class) === 1 && (table.get(query, field.keyFlags) & keyFlag.rd) !== 0;
    let blamed = false;
    for (let i = 0; i < tries; i++) {
      const became = table.outcomeOf(query, i);
      if (became === outcome.open || (became === outcome.servfail && !whole)) continue;
      const blame = blames[became];
      // The network's word may be forged: one that is still waited for is blamed if it stays silent.
      if (became === outcome.network && this.#awaits(query, table.triedSlot(query, i))) continue;
      if (!blame || (plain && became === outcome.formerr)) continue;
      if (!usual && became !== outcome.network && became !== outcome.malformed) continue;
      this.#ledger.blame(table.triedSlot(query, i), blame, now);
      blamed = true;
    }
    if (blamed) this.#counts[count.verdictNode]!++;
    for (let other = table.get(query, field.attempt); other !== 0; ) {
      const next = this.#attempts.get(other, attemptField.nextOfQuery);
      this.#orphans.adopt(query, other, true, now);
      other = next;
    }
    table.set(query, field.attempt, 0);
  }

  /** Whether an answer of the backend on `slot` may still come. */
  #awaits(query: number, slot: number): boolean {
    const attempts = this.#attempts;
    let attempt = this.#table.get(query, field.attempt);
    while (attempt !== 0 && attempts.get(attempt, attemptField.slot) !== slot)
      attempt = attempts.get(attempt, attemptField.nextOfQuery);
    return attempt !== 0 && !attempts.is(attempt, attemptMark.timedOut);
  }

  /** Ends a query that nobody waits for any more; `how`: what that says of its zone. What is still under way becomes an orphan. */
  end(query: number, now: number, how: number = ending.unknown): void {
    const table = this.#table;
    const marks = table.get(query, field.marks);
    if ((marks & mark.diagnosis) === 0) {
      // What is no recursive question (an UPDATE has no flags here either) may fail for what it is.
      const odd = (table.get(query, field.keyFlags) & keyFlag.rd) === 0;
      this.#zones.ended(
        this.#u8,
        table.nameAt(query),
        table.get(query, field.nameLength),
        this.#kindOf(query),
        (marks & mark.counted) !== 0,
        odd && how !== ending.good ? ending.unknown : how,
        table.begun[query]!,
        now,
      );
    }
    for (let attempt = table.get(query, field.attempt); attempt !== 0; ) {
      const next = this.#attempts.get(attempt, attemptField.nextOfQuery);
      this.#orphans.adopt(query, attempt, false, now);
      attempt = next;
    }
    table.set(query, field.attempt, 0);
    table.withdraw(query);
    this.#wheel.clear(query);
    table.release(query);
    this.#counts[count.inFlight] = table.count;
  }

  /** A backend failed at the question, with the answer of `length` bytes at `at` (0: one that is not to be passed on). */
  #failed(query: number, attempt: number, failed: number, at: number, length: number, now: number): void {
    const table = this.#table;
    const slot = this.#attempts.get(attempt, attemptField.slot);
    this.#release(query, attempt);
    table.setOutcome(query, slot, failed);
    const scan = this.#answer;
    const sound = at !== 0 && failed !== outcome.malformed && scan.nameLength > 0;
    const ede = sound && scan.optAt > 0 ? readExtendedError(this.#u8, at + scan.optAt, at + scan.optEnd) : -1;
    if (ede >= 0) table.set(query, field.ede, ede + 1);
    if (failed === outcome.servfail && ede >= firstDnssecError && ede <= lastDnssecError) {
      // One alone may have a wrong clock or an old trust anchor: the second opinion decides.
      if (table.outcomes(query, outcome.servfail) >= 2 || !this.#anotherOpinion(query, now)) {
        this.#counts[count.verdictBogus]!++;
        this.#giveUp(query, ede, at, length, true, now);
        return;
      }
    }
    const code =
      failed === outcome.malformed ? extendedError.networkError : extendedError.noReachableAuthority;
    this.#elsewhere(query, ede >= 0 ? ede : code, sound ? at : 0, length, now);
  }

  /**
   * Asks another backend after a failure, unless one that was asked later may still answer in time; when there is none, the query ends
   * with what is at `at` (0: nothing to pass on).
   */
  #elsewhere(query: number, ede: number, at: number, length: number, now: number): void {
    const hopeful = this.#hopeful(query);
    if (!hopeful && this.#another(query, now)) return;
    if (hopeful || this.#table.get(query, field.attempt) !== 0) {
      if (ede >= 0) this.#table.set(query, field.ede, ede + 1);
      this.#schedule(query);
      return;
    }
    if (this.#withoutEdns(query, now)) return;
    this.#conclude(query, ede, at, length, now);
  }

  /** Whether an attempt is under way that nothing speaks against yet. */
  #hopeful(query: number): boolean {
    const attempts = this.#attempts;
    const marks = attemptMark.overdue | attemptMark.troubled | attemptMark.doubted | attemptMark.timedOut;
    let attempt = this.#table.get(query, field.attempt);
    while (attempt !== 0 && attempts.is(attempt, marks))
      attempt = attempts.get(attempt, attemptField.nextOfQuery);
    return attempt !== 0;
  }

  /** Whether another backend is being asked already, or can be and is worth a token. */
  #anotherOpinion(query: number, now: number): boolean {
    const table = this.#table;
    if (table.get(query, field.attempt) !== 0) return true;
    if (table.get(query, field.sends) >= maxSends) return false;
    if (table.get(query, field.triedCount) >= table.get(query, field.tries)) return false;
    return this.#pickOther(query) >= 0 && this.#opinions.spend(now);
  }

  /** Asks another backend at once, if there is one and it is worth it; false otherwise. `marks`: of the attempt. */
  #another(query: number, now: number, marks = 0): boolean {
    const table = this.#table;
    const tries = table.get(query, field.tries);
    if (table.get(query, field.sends) >= maxSends || table.get(query, field.triedCount) >= tries)
      return false;
    if (table.get(query, field.marks) & mark.prefetch && table.get(query, field.triedCount) >= 2)
      return false;
    // Two that fail alike speak against the name. A third opinion is for the case that both are sick, and there are only so many.
    const alike = Math.max(
      table.outcomes(query, outcome.servfail),
      table.outcomes(query, outcome.refused),
      table.outcomes(query, outcome.formerr),
      table.outcomes(query, outcome.unfit),
    );
    // So is a second one under a zone where nearly all fail.
    const doubtful =
      alike === 1 &&
      this.#zones.doubtful(
        this.#u8,
        table.nameAt(query),
        table.get(query, field.nameLength),
        this.#kindOf(query),
        now,
      );
    if ((alike >= 2 || doubtful) && !this.#opinions.spend(now)) {
      this.#counts[count.opinionsSaved]!++;
      return false;
    }
    const slot = this.#pickOther(query);
    if (slot < 0) return false;
    this.#counts[count.again]!++;
    table.set(query, field.marks, table.get(query, field.marks) & ~mark.stream);
    this.#send(query, slot, this.#egress.datagramChannel(slot), marks, now);
    return true;
  }

  /** All backends say FORMERR: perhaps they do not understand EDNS (RFC 6891 7). Asks the last one without. */
  #withoutEdns(query: number, now: number): boolean {
    const table = this.#table;
    const marks = table.get(query, field.marks);
    const tries = table.get(query, field.triedCount);
    if (
      (marks & mark.plainDns) !== 0 ||
      (table.get(query, field.keyFlags) & keyFlag.edns) === 0 ||
      tries === 0 ||
      table.outcomes(query, outcome.formerr) < tries
    ) {
      return false;
    }
    table.set(query, field.marks, (marks | mark.plainDns) & ~mark.stream);
    this.#poolOf(query);
    const slot = table.triedSlot(query, tries - 1);
    this.#send(query, slot, this.#egress.datagramChannel(slot), 0, now);
    return true;
  }

  /** Nobody answered well: says whose fault it is, and ends the query. */
  #conclude(query: number, ede: number, at: number, length: number, now: number): void {
    const table = this.#table;
    if ((table.get(query, field.marks) & mark.diagnosis) !== 0) {
      this.#counts[count.verdictName]!++;
      this.end(query, now);
      return;
    }
    const servfails = table.outcomes(query, outcome.servfail);
    const refusals = table.outcomes(query, outcome.refused);
    const malformed =
      table.outcomes(query, outcome.malformed) +
      table.outcomes(query, outcome.formerr) +
      table.outcomes(query, outcome.unfit);
    const prefetch = (table.get(query, field.marks) & mark.prefetch) !== 0;
    if (servfails > 0 && !prefetch && this.#diagnose(query, now)) {
      // The verdict follows.
    } else if (servfails + refusals + malformed === 0) this.#counts[count.verdictEverybody]!++;
    else this.#counts[count.verdictName]!++;
    this.#giveUp(query, ede, at, length, servfails > 0, now);
  }

  /** Asks with CD=1, for nobody: if that succeeds, the name is bogus (RFC 4035 3.2.2). False when it would tell nothing or costs too much. */
  #diagnose(query: number, now: number): boolean {
    const table = this.#table;
    const flags = table.get(query, field.keyFlags);
    if ((flags & keyFlag.cd) !== 0 || table.get(query, field.class) !== 1) return false;
    if (!this.#opinions.spend(now)) return false;
    const tries = table.get(query, field.triedCount);
    let slot = -1;
    for (let i = 0; i < tries; i++) {
      if (table.outcomeOf(query, i) === outcome.servfail) slot = table.triedSlot(query, i);
    }
    const twin = table.copyOf(query);
    if (twin === 0) return false;
    table.set(twin, field.keyFlags, flags | keyFlag.cd);
    table.set(twin, field.marks, mark.diagnosis);
    table.set(twin, field.tries, 1);
    this.#poolOf(query);
    this.#counts[count.diagnoses]!++;
    this.#counts[count.inFlight] = table.count;
    this.#send(twin, slot, this.#egress.datagramChannel(slot), 0, now);
    return true;
  }

  /** Ends the query: with a stale answer, with the failure at `at`, or with our own. `named`: the name is to blame. */
  #giveUp(query: number, ede: number, at: number, length: number, named: boolean, now: number): void {
    const table = this.#table;
    const scan = this.#answer;
    // That one backend does not serve us says less than that another could not resolve the name.
    const code = at === 0 || table.outcomes(query, outcome.servfail) > 0 ? rcode.servfail : scan.rcode;
    // A backend that fails so badly that it forgets EDNS is replaced by our words, which give a reason.
    const bare =
      (table.get(query, field.keyFlags) & keyFlag.edns) !== 0 &&
      (table.get(query, field.marks) & mark.plainDns) === 0 &&
      scan.optAt === 0;
    const whole = at !== 0 && !bare && scan.rcode === code;
    const shelf = this.#shelf;
    const bytes = whole ? length : shelf.composeFailure(query, code, ede, this.#replies.udpSize);
    const from = whole ? at : shelf.failureAt;
    const opt = whole ? scan.optAt : shelf.failureOpt;
    const again = shelf.keepFailure(query, from, bytes, opt, named, now) || this.#failedBefore(query);
    if (!this.#giveStale(query, count.staleFailure, now)) this.#delivery.answer(query, from, bytes, opt);
    this.end(query, now, this.#endingOf(query, again));
  }

  /** Whether the name is among those that failed lately; then it is. Without a cache this is all that is remembered of failures. */
  #failedBefore(query: number): boolean {
    const name = foldedHash(this.#u8, this.#table.nameAt(query), this.#table.get(query, field.nameLength));
    const place = name % this.#failedNames.length;
    const again = this.#failedNames[place] === name;
    this.#failedNames[place] = name;
    return again;
  }

  /** What the end of a query that nobody answered well says of its zone; `again`: it was known to fail. */
  #endingOf(query: number, again: boolean): number {
    const table = this.#table;
    const tries = table.get(query, field.triedCount);
    if (tries === 0) return ending.unknown;
    if (table.outcomes(query, outcome.servfail) > 0) return again ? ending.badAgain : ending.bad;
    const silent = table.outcomes(query, outcome.open) + table.outcomes(query, outcome.network);
    return silent === tries ? ending.silent : ending.unknown;
  }

  /** How the guard of zones sees the question. */
  #kindOf(query: number): number {
    const table = this.#table;
    const passed = (table.get(query, field.marks) & mark.pass) !== 0;
    return kindOf(table.get(query, field.type), table.get(query, field.class), passed);
  }

  /** Gives all who wait a stale answer, counted by `counter`; false when there is none. */
  #giveStale(query: number, counter: number, now: number): boolean {
    const table = this.#table;
    const first = table.get(query, field.firstWaiter);
    const length = first === 0 ? 0 : this.#shelf.findStale(query, now);
    if (length === 0) return false;
    for (let place = first; place !== 0; place = this.#i32[(place + waiter.next) >> 2]!) {
      this.#counts[counter]!++;
    }
    this.#delivery.answer(query, this.#shelf.staleAt, length, this.#shelf.staleOpt);
    return true;
  }

  /**
   * A truncated answer goes to UDP clients as it is; for TCP clients its backend is asked again over TCP, while others that were asked
   * may still answer.
   */
  #truncated(query: number, attempt: number, at: number, length: number, now: number): void {
    const table = this.#table;
    const slot = this.#attempts.get(attempt, attemptField.slot);
    const streaming = this.#attempts.is(attempt, attemptMark.stream);
    const waiting = this.#delivery.truncated(query, at, length, this.#answer.optAt, streaming);
    // A prefetch goes on for those who will ask, where this engine has TCP.
    const prefetching = !streaming && (table.get(query, field.marks) & mark.prefetch) !== 0;
    const channel = waiting > 0 || prefetching ? this.#egress.streamChannel(slot) : -1;
    if (waiting === 0 && channel < 0) {
      this.#settle(query, attempt, false, now);
      this.end(query, now, ending.good);
      return;
    }
    this.#release(query, attempt);
    this.#counts[count.overTcp]!++;
    table.set(query, field.marks, table.get(query, field.marks) | mark.stream);
    this.#poolOf(query);
    this.#send(query, slot, channel, attemptMark.stream, now);
  }

  /** Looks up the pool of the query, for what depends on it. */
  #poolOf(query: number): void {
    const table = this.#table;
    this.#pool =
      this.#pools[this.#domains.poolOf(this.#u8, table.nameAt(query), table.get(query, field.nameLength))];
  }

  /**
   * What is in flight on `channel` may be lost. A TCP connection that broke is certain. Over UDP it is the network's word
   * (ICMP), which anybody can forge and which may be old news: another backend is asked if there is one, and the wait goes on.
   */
  broken(channel: number, now: number): void {
    const attempts = this.#attempts;
    let next = 0;
    for (let attempt = attempts.anyOf(channel); attempt !== 0; attempt = next) {
      next = attempts.get(attempt, attemptField.nextOfChannel);
      const slot = attempts.get(attempt, attemptField.slot);
      const query = attempts.get(attempt, attemptField.query);
      const stream = attempts.is(attempt, attemptMark.stream);
      if (attempts.is(attempt, attemptMark.troubled)) continue;
      this.#ledger.note(slot, 'network');
      if (query === 0) {
        this.#orphans.broken(attempt, stream, now);
      } else if (stream) this.#streamBroken(query, attempt, slot, now);
      else if ((this.#table.get(query, field.marks) & (mark.pass | mark.diagnosis)) === 0) {
        attempts.mark(attempt, attemptMark.troubled);
        this.#table.setOutcome(query, slot, outcome.network);
        this.#another(query, now);
      }
    }
  }

  #streamBroken(query: number, attempt: number, slot: number, now: number): void {
    const table = this.#table;
    const marks = table.get(query, field.marks);
    this.#release(query, attempt);
    table.setOutcome(query, slot, outcome.network);
    if ((marks & mark.pass) !== 0) {
      this.#delivery.fail(query, extendedError.networkError);
      this.end(query, now, ending.silent);
    } else if ((marks & mark.reconnected) === 0) {
      // A server may close an idle connection at any time (RFC 7766 6.2.4): once more, on a new one.
      table.set(query, field.marks, marks | mark.reconnected);
      this.#poolOf(query);
      this.#send(query, slot, this.#egress.streamChannel(slot), attemptMark.stream, now);
    } else this.#elsewhere(query, extendedError.networkError, 0, 0, now);
  }

  /** Does what has become due. Call when `deadline` is reached. */
  expire(now: number): void {
    for (let query = this.#wheel.take(now); query !== 0; query = this.#wheel.take(now)) this.#due(query, now);
    this.#orphans.expire(now);
  }

  #due(query: number, now: number): void {
    const table = this.#table;
    const begun = table.begun[query]!;
    const timeout = table.get(query, field.timeout);
    if (this.#awaitsStale(query) && now >= begun + this.#shelf.staleAfter) {
      const given = this.#giveStale(query, count.staleTimer, now);
      const marks = table.get(query, field.marks) | mark.timerOver | (given ? mark.staleGiven : 0);
      table.set(query, field.marks, marks);
    }
    const over = now >= begun + timeout * maxTimeouts;
    if (over || now >= table.sent[query]! + timeout) {
      this.#timedOut(query, now);
      if (!over && (table.get(query, field.marks) & (mark.pass | mark.diagnosis)) === 0) {
        if (this.#another(query, now, attemptMark.company)) return;
      }
      if ((table.get(query, field.marks) & mark.diagnosis) === 0) this.#counts[count.timeouts]!++;
      if ((table.get(query, field.marks) & mark.pass) !== 0) {
        this.#delivery.fail(query, extendedError.noReachableAuthority);
        this.end(query, now, ending.silent);
        return;
      }
      const ede = table.get(query, field.ede) - 1;
      this.#conclude(query, ede >= 0 ? ede : extendedError.noReachableAuthority, 0, 0, now);
      return;
    }
    const hedgeAt = table.get(query, field.hedgeAt);
    if (hedgeAt > 0 && now >= begun + hedgeAt) this.#hedge(query, now);
    else this.#schedule(query);
  }

  /** Notes which attempts have been waited for long enough. */
  #timedOut(query: number, now: number): void {
    const attempts = this.#attempts;
    // Servers may let messages that they do not know go unanswered: no evidence, for only one of them was asked.
    const single = (this.#table.get(query, field.marks) & (mark.pass | mark.diagnosis)) !== 0;
    const timeout = this.#table.get(query, field.timeout);
    for (
      let attempt = this.#table.get(query, field.attempt);
      attempt !== 0;
      attempt = attempts.get(attempt, attemptField.nextOfQuery)
    ) {
      if (now < attempts.sent[attempt]! + timeout || attempts.is(attempt, attemptMark.timedOut)) continue;
      attempts.mark(attempt, attemptMark.timedOut);
      if (!single) this.#ledger.note(attempts.get(attempt, attemptField.slot), 'timeout');
    }
  }

  /** The backend asked last takes longer than it usually does: asks another too, if that can be afforded. */
  #hedge(query: number, now: number): void {
    const table = this.#table;
    const attempts = this.#attempts;
    const delay = table.get(query, field.delay);
    const attempt = table.get(query, field.attempt);
    const slot = attempt === 0 ? -1 : attempts.get(attempt, attemptField.slot);
    const first = slot >= 0 && !attempts.is(attempt, attemptMark.overdue);
    if (first) {
      attempts.mark(attempt, attemptMark.overdue);
      if (!attempts.is(attempt, attemptMark.company)) this.#ledger.overdue(slot);
    }
    // Looked at again later: tokens may have come, or reason to doubt the backend. Ever less often, for there may be thousands.
    const waited = Math.ceil((now - table.sent[query]!) / 2);
    table.set(query, field.hedgeAt, Math.ceil(now - table.begun[query]!) + Math.max(delay, waited));
    const most = Math.min(maxSends, table.get(query, field.tries));
    if (table.count < hedgeBelow && slot >= 0 && table.get(query, field.triedCount) < most) {
      const doubted = this.#ledger.doubts(slot, now) || this.#board.stateCode(slot) > stateCode.up;
      this.#poolOf(query);
      const budget = this.#pool?.budget;
      const other = budget?.canSpend(doubted) ? this.#pickOther(query) : -1;
      if (budget && other >= 0) {
        budget.spend(doubted);
        this.#counts[count.hedges]!++;
        this.#ledger.count(slot, 'hedged');
        table.set(query, field.hedges, Math.min(hedgeDoublings, table.get(query, field.hedges) + 1));
        this.#send(query, other, this.#egress.datagramChannel(other), attemptMark.company, now);
        return;
      }
      // One has failed, and this one was asked in time to stand in for it, but does not: that is no hedge but the other opinion.
      const failures =
        table.outcomes(query, outcome.servfail) +
        table.outcomes(query, outcome.refused) +
        table.outcomes(query, outcome.malformed);
      if (failures > 0 && this.#opinions.spend(now) && this.#another(query, now)) return;
    }
    if (first) this.#counts[count.hedgesSaved]!++;
    this.#schedule(query);
  }
}
